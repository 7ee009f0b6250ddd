//! Applying what the log says: one arm per command. Decides only from the shard's state.

use std::sync::Arc;

use forebay_api::error::ApiError;
use forebay_api::stream::StreamConfig;
use forebay_store::Location;

use super::Shard;
use super::name::StreamName;
use super::timer::Timed;
use crate::command::{CodecError, CommandError, StreamCommand, number};
use crate::consumer::status::StatusKind;
use crate::effect::{ApiOk, Applied, Body, Effects, Lifecycle, Row, RowOutcome};
use crate::id::{NO_WAITER, StreamUid};
use crate::mutant;
use crate::record::Record;
use crate::stream::{InfoRequest, Stream};

impl Shard {
    /// Applies one record. Its entry is durable, or its stream is in memory.
    pub fn apply(&mut self, record: &Record<'_>, at: Applied, fx: &mut Effects) {
        self.applied = self.applied.max(at.index);
        if record.number == number::PUBLISH {
            return self.apply_publish(record, at, fx);
        }
        if fx.gather_rows {
            let stream = StreamUid(record.uid);
            let outcome = RowOutcome::NotAMessage;
            fx.rows.push(Row { location: at.location, stream, outcome, size: 0, time: record.time });
        }
        let applied = match record.number {
            1..=99 => StreamCommand::decode(record.number, record.payload)
                .map(|command| self.apply_stream(command, record, at, fx)),
            _ => self.apply_consumer(record, at, fx),
        };
        if let Err(error) = applied {
            fx.reply(at.waiter, Err(ApiError::bad_request()));
            fx.damaged.push(error);
        }
    }

    /// The collector moved a message's body: the record at `location` has this sequence. False if the message is gone.
    pub fn apply_relocated(&mut self, uid: StreamUid, seq: u64, location: Location, fx: &mut Effects) -> bool {
        let Some(stream) = self.streams.get_mut(&uid.0) else { return false };
        let Some(meta) = stream.index.get(seq) else { return false };
        let moved = if mutant::active(mutant::MOVED_BODY_NOT_NOTED) { meta.location } else { location };
        let Some(old) = stream.index.set_location(seq, moved) else { return false };
        stream.relocated = true;
        fx.released.push(Body { location: old, size: meta.size });
        fx.retained.push(Body { location, size: meta.size });
        true
    }

    fn apply_publish(&mut self, record: &Record<'_>, at: Applied, fx: &mut Effects) {
        let Some(stream) = self.streams.get_mut(&record.uid) else {
            if at.waiter != NO_WAITER {
                fx.orphans.push(at.waiter);
            }
            return;
        };
        stream.apply_publish(record, at, fx);
        if self.leads {
            self.timers.arm(Timed::Stream(stream.uid()), stream.poll_timeout(), &mut stream.armed);
        }
    }

    fn apply_stream(&mut self, command: StreamCommand, record: &Record<'_>, at: Applied, fx: &mut Effects) {
        let uid = StreamUid(record.uid);
        if let StreamCommand::Create { account, config, revision } = &command {
            return self.apply_create(uid, account, config, *revision, record.time, at, fx);
        }
        let Some(stream) = self.streams.get_mut(&uid.0) else {
            return fx.reply(at.waiter, Err(ApiError::stream_not_found()));
        };
        stream.now = record.time;
        match command {
            StreamCommand::Create { .. } => {}
            StreamCommand::Update { config, revision } => {
                self.apply_update(uid, &config, revision, record.time, at, fx)
            }
            StreamCommand::Delete => self.apply_delete(uid, at, fx),
            StreamCommand::Purge { filter, below, keep } => {
                let purged = stream.apply_purge(&filter, below, keep, fx);
                fx.reply(at.waiter, purged.map(ApiOk::Purged));
            }
            StreamCommand::DeleteMessage { seq, erase: _ } => {
                // Bytes are never overwritten in place: the collector leaves dead records out of what it rewrites.
                let deleted = stream.apply_delete_message(seq, fx);
                fx.reply(at.waiter, deleted.map(|()| ApiOk::Done));
            }
            StreamCommand::Expire { through } => stream.apply_expire(through, fx),
            StreamCommand::Skip { through } => stream.apply_skip(through),
            StreamCommand::ExpireMessages { runs } => stream.apply_expire_messages(&runs, fx),
        }
        self.arm_stream(uid);
    }

    #[allow(clippy::too_many_arguments, reason = "the command's fields and the record's, taken apart once")]
    fn apply_create(
        &mut self,
        uid: StreamUid,
        account: &str,
        config: &[u8],
        revision: u64,
        time: i64,
        at: Applied,
        fx: &mut Effects,
    ) {
        if let Some(stream) = self.streams.get(&uid.0) {
            // Proposed again after a crash between the meta machine's log and this one.
            let info = stream.info(time, &InfoRequest::default()).info;
            return fx.reply(at.waiter, Ok(ApiOk::Stream(Box::new(info))));
        }
        let Some(config) = parse(config, number::STREAM_CREATE, at, fx) else { return };
        let stream = Stream::new(uid, account, config, revision, time);
        let info = stream.info(time, &InfoRequest::default()).info;
        let (facts, config) = (Arc::clone(&stream.facts), Arc::clone(&stream.config));
        self.insert(stream);
        fx.lifecycle.push(Lifecycle::StreamCreated { facts, config });
        fx.reply(at.waiter, Ok(ApiOk::Stream(Box::new(info))));
    }

    fn apply_update(&mut self, uid: StreamUid, config: &[u8], revision: u64, time: i64, at: Applied, fx: &mut Effects) {
        let Some(config) = parse(config, number::STREAM_UPDATE, at, fx) else { return };
        let Some(stream) = self.streams.get_mut(&uid.0) else { return };
        if revision > stream.revision {
            let taken = stream.check_update(&config);
            match &taken {
                Ok(()) => stream.apply_update(config, fx),
                Err(error) => fx.reply(at.waiter, Err(error.clone())),
            }
            stream.revision = revision;
            let (facts, config) = (Arc::clone(&stream.facts), Arc::clone(&stream.config));
            if taken.is_err() {
                return fx.lifecycle.push(Lifecycle::StreamKept { facts, config, revision });
            }
            fx.lifecycle.push(Lifecycle::StreamUpdated { facts, config, revision });
        }
        let info = stream.info(time, &InfoRequest::default()).info;
        fx.reply(at.waiter, Ok(ApiOk::Stream(Box::new(info))));
    }

    fn apply_delete(&mut self, uid: StreamUid, at: Applied, fx: &mut Effects) {
        let Some(mut stream) = self.streams.shift_remove(&uid.0) else { return };
        self.by_name.retain(|_, have| *have != uid);
        for (_, mut consumer) in std::mem::take(&mut stream.consumers) {
            consumer.end(|_| StatusKind::ConsumerDeleted, &mut fx.statuses);
            fx.lifecycle.push(Lifecycle::ConsumerRemoved { facts: consumer.facts });
        }
        stream.release_all(fx);
        fx.lifecycle.push(Lifecycle::StreamRemoved { facts: Arc::clone(&stream.facts) });
        fx.reply(at.waiter, Ok(ApiOk::Done));
    }

    pub(super) fn insert(&mut self, stream: Stream) {
        let name = StreamName { account: Arc::clone(&stream.facts.account), name: Arc::clone(&stream.facts.name) };
        self.by_name.insert(name, stream.uid());
        self.streams.insert(stream.uid().0, stream);
    }

    pub(super) fn arm_stream(&mut self, uid: StreamUid) {
        if self.leads
            && let Some(stream) = self.streams.get_mut(&uid.0)
        {
            self.timers.arm(Timed::Stream(uid), stream.poll_timeout(), &mut stream.armed);
        }
    }
}

/// A config in a command was written by this program from one it had accepted: if it does not parse, something is
/// damaged or newer.
fn parse(json: &[u8], number: u16, at: Applied, fx: &mut Effects) -> Option<StreamConfig> {
    match serde_json::from_slice(json) {
        Ok(config) => Some(config),
        Err(error) => {
            fx.reply(at.waiter, Err(ApiError::stream_invalid_config(error)));
            fx.damaged.push(CommandError::Body { number, source: CodecError::Text });
            None
        }
    }
}
