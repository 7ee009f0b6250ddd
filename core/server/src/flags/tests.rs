//! The command line, as Go's flags read it.

use super::*;

fn words(line: &str) -> Vec<String> {
    line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn options(line: &str) -> Options {
    let arguments = words(line);
    let (flags, rest) = RunFlags::parse(&arguments).unwrap_or_else(|error| panic!("{error}"));
    assert!(rest.is_empty(), "{rest:?}");
    let mut options = Options::default();
    flags.apply(&mut options);
    options.finish().unwrap();
    options
}

fn complaint(line: &str) -> String {
    RunFlags::parse(&words(line)).unwrap_err().to_string()
}

#[test]
fn one_and_two_dashes_and_both_ways_to_give_a_value_are_alike() {
    for line in ["-p 4333", "--p 4333", "-port=4333", "--port=4333", "--port 0x10ed", "-p=+4333"] {
        assert_eq!(options(line).listen.port, 4333, "{line}");
    }
}

#[test]
fn a_negative_port_is_a_value_and_means_any() {
    for line in ["-p -1", "--port=-1"] {
        assert_eq!(options(line).listen.port, 0, "{line}");
    }
    assert_eq!(options("-p 0").listen.port, 4222);
    assert_eq!(options("-m -1").http.unwrap().port, 0);
    assert_eq!(options("-m 0").http, None);
}

#[test]
fn the_monitor_is_on_the_clients_host() {
    assert_eq!(options("-m 8222 -a ::1").http.unwrap().to_string(), "[::1]:8222");
}

#[test]
fn switches_take_gos_words_after_an_equals_sign_only() {
    for (line, debug, trace) in [
        ("-D", true, false),
        ("-V", false, true),
        ("-DV", true, true),
        ("-DVV", true, true),
        ("--debug=T", true, false),
        ("-D -D=false", false, false),
        ("-DV=0", false, false),
        ("--logtime --tls=false -D=1", true, false),
    ] {
        let log = options(line).log;
        assert_eq!((log.debug, log.trace), (debug, trace), "{line}");
    }
    let arguments = words("-D true -p 1");
    let (_, rest) = RunFlags::parse(&arguments).unwrap();
    assert_eq!(rest, ["true", "-p", "1"]);
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    for (line, told) in [
        ("--bogus", "flag provided but not defined: --bogus"),
        ("--prot 1", "flag provided but not defined: --prot (did you mean \"--port\"?)"),
        ("-jetstraem", "flag provided but not defined: -jetstraem (did you mean \"--jetstream\"?)"),
        ("-p", "flag needs an argument: -p"),
        ("-p abc", "invalid value \"abc\" for flag -p: parse error"),
        ("-p 70000", "invalid value \"70000\" for flag -p: not a port"),
        ("-D=maybe", "invalid value \"maybe\" for flag -D: parse error"),
        ("--profile 1", "flag --profile is not built yet"),
        ("--tls", "flag --tls is not built yet"),
        ("-sl ldm=1", "flag -sl is not built yet"),
    ] {
        assert_eq!(complaint(line), told, "{line}");
    }
}

#[test]
fn flags_go_over_the_file() {
    let text = "listen = \"127.0.0.1:1\"\nserver_name = \"file\"\n[http]\nlisten = 2\n[log]\ndebug = true\n[auth]\nusers = [{user=\"a\", password=\"b\"}]";
    let mut options = Options::parse(std::path::Path::new("a.toml"), text, crate::options::Built::ALL).unwrap();
    let arguments = words("-p 9 -n flag -D=false --auth t -P pid");
    RunFlags::parse(&arguments).unwrap().0.apply(&mut options);
    options.finish().unwrap();
    assert_eq!(options.listen.to_string(), "127.0.0.1:9");
    assert_eq!(options.server_name.as_deref(), Some("flag"));
    assert!(!options.log.debug);
    assert_eq!(options.http.unwrap().port, 2);
    assert_eq!(options.auth.config.chain().len(), 1);
    assert_eq!(options.pid_file, Some(PathBuf::from("pid")));
}

#[test]
fn a_token_goes_before_a_user_as_in_nats_server() {
    let auth = options("--user a --pass b --auth t").auth.config;
    assert!(matches!(auth.chain(), [forebay_auth::Method::Token(_)]));
    assert!(!options("--auth=").auth.config.is_required());
}

#[test]
fn a_store_folder_alone_keeps_nothing() {
    let jetstream = options("-sd /x --ignore-nats-store").jetstream;
    assert!(!jetstream.enabled && jetstream.ignore_nats_store);
    assert!(options("-js -sd=/x").jetstream.enabled);
}

#[test]
fn no_name_belongs_to_two_flags() {
    let mut names: Vec<&str> = FLAGS.iter().flat_map(|flag| flag.names.iter().copied()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_clusters_flags_are_nats_servers() {
    let line = "--cluster nats://u:p@127.0.0.1:-1 --cluster_name east --routes nats://u:p@a:1,nats://u:p@b:2 \
                --connect_retries 3 --no_advertise --cluster_advertise host";
    let cluster = options(line).cluster;
    assert_eq!(cluster.listen.map(|listen| listen.to_string()), Some("127.0.0.1:0".into()));
    assert_eq!((cluster.name.as_str(), cluster.secret.as_str()), ("east", "u:p"));
    assert_eq!((cluster.routes, cluster.connect_retries), (vec!["a:1".to_owned(), "b:2".to_owned()], 3));
    assert_eq!((cluster.no_advertise, cluster.advertise.as_deref()), (true, Some("host")));
    assert!(complaint("--routes http://a:1").contains("is not the scheme of a route"));
    assert!(!options("-p 4222").cluster.is_on());
}
