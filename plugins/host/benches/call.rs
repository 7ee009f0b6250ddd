//! What a call costs, with everything around it that the server pays, too: the table's generation, the slot, counters,
//! the breaker, the frame, the answer. `cargo bench -p forebay-plugin-host`; guests are built by it as in the tests.
//!
//! The message is that of DESIGN §4.5: subject of 23 bytes, two headers, payload of 256 bytes. What is measured is the
//! thread's CPU time, so that a busy machine does not count (its other hyperthread still does: take the lowest of runs).

use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use forebay_broker::hooks::{FilterHook, MessageRef, TransformHook};
use forebay_plugin_host::{FilterBinding, Host, HostConfig, PluginConfig, PluginSet, ThreadPlugins, TransformBinding};
use rustix::time::{ClockId, clock_gettime};

const HEADERS: &[u8] = b"NATS/1.0\r\nTrace-Id: 0123456789abcdef\r\nSource: bench\r\n\r\n";

fn guests() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../bundled");
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let built = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["build", "--release", "--locked", "--target", "wasm32-unknown-unknown", "--target-dir"])
        .arg(&target)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "rustup target add wasm32-unknown-unknown");
    target.join("wasm32-unknown-unknown/release")
}

/// A filter that looks at the subject's first byte and needs nothing else: what remains is the way there and back.
fn least(folder: &std::path::Path) -> PathBuf {
    let text = r#"(module (memory (export "memory") 2)
        (func (export "forebay_buf") (param i32) (result i32) i32.const 1024)
        (func (export "forebay_filter") (param i32) (result i64) (i64.load8_u (i32.const 1056)))
        (@custom "forebay.plugin" "{\"abi\":\"forebay/1\",\"kind\":\"filter\",\"fn\":\"f\",\"needs\":1}"))"#;
    let path = folder.join("least.wasm");
    std::fs::write(&path, wat::parse_str(text).expect("it is WebAssembly")).expect("it is written");
    path
}

/// A thread with one plugin of the guests; see [`thread_of`].
fn thread(name: &str, config: Option<serde_json::Value>, filters: bool) -> ThreadPlugins {
    thread_of(guests().join(format!("{name}.wasm")), config, filters)
}

/// A thread with one plugin, bound as a filter or as a transform: binding 0.
fn thread_of(file: PathBuf, config: Option<serde_json::Value>, filters: bool) -> ThreadPlugins {
    let ticks = AtomicU64::new(0);
    let host = Host::new(HostConfig::default(), Arc::new(move || ticks.fetch_add(1, Ordering::Relaxed)));
    let mut plugin = PluginConfig::new("p", file);
    plugin.config = config;
    let mut set = PluginSet { plugins: vec![plugin], ..PluginSet::default() };
    if filters {
        set.filters.push(FilterBinding::new("p", "S", "C"));
    } else {
        set.transforms.push(TransformBinding::new("p", &[">"]));
    }
    host.apply(&set).expect("it is published");
    host.thread()
}

/// The CPU time of `calls` calls.
fn cpu_time<T>(calls: u64, mut call: impl FnMut() -> T) -> Duration {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let before = now();
    for _ in 0..calls {
        black_box(call());
    }
    now() - before
}

fn payload() -> Vec<u8> {
    let mut payload =
        br#"{"id":1,"state":"New York","operator":"MILITARY","size":"Large","damage":"None","pad":""#.to_vec();
    payload.resize(254, b'x');
    payload.extend_from_slice(b"\"}");
    payload
}

fn filters(criterion: &mut Criterion) {
    let payload = payload();
    let mut group = criterion.benchmark_group("filter");
    let folder = tempfile::tempdir().expect("a folder");
    let mut plugins = thread_of(least(folder.path()), None, true);
    let message = MessageRef { subject: b"orders.europe.sweden.all", payload: &payload, ..MessageRef::default() };
    group.bench_function("least/single", |bench| {
        bench.iter_custom(|calls| cpu_time(calls, || plugins.filter_batch(0, black_box(&[message]))));
    });
    for kind in ["touch", "scan"] {
        let subject = format!("orders.europe.sweden.{kind}");
        let message =
            MessageRef { subject: subject.as_bytes(), headers: HEADERS, payload: &payload, ..MessageRef::default() };
        let mut plugins = thread("testbed", None, true);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{kind}/single"), |bench| {
            bench.iter_custom(|calls| cpu_time(calls, || plugins.filter_batch(0, black_box(&[message]))));
        });
        group.throughput(Throughput::Elements(64));
        group.bench_function(format!("{kind}/batch of 64"), |bench| {
            bench.iter_custom(|calls| cpu_time(calls, || plugins.filter_batch(0, black_box(&[message; 64]))));
        });
    }
    let message = MessageRef { subject: b"strikes.new_york.large", payload: &payload, ..MessageRef::default() };
    let config = serde_json::json!({ "field": "damage", "op": "!=", "value": "None" });
    let mut plugins = thread("json_filter", Some(config), true);
    group.throughput(Throughput::Elements(1));
    group.bench_function("json-filter/single", |bench| {
        bench.iter_custom(|calls| cpu_time(calls, || plugins.filter_batch(0, black_box(&[message]))));
    });
    group.throughput(Throughput::Elements(64));
    group.bench_function("json-filter/batch of 64", |bench| {
        bench.iter_custom(|calls| cpu_time(calls, || plugins.filter_batch(0, black_box(&[message; 64]))));
    });
    group.finish();
}

fn transforms(criterion: &mut Criterion) {
    let payload = payload();
    let mut group = criterion.benchmark_group("transform");
    group.throughput(Throughput::Elements(1));
    for kind in ["pass", "rename"] {
        let subject = format!("orders.europe.sweden.{kind}");
        let message =
            MessageRef { subject: subject.as_bytes(), headers: HEADERS, payload: &payload, ..MessageRef::default() };
        let mut plugins = thread("testbed", None, false);
        group.bench_function(kind, |bench| {
            bench.iter_custom(|calls| cpu_time(calls, || plugins.transform_all(&[0], black_box(&message))))
        });
    }
    let message = MessageRef { subject: b"faa.strikes", payload: &payload, ..MessageRef::default() };
    let config = serde_json::json!({ "hash": ["operator"], "subject": "strikes.{state}.{size}" });
    let mut plugins = thread("redact", Some(config), false);
    group.bench_function("redact", |bench| {
        bench.iter_custom(|calls| cpu_time(calls, || plugins.transform_all(&[0], black_box(&message))))
    });
    group.finish();
}

criterion_group!(calls, filters, transforms);
criterion_main!(calls);
