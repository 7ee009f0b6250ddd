//! A stream's config, reduced to the numbers that its machine needs on the way of every message.

use forebay_api::stream::{Discard, Retention, Storage, StreamConfig};

/// What nats-server adds to the subject and payload of a message in a file.
const FILE_OVERHEAD_BYTES: u64 = 30;
/// What it adds if there are headers: their length.
const FILE_HEADERS_OVERHEAD_BYTES: u64 = 4;
/// What it adds to a message in memory.
const MEMORY_OVERHEAD_BYTES: u64 = 16;

/// What the machine looks at. "No limit" is `u64::MAX`, times are ns.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) retention: Retention,
    pub(crate) discard_new: bool,
    pub(crate) discard_new_per_subject: bool,
    pub(crate) memory: bool,
    pub(crate) max_msgs: u64,
    pub(crate) max_bytes: u64,
    pub(crate) max_per_subject: u64,
    pub(crate) max_msg_size: u64,
    /// 0 is for ever.
    pub(crate) max_age: i64,
    pub(crate) window: i64,
    pub(crate) sealed: bool,
    pub(crate) deny_delete: bool,
    pub(crate) deny_purge: bool,
    pub(crate) allow_rollup: bool,
    pub(crate) allow_ttl: bool,
}

impl Rules {
    pub(crate) fn new(config: &StreamConfig) -> Self {
        let limit = |value: i64| if value > 0 { value.unsigned_abs() } else { u64::MAX };
        Self {
            retention: config.retention,
            discard_new: config.discard == Discard::New,
            discard_new_per_subject: config.discard_new_per_subject,
            memory: config.storage == Storage::Memory,
            max_msgs: limit(config.max_msgs),
            max_bytes: limit(config.max_bytes),
            max_per_subject: limit(config.max_msgs_per_subject),
            max_msg_size: limit(i64::from(config.max_msg_size)),
            max_age: config.max_age.ns().max(0),
            window: config.duplicate_window.ns().max(0),
            sealed: config.sealed,
            deny_delete: config.deny_delete,
            deny_purge: config.deny_purge,
            allow_rollup: config.allow_rollup_hdrs,
            allow_ttl: config.allow_msg_ttl,
        }
    }

    /// The logical size of a message, which limits count (nats-server `fileStoreMsgSize`, `memStoreMsgSize`).
    #[inline]
    pub(crate) fn size(&self, subject: &[u8], headers: &[u8], payload: &[u8]) -> u64 {
        (subject.len() + headers.len() + payload.len()) as u64 + overhead_bytes(self.memory, !headers.is_empty())
    }

    /// Removal waits for acks.
    pub(crate) fn waits_for_acks(&self) -> bool {
        self.retention != Retention::Limits
    }
}

/// What of a message's logical size is neither subject nor headers nor payload.
#[inline]
pub(crate) fn overhead_bytes(in_memory: bool, has_headers: bool) -> u64 {
    match (in_memory, has_headers) {
        (true, _) => MEMORY_OVERHEAD_BYTES,
        (false, false) => FILE_OVERHEAD_BYTES,
        (false, true) => FILE_OVERHEAD_BYTES + FILE_HEADERS_OVERHEAD_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_nats_servers() {
        let file = Rules::new(&StreamConfig::default());
        assert_eq!(file.size(b"foo", b"", b"hello"), 38);
        assert_eq!(file.size(b"foo", b"NATS/1.0\r\n\r\n", b"hello"), 54);
        let memory = Rules::new(&StreamConfig { storage: Storage::Memory, ..StreamConfig::default() });
        assert_eq!(memory.size(b"foo", b"", b"hello"), 24);
    }
}
