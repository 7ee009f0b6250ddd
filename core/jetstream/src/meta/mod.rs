//! The meta machine: which streams exist, under which names and subjects, and in which shards.
//!
//! STREAM.CREATE is a command here; what it makes to be done in a shard ([`MetaTodo`]) is then proposed there, and the
//! shard's effect answers the client. An update is decided twice: here, by what the table knows (names, subjects, what
//! may change), and in the shard, by what only it knows (consumers). The shard's word is the last, and comes back as
//! [`MetaCommand::Settle`]; until then the subjects of the config before stay taken. A crash between the two logs is
//! mended by [`Meta::settled`] and [`Meta::reconcile`]: a stream that the table has and its shard has not is proposed
//! again, one that was being deleted is deleted. Nothing is ever deleted because the table does not mention it.
//!
//! Kinds of method: getters; `apply`; `reconcile` for the start.

mod assignment;
mod command;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use assignment::Assignment;
pub use command::MetaCommand;
use forebay_api::error::ApiError;
use forebay_api::stream::{Storage, StreamConfig};
use forebay_subject::filters_overlap;

use crate::account::{AccountLimits, Reservation};
use crate::codec::{CodecError, Reader, Write};
use crate::command::StreamCommand;
use crate::effect::{ApiDone, Applied};
use crate::id::{NO_WAITER, StreamUid};
use crate::mutant;
use crate::record::Record;
use crate::shard::RestoreError;
use crate::stream::update::{check_transition, is_same_stream};

/// 2: streams say which subjects they hold.
const VERSION: u8 = 2;
const OLDEST: u8 = 1;

/// A command for a stream's shard that follows from one of the meta machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaTodo {
    /// In which shard.
    pub shard: u32,
    /// For which stream.
    pub uid: StreamUid,
    /// What to propose there.
    pub command: StreamCommand,
    /// Who waits: give it to the record in the shard, whose effect is the answer.
    pub waiter: u32,
}

/// What applying the meta machine's commands asks for.
#[derive(Debug, Default)]
pub struct MetaEffects {
    /// To be proposed in shards.
    pub todo: Vec<MetaTodo>,
    /// Refusals.
    pub replies: Vec<ApiDone>,
    /// Commands that this build does not know or cannot read.
    pub damaged: Vec<crate::command::CommandError>,
}

impl MetaEffects {
    /// Empties everything, keeps the buffers.
    pub fn clear(&mut self) {
        self.todo.clear();
        self.replies.clear();
        self.damaged.clear();
    }
}

/// The table of streams.
#[derive(Debug)]
pub struct Meta {
    /// By account, then name: the order in which lists tell them.
    streams: BTreeMap<(Arc<str>, Arc<str>), Assignment>,
    /// Deleted here, and not yet by their shards.
    deleting: BTreeMap<u64, Assignment>,
    next_uid: u64,
    applied: u64,
    /// The shards that streams may live in: `1..=shards`.
    shards: u32,
}

impl Meta {
    /// An empty table over the shards `1..=shards`.
    #[must_use]
    pub fn new(shards: u32) -> Self {
        Self { streams: BTreeMap::new(), deleting: BTreeMap::new(), next_uid: 1, applied: 0, shards: shards.max(1) }
    }

    /// The log index of the last applied record.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// How many shards streams may live in.
    #[must_use]
    pub fn shards(&self) -> u32 {
        self.shards
    }

    /// The stream with this name.
    #[must_use]
    pub fn get(&self, account: &str, name: &str) -> Option<&Assignment> {
        self.streams.get(&(Arc::from(account), Arc::from(name)))
    }

    /// An account's streams by name.
    pub fn of_account(&self, account: &str) -> impl Iterator<Item = &Assignment> {
        let account: Arc<str> = Arc::from(account);
        self.streams
            .range((Arc::clone(&account), Arc::from(""))..)
            .take_while(move |((owner, _), _)| *owner == account)
            .map(|(_, assignment)| assignment)
    }

    /// All streams, by account and name.
    pub fn all(&self) -> impl Iterator<Item = &Assignment> {
        self.streams.values()
    }

    /// What the configs reserve: of an account, or of all.
    #[must_use]
    pub fn reservation(&self, account: Option<&str>) -> Reservation {
        let wanted = self.all().filter(|stream| account.is_none_or(|account| *stream.account == *account));
        Reservation::of(wanted.map(|stream| &*stream.config))
    }

    /// Whether a stream may be created, as far as limits go: admission, before the log.
    ///
    /// # Errors
    /// See [`Reservation::admit`].
    pub fn admit_create(
        &self,
        account: &str,
        config: &StreamConfig,
        limits: &AccountLimits,
        server: &AccountLimits,
    ) -> Result<(), ApiError> {
        if self.get(account, &config.name).is_some() {
            return Ok(());
        }
        self.reservation(Some(account)).admit(config, limits)?;
        self.reservation(None).admit(config, server)
    }

    /// Whether these subjects collide with those of another stream of the account.
    #[must_use]
    pub fn overlaps(&self, account: &str, name: &str, subjects: &[String]) -> bool {
        self.of_account(account).filter(|other| other.config.name != name).any(|other| {
            let mut theirs = other.config.subjects.iter().chain(&other.held);
            theirs.any(|left| subjects.iter().any(|right| filters_overlap(left.as_bytes(), right.as_bytes())))
        })
    }

    /// True if a stream in memory is in the table.
    #[must_use]
    pub fn has_memory_streams(&self) -> bool {
        self.all().any(|stream| stream.config.storage == Storage::Memory)
    }

    /// Applies one record.
    pub fn apply(&mut self, record: &Record<'_>, at: Applied, fx: &mut MetaEffects) {
        self.applied = self.applied.max(at.index);
        let done = match MetaCommand::decode(record.number, record.payload) {
            Ok(MetaCommand::Create { account, config }) => self.apply_create(&account, &config, record.time, at, fx),
            Ok(MetaCommand::Update { account, config }) => self.apply_update(&account, &config, at, fx),
            Ok(MetaCommand::Delete { account, name }) => self.apply_delete(&account, &name, at, fx),
            Ok(MetaCommand::Forget { uid }) => {
                self.deleting.remove(&uid);
                Ok(())
            }
            Ok(MetaCommand::ForgetMemory) => {
                self.apply_forget_memory(fx);
                Ok(())
            }
            Ok(MetaCommand::Settle { uid, revision, kept }) => {
                self.apply_settle(StreamUid(uid), revision, &kept, at, fx)
            }
            Err(error) => {
                fx.damaged.push(error);
                Err(ApiError::bad_request())
            }
        };
        if let (Err(error), true) = (done, at.waiter != NO_WAITER) {
            fx.replies.push(ApiDone { waiter: at.waiter, result: Err(error) });
        }
    }

    /// What the table has to learn of a shard's decisions, given the revisions of its streams and their configs. For the
    /// start, before [`Meta::reconcile`]: what the shard has not decided yet it is asked there.
    pub fn settled<'a>(
        &self,
        shard: u32,
        has: impl Fn(StreamUid) -> Option<(u64, &'a StreamConfig)>,
    ) -> Vec<MetaCommand> {
        let decided = |stream: &Assignment| {
            let (revision, config) = has(stream.uid)?;
            let open = !stream.held.is_empty() || *config != *stream.config;
            let kept = if *config == *stream.config { Vec::new() } else { forebay_api::json::to_vec(config) };
            let settle = MetaCommand::Settle { uid: stream.uid.0, revision, kept };
            (open && revision == stream.revision).then_some(settle)
        };
        self.all().filter(|stream| stream.shard == shard).filter_map(decided).collect()
    }

    /// What has to be proposed in a shard so that it agrees with the table, given which streams it has and the
    /// revisions of their configs. For the start, when both are restored.
    #[must_use]
    pub fn reconcile(&self, shard: u32, has: impl Fn(StreamUid) -> Option<u64>) -> Vec<MetaTodo> {
        let mut todo = Vec::new();
        for stream in self.all().filter(|stream| stream.shard == shard) {
            match has(stream.uid) {
                None => todo.push(stream.create(NO_WAITER)),
                Some(_) if mutant::active(mutant::MISSED_UPDATE_NOT_TOLD) => {}
                Some(revision) if revision < stream.revision => todo.push(stream.update(NO_WAITER)),
                Some(_) => {}
            }
        }
        for stream in self.deleting.values().filter(|stream| stream.shard == shard) {
            todo.push(stream.todo(StreamCommand::Delete, NO_WAITER));
        }
        todo
    }

    /// Streams that are deleted here and that their shards do not have: propose [`MetaCommand::Forget`] for each.
    pub fn forgettable(&self, has: impl Fn(u32, StreamUid) -> bool) -> impl Iterator<Item = StreamUid> {
        self.deleting.values().filter(move |stream| !has(stream.shard, stream.uid)).map(|stream| stream.uid)
    }

    /// Appends the table for a checkpoint.
    pub fn checkpoint(&self, out: &mut Vec<u8>) {
        out.put_byte(VERSION);
        out.put_u64(self.applied);
        out.put_u64(self.next_uid);
        for table in [self.streams.values().collect::<Vec<_>>(), self.deleting.values().collect()] {
            out.put_u64(table.len() as u64);
            table.into_iter().for_each(|stream| stream.encode(out));
        }
    }

    /// Reads what [`Meta::checkpoint`] wrote.
    ///
    /// # Errors
    /// A newer version, or bytes that no writer makes.
    pub fn restore(bytes: &[u8], shards: u32) -> Result<Self, RestoreError> {
        let mut r = Reader::new(bytes);
        let version = r.byte()?;
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(RestoreError::Newer(version));
        }
        let mut meta = Self::new(shards);
        meta.applied = r.u64()?;
        meta.next_uid = r.u64()?;
        for _ in 0..r.count()? {
            let stream = Assignment::decode(&mut r, version)?;
            meta.streams.insert(stream.key(), stream);
        }
        for _ in 0..r.count()? {
            let stream = Assignment::decode(&mut r, version)?;
            meta.deleting.insert(stream.uid.0, stream);
        }
        r.finish()?;
        Ok(meta)
    }

    fn apply_create(
        &mut self,
        account: &str,
        config: &[u8],
        now: i64,
        at: Applied,
        fx: &mut MetaEffects,
    ) -> Result<(), ApiError> {
        let config = parse(config, at, fx)?;
        if let Some(existing) = self.get(account, &config.name) {
            if !is_same_stream(&config, &existing.config) {
                return Err(ApiError::stream_name_exist());
            }
            // The shard has it already and answers with what it has.
            fx.todo.push(existing.create(at.waiter));
            return Ok(());
        }
        if self.overlaps(account, &config.name, &config.subjects) {
            return Err(ApiError::stream_subject_overlap());
        }
        let stream = Assignment {
            uid: StreamUid(self.next_uid),
            account: Arc::from(account),
            config: Arc::new(config),
            revision: 1,
            shard: self.emptiest_shard(),
            created: now,
            held: Vec::new(),
        };
        self.next_uid += 1;
        fx.todo.push(stream.create(at.waiter));
        self.streams.insert(stream.key(), stream);
        Ok(())
    }

    fn apply_update(
        &mut self,
        account: &str,
        config: &[u8],
        at: Applied,
        fx: &mut MetaEffects,
    ) -> Result<(), ApiError> {
        let config = parse(config, at, fx)?;
        let key = (Arc::from(account), Arc::from(config.name.as_str()));
        let existing = self.streams.get(&key).ok_or_else(ApiError::stream_not_found)?;
        // The config that the request was checked against may have been replaced since.
        if !mutant::active(mutant::UPDATE_NOT_CHECKED) {
            check_transition(&existing.config, &config)?;
        }
        if self.overlaps(account, &config.name, &config.subjects) {
            return Err(ApiError::stream_subject_overlap());
        }
        let stream = self.streams.get_mut(&key).ok_or_else(ApiError::stream_not_found)?;
        if !mutant::active(mutant::SUBJECTS_NOT_HELD) {
            stream.hold_subjects();
        }
        stream.config = Arc::new(config);
        stream.revision += 1;
        fx.todo.push(stream.update(at.waiter));
        Ok(())
    }

    fn apply_delete(&mut self, account: &str, name: &str, at: Applied, fx: &mut MetaEffects) -> Result<(), ApiError> {
        let key = (Arc::from(account), Arc::from(name));
        let stream = self.streams.remove(&key).ok_or_else(ApiError::stream_not_found)?;
        fx.todo.push(stream.todo(StreamCommand::Delete, at.waiter));
        if !mutant::active(mutant::DELETION_NOT_REMEMBERED) {
            self.deleting.insert(stream.uid.0, stream);
        }
        Ok(())
    }

    /// The shard decided about an update. About one that another has followed it says no more: that one is to come.
    fn apply_settle(
        &mut self,
        uid: StreamUid,
        revision: u64,
        kept: &[u8],
        at: Applied,
        fx: &mut MetaEffects,
    ) -> Result<(), ApiError> {
        let decided = |stream: &&mut Assignment| stream.uid == uid && stream.revision == revision;
        let Some(stream) = self.streams.values_mut().find(decided) else { return Ok(()) };
        stream.held.clear();
        if !kept.is_empty() {
            stream.config = Arc::new(parse(kept, at, fx)?);
        }
        Ok(())
    }

    fn apply_forget_memory(&mut self, fx: &mut MetaEffects) {
        for (_, stream) in self.streams.extract_if(.., |_, stream| stream.config.storage == Storage::Memory) {
            fx.todo.push(stream.todo(StreamCommand::Delete, NO_WAITER));
            self.deleting.insert(stream.uid.0, stream);
        }
    }

    /// The shard with the fewest streams; the lowest number of several.
    fn emptiest_shard(&self) -> u32 {
        let mut counts = BTreeMap::new();
        for stream in self.streams.values() {
            *counts.entry(stream.shard).or_insert(0u64) += 1;
        }
        (1..=self.shards).min_by_key(|shard| counts.get(shard).copied().unwrap_or(0)).unwrap_or(1)
    }
}

impl Assignment {
    fn key(&self) -> (Arc<str>, Arc<str>) {
        (Arc::clone(&self.account), Arc::from(self.config.name.as_str()))
    }

    /// The subjects of the config that is about to be replaced stay taken.
    fn hold_subjects(&mut self) {
        for subject in &self.config.subjects {
            if !self.held.contains(subject) {
                self.held.push(subject.clone());
            }
        }
    }

    fn todo(&self, command: StreamCommand, waiter: u32) -> MetaTodo {
        MetaTodo { shard: self.shard, uid: self.uid, command, waiter }
    }

    fn create(&self, waiter: u32) -> MetaTodo {
        let (account, revision) = (self.account.to_string(), self.revision);
        let config = forebay_api::json::to_vec(&*self.config);
        self.todo(StreamCommand::Create { account, config, revision }, waiter)
    }

    fn update(&self, waiter: u32) -> MetaTodo {
        let config = forebay_api::json::to_vec(&*self.config);
        self.todo(StreamCommand::Update { config, revision: self.revision }, waiter)
    }
}

fn parse(json: &[u8], at: Applied, fx: &mut MetaEffects) -> Result<StreamConfig, ApiError> {
    serde_json::from_slice(json).map_err(|error| {
        let _ = at;
        let number = crate::command::number::META_CREATE;
        fx.damaged.push(crate::command::CommandError::Body { number, source: CodecError::Text });
        ApiError::stream_invalid_config(error)
    })
}
