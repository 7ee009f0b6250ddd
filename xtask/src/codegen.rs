//! Writes the generated sources and reference pages, or tells which are stale.

use anyhow::Result;

use crate::checkout::Checkout;
use crate::process::{cargo, succeeds};

/// The generator of the error table; it stands beside the table it reads.
const GENERATOR: &str = "core/api/examples/codegen.rs";

/// Runs the generator; with `check` it changes nothing and fails where something is stale.
pub(crate) fn run(checkout: &Checkout, check: bool) -> Result<bool> {
    if !checkout.path(GENERATOR).is_file() {
        println!("codegen: {GENERATOR} does not exist yet, nothing is generated");
        return Ok(true);
    }
    let mut command = cargo(&checkout.root);
    command.args(["run", "--quiet", "-p", "forebay-api", "--example", "codegen", "--"]);
    if check {
        command.arg("--check");
    }
    succeeds(command)
}
