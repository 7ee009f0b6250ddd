//! What a metric is, and how its samples become text.

use std::borrow::Cow;

use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

const NANOS: f64 = 1e9;

/// Metrics with the same labels, read from the same rows.
pub(super) struct Group<T: 'static> {
    pub(super) labels: &'static [&'static str],
    /// A row's values of the labels, in their order.
    pub(super) values: for<'a> fn(&'a T) -> Vec<&'a str>,
    pub(super) families: &'static [Family<T>],
}

/// One metric.
pub(super) struct Family<T: 'static> {
    pub(super) name: &'static str,
    /// What it counts, and in which unit.
    pub(super) help: &'static str,
    pub(super) read: Read<T>,
}

/// Where a metric's samples come from, and of which type it is.
pub(super) enum Read<T: 'static> {
    Gauge(fn(&T) -> u64),
    Counter(fn(&T) -> u64),
    /// One counter for each combination of more labels.
    Counters(&'static [&'static str], for<'a> fn(&'a T) -> Counts<'a>),
    /// Durations in nanoseconds, which become seconds: the buckets' bounds, and what is in the buckets.
    Seconds(&'static [u64], for<'a> fn(&'a T) -> Durations<'a>),
}

/// Values of labels, and what was counted for them.
pub(super) type Counts<'a> = Vec<(Vec<Cow<'a, str>>, u64)>;

/// Durations: how many in each bucket (not cumulative) and beyond the last, and their sum in nanoseconds.
pub(super) struct Durations<'a> {
    pub(super) counts: &'a [u64],
    pub(super) sum_ns: u64,
}

impl<T> Read<T> {
    pub(super) fn kind(&self) -> MetricType {
        match self {
            Self::Gauge(_) => MetricType::GAUGE,
            Self::Counter(_) | Self::Counters(..) => MetricType::COUNTER,
            Self::Seconds(..) => MetricType::HISTOGRAM,
        }
    }

    /// Labels beside those of the group.
    #[cfg(test)]
    pub(super) fn labels(&self) -> &'static [&'static str] {
        match self {
            Self::Counters(labels, _) => labels,
            _ => &[],
        }
    }
}

impl<T> Group<T> {
    /// Appends the samples of the rows. Only one metric's samples are in memory as anything but text.
    ///
    /// # Errors
    /// A name that Prometheus does not take.
    pub(super) fn write(&self, rows: &[T], text: &mut String) -> prometheus::Result<()> {
        for family in self.families {
            let mut samples = Vec::with_capacity(rows.len());
            for row in rows {
                self.sample(family, row, &mut samples);
            }
            // Prometheus knows no metric without a sample.
            if !samples.is_empty() {
                let mut written = MetricFamily::default();
                written.set_name(family.name.to_owned());
                written.set_help(family.help.to_owned());
                written.set_field_type(family.read.kind());
                written.set_metric(samples);
                TextEncoder::new().encode_utf8(&[written], text)?;
            }
        }
        Ok(())
    }

    fn sample(&self, family: &Family<T>, row: &T, samples: &mut Vec<Metric>) {
        let labels: Vec<LabelPair> =
            self.labels.iter().zip((self.values)(row)).map(|(name, value)| label(name, value.to_owned())).collect();
        let mut metric = match &family.read {
            Read::Gauge(read) => gauge(read(row)),
            Read::Counter(read) => counter(read(row)),
            Read::Seconds(bounds_ns, read) => seconds(bounds_ns, &read(row)),
            Read::Counters(names, read) => {
                samples.extend(read(row).into_iter().map(|(values, count)| {
                    let more = names.iter().zip(values).map(|(name, value)| label(name, value.into_owned()));
                    let mut metric = counter(count);
                    metric.set_label(labels.iter().cloned().chain(more).collect());
                    metric
                }));
                return;
            }
        };
        metric.set_label(labels);
        samples.push(metric);
    }
}

fn label(name: &str, value: String) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

fn counter(value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::default();
    metric.set_counter(counter);
    metric
}

fn gauge(value: u64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value as f64);
    Metric::from_gauge(gauge)
}

fn seconds(bounds_ns: &[u64], durations: &Durations<'_>) -> Metric {
    let mut sum = 0;
    let buckets = bounds_ns.iter().zip(durations.counts).map(|(bound, count)| {
        sum += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound as f64 / NANOS);
        bucket.set_cumulative_count(sum);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(durations.counts.iter().sum());
    histogram.set_sample_sum(durations.sum_ns as f64 / NANOS);
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    metric
}
