//! The stages in their order, cheap ones first; the unit tests need the built plugins. A stage returns its tally; an error means it could not be carried out.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::process::{cargo, command, must_succeed, read_lines, succeeds};
use crate::python::Venv;
use crate::test::tally::Tally;
use crate::test::{SELECTION, STORIES, TEST_FEATURES, deny, examples};
use crate::{codegen, plugins, tidy, toolchain};

/// One stage.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&mut Workshop) -> Result<Tally>,
}

/// All stages.
pub(crate) const STAGES: &[Stage] = &[
    Stage { name: "setup", what: "toolchain and Python environment", run: setup },
    Stage { name: "fmt", what: "rustfmt finds nothing to change", run: fmt },
    Stage { name: "tidy", what: "sizes, edges, names, documents", run: tidy_stage },
    Stage { name: "clippy", what: "clippy finds nothing", run: clippy },
    Stage { name: "deny", what: "licences, bans, sources, advisories", run: deny::run },
    Stage { name: "codegen", what: "generated files are fresh", run: codegen_stage },
    Stage { name: "build", what: "the plugins and the binary that is tested from outside", run: build },
    Stage { name: "plugins", what: "the SDK's and the bundled plugins' own tests", run: plugin_tests },
    Stage { name: "unit", what: "cargo test over the workspace", run: unit },
    Stage { name: "mutants", what: "deliberate defects are found", run: mutants },
    Stage { name: "conformance", what: "the same scenarios on nats-server and on ours", run: conformance },
    Stage { name: "python", what: "stories through nats-py", run: python },
    Stage { name: "rust", what: "stories through async-nats", run: rust },
    Stage {
        name: "examples",
        what: "the first program prints the same on nats-server and on ours",
        run: examples::run,
    },
];

/// What stages share: the checkout, and what earlier stages made.
pub(crate) struct Workshop {
    pub(crate) checkout: Checkout,
    venv: Option<Venv>,
}

impl Workshop {
    pub(crate) fn new(checkout: Checkout) -> Self {
        Self { checkout, venv: None }
    }

    pub(crate) fn venv(&mut self) -> Result<&Venv> {
        if self.venv.is_none() {
            self.venv = Some(Venv::ensure(&self.checkout)?);
        }
        self.venv.as_ref().context("no Python environment")
    }

    /// The binary under test; built if a stage is run alone.
    pub(crate) fn binary(&self) -> Result<PathBuf> {
        let mut build = self.cargo();
        build.args(["build", "--package", "forebay", "--bin", "forebay"]);
        must_succeed(build)?;
        Ok(self.checkout.target.join("debug").join("forebay"))
    }

    pub(crate) fn cargo(&self) -> Command {
        cargo(&self.checkout.root)
    }
}

fn setup(workshop: &mut Workshop) -> Result<Tally> {
    toolchain::ensure_components(&workshop.checkout)?;
    toolchain::ensure_targets(&workshop.checkout)?;
    workshop.venv()?;
    Ok(Tally::check(true))
}

fn fmt(workshop: &mut Workshop) -> Result<Tally> {
    let mut fmt = workshop.cargo();
    fmt.args(["fmt", "--all", "--check"]);
    succeeds(fmt).map(Tally::check)
}

fn tidy_stage(workshop: &mut Workshop) -> Result<Tally> {
    tidy::run(&workshop.checkout).map(Tally::check)
}

fn codegen_stage(workshop: &mut Workshop) -> Result<Tally> {
    codegen::run(&workshop.checkout, true).map(Tally::check)
}

fn clippy(workshop: &mut Workshop) -> Result<Tally> {
    let mut clippy = workshop.cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--features", TEST_FEATURES, "--", "-D", "warnings"]);
    succeeds(clippy).map(Tally::check)
}

fn unit(workshop: &mut Workshop) -> Result<Tally> {
    let mut test = workshop.cargo();
    test.arg("test").args(SELECTION).args(["--features", TEST_FEATURES, "--no-fail-fast"]);
    count_tests(test)
}

/// The crates with deliberate defects.
const MUTANTS: &str = "forebay-store/test-util,forebay-store/mutants,forebay-cluster/test-util,forebay-cluster/mutants";

fn mutants(workshop: &mut Workshop) -> Result<Tally> {
    let mut test = workshop.cargo();
    test.args(["test", "--package", "forebay-store", "--package", "forebay-cluster", "--no-fail-fast"]);
    test.args(["--features", MUTANTS, "mutant"]);
    let tally = count_tests(test)?;
    if tally.passed + tally.failed == 0 {
        return Ok(Tally::skipped("mutants: no test has \"mutant\" in its name yet"));
    }
    Ok(tally)
}

fn build(workshop: &mut Workshop) -> Result<Tally> {
    plugins::build(&workshop.checkout)?;
    workshop.binary()?;
    Ok(Tally::check(true))
}

fn plugin_tests(workshop: &mut Workshop) -> Result<Tally> {
    if !plugins::exist(&workshop.checkout) {
        return Ok(Tally::skipped("plugins: plugins/bundled does not exist yet"));
    }
    let folder = workshop.checkout.path("plugins/bundled");
    let mut test = cargo(&folder);
    test.args(["test", "--no-fail-fast"]).env("CARGO_TARGET_DIR", workshop.checkout.target.join("plugins"));
    count_tests(test)
}

fn conformance(workshop: &mut Workshop) -> Result<Tally> {
    let real = workshop.venv()?.program("nats-server");
    let ours = workshop.binary()?;
    let mut run = workshop.cargo();
    run.args(["run", "--quiet", "--package", "forebay-conformance", "--", "run", "--real"]).arg(real);
    run.arg("--ours").arg(ours);
    let mut tally = Tally::default();
    let ok = read_lines(run, |line| {
        if !line.contains(" … ok ") {
            println!("{line}");
        }
        tally.read(line);
    })?;
    Ok(closed(tally, ok))
}

fn python(workshop: &mut Workshop) -> Result<Tally> {
    let ours = workshop.binary()?;
    let root = workshop.checkout.root.clone();
    let python = workshop.venv()?.program("python");
    let mut run = command(python, &root);
    run.arg("tests/clients/python/run.py").env("FOREBAY_BIN", ours).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut tally = Tally::default();
    let ok = read_lines(run, |line| {
        println!("{line}");
        tally.read(line);
    })?;
    Ok(closed(tally, ok))
}

fn rust(workshop: &mut Workshop) -> Result<Tally> {
    let ours = workshop.binary()?;
    let mut test = workshop.cargo();
    test.args(["test", "--package", STORIES, "--no-fail-fast"]).env("FOREBAY_BIN", ours);
    count_tests(test)
}

/// Runs cargo test, shows what is not a passing test, and counts.
fn count_tests(test: Command) -> Result<Tally> {
    let mut tally = Tally::default();
    let ok = read_lines(test, |line| {
        let is_noise = line.ends_with(" ... ok") || line.is_empty() || line.starts_with("running ");
        if !is_noise {
            println!("{line}");
        }
        tally.read(line);
    })?;
    Ok(closed(tally, ok))
}

/// A runner that says no but counted no failure did not build, or died.
fn closed(mut tally: Tally, ok: bool) -> Tally {
    if !ok && tally.failed == 0 {
        tally.failed = 1;
        tally.notes.push("a test program did not build or died; see its stage".into());
    }
    tally
}
