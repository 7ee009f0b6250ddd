//! The first program is run on nats-server and on ours, in its variants, and has to print the same.

use std::path::Path;

use anyhow::Result;
use forebay_conformance::server::{Dialect, Server, Target};
use forebay_conformance::setup::Setup;

use crate::process::{command, must_succeed, output};
use crate::test::stages::Workshop;
use crate::test::tally::Tally;

/// The variants in the order in which they are run on one server: later ones find what earlier ones left.
const VARIANTS: &[&str] = &["new", "all", "last"];

pub(crate) fn run(workshop: &mut Workshop) -> Result<Tally> {
    let mut build = workshop.cargo();
    build.args(["build", "--package", "first-program", "--package", "replay"]);
    must_succeed(build)?;
    let program = workshop.checkout.target.join("debug").join("first-program");
    let real = Target {
        label: "nats-server".into(),
        program: workshop.venv()?.program("nats-server"),
        dialect: Dialect::Conf,
    };
    let ours = Target { label: "forebay".into(), program: workshop.binary()?, dialect: Dialect::Toml };
    let (expected, got) = (printed(&program, &real)?, printed(&program, &ours)?);
    let mut tally = Tally::default();
    for ((variant, expected), got) in VARIANTS.iter().zip(&expected).zip(&got) {
        let same = expected == got;
        tally.add(&Tally::check(same));
        if !same {
            println!("first-program {variant} on nats-server:\n{expected}\nand on ours:\n{got}");
        }
    }
    Ok(tally)
}

/// What the program prints in each variant on a fresh server.
fn printed(program: &Path, target: &Target) -> Result<Vec<String>> {
    let folder = tempfile::TempDir::new()?;
    let server = Server::start(target, Setup::JETSTREAM, folder.path())?;
    let url = format!("nats://{}", server.address);
    let run = |variant: &&str| {
        let mut run = command(program, folder.path());
        run.args(["--url", &url, variant]);
        output(run)
    };
    VARIANTS.iter().map(run).collect()
}
