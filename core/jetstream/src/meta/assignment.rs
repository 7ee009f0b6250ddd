//! Where a stream lives.

use std::sync::Arc;

use forebay_api::stream::StreamConfig;

use crate::codec::{CodecError, Reader, Write};
use crate::id::StreamUid;

/// One stream of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its identity.
    pub uid: StreamUid,
    /// The account that owns it.
    pub account: Arc<str>,
    /// Its config; it has the name.
    pub config: Arc<StreamConfig>,
    /// Counts the changes of the config, from 1.
    pub revision: u64,
    /// Its shard.
    pub shard: u32,
    /// When it was created, in ns.
    pub created: i64,
}

impl Assignment {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.uid.0);
        out.put_bytes(self.account.as_bytes());
        out.put_bytes(&forebay_api::json::to_vec(&*self.config));
        out.put_u64(self.revision);
        out.put_u64(u64::from(self.shard));
        out.put_i64(self.created);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            uid: StreamUid(r.u64()?),
            account: Arc::from(r.text()?),
            config: Arc::new(serde_json::from_slice(r.bytes()?).map_err(|_| CodecError::Text)?),
            revision: r.u64()?,
            shard: r.u32()?,
            created: r.i64()?,
        })
    }
}
