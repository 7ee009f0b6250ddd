//! Where the monitoring endpoints are, and whether `/metrics` is one.

use super::Options;
use super::table::{Reload, Row, Set};

pub(crate) static ROWS: &[Row<Options>] = &[
    Row {
        key: "http.listen",
        default: "",
        unit: "",
        reload: Reload::Restart,
        since: "0.1.0",
        text: "Where /varz, /healthz and /metrics are: a host and a port, or only a port. The port -1 takes a free one. \
               Without it there are none.",
        set: Set::Address(|options, address| options.http = Some(address)),
    },
    Row {
        key: "metrics.enabled",
        default: "true",
        unit: "",
        reload: Reload::Restart,
        since: "0.1.0",
        text: "Whether /metrics answers, for Prometheus.",
        set: Set::Flag(|options, flag| options.metrics = flag),
    },
];
