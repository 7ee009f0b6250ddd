//! What the program is asked to do: run, or one of its commands.

use std::path::{Path, PathBuf};

use crate::flags::{FlagError, RunFlags};
use crate::limits::{NATS_PROGRAM, PROGRAM};
use crate::options::{BUILT_JETSTREAM, closest};

/// Commands of the plan that are not built yet.
const NOT_BUILT: &[&str] = &["plugin", "store", "dashboards", "explain", "completions", "man", "import"];

/// What the program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run a server, or check its file where `-t` says so.
    Run(Box<RunFlags>),
    /// `--version`, `-v`, `version`
    Version,
    /// `--help`, `-h`, `help`
    Help,
    /// `config check FILE`
    ConfigCheck(PathBuf),
    /// `config show`
    ConfigShow,
    /// `config schema`
    ConfigSchema,
}

/// What is wrong with a command line: one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgsError {
    /// A flag.
    #[error(transparent)]
    Flag(#[from] FlagError),
    /// A word that is no command; nats-server's text.
    #[error("unrecognized command: \"{command}\"{}", meant.map(|name| format!(" (did you mean \"{name}\"?)")).unwrap_or_default())]
    Unknown {
        /// As it was typed.
        command: String,
        /// What was probably meant.
        meant: Option<&'static str>,
    },
    /// A command of the plan.
    #[error("the command \"{0}\" is not built yet")]
    NotBuilt(String),
    /// A command that is used otherwise.
    #[error("usage: {0}")]
    Usage(&'static str),
    /// nats-server's text.
    #[error("must specify [-c, --config] option to check configuration file syntax")]
    NothingToTest,
    /// A command line that is not UTF-8.
    #[error("the argument {0:?} is not UTF-8")]
    NotUtf8(std::ffi::OsString),
}

/// The name that texts and files begin with: `nats-server` where the program was called so.
pub fn program_name(argument_zero: Option<&str>) -> &'static str {
    let name = argument_zero.map(Path::new).and_then(Path::file_stem).and_then(|name| name.to_str());
    if name == Some(NATS_PROGRAM) { NATS_PROGRAM } else { PROGRAM }
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// [`ArgsError`].
pub fn parse(arguments: &[String]) -> Result<Command, ArgsError> {
    let (flags, rest) = RunFlags::parse(arguments)?;
    if flags.help {
        return Ok(Command::Help);
    }
    if flags.version {
        return Ok(Command::Version);
    }
    if let Some((word, rest)) = rest.split_first() {
        return command(word, rest);
    }
    if flags.test_config && flags.config.is_none() {
        return Err(ArgsError::NothingToTest);
    }
    if flags.wants_jetstream() && !BUILT_JETSTREAM {
        return Err(FlagError::NotBuilt("--jetstream".to_owned()).into());
    }
    Ok(Command::Run(Box::new(flags)))
}

fn command(word: &str, rest: &[String]) -> Result<Command, ArgsError> {
    match word {
        "version" => Ok(Command::Version),
        "help" => Ok(Command::Help),
        "config" => config(rest),
        word if NOT_BUILT.contains(&word) => Err(ArgsError::NotBuilt(word.to_owned())),
        word => {
            let known = ["config", "version", "help"].into_iter().chain(NOT_BUILT.iter().copied());
            Err(ArgsError::Unknown { command: word.to_owned(), meant: closest(word, known) })
        }
    }
}

fn config(rest: &[String]) -> Result<Command, ArgsError> {
    const USAGE: &str = "config check <file> | config show | config schema";
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check", file] => Ok(Command::ConfigCheck(PathBuf::from(file))),
        ["show"] => Ok(Command::ConfigShow),
        ["schema"] => Ok(Command::ConfigSchema),
        ["plan" | "convert", ..] => Err(ArgsError::NotBuilt(format!("config {}", words.join(" ")))),
        _ => Err(ArgsError::Usage(USAGE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, ArgsError> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&arguments)
    }

    #[test]
    fn commands_are_told_from_flags() {
        assert_eq!(read("config check a.toml"), Ok(Command::ConfigCheck("a.toml".into())));
        assert_eq!(read("version"), Ok(Command::Version));
        assert_eq!(read("-p 1 --help"), Ok(Command::Help));
        assert!(matches!(read(""), Ok(Command::Run(_))));
    }

    #[test]
    fn what_is_no_command_is_said_to_be_none() {
        for (line, told) in [
            ("foo", "unrecognized command: \"foo\""),
            ("-D true", "unrecognized command: \"true\""),
            ("confg check x", "unrecognized command: \"confg\" (did you mean \"config\"?)"),
            ("plugin new", "the command \"plugin\" is not built yet"),
            ("config plan", "the command \"config plan\" is not built yet"),
            ("config check", "usage: config check <file> | config show | config schema"),
            ("-t", "must specify [-c, --config] option to check configuration file syntax"),
        ] {
            assert_eq!(read(line).unwrap_err().to_string(), told, "{line}");
        }
    }

    #[test]
    fn jetstream_is_refused_until_it_is_built() {
        assert_eq!(read("-js").is_err(), !BUILT_JETSTREAM);
        assert!(read("-js=false -sd /x").is_ok());
    }

    #[test]
    fn the_program_is_nats_server_where_it_is_called_so() {
        for (called, name) in [
            (Some("/usr/bin/nats-server"), "nats-server"),
            (Some("nats-server"), "nats-server"),
            (Some("./forebay"), "forebay"),
            (Some("other"), "forebay"),
            (None, "forebay"),
        ] {
            assert_eq!(program_name(called), name);
        }
    }
}
