//! `forebay.log(level, address, length)`: a line in the server's log, target `plugin`. Lines are cut to 4 KiB and, for
//! each thread, to 100 a second after a burst of 1,000; what is beyond is counted.

use wasmtime::{Caller, Linker};

use super::text;
use crate::abi::IMPORT_MODULE;
use crate::instance::GuestState;
use crate::limits::LOG_LINE_BYTES_MAX;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.func_wrap(IMPORT_MODULE, "log", |mut caller: Caller<'_, GuestState>, level: u32, at: u32, len: u32| {
        let now_ns = caller.data().clock.now_ns();
        if !caller.data().counters.log.take(now_ns) {
            return;
        }
        let line = text(&mut caller, at, len, LOG_LINE_BYTES_MAX);
        let identity = &caller.data().identity;
        let (plugin, sha) = (identity.name.as_str(), identity.sha8());
        match level {
            0 => tracing::error!(target: "plugin", plugin, sha, "{line}"),
            1 => tracing::warn!(target: "plugin", plugin, sha, "{line}"),
            2 => tracing::info!(target: "plugin", plugin, sha, "{line}"),
            3 => tracing::debug!(target: "plugin", plugin, sha, "{line}"),
            _ => tracing::trace!(target: "plugin", plugin, sha, "{line}"),
        }
    })?;
    Ok(())
}
