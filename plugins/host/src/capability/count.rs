//! `forebay.count(address, length, by)`: a counter of the plugin's own, exported as
//! `forebay_plugin_user_total{plugin,metric}`. At most 32 names; a bad or surplus name is not counted.

use wasmtime::{Caller, Extern, Linker};

use crate::abi::IMPORT_MODULE;
use crate::instance::GuestState;
use crate::limits::COUNTER_NAME_BYTES_MAX;

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    linker.func_wrap(IMPORT_MODULE, "count", |mut caller: Caller<'_, GuestState>, at: u32, len: u32, by: u64| {
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return };
        let (bytes, state) = memory.data_and_store_mut(&mut caller);
        let name = bytes.get(at as usize..).and_then(|rest| rest.get(..len as usize));
        if let Some(name) = name.and_then(counter_name) {
            state.counters.user(name, by);
        }
    })?;
    Ok(())
}

/// The name, if it may be a counter's.
fn counter_name(bytes: &[u8]) -> Option<&str> {
    let sound = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    if bytes.is_empty() || bytes.len() > COUNTER_NAME_BYTES_MAX || !bytes.iter().all(sound) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counters_name_is_one_that_prometheus_takes() {
        assert_eq!(counter_name(b"rows_2"), Some("rows_2"));
        for bad in [&b""[..], b"A", b"a-b", b"a\n", &[b'a'; 65]] {
            assert_eq!(counter_name(bad), None);
        }
    }
}
