//! The consumer machine: who got what from a stream, and who still owes an ack.
//!
//! Two kinds of state, kept apart. *Replicated* ([`replicated`]): changed only by applied commands, the same on every
//! replica, part of checkpoints. *Leader* ([`lead`]): waiting requests, what was sent and not yet acknowledged, timers,
//! `num_pending`; made from the replicated state when a server becomes the leader, thrown away when it steps down.
//! The leader reports what happens as commands; a crash between loses at most reports, and messages are delivered again.
//!
//! Kinds of method: getters; `handle_*` input; `poll_timeout`; `apply_*` commands.

mod ack;
mod checkpoint;
mod content;
mod deliver;
mod filter;
mod flow;
mod info;
mod lead;
mod pending;
mod pull;
mod redeliver;
mod replicated;
mod rules;
mod seq_set;
mod start;
pub mod status;

pub mod validate;

use std::sync::Arc;

pub use ack::{AckDone, AckInput, AckVerb};
pub use content::{Candidate, Candidates};
pub(crate) use deliver::Source;
pub use deliver::{Batch, BatchEnd, BatchLimit, Delivery, PlacedStatus};
use forebay_api::ack::reply_prefix;
use forebay_api::consumer::{AckPolicy, ConsumerConfig};
use forebay_api::stream::StreamConfig;
use forebay_store::StreamIndex;

pub(crate) use self::filter::Filters;
pub(crate) use self::lead::Lead;
pub(crate) use self::replicated::Replicated;
pub(crate) use self::rules::Rules;
use crate::effect::{Advisory, LeaderOut, Proposals};
use crate::id::{ConsumerKey, Position};
use crate::stream::StreamFacts;

/// What does not change while a consumer's config stays: shared with whoever delivers for it.
#[derive(Debug)]
pub struct ConsumerFacts {
    /// Who it is.
    pub key: ConsumerKey,
    /// Its account.
    pub account: Arc<str>,
    /// Its stream's name.
    pub stream: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `$JS.ACK.<stream>.<consumer>.`: what [`AckReply::write`](forebay_api::ack::AckReply::write) begins with.
    pub ack_prefix: Box<[u8]>,
    /// Deliveries wait for acks.
    pub acks: bool,
    /// Deliver without bodies, with `Nats-Msg-Size`.
    pub headers_only: bool,
    /// It outlives its users.
    pub durable: bool,
    /// Where a push consumer delivers.
    pub deliver_subject: Option<Arc<[u8]>>,
    /// The queue group there.
    pub deliver_group: Option<Box<str>>,
}

impl ConsumerFacts {
    pub(crate) fn new(key: ConsumerKey, stream: &StreamFacts, name: &str, config: &ConsumerConfig) -> Self {
        Self {
            key,
            account: Arc::clone(&stream.account),
            stream: Arc::clone(&stream.name),
            name: Arc::from(name),
            ack_prefix: reply_prefix(&stream.name, name),
            acks: matches!(config.ack_policy, AckPolicy::All | AckPolicy::Explicit),
            headers_only: config.headers_only,
            durable: config.is_durable(),
            deliver_subject: config.is_push().then(|| Arc::from(config.deliver_subject.as_bytes())),
            deliver_group: (!config.deliver_group.is_empty()).then(|| config.deliver_group.as_str().into()),
        }
    }
}

/// One consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) facts: Arc<ConsumerFacts>,
    pub(crate) config: Arc<ConsumerConfig>,
    pub(crate) created: i64,
    pub(crate) rules: Rules,
    pub(crate) filters: Filters,
    pub(crate) state: Replicated,
    /// Only on the leader.
    pub(crate) lead: Option<Box<Lead>>,
}

impl Consumer {
    /// A new consumer, placed where its config says.
    pub(crate) fn new(
        facts: Arc<ConsumerFacts>,
        config: Arc<ConsumerConfig>,
        stream: &StreamConfig,
        index: &StreamIndex,
        created: i64,
    ) -> Self {
        let filters = Filters::new(&config);
        let (before, last_list) = start::start(&config, &filters, index, stream.max_msgs_per_subject == 1);
        let at = Position { cseq: 0, sseq: before };
        let state = Replicated { delivered: at, floor: at, last_list, ..Replicated::default() };
        let rules = Rules::new(&config, stream);
        Self { facts, config, created, rules, filters, state, lead: None }
    }

    /// Begins anew: its stream came back empty.
    pub(crate) fn restart(&mut self, stream: &StreamConfig, index: &StreamIndex) {
        *self = Self::new(Arc::clone(&self.facts), Arc::clone(&self.config), stream, index, self.created);
    }

    pub(crate) fn key(&self) -> ConsumerKey {
        self.facts.key
    }

    /// True if the stream may remove the message as far as this consumer is concerned (interest retention).
    pub(crate) fn is_done_with(&self, seq: u64, subject: &[u8]) -> bool {
        // What was given up is nobody's any more, but no client said that it may go.
        let acked = || self.state.is_settled(seq) && !self.state.spent.contains(seq);
        let done = if self.rules.acks() { acked() } else { seq <= self.state.delivered.sseq };
        done || !self.filters.matches(subject)
    }

    /// A message was stored. True if the consumer should be woken. One below where the consumer starts is not for it.
    #[inline]
    pub(crate) fn handle_stored(&mut self, seq: u64, subject: &[u8]) -> bool {
        let Some(lead) = &mut self.lead else { return false };
        if seq <= lead.delivered.sseq || !self.filters.matches(subject) {
            return false;
        }
        lead.num_pending += 1;
        lead.wants_wake(&self.rules)
    }

    /// A message is about to be removed from the stream. True if the consumer should be woken: there may be room under
    /// `max_ack_pending` now.
    #[inline]
    pub(crate) fn handle_removed(&mut self, seq: u64, subject: &[u8], now: i64) -> bool {
        self.state.spent.remove(seq);
        let Some(lead) = &mut self.lead else { return false };
        if lead.spent.remove(seq) {
            lead.last_acked = Some(now);
        }
        if seq <= lead.delivered.sseq {
            let Some(entry) = lead.pending.settle(seq) else { return false };
            // nats-server takes it for a terminated one.
            lead.move_shown_floor(&entry);
            lead.last_acked = Some(now);
            lead.unlogged.dirty = true;
            return lead.wants_wake(&self.rules);
        }
        let listed = self.state.last_list.as_ref().is_none_or(|list| list.admits(seq));
        if listed && self.filters.matches(subject) {
            debug_assert!(lead.num_pending > 0, "num_pending is exact");
            lead.num_pending = lead.num_pending.saturating_sub(1);
        }
        false
    }

    /// Everything below `first` is gone by request: the position moves on (nats-server `consumer.purge`).
    pub(crate) fn handle_purged(&mut self, first: u64) {
        let Some(lead) = &mut self.lead else { return };
        let before = first.saturating_sub(1);
        if lead.delivered.sseq < before {
            lead.delivered.sseq = before;
            lead.unlogged.dirty = true;
        }
        lead.shown = lead.shown.max(before);
        lead.purge_shown_floor(before);
    }

    /// The stream's config changed.
    pub(crate) fn apply_stream_update(&mut self, stream: &StreamConfig) {
        self.rules = Rules::new(&self.config, stream);
    }

    /// The config changed by command. True if the consumer should be woken.
    pub(crate) fn apply_update(
        &mut self,
        facts: Arc<ConsumerFacts>,
        config: Arc<ConsumerConfig>,
        stream: &StreamConfig,
        index: &StreamIndex,
        now: i64,
        advisories: &mut Vec<Advisory>,
    ) -> bool {
        let rules = Rules::new(&config, stream);
        self.facts = facts;
        self.filters = Filters::new(&config);
        if let Some(lead) = &mut self.lead {
            lead.handle_update(&self.rules, &rules, &self.facts, now, advisories);
        }
        self.config = config;
        self.rules = rules;
        self.recount(index);
        self.lead.as_mut().is_some_and(|lead| lead.wants_wake(&self.rules))
    }

    /// This server leads from now on.
    pub(crate) fn lead(&mut self, index: &StreamIndex, now: i64) {
        let lead = Lead::new(&self.facts, &self.rules, &self.filters, &self.state, index, now);
        self.lead = Some(Box::new(lead));
    }

    /// This server leads a consumer that was made just now: nobody led it before, so whoever acks what it has not
    /// delivered means another one of its name.
    pub(crate) fn lead_first(&mut self, index: &StreamIndex, now: i64) {
        self.lead(index, now);
        if let Some(lead) = &mut self.lead {
            lead.ahead_through = 0;
        }
    }

    /// Turns what the log does not know into commands. True if something is left for the tick.
    pub(crate) fn take_proposals(&mut self, all: bool, out: &mut Proposals) -> bool {
        let Some(lead) = &mut self.lead else { return false };
        lead.take_proposals(&self.facts, &self.rules, all, out);
        lead.take_delete(&self.facts, out);
        lead.listed = lead.has_unlogged();
        lead.listed
    }

    /// A content filter judges this consumer's messages from now on, or no longer.
    pub(crate) fn set_content_filter(&mut self, judged: bool, out: &mut LeaderOut) {
        let key = self.key();
        let Some(lead) = &mut self.lead else { return };
        lead.judged = judged;
        lead.blocked_at = 0;
        lead.generation += 1;
        redeliver::wake(lead, &self.rules, key, out);
    }

    /// Counts `num_pending` anew.
    pub(crate) fn recount(&mut self, index: &StreamIndex) {
        let Some(lead) = &mut self.lead else { return };
        lead.matcher = self.filters.matcher();
        lead.num_pending = lead::count(lead.delivered.sseq, self.state.last_list.as_ref(), &mut lead.matcher, index);
    }
}
