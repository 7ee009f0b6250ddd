//! A stream in a checkpoint: all of it but the bodies. Memory streams come back empty, as in nats-server.

use forebay_api::stream::StreamConfig;
use forebay_store::StreamIndex;

use super::Stream;
use super::dedupe::Dedupe;
use super::ttl::Ttls;
use crate::codec::{CodecError, Reader, Write};
use crate::consumer::Consumer;
use crate::id::StreamUid;
use crate::shard::digest::Digest;

impl Stream {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.uid().0);
        out.put_bytes(self.facts.account.as_bytes());
        out.put_bytes(&forebay_api::json::to_vec(&*self.config));
        out.put_u64(self.revision);
        out.put_i64(self.created);
        if self.bodies.is_none() {
            out.put_byte(u8::from(self.relocated));
            out.put_i64(self.last_time);
            out.put_bytes(&self.last_msg_id);
            self.dedupe.encode(out);
            self.ttls.encode(out);
            self.digest.encode(out);
            let mut index = Vec::new();
            self.index.encode(&mut index);
            out.put_bytes(&index);
        }
        out.put_u64(self.consumers.len() as u64);
        for consumer in self.consumers.values() {
            consumer.encode(out);
        }
    }

    /// Reads what [`Stream::encode`] wrote. Fails on bytes that no writer makes.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let uid = StreamUid(r.u64()?);
        let account = r.text()?;
        let config: StreamConfig = serde_json::from_slice(r.bytes()?).map_err(|_| CodecError::Text)?;
        let (revision, created) = (r.u64()?, r.i64()?);
        let mut stream = Self::new(uid, account, config, revision, created);
        if stream.bodies.is_none() {
            stream.relocated = r.bool()?;
            stream.last_time = r.i64()?;
            stream.last_msg_id = r.bytes()?.to_vec();
            stream.dedupe = Dedupe::decode(uid.0, r)?;
            stream.ttls = Ttls::decode(r)?;
            stream.digest = Digest::decode(r)?;
            let (index, used) = StreamIndex::decode(r.bytes()?).map_err(|_| CodecError::Range)?;
            let _ = used;
            stream.index = index;
        }
        for _ in 0..r.count()? {
            let mut consumer = Consumer::decode(r, &stream.facts, &stream.config)?;
            if stream.bodies.is_some() {
                consumer.restart(&stream.config, &stream.index);
            }
            stream.adopt(consumer);
        }
        Ok(stream)
    }

    /// Takes a consumer in.
    pub(crate) fn adopt(&mut self, consumer: Consumer) {
        self.by_name.insert(consumer.facts.name.clone(), consumer.key().consumer.0);
        self.consumers.insert(consumer.key().consumer.0, consumer);
    }
}
