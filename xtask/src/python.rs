//! The Python environment of the tests: nats-server itself and nats-py, in `target/venv`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::process::{command, must_succeed};

/// What is installed, one requirement a line, each with its version.
const REQUIREMENTS: &str = "tests/clients/python/requirements.txt";

/// A Python environment that is ready.
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// Makes the environment where it is missing or holds other versions.
    pub(crate) fn ensure(checkout: &Checkout) -> Result<Self> {
        let path = checkout.path(REQUIREMENTS);
        let wanted = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let folder = checkout.target.join("venv");
        let mark = folder.join("installed.txt");
        let venv = Self { folder };
        if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
            return Ok(venv);
        }
        println!("setting up Python in {}: {}", venv.folder.display(), wanted.trim().replace('\n', ", "));
        let mut create = command("python3", &checkout.root);
        create.args(["-m", "venv", "--clear"]).arg(&venv.folder);
        must_succeed(create).context("python3 with its venv module is needed")?;
        let mut install = command(venv.program("pip"), &checkout.root);
        install.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&path);
        must_succeed(install)?;
        std::fs::write(&mark, wanted)?;
        Ok(venv)
    }

    /// A program of the environment.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }
}
