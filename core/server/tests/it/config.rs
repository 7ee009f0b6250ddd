//! Configuration files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{Process, run, stderr, stdout};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn a_mistake_is_one_line_with_file_line_column_key_and_the_likely_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.toml");
    let shown = path.display().to_string();
    for (text, told) in [
        (
            "listen = 4222\n[limits]\n  max_paylod = 1\n",
            "3:3: key \"limits.max_paylod\": unknown key (did you mean \"limits.max_payload\"?)",
        ),
        ("listen = \n", "1:10: string values must be quoted, expected literal string"),
        ("[gateway]\n", "1:2: key \"gateway\": is not built yet: this version knows one cluster"),
        ("[websocket]\n", "1:2: key \"websocket\": is not built yet"),
    ] {
        fs::write(&path, text).unwrap();
        for line in [format!("-c {shown}"), format!("-c {shown} -t"), format!("config check {shown}")] {
            let output = run(&line);
            assert_eq!(output.status.code(), Some(1), "{line}");
            assert_eq!(stderr(&output), format!("forebay: {shown}:{told}\n"), "{line}");
        }
    }
}

#[test]
fn a_check_tells_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.toml");
    fs::write(&path, "a = 1\nb = 2\n").unwrap();
    let output = run(&format!("config check {}", path.display()));
    assert_eq!((output.status.code(), stderr(&output).lines().count()), (Some(1), 2));
}

#[test]
fn a_valid_file_is_said_to_be_valid() {
    let path = repository("config/minimal.toml").display().to_string();
    let output = run(&format!("-t -c {path}"));
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    let start = format!("forebay: configuration file {path} is valid (sha256:");
    assert!(text.starts_with(&start) && text.ends_with(")\n"), "{text}");
    let output = run(&format!("config check {}", repository("config/full.toml").display()));
    assert!(output.status.success() && stdout(&output).ends_with("full.toml is valid\n"), "{}", stderr(&output));
}

#[test]
fn what_is_shown_is_full_toml_and_the_schema_is_json() {
    assert_eq!(stdout(&run("config show")), fs::read_to_string(repository("config/full.toml")).unwrap());
    let schema: serde_json::Value = serde_json::from_str(&stdout(&run("config schema"))).unwrap();
    assert_eq!(schema["type"], "object");
}

#[test]
fn a_missing_file_and_nats_servers_format_are_refused_in_words() {
    assert_eq!(stderr(&run("-c /nowhere/x.toml")), "forebay: open /nowhere/x.toml: no such file or directory\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nats.conf");
    fs::write(&path, "port: 4222\n").unwrap();
    let output = run(&format!("-c {}", path.display()));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nats-server's configuration format is not built yet"));
}

#[test]
fn flags_go_over_the_file_and_contradictions_between_them_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    fs::write(&path, "listen = \"127.0.0.1:1\"\nserver_name = \"file\"\n").unwrap();
    let shown = path.display().to_string();
    let mut server = Process::start(&format!("-c {shown} -p -1 -n flag"));
    assert!(server.client_port() > 1);
    server.line_with("  Name:     flag");
    assert!(server.line_with("Using configuration file: ").contains(&format!("{shown} (sha256:")));
    let output = run(&format!("-c {shown} -n a␣b"));
    assert_eq!(stderr(&output), format!("forebay: {shown}: server name cannot contain spaces\n"));
}
