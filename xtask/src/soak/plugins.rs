//! Plugins in a running server: replaced under load, and hostile. Builds what `tests/soak` needs, and runs it.

use std::path::PathBuf;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::plugins;
use crate::process::{cargo, command, must_succeed, succeeds};
use crate::soak::{Options, server_program};

/// The programs of this workspace that make and judge the load. They are built together: apart they would ask for
/// different features of the same crates, and each would build them anew.
const PROGRAMS: [&str; 2] = ["forebay-soak", "replay"];

/// Replaces a plugin and its config while events are replayed; whether nothing was lost, doubled or missed.
pub(crate) fn reload(checkout: &Checkout, options: &Options) -> Result<bool> {
    plugins::build(checkout)?;
    let replay = release(checkout).join("replay");
    run(checkout, options, &["reload", "--replay", &replay.to_string_lossy()])
}

/// Plugins that loop, allocate and panic; whether only they suffer.
pub(crate) fn hostile(checkout: &Checkout, options: &Options) -> Result<bool> {
    let plugin = plugins::build_testbed(checkout)?;
    run(checkout, options, &["hostile", "--plugin", &plugin.to_string_lossy()])
}

fn run(checkout: &Checkout, options: &Options, arguments: &[&str]) -> Result<bool> {
    let server = server_program(checkout, options)?;
    let mut build = cargo(&checkout.root);
    build.args(["build", "--release"]);
    for name in PROGRAMS {
        build.args(["--package", name]);
    }
    must_succeed(build)?;
    let mut soak = command(release(checkout).join("forebay-soak"), &checkout.root);
    soak.args(arguments).arg("--server").arg(server).arg("--root").arg(&checkout.root);
    if let Some(folder) = &options.folder {
        soak.arg("--folder").arg(folder);
    }
    if let Some(seconds) = options.seconds {
        soak.arg("--seconds").arg(seconds.to_string());
    }
    succeeds(soak)
}

fn release(checkout: &Checkout) -> PathBuf {
    checkout.target.join("release")
}
