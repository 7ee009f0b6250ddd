//! The toolchain that rust-toolchain.toml names: adds the components and targets that this machine lacks.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::checkout::Checkout;
use crate::process::{command, output, succeeds};

#[derive(Deserialize)]
struct File {
    toolchain: Wanted,
}

#[derive(Deserialize)]
struct Wanted {
    channel: String,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    targets: Vec<String>,
}

/// Adds the components (clippy, rustfmt) where they are missing.
pub(crate) fn ensure_components(checkout: &Checkout) -> Result<()> {
    let wanted = wanted(checkout)?;
    ensure(checkout, &wanted.channel, "component", &wanted.components)
}

/// Adds the targets (WebAssembly) where they are missing. Some machines set `RUSTUP_AUTO_INSTALL=0`, so that
/// naming them in rust-toolchain.toml is not enough.
pub(crate) fn ensure_targets(checkout: &Checkout) -> Result<()> {
    let wanted = wanted(checkout)?;
    ensure(checkout, &wanted.channel, "target", &wanted.targets)
}

fn wanted(checkout: &Checkout) -> Result<Wanted> {
    let path = checkout.path("rust-toolchain.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let file: File = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    Ok(file.toolchain)
}

fn ensure(checkout: &Checkout, channel: &str, kind: &str, names: &[String]) -> Result<()> {
    let mut list = command("rustup", &checkout.root);
    list.args([kind, "list", "--installed", "--toolchain", channel]);
    let Ok(installed) = output(list) else {
        // A toolchain that did not come by rustup (a distribution's) has what it has; the build will tell.
        println!("rustup does not answer, so the {kind}s {} are taken to be there", names.join(", "));
        return Ok(());
    };
    for name in names {
        // A component is listed with its host: clippy-x86_64-unknown-linux-gnu.
        if installed.lines().any(|line| line == name || line.starts_with(&format!("{name}-"))) {
            continue;
        }
        println!("adding the {kind} {name} to the toolchain {channel}");
        let mut add = command("rustup", &checkout.root);
        add.args([kind, "add", name, "--toolchain", channel]);
        if !succeeds(add)? {
            bail!("could not add the {kind} {name}: run `rustup {kind} add {name} --toolchain {channel}` by hand");
        }
    }
    Ok(())
}
