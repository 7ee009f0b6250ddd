//! What a publish costs beside plugins that it has nothing to do with: a client's bytes through a session, with one
//! subscriber. `publish_cost CASE MESSAGES` with a case of the table below; under `valgrind --tool=callgrind` the
//! difference between two counts of messages is instructions a message.
//!
//! | case | |
//! |---|---|
//! | `none` | the thread has no hook at all |
//! | `empty` | the hook of a server without plugins |
//! | `bound:N` | N transforms of other subjects |
//!
//! With `-known` behind it each message has the same subject, with `-fresh` each has one of its own, with `-inbox` one of
//! its own below `_INBOX`.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use forebay_broker::{Broker, BrokerConfig, Outbound, Session, Sink, ThreadState, Wake};
use forebay_plugin_host::{Host, HostConfig, PluginConfig, PluginSet, TransformBinding};

/// What a core thread reads at once.
const BATCH: usize = 500;

struct Nowhere;

impl Sink for Nowhere {
    fn try_send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }
    fn wake_owner(&self, _: Wake) {}
}

/// A host with one plugin that passes everything, bound to so many subjects.
fn host(bindings: usize) -> Host {
    let host = Host::new(HostConfig { threads: 1, plugins_max: 1, ..HostConfig::default() }, Arc::new(|| 0));
    if bindings == 0 {
        return host;
    }
    let text = r#"(module (memory (export "memory") 2)
        (func (export "forebay_buf") (param i32) (result i32) i32.const 1024)
        (func (export "forebay_transform") (param i32) (result i64) i64.const 0)
        (@custom "forebay.plugin" "{\"abi\":\"forebay/1\",\"kind\":\"transform\",\"fn\":\"f\",\"needs\":1}"))"#;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pass.wasm");
    std::fs::write(&path, wat::parse_str(text).expect("it is WebAssembly")).expect("it is written");
    let mut set = PluginSet { plugins: vec![PluginConfig::new("p", path)], ..PluginSet::default() };
    set.transforms = (0..bindings).map(|n| TransformBinding::new("p", &[&format!("orders.eu{n}.*")])).collect();
    host.apply(&set).expect("a sound set");
    host
}

/// The publishes from number `from` on, as a client writes them.
fn batch(kind: &str, from: usize, bytes: &mut String) {
    bytes.clear();
    for number in from..from + BATCH {
        let written = match kind {
            "known" => write!(bytes, "PUB orders.us.a 16\r\n0123456789abcdef\r\n"),
            "fresh" => write!(bytes, "PUB orders.us.{number:08} 16\r\n0123456789abcdef\r\n"),
            _ => write!(bytes, "PUB _INBOX.abcdefgh.{number:08} 16\r\n0123456789abcdef\r\n"),
        };
        written.expect("writing into a String cannot fail");
    }
}

#[allow(clippy::disallowed_methods)]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (case, kind) = arguments[1].split_once('-').expect("CASE-KIND");
    let messages: usize = arguments[2].parse().expect("a number");
    let mut thread = ThreadState::new(Broker::new(BrokerConfig::default()), 1, Instant::now(), 1);
    let bindings = case.strip_prefix("bound:").map_or(0, |count| count.parse().expect("a number"));
    let host = host(bindings);
    if case != "none" {
        thread.set_transforms(Box::new(host.thread()));
    }
    let outbound = Arc::new(Outbound::new(1, Box::new(Nowhere), 1 << 30));
    let mut client = Session::new(&thread, outbound, IpAddr::V4(Ipv4Addr::LOCALHOST));
    client.handle_open(&mut thread, true).expect("room");
    client
        .handle_bytes(&mut thread, b"CONNECT {\"verbose\":false}\r\nSUB orders.us.* 1\r\nSUB _INBOX.abcdefgh.* 2\r\n");
    thread.flush();
    let (mut bytes, mut nanos) = (String::new(), 0);
    for from in (0..messages).step_by(BATCH) {
        batch(kind, from, &mut bytes);
        let start = Instant::now();
        client.handle_bytes(&mut thread, bytes.as_bytes());
        thread.flush();
        nanos += start.elapsed().as_nanos();
    }
    println!("{} {:.1} ns a message", arguments[1], nanos as f64 / messages as f64);
}
