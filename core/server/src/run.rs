//! The binary: arguments in, exit code out.

use std::io::Write as _;
use std::process::ExitCode;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::args::{self, ArgsError, Command};
use crate::clock::Clock;
use crate::flags::{self, RunFlags};
use crate::limits::{FOREBAY_VERSION, LOG_FLUSH_WAIT, NATS_PROGRAM, NATS_VERSION, STOP_WAIT};
use crate::log::{self, FATAL, LogHandle};
use crate::options::{Built, ConfigFile, LoadError, Options, full_toml, json_schema};
use crate::server::Server;
use crate::signal::Signals;

/// Does what the arguments say. What is wrong before there is a log is one line on stderr that begins
/// with the program's name, as nats-server's.
pub fn main(mut arguments: std::env::ArgsOs) -> ExitCode {
    let called = arguments.next();
    let program = args::program_name(called.as_deref().and_then(|name| name.to_str()));
    match arguments.map(|argument| argument.into_string().map_err(ArgsError::NotUtf8)).collect::<Result<Vec<_>, _>>() {
        Ok(arguments) => match args::parse(&arguments) {
            Ok(command) => execute(program, command),
            Err(error) => refuse(program, &error),
        },
        Err(error) => refuse(program, &error),
    }
}

fn execute(program: &'static str, command: Command) -> ExitCode {
    match command {
        Command::Run(flags) => run(program, *flags),
        Command::Version if program == NATS_PROGRAM => print(&format!("{NATS_PROGRAM}: v{NATS_VERSION}\n")),
        Command::Version => print(&format!("{program}: v{FOREBAY_VERSION} (nats-server v{NATS_VERSION})\n")),
        Command::Help => print(&flags::help(program)),
        Command::ConfigShow => print(&full_toml()),
        Command::ConfigSchema => match serde_json::to_string_pretty(&json_schema()) {
            Ok(text) => print(&format!("{text}\n")),
            Err(error) => refuse(program, &error),
        },
        Command::ConfigCheck(path) => match load(&path, RunFlags::default()) {
            Ok(_) => print(&format!("{} is valid\n", path.display())),
            Err(LoadError::Problems { problems }) => {
                for problem in &problems {
                    refuse(program, problem);
                }
                ExitCode::FAILURE
            }
            Err(error) => refuse(program, &error),
        },
    }
}

/// A reader that has gone away is no failure of ours.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn refuse(program: &str, error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{program}: {error}");
    ExitCode::FAILURE
}

/// The file under the flags, held against itself.
fn load(path: &std::path::Path, flags: RunFlags) -> Result<Options, LoadError> {
    let mut options = Options::load(path, Built::NOW)?;
    flags.apply(&mut options);
    options.finish().map_err(|source| LoadError::Options { path: path.to_owned(), source })?;
    Ok(options)
}

fn run(program: &'static str, flags: RunFlags) -> ExitCode {
    let test_config = flags.test_config;
    let loaded = match flags.config.clone() {
        Some(path) => load(&path, flags).map_err(|error| refuse(program, &error)),
        None => {
            let mut options = Options::default();
            flags.apply(&mut options);
            options.finish().map(|()| options).map_err(|error| refuse(program, &error))
        }
    };
    let mut options = match loaded {
        Ok(options) => options,
        Err(code) => return code,
    };
    options.program = program.to_owned();
    if let (true, Some(ConfigFile { path, digest })) = (test_config, &options.config) {
        return refuse_nothing(program, &format!("configuration file {} is valid ({digest})", path.display()));
    }
    let log = match log::start(&options.log, Clock::new()) {
        Ok(log) => log,
        Err(error) => return refuse(program, &error),
    };
    log::log_panics();
    let code = serve(options, &log);
    log.flush(LOG_FLUSH_WAIT);
    code
}

/// nats-server says even this on stderr.
fn refuse_nothing(program: &str, text: &str) -> ExitCode {
    refuse(program, &text);
    ExitCode::SUCCESS
}

fn serve(options: Options, log: &LogHandle) -> ExitCode {
    raise_file_limit();
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(target: FATAL, "Can't install signal handlers: {}", crate::error::io_text(&error));
            return ExitCode::FAILURE;
        }
    };
    // The start has a thread of its own: a signal is answered however long the start takes.
    let (tell, starting) = tokio::sync::oneshot::channel();
    let start = std::thread::Builder::new().name("forebay-start".to_owned()).spawn(move || {
        // If nobody listens any more, the server is stopped by being dropped.
        let _ = tell.send(Server::start(options).map(Box::new));
    });
    if let Err(error) = start {
        tracing::error!(target: FATAL, "Can't start a thread: {}", crate::error::io_text(&error));
        return ExitCode::FAILURE;
    }
    match signals.serve(starting, log) {
        Ok(Some(server)) => {
            watch_over_the_stop(log.clone());
            server.stop();
            ExitCode::SUCCESS
        }
        Ok(None) => {
            tracing::info!("Server Exiting..");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(target: FATAL, "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whatever hangs while stopping, the process ends within seconds.
fn watch_over_the_stop(log: LogHandle) {
    let watchdog = std::thread::Builder::new().name("forebay-watchdog".to_owned()).spawn(move || {
        std::thread::sleep(STOP_WAIT);
        tracing::error!(target: FATAL, "The server did not stop in time");
        log.flush(LOG_FLUSH_WAIT);
        std::process::exit(1);
    });
    if let Err(error) = watchdog {
        tracing::warn!(error = %error, "No watchdog over the stop");
    }
}

/// As Go's runtime does: as many open files as the system lets us have.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(error = %error, "The limit of open files stays as it is");
        }
    }
}
