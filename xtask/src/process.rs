//! Starting other programs: shown as they are, or with their output read line by line.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// How the variables begin that cargo sets for the program that it runs.
const OWN_VARIABLES: &[&str] = &["CARGO_MANIFEST_", "CARGO_PKG_"];

/// A command, in a folder, without standard input.
pub(crate) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// The cargo that runs this xtask.
pub(crate) fn cargo(folder: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = command(cargo, folder);
    // What cargo sets for xtask itself would make the inner cargo rebuild crates that look at it.
    for (name, _) in std::env::vars_os() {
        if OWN_VARIABLES.iter().any(|start| name.as_encoded_bytes().starts_with(start.as_bytes())) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command with its output on our screen; whether it succeeded.
pub(crate) fn succeeds(mut command: Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("running {}", describe(&command)))?;
    Ok(status.success())
}

/// Runs a command that has to succeed.
pub(crate) fn must_succeed(command: Command) -> Result<()> {
    let text = describe(&command);
    if succeeds(command)? {
        return Ok(());
    }
    bail!("{text} failed")
}

/// Runs a command that has to succeed and returns what it prints.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let text = describe(&command);
    let output = command.output().with_context(|| format!("running {text}"))?;
    if !output.status.success() {
        bail!("{text} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command and hands each line that it prints to `line`; whether it succeeded. Its stderr goes to our screen.
pub(crate) fn read_lines(mut command: Command, mut line: impl FnMut(&str)) -> Result<bool> {
    let text = describe(&command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("running {text}"))?;
    let stdout = child.stdout.take().context("no stdout")?;
    for next in BufReader::new(stdout).split(b'\n') {
        line(&String::from_utf8_lossy(&next?));
    }
    Ok(child.wait()?.success())
}

/// A command as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}
