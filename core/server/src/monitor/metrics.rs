//! `/metrics`: everything that is counted, in Prometheus' text format (DESIGN §5).
//!
//! The counters live where they are counted; a scrape copies them into the exposition format and keeps nothing. A label
//! value that is known appears from the start, with zero.

use forebay_api::stream::Storage;
use forebay_broker::BrokerStats;
use forebay_jetstream::metrics::{ConsumerRow, MetricRows, StreamRow};
use forebay_plugin_host::Snapshot;
use forebay_plugin_host::metrics::{PluginSnapshot, SECONDS_BOUNDS_NS};
use forebay_store::limits::SYNC_BOUNDS_NS;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder as _, TextEncoder};
use std::collections::BTreeMap;

/// The label of consumers without a name of their own.
const EPHEMERAL: &str = "_ephemeral";
const NANOS: f64 = 1e9;

/// Everything that is counted, at one moment.
#[derive(Debug, Default)]
pub struct Measured {
    /// The broker's totals.
    pub broker: BrokerStats,
    /// Streams and consumers; `None` without JetStream.
    pub jetstream: Option<MetricRows>,
    /// The store; `None` without JetStream.
    pub store: Option<StoreMeasured>,
    /// Plugins.
    pub plugins: Snapshot,
}

/// The store at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreMeasured {
    /// Bytes of messages that are kept in memory for delivery.
    pub memory_bytes: u64,
    /// Nothing is stored any more until a restart.
    pub failed: bool,
    /// Durable writes by duration, one for each of `SYNC_BOUNDS_NS` and beyond.
    pub sync_counts: [u64; SYNC_BOUNDS_NS.len() + 1],
    /// Nanoseconds in them.
    pub sync_nanos: u64,
}

/// The text.
///
/// # Errors
/// A name or a row that Prometheus does not take: a bug of ours.
pub(super) fn text(measured: &Measured) -> prometheus::Result<String> {
    let mut page = Page::default();
    broker(&mut page, &measured.broker);
    if let Some(rows) = &measured.jetstream {
        rows.streams.iter().for_each(|row| stream(&mut page, row));
        consumers(&rows.consumers).iter().for_each(|row| consumer(&mut page, row));
    }
    if let Some(measured) = &measured.store {
        store(&mut page, measured);
    }
    measured.plugins.plugins.iter().for_each(|one| plugin(&mut page, one));
    let families: Vec<MetricFamily> = page.families.into_values().collect();
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What is written so far, a family for each name.
#[derive(Default)]
struct Page {
    families: BTreeMap<&'static str, MetricFamily>,
}

type Labels<'a> = [(&'static str, &'a str)];

impl Page {
    fn add(&mut self, name: &'static str, help: &str, kind: MetricType, labels: &Labels<'_>, mut metric: Metric) {
        let labels = labels.iter().map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        metric.set_label(labels.collect());
        let family = self.families.entry(name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(kind);
            family
        });
        family.mut_metric().push(metric);
    }

    fn counter(&mut self, name: &'static str, help: &str, labels: &Labels<'_>, value: u64) {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        let mut metric = Metric::default();
        metric.set_counter(counter);
        self.add(name, help, MetricType::COUNTER, labels, metric);
    }

    fn gauge(&mut self, name: &'static str, help: &str, labels: &Labels<'_>, value: u64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value as f64);
        self.add(name, help, MetricType::GAUGE, labels, Metric::from_gauge(gauge));
    }

    /// A histogram of durations; `counts` are not cumulative, and one more than `bounds_ns`.
    fn seconds(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &Labels<'_>,
        (bounds_ns, counts, sum_ns): (&[u64], &[u64], u64),
    ) {
        let mut sum = 0;
        let buckets = bounds_ns.iter().zip(counts).map(|(bound, count)| {
            sum += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound as f64 / NANOS);
            bucket.set_cumulative_count(sum);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(counts.iter().sum());
        histogram.set_sample_sum(sum_ns as f64 / NANOS);
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        self.add(name, help, MetricType::HISTOGRAM, labels, metric);
    }
}

fn broker(page: &mut Page, stats: &BrokerStats) {
    page.counter("forebay_in_messages_total", "Messages that clients published.", &[], stats.in_messages);
    page.counter("forebay_in_bytes_total", "Their headers and payloads.", &[], stats.in_bytes);
    page.counter("forebay_out_messages_total", "Messages sent to clients.", &[], stats.out_messages);
    page.counter("forebay_out_bytes_total", "Their headers and payloads.", &[], stats.out_bytes);
    page.gauge("forebay_connections", "Connections now.", &[], stats.connections as u64);
    page.counter("forebay_connections_total", "Connections since the start.", &[], stats.total_connections);
    page.gauge("forebay_subscriptions", "Subscriptions now.", &[], stats.subscriptions as u64);
    page.counter("forebay_slow_consumers_total", "Connections cut for being slow.", &[], stats.slow_consumers);
    page.counter("forebay_stale_connections_total", "Connections cut for silence.", &[], stats.stale_connections);
    page.counter("forebay_stalls_total", "Times a publisher was held back.", &[], stats.stalls);
}

fn stream(page: &mut Page, row: &StreamRow) {
    let storage = match row.storage {
        Storage::File => "file",
        Storage::Memory => "memory",
    };
    let labels: &Labels<'_> = &[("account", &row.account), ("stream", &row.stream), ("storage", storage)];
    page.gauge("forebay_stream_messages", "Messages in the stream.", labels, row.messages);
    page.gauge("forebay_stream_bytes", "Their logical size.", labels, row.bytes);
    page.gauge("forebay_stream_first_sequence", "The first sequence.", labels, row.first_sequence);
    page.gauge("forebay_stream_last_sequence", "The last sequence.", labels, row.last_sequence);
    page.gauge("forebay_stream_consumers", "Consumers of the stream.", labels, row.consumers);
    page.counter("forebay_stream_published_total", "Messages stored.", labels, row.published_total);
    page.counter("forebay_stream_published_bytes_total", "Their size.", labels, row.published_bytes_total);
    page.counter("forebay_stream_duplicates_total", "Messages with a known id.", labels, row.duplicates_total);
    for (reason, count) in row.refused_total.by_reason() {
        let labels = [labels, &[("reason", reason)]].concat();
        page.counter("forebay_stream_refused_total", "Messages refused.", &labels, count);
    }
}

/// The rows with those of ephemeral consumers added up.
fn consumers(rows: &[ConsumerRow]) -> Vec<ConsumerRow> {
    let mut sums: BTreeMap<(&str, &str, &str), ConsumerRow> = BTreeMap::new();
    for row in rows {
        let name = row.consumer.as_deref().unwrap_or(EPHEMERAL);
        match sums.entry((&row.account, &row.stream, name)) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(row.clone());
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let sum = place.get_mut();
                sum.pending += row.pending;
                sum.ack_pending += row.ack_pending;
                sum.waiting += row.waiting;
                sum.delivered_total += row.delivered_total;
                sum.acked_total += row.acked_total;
                sum.redelivered_total += row.redelivered_total;
                sum.filtered_total += row.filtered_total;
            }
        }
    }
    sums.into_values().collect()
}

fn consumer(page: &mut Page, row: &ConsumerRow) {
    let name = row.consumer.as_deref().unwrap_or(EPHEMERAL);
    let labels: &Labels<'_> = &[("account", &row.account), ("stream", &row.stream), ("consumer", name)];
    page.gauge("forebay_consumer_pending", "Messages not yet delivered.", labels, row.pending);
    page.gauge("forebay_consumer_ack_pending", "Deliveries that wait for an ack.", labels, row.ack_pending);
    page.gauge("forebay_consumer_waiting", "Pull requests that wait.", labels, row.waiting);
    page.counter("forebay_consumer_delivered_total", "Deliveries.", labels, row.delivered_total);
    page.counter("forebay_consumer_acked_total", "Acks.", labels, row.acked_total);
    page.counter("forebay_consumer_redelivered_total", "Deliveries after the first.", labels, row.redelivered_total);
    page.counter("forebay_consumer_filtered_total", "Messages a plugin held back.", labels, row.filtered_total);
}

fn store(page: &mut Page, store: &StoreMeasured) {
    page.gauge("forebay_store_memory_bytes", "Messages kept in memory for delivery.", &[], store.memory_bytes);
    page.gauge("forebay_store_failed", "1 once nothing is stored any more.", &[], u64::from(store.failed));
    let measured = (&SYNC_BOUNDS_NS[..], &store.sync_counts[..], store.sync_nanos);
    page.seconds("forebay_store_sync_seconds", "How long durable writes took.", &[], measured);
}

fn plugin(page: &mut Page, snapshot: &PluginSnapshot) {
    let (name, counts) = (snapshot.name.as_str(), &snapshot.counts);
    let labels: &Labels<'_> = &[("plugin", name)];
    for (kind, outcome, count) in counts.calls() {
        let labels = [labels, &[("kind", kind), ("outcome", outcome)]].concat();
        page.counter("forebay_plugin_calls_total", "Messages that plugins judged.", &labels, count);
    }
    page.counter("forebay_plugin_invocations_total", "Calls into plugins.", labels, counts.invocations);
    for (reason, count) in counts.errors() {
        let labels = [labels, &[("reason", reason.as_str())]].concat();
        page.counter("forebay_plugin_errors_total", "Messages on which a plugin failed.", &labels, count);
    }
    let measured = (&SECONDS_BOUNDS_NS[..], &counts.seconds_counts[..], counts.seconds_sum_ns);
    page.seconds("forebay_plugin_call_seconds", "How long calls took.", labels, measured);
    for (result, count) in [("ok", counts.reloads_ok), ("failed", counts.reloads_failed)] {
        let labels = [labels, &[("result", result)]].concat();
        page.counter("forebay_plugin_reloads_total", "Reloads of plugins.", &labels, count);
    }
    page.gauge("forebay_plugin_breaker_open", "Bindings whose breaker is open.", labels, snapshot.breakers_open);
    page.counter("forebay_plugin_instantiations_total", "Instances made.", labels, counts.instantiations);
    page.counter("forebay_plugin_log_dropped_total", "Log lines beyond the rate.", labels, counts.log_dropped);
    for (metric, count) in &counts.user {
        let labels = [labels, &[("metric", metric.as_str())]].concat();
        page.counter("forebay_plugin_user_total", "What plugins count themselves.", &labels, *count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_plugin_host::metrics::PluginCounts;

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

    #[test]
    fn known_values_start_at_zero_and_ephemerals_stand_together() {
        let rows = MetricRows {
            consumers: vec![consumer_row(None, 2), consumer_row(Some("damaged"), 7), consumer_row(None, 3)],
            ..MetricRows::default()
        };
        let plugin =
            PluginSnapshot { name: "redact".into(), counts: PluginCounts::default(), ..PluginSnapshot::default() };
        let mut sync_counts = [0; SYNC_BOUNDS_NS.len() + 1];
        (sync_counts[0], sync_counts[2], sync_counts[12]) = (5, 1, 2);
        let store = StoreMeasured { sync_counts, sync_nanos: 1_500_000_000, ..StoreMeasured::default() };
        let measured = Measured {
            jetstream: Some(rows),
            store: Some(store),
            plugins: Snapshot { plugins: vec![plugin] },
            ..Measured::default()
        };
        let text = text(&measured).expect("a page");
        for line in [
            "# TYPE forebay_plugin_calls_total counter",
            "forebay_plugin_calls_total{plugin=\"redact\",kind=\"transform\",outcome=\"replace\"} 0",
            "forebay_plugin_reloads_total{plugin=\"redact\",result=\"failed\"} 0",
            "forebay_consumer_pending{account=\"$G\",stream=\"S\",consumer=\"_ephemeral\"} 5",
            "forebay_consumer_filtered_total{account=\"$G\",stream=\"S\",consumer=\"damaged\"} 3",
            "forebay_store_sync_seconds_bucket{le=\"0.00005\"} 5",
            "forebay_store_sync_seconds_bucket{le=\"0.00025\"} 6",
            "forebay_store_sync_seconds_bucket{le=\"1\"} 6",
            "forebay_store_sync_seconds_bucket{le=\"+Inf\"} 8",
            "forebay_store_sync_seconds_sum 1.5",
            "forebay_in_messages_total 0",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("# TYPE forebay_consumer_pending").count(), 1);
    }
}
