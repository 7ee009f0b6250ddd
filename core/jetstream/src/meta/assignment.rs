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
    /// Subjects of former configs that may come back, while the shard has not decided about an update: no other stream
    /// gets them. Not empty means that it has not.
    pub held: Vec<String>,
}

impl Assignment {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.uid.0);
        out.put_bytes(self.account.as_bytes());
        out.put_bytes(&forebay_api::json::to_vec(&*self.config));
        out.put_u64(self.revision);
        out.put_u64(u64::from(self.shard));
        out.put_i64(self.created);
        out.put_u64(self.held.len() as u64);
        self.held.iter().for_each(|subject| out.put_bytes(subject.as_bytes()));
    }

    /// Tables of version 1 say nothing about held subjects.
    pub(super) fn decode(r: &mut Reader<'_>, version: u8) -> Result<Self, CodecError> {
        let mut stream = Self {
            uid: StreamUid(r.u64()?),
            account: Arc::from(r.text()?),
            config: Arc::new(serde_json::from_slice(r.bytes()?).map_err(|_| CodecError::Text)?),
            revision: r.u64()?,
            shard: r.u32()?,
            created: r.i64()?,
            held: Vec::new(),
        };
        if version > 1 {
            for _ in 0..r.count()? {
                stream.held.push(r.text()?.to_owned());
            }
        }
        Ok(stream)
    }
}
