//! Starts that fail: one clear line, exit code 1, and nothing half started.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use crate::process::{BINARY, Process, run, stderr};

/// Below the ports that the system gives to clients, so that no poller of ours ever gets one by chance.
const FIRST_PORT: u16 = 21_000;
const POLL_PAUSE: Duration = Duration::from_millis(1);

/// A start that fails. `{dir}` is a folder of its own, `{port}` and `{http}` are free ports, `{taken}` is not free.
struct Case {
    /// What the folder holds.
    files: &'static [(&'static str, &'static str)],
    flags: &'static str,
    /// How the last line ends; the whole line where the server has not begun to log.
    told: &'static str,
}

const fn case(files: &'static [(&'static str, &'static str)], flags: &'static str, told: &'static str) -> Case {
    Case { files, flags, told }
}

const STORED: &str = "-a 127.0.0.1 -p {port} -m {http} -js -sd {dir}/store";
const CONFIGURED: &str = "-a 127.0.0.1 -p {port} -m {http} -c {dir}/a.toml";

#[rustfmt::skip] // A table: one start a row.
const CASES: &[Case] = &[
    // the command line
    case(&[], "--bogus", "forebay: flag provided but not defined: --bogus"),
    case(&[], "-a 127.0.0.1 -p {port} --jetstrem", "forebay: flag provided but not defined: --jetstrem (did you mean \"--jetstream\"?)"),
    // the file
    case(&[("a.toml", "listen = 1\n[jetstrem]\n")], CONFIGURED,
        "forebay: {dir}/a.toml:2:2: key \"jetstrem\": unknown key (did you mean \"jetstream\"?)"),
    case(&[("a.toml", "[jetstream]\n")], CONFIGURED, "forebay: {dir}/a.toml:1:2: key \"jetstream\": needs a \"store_dir\""),
    case(&[("a.toml", "[jetstream]\nstore_dir = \"store\"\n[[streams]]\nname = \"A\"\nmax_age = \"1ns\"\n")], CONFIGURED,
        "forebay: {dir}/a.toml:3:1: key \"streams[0]\": the stream \"A\": max age needs to be >= 100ms (10052)"),
    case(&[("a.toml", "[jetstream]\nstore_dir = \"store\"\n[[streams]]\nname = \"A\"\nsubjects = [\"a..b\"]\n")], CONFIGURED,
        "forebay: {dir}/a.toml:3:1: key \"streams[0]\": the stream \"A\": invalid subject (10052)"),
    case(&[("a.toml", "[plugins.redact]\nfile = \"a.wasm\"\n[[transforms]]\nplugin = \"redcat\"\nsubjects = [\"x\"]\n")], CONFIGURED,
        "forebay: {dir}/a.toml:3:1: key \"transforms.plugin\": there is no [plugins.redcat] (did you mean \"redact\"?)"),
    // addresses
    case(&[], "-a 127.0.0.1 -p {taken} -m {http} -js -sd {dir}/store",
        "[FTL] Error listening on port: 127.0.0.1:{taken}, \"listen tcp 127.0.0.1:{taken}: bind: address already in use\""),
    case(&[], "-a 127.0.0.1 -p {port} -m {taken} -js -sd {dir}/store",
        "[FTL] Can't start monitoring: can't listen to the monitor port: listen tcp 127.0.0.1:{taken}: bind: address already in use"),
    // plugins
    case(&[("a.toml", "[jetstream]\nstore_dir = \"store\"\n[plugins.a]\nfile = \"a.wasm\"\n")], CONFIGURED,
        "[FTL] Can't load the plugins: plugin \"a\" ({dir}/a.wasm): cannot read {dir}/a.wasm: No such file or directory (os error 2)"),
    case(&[("a.toml", "[jetstream]\nstore_dir = \"store\"\n[plugins.a]\nfile = \"a.wasm\"\n"), ("a.wasm", "no plugin")], CONFIGURED,
        "[FTL] Can't load the plugins: plugin \"a\" ({dir}/a.wasm): it is not a WebAssembly module: it does not begin as one"),
    case(&[("a.toml", "[jetstream]\nstore_dir = \"store\"\n[plugins.a]\nfile = \"a.wasm\"\n"), ("a.wasm", "\0asm\x01\0\0\0")], CONFIGURED,
        "[FTL] Can't load the plugins: plugin \"a\" ({dir}/a.wasm): no custom section \"forebay.plugin\": this is not a forebay plugin (or its sections were stripped)"),
    // the store
    case(&[("store", "a file")], STORED,
        "[FTL] Can't start JetStream: the store folder {dir}/store/forebay cannot be used: not a directory"),
    case(&[("store/forebay/FORMAT", "of another kind"), ("store/forebay/LOCK", "")], STORED,
        "[FTL] Can't start JetStream: the store folder {dir}/store/forebay cannot be used: the store has segments but its file FORMAT is missing or unreadable; restore it from a backup"),
    case(&[("store/jetstream/$G/streams/X/meta.inf", "{}")], STORED,
        "[FTL] Can't start JetStream: {dir}/store/jetstream holds streams of nats-server, which are not touched: choose another store folder (-sd), or start with --ignore-nats-store"),
    // files of the process
    case(&[], "-a 127.0.0.1 -p {port} -m {http} -P {dir}/nowhere/pid", "[FTL] Could not write pidfile: open {dir}/nowhere/pid: no such file or directory"),
    case(&[], "-a 127.0.0.1 -p {port} -m {http} -l {dir}/nowhere/log", "forebay: error opening file: open {dir}/nowhere/log: no such file or directory"),
];

/// Every file below a folder with its content, and every empty folder.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            let inner = tree(&path);
            if inner.is_empty() {
                found.insert(name, Vec::new());
            }
            found.extend(inner);
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = FIRST_PORT + (std::process::id() % 5_000) as u16 + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What `act` returns, and whether anybody could connect to one of the ports meanwhile.
fn watched<R>(ports: [u16; 2], act: impl FnOnce() -> R) -> (R, bool) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let poller = scope.spawn(|| {
            let mut open = false;
            while !done.load(Ordering::Relaxed) {
                open |= ports.iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok());
                thread::sleep(POLL_PAUSE);
            }
            open
        });
        let result = act();
        done.store(true, Ordering::Relaxed);
        (result, poller.join().unwrap())
    })
}

#[test]
fn a_start_that_fails_says_why_in_one_line_and_leaves_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    for case in CASES {
        let folder = tempfile::tempdir().unwrap();
        let (port, http) = (free_port(), free_port());
        let fill = |text: &str| {
            let dir = folder.path().display().to_string();
            text.replace("{dir}", &dir)
                .replace("{port}", &port.to_string())
                .replace("{http}", &http.to_string())
                .replace("{taken}", &taken)
        };
        for (name, content) in case.files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let before = tree(folder.path());
        let pid = if case.flags.contains("-P") { "" } else { "-P {dir}/pid" };
        let line = fill(&format!("{} --ports_file_dir {{dir}} {pid}", case.flags));
        let (output, was_open) = watched([port, http], || run(&line));
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{line}: {text}");
        let last = text.lines().last().unwrap_or_default();
        assert!(last.ends_with(&fill(case.told)), "{line}:\n{last}\nshould end with\n{}", fill(case.told));
        let told = text.lines().filter(|line| !line.contains("[INF]")).count();
        assert_eq!(told, 1, "{line}: {text}");
        assert!(!text.contains("Server is ready") && !text.contains("Listening for"), "{text}");
        assert!(!was_open, "{line}: somebody could connect");
        assert_eq!(tree(folder.path()), before, "{line}");
    }
}

fn fatal(line: &str) -> String {
    let output = run(line);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{line}: {text}");
    let last = text.lines().last().unwrap_or_default();
    last.split_once("[FTL] ").unwrap_or_else(|| panic!("{text}")).1.to_owned()
}

#[test]
fn a_second_server_on_a_folder_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("-a 127.0.0.1 -p -1 -m -1 -js -sd {}", folder.path().display());
    let mut first = Process::start(&line);
    let store = folder.path().join("forebay").display().to_string();
    assert_eq!(
        fatal(&line),
        format!("Can't start JetStream: the store folder {store} cannot be used: the store is used by another server")
    );
    assert_eq!(first.get("/healthz").0, 200);
}

#[test]
fn a_declared_stream_that_the_store_cannot_take_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    let shown = path.display();
    let declare = |streams: &str| {
        let head = "listen = \"127.0.0.1:-1\"\n[jetstream]\nstore_dir = \"store\"\n";
        fs::write(&path, format!("{head}{streams}")).unwrap();
        format!("-c {shown}")
    };
    let first = Process::start(&declare("[[streams]]\nname = \"A\"\nsubjects = [\"a.*\"]\n"));
    assert_eq!(first.stop("TERM").0, Some(0));
    for (streams, told) in [
        (
            "[[streams]]\nname = \"B\"\nsubjects = [\"a.b\"]\n",
            "\"B\": subjects overlap with an existing stream (10065)",
        ),
        (
            "[[streams]]\nname = \"A\"\nsubjects = [\"a.*\"]\nstorage = \"memory\"\n",
            "\"A\": stream configuration update can not change storage type (10052)",
        ),
    ] {
        assert_eq!(fatal(&declare(streams)), format!("{shown}:4:1: the stream {told}"));
    }
    // Nothing of it was stored.
    let again = Process::start(&declare("[[streams]]\nname = \"A\"\nsubjects = [\"a.*\"]\n"));
    assert_eq!(again.stop("TERM").0, Some(0));
}

#[test]
fn a_signal_during_the_start_ends_the_program_as_one_after_it() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().display();
        let line = format!("-a 127.0.0.1 -p -1 -js -sd {dir}/store --ports_file_dir {dir}");
        let mut server = Process::spawn(Path::new(BINARY), &line);
        server.line_with("Starting forebay");
        let (code, texts) = server.stop(signal);
        assert_eq!(code, Some(0), "{texts:#?}");
        assert!(texts.iter().any(|text| text.starts_with("[INF] Trapped ")), "{texts:#?}");
        assert_eq!(texts.last().map(String::as_str), Some("[INF] Server Exiting.."));
        let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.into_iter().all(|name| name == "store"), "{texts:#?}");
        // However far it came, the next start goes on from there.
        assert_eq!(Process::start(&line).stop(signal).0, Some(0));
    }
}
