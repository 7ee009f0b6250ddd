//! What a file may say, and what it is told when it says something else.

use std::time::Duration;

use super::*;
use crate::options::{ListenAddress, TransformErrorPolicy};

fn parse(text: &str) -> Options {
    Options::parse(Path::new("conf/a.toml"), text, Built::ALL).unwrap_or_else(|error| panic!("{error}"))
}

fn complaint(text: &str) -> String {
    match Options::parse(Path::new("a.toml"), text, Built::ALL) {
        Ok(options) => panic!("accepted: {options:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse(""), Options::default());
}

#[test]
fn the_options_of_a_server_without_jetstream_are_read() {
    let options = parse(
        r#"
server_name = "east"
listen = "127.0.0.1:-1"
pid_file = "run/pid"
[http]
listen = 8222
[limits]
max_payload = "2MiB"
max_connections = 0x10
ping_interval = "30s"
[log]
debug = true
[auth]
timeout = "500ms"
users = [{ user = "a", password = "b" }, { user = "c", password = "d" }]
"#,
    );
    assert_eq!(options.server_name.as_deref(), Some("east"));
    assert_eq!(options.listen, ListenAddress { host: "127.0.0.1".into(), port: 0 });
    assert_eq!(options.http, Some(ListenAddress { host: "0.0.0.0".into(), port: 8222 }));
    assert_eq!(options.pid_file.as_deref(), Some(Path::new("conf/run/pid")));
    assert_eq!((options.limits.max_payload, options.limits.max_connections), (2 << 20, 16));
    assert_eq!(options.limits.ping_interval, Duration::from_secs(30));
    assert!(options.log.debug && !options.log.trace);
    assert_eq!(options.auth.timeout, Duration::from_millis(500));
    assert_eq!(options.auth.draft.users.len(), 2);
}

#[test]
fn a_mistake_is_named_with_its_place_its_key_and_the_likely_spelling() {
    for (text, told) in [
        (
            "[limits]\nmax_paylod = 1",
            "a.toml:2:1: key \"limits.max_paylod\": unknown key (did you mean \"limits.max_payload\"?)",
        ),
        ("lissten = 1", "a.toml:1:1: key \"lissten\": unknown key (did you mean \"listen\"?)"),
        ("max_payload = 1", "a.toml:1:1: key \"max_payload\": unknown key (did you mean \"limits.max_payload\"?)"),
        ("frobnicate = 1", "a.toml:1:1: key \"frobnicate\": unknown key"),
        ("[limit]\nx = 1", "a.toml:1:2: key \"limit\": unknown key (did you mean \"limits\"?)"),
        ("limits = 3", "a.toml:1:10: key \"limits\": must be a table, not an integer"),
        ("[log]\n  debug = \"yes\"", "a.toml:2:11: key \"log.debug\": must be true or false, not a string"),
        ("listen = \"a:b\"", "a.toml:1:10: key \"listen\": \"b\" is not a port: 1 to 65535, or -1 for any free one"),
        ("listen = 70000", "a.toml:1:10: key \"listen\": \"70000\" is not a port: 1 to 65535, or -1 for any free one"),
        (
            "[limits]\nping_interval = 3",
            "a.toml:2:17: key \"limits.ping_interval\": must be a text with a unit, such as \"250ms\", \"5s\" or \"1h30m\"",
        ),
        (
            "[limits]\nping_interval = \"3x\"",
            "a.toml:2:17: key \"limits.ping_interval\": \"3x\" is not a duration, such as \"250ms\", \"5s\" or \"1h30m\"",
        ),
        ("[limits]\nping_max = 0", "a.toml:2:12: key \"limits.ping_max\": must be from 1 to 1000, not 0"),
        (
            "[limits]\nmax_payload = \"64MB\"",
            "a.toml:2:15: key \"limits.max_payload\": \"64MB\" may mean 1000s or 1024s: write \"64MiB\" or the number of bytes",
        ),
        (
            "[limits]\nmax_payload = \"100MiB\"",
            "a.toml:1:2: key \"limits.max_payload\": max_payload (104857600) cannot be higher than max_pending (67108864)",
        ),
        ("server_name = \"a b\"", "a.toml:1:1: key \"server_name\": server name cannot contain spaces"),
        (
            "[tls]\ncert_file = \"x\"",
            "a.toml:1:2: key \"tls\": is not built yet: put a TLS proxy before the server meanwhile",
        ),
        ("[gateway]", "a.toml:1:2: key \"gateway\": is not built yet: this version knows one cluster"),
        ("[auth]\nchain = [\"jwt\"]", "a.toml:2:9: key \"auth.chain\": \"jwt\" is not built yet"),
        (
            "[auth]\nusers = [{ user = \"a\", passwrd = \"b\" }]",
            "a.toml:2:24: key \"auth.users[0].passwrd\": unknown key (did you mean \"auth.users[0].password\"?)",
        ),
        ("[auth]\nusers = [{ user = \"a\" }]", "a.toml:2:10: key \"auth.users[0]\": needs a \"password\""),
        (
            "[jetstream]\nstore_dir = \"d\"\ndurability = \"os\"",
            "a.toml:3:14: key \"jetstream.durability\": \"os\" is not built yet: \"fsync\" is",
        ),
        (
            "[jetstream]\nstore_dir = \"d\"\ndurability = \"fsinc\"",
            "a.toml:3:14: key \"jetstream.durability\": \"fsinc\" is none of fsync, os (did you mean \"fsync\"?)",
        ),
        ("[jetstream]", "a.toml:1:2: key \"jetstream\": needs a \"store_dir\""),
        ("[[streams]]\nname = \"A\"", "a.toml:1:3: key \"streams\": need a [jetstream] table"),
    ] {
        assert_eq!(complaint(text), told, "{text}");
    }
}

#[test]
fn what_is_no_toml_is_one_line_with_its_place() {
    for (text, place) in [("[limits\n", "a.toml:1:8: "), ("a = \n", "a.toml:1:"), ("a = 1\na = 2", "a.toml:2:1: ")] {
        let told = complaint(text);
        assert!(told.starts_with(place) && !told.contains('\n'), "{told}");
    }
}

#[test]
fn the_first_problem_of_the_file_is_told_and_all_are_kept() {
    let text = "zzz = 1\n[log]\ndebug = 1\n[limits]\nping_max = 0\n";
    let Err(LoadError::Problems { problems }) = Options::parse(Path::new("a.toml"), text, Built::ALL) else {
        panic!("accepted");
    };
    assert_eq!(problems.iter().map(|problem| problem.at.line).collect::<Vec<_>>(), [1, 3, 5]);
}

#[test]
fn locks_that_would_let_everybody_in_are_refused() {
    for (text, told) in [
        ("[auth]\ntoken = \"\"", "must not be empty"),
        ("[auth]\nuser = \"a\"", "user and password go together"),
        ("[auth]\nchain = [\"token\"]", "the chain names \"token\", and none is given"),
        (
            "[auth]\nchain = [\"token\"]\ntoken = \"x\"\nuser = \"a\"\npassword = \"b\"",
            "users given, and the chain does not name \"users\"",
        ),
        ("[auth]\nchain = []\ntoken = \"x\"", "at least one method"),
        ("[auth]\ntoken = \"x\"\nuser = \"a\"\npassword = \"b\"", "cannot have a user/pass and token"),
        (
            "[auth]\nuser = \"a\"\npassword = \"b\"\nusers = [{user = \"c\", password = \"d\"}]",
            "single user/pass and a users array",
        ),
    ] {
        let complaint = complaint(text);
        assert!(complaint.contains(told), "{text}: {complaint}");
    }
}

#[test]
fn what_later_steps_build_is_refused_until_then_and_read_afterwards() {
    let text = "[jetstream]\nstore_dir = \"d\"\n[plugins.x]\nfile = \"x.wasm\"\n";
    let now = Built { jetstream: false, plugins: false };
    let Err(LoadError::Problems { problems }) = Options::parse(Path::new("a.toml"), text, now) else {
        panic!("accepted");
    };
    let told: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(
        told,
        ["a.toml:1:2: key \"jetstream\": is not built yet", "a.toml:3:2: key \"plugins\": is not built yet"]
    );
    let options = parse(text);
    assert!(options.jetstream.enabled);
    assert_eq!(options.jetstream.store_dir.as_deref(), Some(Path::new("conf/d")));
}

#[test]
fn a_jetstream_table_may_be_switched_off() {
    assert!(!parse("[jetstream]\nenabled = false\nstore_dir = \"d\"").jetstream.enabled);
}

#[test]
fn declared_streams_become_the_json_of_the_api() {
    let options = parse(
        r#"
jetstream.store_dir = "d"
[[streams]]
name = "STRIKES"
subjects = ["strikes.*.*"]
max_age = "3d"
max_bytes = "1GiB"
duplicate_window = 120000000000
consumer_limits = { max_ack_pending = 10 }
metadata = { owner = "me" }
[[streams]]
name = "OTHER"
account = "A"
storage = "memory"
"#,
    );
    let [first, second] = &options.streams[..] else { panic!("{:?}", options.streams) };
    assert_eq!(
        serde_json::Value::Object(first.config.clone()),
        serde_json::json!({
            "name": "STRIKES", "subjects": ["strikes.*.*"], "max_age": 259_200_000_000_000_i64,
            "max_bytes": 1_073_741_824, "duplicate_window": 120_000_000_000_i64,
            "consumer_limits": { "max_ack_pending": 10 }, "metadata": { "owner": "me" }
        })
    );
    assert_eq!((first.account.as_str(), first.at.line), ("$G", 3));
    assert_eq!((second.account.as_str(), second.config.len()), ("A", 2));
}

#[test]
fn a_streams_field_is_checked_like_an_option() {
    let head = "jetstream.store_dir = \"d\"\n[[streams]]\n";
    for (text, told) in [
        ("subjects = [\"a\"]", "a.toml:2:1: key \"streams[0]\": needs a \"name\""),
        (
            "name = \"A\"\nmaxage = 1",
            "a.toml:4:1: key \"streams[0].maxage\": unknown key (did you mean \"streams[0].max_age\"?)",
        ),
        (
            "name = \"A\"\nstorage = \"disk\"",
            "a.toml:4:11: key \"streams[0].storage\": \"disk\" is none of file, memory",
        ),
        (
            "name = \"A\"\nsubjects = \"a\"",
            "a.toml:4:12: key \"streams[0].subjects\": must be a list of texts, not a string",
        ),
        (
            "name = \"A\"\n[[streams]]\nname = \"A\"",
            "a.toml:4:1: key \"streams[1]\": the stream \"A\" is declared twice",
        ),
    ] {
        assert_eq!(complaint(&format!("{head}{text}")), told, "{text}");
    }
}

#[test]
fn plugins_and_their_bindings_are_read() {
    let options = parse(
        r#"
[plugins.redact]
file = "plugins/redact.wasm"
timeout = "7ms"
config = { hash = ["operator"], salt = 3, day = 2026-01-02 }
[[transforms]]
plugin = "redact"
subjects = ["faa.strikes"]
on_error = "pass"
stamp = true
[[filters]]
plugin = "redact"
stream = "STRIKES"
consumer = "damaged"
"#,
    );
    let plugin = &options.plugins.plugins[0];
    assert_eq!((plugin.name.as_str(), plugin.file.as_path()), ("redact", Path::new("conf/plugins/redact.wasm")));
    assert_eq!((plugin.timeout, plugin.memory_max), (Duration::from_millis(7), 16 << 20));
    assert_eq!(plugin.config, serde_json::json!({"hash": ["operator"], "salt": 3, "day": "2026-01-02"}));
    let transform = &options.plugins.transforms[0];
    assert_eq!((transform.on_error, transform.stamp), (TransformErrorPolicy::Pass, true));
    assert_eq!(options.plugins.filters[0].consumer, "damaged");
}

#[test]
fn a_binding_of_an_unknown_plugin_is_refused() {
    let told = complaint("[plugins.redact]\nfile = \"x\"\n[[transforms]]\nplugin = \"redcat\"\nsubjects = [\"a\"]");
    assert_eq!(told, "a.toml:3:1: key \"transforms.plugin\": there is no [plugins.redcat] (did you mean \"redact\"?)");
    let told = complaint("[plugins.x]\nfile = \"x\"\nsha256 = \"12\"");
    assert!(told.contains("64 hex digits"), "{told}");
}

#[test]
fn a_file_of_another_kind_or_none_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("nats.conf");
    std::fs::write(&conf, "port: 4222").unwrap();
    let told = Options::load(&conf, Built::ALL).unwrap_err().to_string();
    assert!(told.contains("nats-server's configuration format is not built yet"), "{told}");
    let told = Options::load(Path::new("/nowhere/x.toml"), Built::ALL).unwrap_err().to_string();
    assert_eq!(told, "open /nowhere/x.toml: no such file or directory");
    let latin = folder.path().join("latin.toml");
    std::fs::write(&latin, b"# ok\nx = \"\xe9\"").unwrap();
    let told = Options::load(&latin, Built::ALL).unwrap_err().to_string();
    assert!(told.ends_with("latin.toml:2:6: is not UTF-8"), "{told}");
}

#[test]
fn the_digest_is_that_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    std::fs::write(&path, "").unwrap();
    let file = Options::load(&path, Built::ALL).unwrap().config.unwrap();
    assert_eq!(file.digest, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
