//! The command line.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::process::{BINARY, Process, run, run_as, stderr, stdout};

/// One line that begins with the program's name, and exit code 1.
fn refused(line: &str) -> String {
    let output = run(line);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{line}: {text}");
    assert!(stdout(&output).is_empty(), "{line}");
    let told = text.strip_prefix("forebay: ").unwrap_or_else(|| panic!("{line}: {text}"));
    let told = told.strip_suffix('\n').unwrap_or(told);
    assert!(!told.contains('\n'), "{line}: {text}");
    told.to_owned()
}

#[test]
fn a_wrong_command_line_is_one_line_and_exit_code_1() {
    for (line, told) in [
        ("--bogus", "flag provided but not defined: --bogus"),
        ("--hlep", "flag provided but not defined: --hlep (did you mean \"--help\"?)"),
        ("-p", "flag needs an argument: -p"),
        ("-p abc", "invalid value \"abc\" for flag -p: parse error"),
        ("--routes nats://127.0.0.1:1", "solicited routes require cluster capabilities, e.g. --cluster"),
        (
            "--cluster http://127.0.0.1:0",
            "invalid value \"http://127.0.0.1:0\" for flag --cluster: \"http\" is not the scheme of a route: write nats://host:port",
        ),
        ("foo", "unrecognized command: \"foo\""),
        ("plugin new x", "the command \"plugin\" is not built yet"),
        ("-t", "must specify [-c, --config] option to check configuration file syntax"),
        ("-n a␣b -p -1", "server name cannot contain spaces"),
        ("-p -1 -l /nowhere/x.log", "error opening file: open /nowhere/x.log: no such file or directory"),
    ] {
        assert_eq!(refused(line), told, "{line}");
    }
}

#[test]
fn the_version_depends_on_the_programs_name() {
    let output = run("--version");
    let text = stdout(&output);
    assert!(text.starts_with("forebay: v") && text.contains("(nats-server v2.15.1)"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("nats-server");
    symlink(BINARY, &link).unwrap();
    for flag in ["--version", "-v", "-version", "version"] {
        let output = run_as(&link, flag);
        assert_eq!((stdout(&output).as_str(), output.status.code()), ("nats-server: v2.15.1\n", Some(0)));
    }
    assert!(stderr(&run_as(&link, "--bogus")).starts_with("nats-server: flag provided"));
}

#[test]
fn help_goes_to_stdout() {
    let output = run("--help");
    assert!(output.status.success() && stdout(&output).starts_with("Usage: forebay [options]\n"));
    assert!(stdout(&output).contains("-a, --addr, --net <host>"));
}

#[test]
fn a_started_server_says_nats_servers_facts_in_nats_servers_form() {
    let mut server = Process::start("-a 127.0.0.1 -p -1 -m -1 -n east --user a --pass b");
    let (port, monitor) = (server.client_port(), server.monitor_port());
    let first = server.line_with("Starting forebay");
    let shape: String = first.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let (pid, rest) = shape.split_once(' ').unwrap();
    assert!(first.starts_with(&format!("[{}] ", server.id())) && pid.starts_with("[0"), "{first}");
    assert_eq!(rest, "0000/00/00 00:00:00.000000 [INF] Starting forebay");
    let id = server.line_with("  ID:       N");
    assert_eq!(id.rsplit(' ').next().unwrap().len(), 56);
    let texts = server.texts();
    assert!(texts[1].starts_with("[INF]   Version:  2.15.1-forebay."), "{texts:?}");
    for text in [
        "[INF]   Name:     east".to_owned(),
        "[WRN] Plaintext passwords detected, use nkeys or bcrypt".to_owned(),
        format!("[INF] Starting http monitor on 127.0.0.1:{monitor}"),
        format!("[INF] Listening for client connections on 127.0.0.1:{port}"),
    ] {
        assert!(texts.contains(&text), "{text} in {texts:#?}");
    }
    assert_eq!(texts.last().unwrap(), "[INF] Server is ready");
}

#[test]
fn ipv6_is_shown_in_brackets() {
    let mut server = Process::spawn(Path::new(BINARY), "-a ::1 -p -1");
    let line = server.line_with("::1");
    assert!(line.contains("Listening for client connections on [::1]:") || line.contains("cannot assign"), "{line}");
}

#[test]
fn a_port_in_use_is_one_fatal_line_that_names_it() {
    let mut taken = Process::start("-a 127.0.0.1 -p -1 -m -1");
    let (port, monitor) = (taken.client_port(), taken.monitor_port());
    for (line, told) in [
        (
            format!("-a 127.0.0.1 -p {port}"),
            format!(
                "[FTL] Error listening on port: 127.0.0.1:{port}, \"listen tcp 127.0.0.1:{port}: bind: address already in use\""
            ),
        ),
        (
            format!("-a 127.0.0.1 -p -1 -m {monitor}"),
            format!(
                "[FTL] Can't start monitoring: can't listen to the monitor port: listen tcp 127.0.0.1:{monitor}: bind: address already in use"
            ),
        ),
        (
            "-a 999.1.1.1 -p 4333".to_owned(),
            "[FTL] Error listening on port: 999.1.1.1:4333, \"listen tcp: lookup 999.1.1.1: no such host\"".to_owned(),
        ),
    ] {
        let output = run(&line);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{line}");
        let fatal: Vec<&str> = text.lines().filter(|line| line.contains("[FTL]")).collect();
        assert!(fatal.len() == 1 && fatal[0].ends_with(&told), "{line}: {text}");
        assert!(!text.contains("Server is ready") && !text.contains("Listening"), "{text}");
    }
}
