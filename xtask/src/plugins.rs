//! Builds the bundled plugins to WebAssembly and puts them where the example configurations name them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
use crate::process::{cargo, must_succeed};
use crate::toolchain;

/// The bundled plugins: a small workspace of its own, so that the server's build knows nothing of it.
const WORKSPACE: &str = "plugins/bundled";
/// Where the configurations look for the files, relative to themselves.
const DESTINATION: &str = "config/plugins";
/// The guest that misbehaves on demand, a member of that workspace that is not shipped.
const TESTBED: &str = "forebay-testbed";
/// What plugins are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";

/// Whether there are bundled plugins in this checkout.
pub(crate) fn exist(checkout: &Checkout) -> bool {
    checkout.path(WORKSPACE).join("Cargo.toml").is_file()
}

/// Builds all bundled plugins; where each file went.
pub(crate) fn build(checkout: &Checkout) -> Result<Vec<PathBuf>> {
    if !exist(checkout) {
        println!("plugins: {WORKSPACE} does not exist yet, nothing to build");
        return Ok(Vec::new());
    }
    let built = compile(checkout, "plugins", &packages(&checkout.path(WORKSPACE))?)?;
    let destination = checkout.path(DESTINATION);
    std::fs::create_dir_all(&destination)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&built).with_context(|| format!("reading {}", built.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "wasm") {
            files.push(install(&path, &destination)?);
        }
    }
    if files.is_empty() {
        bail!("no .wasm file in {}", built.display());
    }
    files.sort();
    for file in &files {
        println!("plugins: {}", checkout.name(file));
    }
    Ok(files)
}

/// Builds the guest that misbehaves; where it is.
pub(crate) fn build_testbed(checkout: &Checkout) -> Result<PathBuf> {
    Ok(compile(checkout, "testbed", &[TESTBED.to_string()])?.join("testbed.wasm"))
}

/// Compiles packages of the workspace into a target folder of their own; where their files are.
fn compile(checkout: &Checkout, target: &str, packages: &[String]) -> Result<PathBuf> {
    toolchain::ensure_targets(checkout)?;
    let target = checkout.target.join(target);
    let mut build = cargo(&checkout.path(WORKSPACE));
    build.args(["build", "--release", "--locked", "--target", TARGET]).env("CARGO_TARGET_DIR", &target);
    for package in packages {
        build.args(["--package", package]);
    }
    must_succeed(build)?;
    Ok(target.join(TARGET).join("release"))
}

/// The plugins that are shipped: the folders of the workspace (its testbed lies elsewhere).
fn packages(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Copies beside the destination and renames, so that a server that watches the file never sees half of it.
fn install(path: &Path, destination: &Path) -> Result<PathBuf> {
    let name = path.file_name().context("a file without a name")?.to_string_lossy().replace('_', "-");
    let (part, file) = (destination.join(format!(".{name}.part")), destination.join(&name));
    std::fs::copy(path, &part).with_context(|| format!("copying to {}", part.display()))?;
    std::fs::rename(&part, &file)?;
    Ok(file)
}
