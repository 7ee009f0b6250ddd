//! What the page looks like, and the document that is written from its table.

use std::path::Path;

use forebay_api::stream::Storage;
use forebay_jetstream::metrics::{ConsumerRow, Refused, StreamRow};
use forebay_plugin_host::metrics::{PluginCounts, PluginSnapshot};
use prometheus::proto::MetricType;

use super::family::Group;
use super::*;

fn stream_row(name: &str) -> StreamRow {
    StreamRow {
        account: "$G".into(),
        stream: name.into(),
        storage: Storage::File,
        messages: 0,
        bytes: 0,
        first_sequence: 1,
        last_sequence: 0,
        consumers: 0,
        published_total: 0,
        published_bytes_total: 0,
        refused_total: Refused::default(),
        duplicates_total: 0,
    }
}

fn consumer_row(name: Option<&str>, pending: u64) -> ConsumerRow {
    ConsumerRow {
        account: "$G".into(),
        stream: "S".into(),
        consumer: name.map(Into::into),
        pending,
        ack_pending: 0,
        waiting: 0,
        delivered_total: 0,
        acked_total: 0,
        redelivered_total: 0,
        filtered_total: 3,
    }
}

fn page(measured: Measured, lines: &[&str]) -> String {
    let text = text(measured).expect("a page");
    for line in lines {
        assert!(text.lines().any(|have| have == *line), "{line} is not in\n{text}");
    }
    text
}

#[test]
fn known_values_start_at_zero_and_ephemerals_stand_together() {
    let rows = MetricRows {
        streams: vec![stream_row("S")],
        consumers: vec![consumer_row(Some("damaged"), 7), consumer_row(None, 5)],
    };
    let plugin = PluginSnapshot { name: "redact".into(), counts: PluginCounts::default(), ..PluginSnapshot::default() };
    let mut sync_counts = [0; SYNC_BOUNDS_NS.len() + 1];
    (sync_counts[0], sync_counts[2], sync_counts[12]) = (5, 1, 2);
    let store = StoreMeasured { sync_counts, sync_nanos: 1_500_000_000, ..StoreMeasured::default() };
    let measured = Measured {
        jetstream: Some(rows),
        store: Some(store),
        plugins: Snapshot { plugins: vec![plugin] },
        ..Measured::default()
    };
    let text = page(
        measured,
        &[
            "# TYPE forebay_plugin_calls_total counter",
            "forebay_plugin_calls_total{plugin=\"redact\",kind=\"transform\",outcome=\"replace\"} 0",
            "forebay_plugin_reloads_total{plugin=\"redact\",result=\"failed\"} 0",
            "forebay_stream_refused_total{account=\"$G\",stream=\"S\",storage=\"file\",reason=\"limit\"} 0",
            "forebay_consumer_pending{account=\"$G\",stream=\"S\",consumer=\"_ephemeral\"} 5",
            "forebay_consumer_filtered_total{account=\"$G\",stream=\"S\",consumer=\"damaged\"} 3",
            "forebay_store_sync_seconds_bucket{le=\"0.00005\"} 5",
            "forebay_store_sync_seconds_bucket{le=\"0.00025\"} 6",
            "forebay_store_sync_seconds_bucket{le=\"1\"} 6",
            "forebay_store_sync_seconds_bucket{le=\"+Inf\"} 8",
            "forebay_store_sync_seconds_sum 1.5",
            "forebay_in_messages_total 0",
        ],
    );
    assert_eq!(text.matches("# TYPE forebay_consumer_pending").count(), 1);
    assert!(!text.contains("forebay_plugin_user_total"), "a metric without samples is not named");
}

#[test]
fn odd_names_cannot_forge_samples() {
    let mut counts = PluginCounts::default();
    counts.user.insert("a\"} 1\nforebay_store_failed 1".into(), 2);
    let plugin = PluginSnapshot { name: "p".into(), counts, ..PluginSnapshot::default() };
    let rows = MetricRows { streams: vec![stream_row("a\"b\\c\u{e9}\nd")], consumers: Vec::new() };
    let plugins = Snapshot { plugins: vec![plugin] };
    let measured = Measured { jetstream: Some(rows), plugins, ..Measured::default() };
    let text = page(
        measured,
        &[
            r#"forebay_stream_messages{account="$G",stream="a\"b\\cé\nd",storage="file"} 0"#,
            r#"forebay_plugin_user_total{plugin="p",metric="a\"} 1\nforebay_store_failed 1"} 2"#,
        ],
    );
    assert!(!text.lines().any(|line| line.starts_with("forebay_store_failed")), "{text}");
}

const HEAD: &str = "\
# Metrics

What `/metrics` shows, in Prometheus' text format, on the monitoring port. Written from
`core/server/src/monitor/metrics/table.rs`; a test keeps it fresh (`cargo xtask codegen` writes it anew).

Counters begin anew with the process, as Prometheus expects. Label values that are known appear from the start, with 0.
Ephemeral consumers of a stream share one series with the consumer `_ephemeral`, in which what they counted stays when
they are gone.
";

fn describe<T>(title: &str, group: &Group<T>, out: &mut String) {
    out.push_str(&format!("\n## {}\n\n| metric | type | labels | what |\n|---|---|---|---|\n", title));
    for family in group.families {
        let labels: Vec<String> =
            group.labels.iter().chain(family.read.labels()).map(|name| format!("`{name}`")).collect();
        let kind = format!("{:?}", family.read.kind()).to_lowercase();
        out.push_str(&format!("| `{}` | {kind} | {} | {} |\n", family.name, labels.join(" "), family.help));
    }
}

#[test]
fn the_reference_of_metrics_is_fresh() {
    let mut wanted = HEAD.to_owned();
    describe("The server", &table::BROKER, &mut wanted);
    describe("Streams", &table::STREAMS, &mut wanted);
    describe("Consumers", &table::CONSUMERS, &mut wanted);
    describe("The store", &table::STORE, &mut wanted);
    describe("Plugins", &table::PLUGINS, &mut wanted);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == wanted, "{} is stale: run the test with BLESS=1", path.display());
}

fn check_names<T>(group: &Group<T>) {
    for family in group.families {
        let (name, is_total) = (family.name, family.name.ends_with("_total"));
        assert!(name.starts_with("forebay_"), "{name}");
        assert_eq!(is_total, family.read.kind() == MetricType::COUNTER, "{name}");
        assert_eq!(name.ends_with("_seconds"), family.read.kind() == MetricType::HISTOGRAM, "{name}");
        assert!(family.help.ends_with('.') && !family.help.contains('|'), "{name}");
    }
}

#[test]
fn names_tell_type_and_unit() {
    check_names(&table::BROKER);
    check_names(&table::STREAMS);
    check_names(&table::CONSUMERS);
    check_names(&table::STORE);
    check_names(&table::PLUGINS);
}
