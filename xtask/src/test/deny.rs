//! cargo-deny over deny.toml. Its advisory database lies on the net: where that is out of reach, the output says so.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::{command, must_succeed, output, succeeds};
use crate::test::stages::Workshop;
use crate::test::tally::Tally;

/// The version that is installed; a new one may judge differently.
const VERSION: &str = "0.20.2";

pub(crate) fn run(workshop: &mut Workshop) -> Result<Tally> {
    let program = ensure(workshop)?;
    let deny = |words: &[&str]| {
        let mut deny = command(&program, &workshop.checkout.root);
        deny.args(["--manifest-path", "Cargo.toml", "--all-features"]).args(words);
        deny
    };
    let rules = succeeds(deny(&["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))?;
    let mut tally = Tally::check(rules);
    if output(deny(&["fetch", "db"])).is_ok() {
        tally.add(&Tally::check(succeeds(deny(&["check", "--hide-inclusion-graph", "advisories"]))?));
    } else {
        tally.add(&Tally::skipped(
            "deny: the advisory database cannot be reached from here, advisories were not checked",
        ));
    }
    Ok(tally)
}

/// cargo-deny, built once into the target folder.
fn ensure(workshop: &Workshop) -> Result<PathBuf> {
    let root = workshop.checkout.target.join("tools");
    let program = root.join("bin").join("cargo-deny");
    let version = |program: &PathBuf| {
        let mut ask = command(program, &workshop.checkout.root);
        ask.arg("--version");
        output(ask).ok()
    };
    if version(&program).is_some_and(|text| text.trim().ends_with(VERSION)) {
        return Ok(program);
    }
    println!("building cargo-deny {VERSION} (once, about a minute)");
    let mut install = workshop.cargo();
    install.args(["install", "cargo-deny", "--version", VERSION, "--locked", "--debug", "--no-default-features"]);
    install.args(["--quiet", "--force", "--root"]).arg(&root);
    install.env("CARGO_TARGET_DIR", workshop.checkout.target.join("tools").join("build"));
    must_succeed(install)?;
    Ok(program)
}
