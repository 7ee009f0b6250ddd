//! `/metrics`: everything that is counted, in Prometheus' text format (DESIGN §5).
//!
//! The counters live where they are counted; a scrape copies them into the exposition format and keeps nothing, so they
//! begin anew with the process. What there is to see is [`table`], one row a metric; `docs/reference/metrics.md` is
//! written from it. A label value that is known appears from the start, with zero.

mod family;
mod table;

use forebay_broker::BrokerStats;
use forebay_jetstream::metrics::MetricRows;
use forebay_plugin_host::Snapshot;
use forebay_store::limits::SYNC_BOUNDS_NS;

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
pub(super) fn text(measured: Measured) -> prometheus::Result<String> {
    let mut text = String::new();
    table::BROKER.write(&[measured.broker], &mut text)?;
    if let Some(MetricRows { mut streams, mut consumers }) = measured.jetstream {
        // For people who read the page.
        streams.sort_unstable_by(|a, b| (&a.account, &a.stream).cmp(&(&b.account, &b.stream)));
        consumers
            .sort_unstable_by(|a, b| (&a.account, &a.stream, &a.consumer).cmp(&(&b.account, &b.stream, &b.consumer)));
        table::STREAMS.write(&streams, &mut text)?;
        table::CONSUMERS.write(&consumers, &mut text)?;
    }
    table::STORE.write(measured.store.as_slice(), &mut text)?;
    table::PLUGINS.write(&measured.plugins.plugins, &mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
