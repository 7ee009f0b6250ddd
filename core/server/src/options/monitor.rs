//! Where the monitoring endpoints are.

use super::Options;
use super::table::{Reload, Row, Set};

pub(crate) static ROWS: &[Row<Options>] = &[Row {
    key: "http.listen",
    default: "",
    unit: "",
    reload: Reload::Restart,
    since: "0.1.0",
    text: "Where /varz and /healthz are: a host and a port, or only a port. The port -1 takes a free one. \
           Without it there are none.",
    set: Set::Address(|options, address| options.http = Some(address)),
}];
