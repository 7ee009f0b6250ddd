//! The plugin that does what a message's subject says: `plugins/testbed`, compiled once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What a plugin is compiled for.
const TARGET: &str = "wasm32-unknown-unknown";

/// A configuration with the testbed as the plugin `t`, and these bindings.
pub(crate) fn config(bindings: &str) -> String {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(compile);
    format!("[plugins.t]\nfile = '{}'\n{bindings}", file.display())
}

/// Compiles it in a target folder of its own: it has other profiles, and the outer cargo may hold the lock of its own.
fn compile() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins/bundled");
    let build = Command::new(env!("CARGO"))
        .current_dir(workspace)
        .args(["build", "--release", "--locked", "--package", "forebay-testbed", "--target", TARGET, "--target-dir"])
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs");
    let told = String::from_utf8_lossy(&build.stderr);
    assert!(
        build.status.success(),
        "the testbed does not compile; if the target is missing: rustup target add {TARGET}\n{told}"
    );
    target.join(TARGET).join("release/testbed.wasm")
}
