//! Every metric that `/metrics` shows: one row each (DESIGN §5 has the names).

use std::borrow::Cow;

use forebay_api::stream::Storage;
use forebay_broker::BrokerStats;
use forebay_jetstream::metrics::{ConsumerRow, StreamRow};
use forebay_plugin_host::metrics::{PluginSnapshot, SECONDS_BOUNDS_NS};
use forebay_store::limits::SYNC_BOUNDS_NS;

use super::StoreMeasured;
use super::family::{Counts, Durations, Family, Group, Read};

/// The label of consumers without a name of their own.
const EPHEMERAL: &str = "_ephemeral";

const fn gauge<T>(name: &'static str, help: &'static str, read: fn(&T) -> u64) -> Family<T> {
    Family { name, help, read: Read::Gauge(read) }
}

const fn counter<T>(name: &'static str, help: &'static str, read: fn(&T) -> u64) -> Family<T> {
    Family { name, help, read: Read::Counter(read) }
}

const fn counters<T>(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    read: for<'a> fn(&'a T) -> Counts<'a>,
) -> Family<T> {
    Family { name, help, read: Read::Counters(labels, read) }
}

const fn seconds<T>(
    name: &'static str,
    help: &'static str,
    bounds_ns: &'static [u64],
    read: for<'a> fn(&'a T) -> Durations<'a>,
) -> Family<T> {
    Family { name, help, read: Read::Seconds(bounds_ns, read) }
}

#[rustfmt::skip] // A table: one metric a row, here and below.
pub(super) static BROKER: Group<BrokerStats> = Group {
    labels: &[],
    values: |_| Vec::new(),
    families: &[
        counter("forebay_in_messages_total", "Messages that clients published.", |s| s.in_messages),
        counter("forebay_in_bytes_total", "Bytes of headers and payloads that clients published.", |s| s.in_bytes),
        counter("forebay_out_messages_total", "Messages sent to clients.", |s| s.out_messages),
        counter("forebay_out_bytes_total", "Bytes of headers and payloads sent to clients.", |s| s.out_bytes),
        gauge("forebay_connections", "Connections of clients now.", |s| s.connections as u64),
        counter("forebay_connections_total", "Connections of clients since the start.", |s| s.total_connections),
        gauge("forebay_subscriptions", "Subscriptions now.", |s| s.subscriptions as u64),
        counter("forebay_slow_consumers_total", "Connections cut because they did not read in time.", |s| s.slow_consumers),
        counter("forebay_stale_connections_total", "Connections cut because they did not answer pings.", |s| s.stale_connections),
        counter("forebay_stalls_total", "Times a publisher was held back for a subscriber that was behind.", |s| s.stalls),
    ],
};

#[rustfmt::skip]
pub(super) static STREAMS: Group<StreamRow> = Group {
    labels: &["account", "stream", "storage"],
    values: |row| vec![&row.account, &row.stream, storage(row.storage)],
    families: &[
        gauge("forebay_stream_messages", "Messages in the stream.", |row| row.messages),
        gauge("forebay_stream_bytes", "Bytes of the stream as its limits count them.", |row| row.bytes),
        gauge("forebay_stream_first_sequence", "Sequence of the first message.", |row| row.first_sequence),
        gauge("forebay_stream_last_sequence", "Sequence of the last message.", |row| row.last_sequence),
        gauge("forebay_stream_consumers", "Consumers of the stream.", |row| row.consumers),
        counter("forebay_stream_published_total", "Messages stored.", |row| row.published_total),
        counter("forebay_stream_published_bytes_total", "Bytes of headers and payloads stored.", |row| row.published_bytes_total),
        counter("forebay_stream_duplicates_total", "Messages not stored again because their id was known.", |row| row.duplicates_total),
        counters("forebay_stream_refused_total", "Messages refused: an expectation was not met, a limit reached, a header not allowed, the stream sealed.", &["reason"], refused),
    ],
};

#[rustfmt::skip]
pub(super) static CONSUMERS: Group<ConsumerRow> = Group {
    labels: &["account", "stream", "consumer"],
    values: |row| vec![&row.account, &row.stream, row.consumer.as_deref().unwrap_or(EPHEMERAL)],
    families: &[
        gauge("forebay_consumer_pending", "Matching messages not yet delivered.", |row| row.pending),
        gauge("forebay_consumer_ack_pending", "Messages delivered and not yet acked.", |row| row.ack_pending),
        gauge("forebay_consumer_waiting", "Pull requests that wait for messages.", |row| row.waiting),
        counter("forebay_consumer_delivered_total", "Deliveries.", |row| row.delivered_total),
        counter("forebay_consumer_acked_total", "Messages acked.", |row| row.acked_total),
        counter("forebay_consumer_redelivered_total", "Deliveries after a message's first.", |row| row.redelivered_total),
        counter("forebay_consumer_filtered_total", "Messages that a plugin did not let through.", |row| row.filtered_total),
    ],
};

#[rustfmt::skip]
pub(super) static STORE: Group<StoreMeasured> = Group {
    labels: &[],
    values: |_| Vec::new(),
    families: &[
        gauge("forebay_store_memory_bytes", "Bytes of messages kept in memory for delivery.", |store| store.memory_bytes),
        gauge("forebay_store_failed", "1 once the store failed: nothing is acked until a restart.", |store| u64::from(store.failed)),
        seconds("forebay_store_sync_seconds", "Durations of synced writes.", &SYNC_BOUNDS_NS,
            |store| Durations { counts: &store.sync_counts, sum_ns: store.sync_nanos }),
    ],
};

#[rustfmt::skip]
pub(super) static PLUGINS: Group<PluginSnapshot> = Group {
    labels: &["plugin"],
    values: |plugin| vec![&plugin.name],
    families: &[
        counters("forebay_plugin_calls_total", "Messages judged by a plugin, and what became of them.", &["kind", "outcome"], calls),
        counter("forebay_plugin_invocations_total", "Calls into the plugin; a call judges one message or a batch.", |plugin| plugin.counts.invocations),
        counters("forebay_plugin_errors_total", "Messages that a plugin could not judge; its policy decided.", &["reason"], errors),
        seconds("forebay_plugin_call_seconds", "Durations of calls: of batches all, of single calls every 64th.", &SECONDS_BOUNDS_NS,
            |plugin| Durations { counts: &plugin.counts.seconds_counts, sum_ns: plugin.counts.seconds_sum_ns }),
        counters("forebay_plugin_reloads_total", "Reloads of the plugin's file or config.", &["result"], reloads),
        gauge("forebay_plugin_breaker_open", "Bindings of the plugin whose breaker is open.", |plugin| plugin.breakers_open),
        counter("forebay_plugin_instantiations_total", "Instances made, the first of each thread included.", |plugin| plugin.counts.instantiations),
        counter("forebay_plugin_log_dropped_total", "Lines of the plugin's log beyond its rate.", |plugin| plugin.counts.log_dropped),
        counters("forebay_plugin_user_total", "What the plugin counts itself.", &["metric"], user),
    ],
};

fn storage(storage: Storage) -> &'static str {
    match storage {
        Storage::File => "file",
        Storage::Memory => "memory",
    }
}

fn refused(row: &StreamRow) -> Counts<'_> {
    row.refused_total.by_reason().into_iter().map(|(reason, count)| (vec![reason.into()], count)).collect()
}

fn calls(plugin: &PluginSnapshot) -> Counts<'_> {
    plugin.counts.calls().map(|(kind, outcome, count)| (vec![kind.into(), outcome.into()], count)).collect()
}

fn errors(plugin: &PluginSnapshot) -> Counts<'_> {
    plugin.counts.errors().map(|(reason, count)| (vec![reason.as_str().into()], count)).collect()
}

fn reloads(plugin: &PluginSnapshot) -> Counts<'_> {
    let results = [("ok", plugin.counts.reloads_ok), ("failed", plugin.counts.reloads_failed)];
    results.into_iter().map(|(result, count)| (vec![result.into()], count)).collect()
}

fn user(plugin: &PluginSnapshot) -> Counts<'_> {
    plugin.counts.user.iter().map(|(metric, count)| (vec![Cow::Borrowed(metric.as_str())], *count)).collect()
}
