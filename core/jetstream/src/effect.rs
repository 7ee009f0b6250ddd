//! What `apply` asks for: the machines decide, the run layer carries these out after it let go of the shard's lock.

use std::sync::Arc;

use forebay_api::consumer::{ConsumerConfig, ConsumerInfo};
use forebay_api::error::ApiError;
use forebay_api::stream::{StreamConfig, StreamInfo};
use forebay_store::Location;

use crate::consumer::ConsumerFacts;
use crate::consumer::status::Status;
use crate::id::{ConsumerKey, NO_WAITER, StreamUid};
use crate::stream::StreamFacts;

/// Where and how a record was made durable, and who waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// The log index of its entry.
    pub index: u64,
    /// The term of its entry.
    pub term: u64,
    /// Where the record lies; [`Location::NONE`] for memory streams.
    pub location: Location,
    /// The caller's number for who waits, or [`NO_WAITER`].
    pub waiter: u32,
}

impl Applied {
    /// A record that nobody waits for.
    #[must_use]
    pub fn unattended(index: u64, location: Location) -> Self {
        Self { index, term: 0, location, waiter: NO_WAITER }
    }
}

/// What became of one publish.
#[derive(Clone, Debug, PartialEq)]
pub enum PublishOutcome {
    /// It is in the stream.
    Stored {
        /// Its sequence.
        seq: u64,
    },
    /// Its `Nats-Msg-Id` was seen within the window.
    Duplicate {
        /// The sequence of the first one.
        seq: u64,
    },
    /// An interest stream without interest: it used up a sequence and is acked, but nobody will see it.
    NotStored {
        /// The sequence it used up.
        seq: u64,
    },
    /// It was refused.
    Refused(ApiError),
}

/// The outcome of one publish that somebody waits for.
#[derive(Clone, Debug)]
pub struct PublishDone {
    /// Who.
    pub waiter: u32,
    /// The stream: an index into [`Effects::streams`].
    pub stream: u32,
    /// What.
    pub outcome: PublishOutcome,
}

/// What an API command achieved.
#[derive(Clone, Debug)]
pub enum ApiOk {
    /// A stream was created or updated.
    Stream(Box<StreamInfo>),
    /// A consumer was created or updated.
    Consumer(Box<ConsumerInfo>),
    /// So many messages are gone.
    Purged(u64),
    /// Done, nothing to say.
    Done,
}

/// The outcome of one API command that somebody waits for.
#[derive(Clone, Debug)]
pub struct ApiDone {
    /// Who.
    pub waiter: u32,
    /// What.
    pub result: Result<ApiOk, ApiError>,
}

/// A stream or consumer came, changed or went: interest, ack routes and tasks follow.
#[derive(Clone, Debug)]
pub enum Lifecycle {
    /// Register its subjects.
    StreamCreated {
        /// What it is.
        facts: Arc<StreamFacts>,
        /// How it is configured.
        config: Arc<StreamConfig>,
    },
    /// Its subjects or limits may differ.
    StreamUpdated {
        /// What it is.
        facts: Arc<StreamFacts>,
        /// How it is configured now.
        config: Arc<StreamConfig>,
        /// The revision of the config.
        revision: u64,
    },
    /// An update was refused: it is what it was.
    StreamKept {
        /// What it is.
        facts: Arc<StreamFacts>,
        /// How it is configured still.
        config: Arc<StreamConfig>,
        /// The revision that was refused.
        revision: u64,
    },
    /// Forget it. A [`Lifecycle::ConsumerRemoved`] for each of its consumers came before.
    StreamRemoved {
        /// What it was.
        facts: Arc<StreamFacts>,
    },
    /// Route its acks, listen for its deliver subject's interest.
    ConsumerCreated {
        /// What it is.
        facts: Arc<ConsumerFacts>,
        /// How it is configured.
        config: Arc<ConsumerConfig>,
    },
    /// Its config changed.
    ConsumerUpdated {
        /// What it is.
        facts: Arc<ConsumerFacts>,
        /// How it is configured now.
        config: Arc<ConsumerConfig>,
    },
    /// Forget it.
    ConsumerRemoved {
        /// What it was.
        facts: Arc<ConsumerFacts>,
    },
}

/// Something to tell whoever listens on `$JS.EVENT.ADVISORY.>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advisory {
    /// A message was delivered `max_deliver` times.
    MaxDeliveries {
        /// By which consumer.
        key: ConsumerKey,
        /// The message.
        stream_seq: u64,
        /// How often.
        deliveries: u64,
    },
    /// A client refused a message for now.
    Naked {
        /// By which consumer.
        key: ConsumerKey,
        /// The message.
        stream_seq: u64,
        /// The delivery.
        consumer_seq: u64,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// A client refused a message for good.
    Terminated {
        /// By which consumer.
        key: ConsumerKey,
        /// The message.
        stream_seq: u64,
        /// The delivery.
        consumer_seq: u64,
        /// How often it was delivered.
        deliveries: u64,
        /// What the client said.
        reason: Box<str>,
    },
}

/// A body that came or went, for the store's account of what is alive in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// Where it lies.
    pub location: Location,
    /// The message's logical size, the same both times.
    pub size: u32,
}

/// What apply made of one record, for the footer of the segment it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where the record lies.
    pub location: Location,
    /// The stream.
    pub stream: StreamUid,
    /// Its sequence, the refusal's error code, or neither.
    pub outcome: RowOutcome,
    /// The message's logical size.
    pub size: u32,
    /// When, after times were made monotonic.
    pub time: i64,
}

/// What a record became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// A message.
    Seq(u64),
    /// A publish that was refused with this error code, or a duplicate (0).
    Refused(u16),
    /// A command.
    NotAMessage,
}

/// Collects what a batch of applies asks for. Made once and reused: nothing here is allocated per message.
#[derive(Debug, Default)]
pub struct Effects {
    /// Outcomes of publishes, in order, of those somebody waits for.
    pub publishes: Vec<PublishDone>,
    /// The streams that `publishes` point to.
    pub streams: Vec<Arc<StreamFacts>>,
    /// Outcomes of API commands.
    pub replies: Vec<ApiDone>,
    /// Consumers that have something to deliver and somebody to deliver it to. A consumer appears once until
    /// `next_batch` answered `Idle`.
    pub wake: Vec<ConsumerKey>,
    /// Status messages for waiting pull requests.
    pub statuses: Vec<Status>,
    /// What came, changed or went.
    pub lifecycle: Vec<Lifecycle>,
    /// Bodies that are messages now.
    pub retained: Vec<Body>,
    /// Bodies that are dead now.
    pub released: Vec<Body>,
    /// Rows for the segments' footers; only gathered if [`Effects::gather_rows`] is set.
    pub rows: Vec<Row>,
    /// The caller wants `rows`.
    pub gather_rows: bool,
    /// Events.
    pub advisories: Vec<Advisory>,
    /// Publishes to streams that are gone: nobody answers them.
    pub orphans: Vec<u32>,
    /// Records whose command this build does not know or cannot read: the shard must not go on (a bug or a newer log).
    pub damaged: Vec<crate::command::CommandError>,
}

impl Effects {
    /// Empties everything, keeps the buffers.
    pub fn clear(&mut self) {
        self.publishes.clear();
        self.streams.clear();
        self.replies.clear();
        self.wake.clear();
        self.statuses.clear();
        self.lifecycle.clear();
        self.retained.clear();
        self.released.clear();
        self.rows.clear();
        self.advisories.clear();
        self.orphans.clear();
        self.damaged.clear();
    }

    pub(crate) fn publish_done(&mut self, waiter: u32, facts: &Arc<StreamFacts>, outcome: PublishOutcome) {
        if waiter == NO_WAITER {
            return;
        }
        let same = self.streams.last().is_some_and(|last| Arc::ptr_eq(last, facts));
        if !same {
            self.streams.push(Arc::clone(facts));
        }
        self.publishes.push(PublishDone { waiter, stream: (self.streams.len() - 1) as u32, outcome });
    }

    pub(crate) fn reply(&mut self, waiter: u32, result: Result<ApiOk, ApiError>) {
        if waiter != NO_WAITER {
            self.replies.push(ApiDone { waiter, result });
        }
    }
}

/// What the leader's entry points ask for besides deliveries.
#[derive(Debug, Default)]
pub struct LeaderOut {
    /// Status messages to send.
    pub statuses: Vec<Status>,
    /// Consumers to put on their delivery queue.
    pub wake: Vec<ConsumerKey>,
    /// Consumers that go unless somebody still listens for what their waiting requests asked: see
    /// [`Shard::waiting_replies`](crate::Shard::waiting_replies) and
    /// [`Shard::drop_waiting`](crate::Shard::drop_waiting).
    pub unsure: Vec<ConsumerKey>,
    /// Events.
    pub advisories: Vec<Advisory>,
}

impl LeaderOut {
    /// Empties everything, keeps the buffers.
    pub fn clear(&mut self) {
        self.statuses.clear();
        self.wake.clear();
        self.unsure.clear();
        self.advisories.clear();
    }
}

/// A command that the leader wants in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal<'a> {
    /// The record's command number.
    pub command: u16,
    /// The record's stream uid.
    pub uid: u64,
    /// The record's payload.
    pub body: &'a [u8],
}

/// Commands that the leader wants in the log, in order. Made once and reused.
#[derive(Debug, Default)]
pub struct Proposals {
    bytes: Vec<u8>,
    items: Vec<(u16, u64, usize)>,
}

impl Proposals {
    /// The commands in the order in which they must be logged.
    pub fn iter(&self) -> impl Iterator<Item = Proposal<'_>> {
        let mut start = 0;
        self.items.iter().filter_map(move |(command, uid, end)| {
            let body = self.bytes.get(start..*end)?;
            start = *end;
            Some(Proposal { command: *command, uid: *uid, body })
        })
    }

    /// True if there is nothing to log.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many commands.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Empties it, keeps the buffers.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    pub(crate) fn append(&mut self, other: &mut Self) {
        for proposal in other.iter() {
            self.push(proposal.command, StreamUid(proposal.uid), |body| body.extend_from_slice(proposal.body));
        }
        other.clear();
    }

    pub(crate) fn push(&mut self, command: u16, uid: StreamUid, encode: impl FnOnce(&mut Vec<u8>)) {
        encode(&mut self.bytes);
        self.items.push((command, uid.0, self.bytes.len()));
    }
}
