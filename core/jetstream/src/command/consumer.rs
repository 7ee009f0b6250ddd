//! What changes a consumer.
//!
//! The leader reports what happened; apply only takes maxima and unions. So each command may be applied again, and
//! one that was proposed twice does no harm.

use super::{CommandError, body, number};
use crate::codec::{CodecError, Reader, Write, put_runs, runs};
use crate::id::{ConsumerUid, Position};

/// What CONSUMER.CREATE may do (`action` in its request, ADR-42).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsumerAction {
    /// Creates, or updates what exists.
    #[default]
    CreateOrUpdate,
    /// Creates; an existing one must be equal (10148 otherwise).
    Create,
    /// Updates; 10149 if there is none.
    Update,
}

/// How far the leader was when it wrote a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last delivery.
    pub delivered: Position,
    /// Everything up to here is settled.
    pub floor: Position,
}

/// Why sequences are settled without an ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettleReason {
    /// `max_deliver` deliveries were made.
    GaveUp,
    /// A content filter did not let them through.
    Skipped,
}

/// A command for one consumer of the stream whose uid stands in the record's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerCommand {
    /// Makes or changes a consumer.
    Create {
        /// Its name: unique in the stream.
        name: String,
        /// The normalised config as JSON.
        config: Vec<u8>,
        /// What may be done.
        action: ConsumerAction,
    },
    /// Removes it.
    Delete {
        /// Which one.
        consumer: ConsumerUid,
    },
    /// How far was delivered, and which redeliveries are about to be sent.
    Delivered {
        /// Which one.
        consumer: ConsumerUid,
        /// How far.
        progress: Progress,
        /// Stream sequence and the delivery count that it is about to reach.
        marks: Vec<(u64, u32)>,
    },
    /// Sequences that clients acknowledged or terminated.
    Acks {
        /// Which one.
        consumer: ConsumerUid,
        /// How far.
        progress: Progress,
        /// Inclusive runs of stream sequences, rising.
        runs: Vec<(u64, u64)>,
    },
    /// Sequences that will not be delivered (again), though nobody acknowledged them: they stay in the stream.
    Settled {
        /// Which one.
        consumer: ConsumerUid,
        /// How far.
        progress: Progress,
        /// Why.
        reason: SettleReason,
        /// Inclusive runs of stream sequences, rising.
        runs: Vec<(u64, u64)>,
    },
    /// Nothing is delivered before a moment (`CONSUMER.PAUSE`). Nothing else of the config changes, whatever it is by
    /// then.
    Pause {
        /// Which one.
        consumer: ConsumerUid,
        /// The moment in ns; nothing for at once.
        until: Option<i64>,
    },
}

impl ConsumerCommand {
    /// The number for the record's header.
    pub fn number(&self) -> u16 {
        match self {
            Self::Create { .. } => number::CONSUMER_CREATE,
            Self::Delete { .. } => number::CONSUMER_DELETE,
            Self::Delivered { .. } => number::DELIVERED,
            Self::Acks { .. } => number::ACKS,
            Self::Settled { .. } => number::SETTLED,
            Self::Pause { .. } => number::CONSUMER_PAUSE,
        }
    }

    /// Appends the body: the record's payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create { name, config, action } => {
                out.put_byte(match action {
                    ConsumerAction::CreateOrUpdate => 0,
                    ConsumerAction::Create => 1,
                    ConsumerAction::Update => 2,
                });
                out.put_bytes(name.as_bytes());
                out.put_bytes(config);
            }
            Self::Delete { consumer } => out.put_u64(consumer.0),
            Self::Delivered { consumer, progress, marks } => {
                put_head(out, *consumer, progress);
                out.put_u64(marks.len() as u64);
                for (seq, count) in marks {
                    out.put_u64(*seq);
                    out.put_u64(u64::from(*count));
                }
            }
            Self::Acks { consumer, progress, runs } => {
                put_head(out, *consumer, progress);
                put_runs(out, runs);
            }
            Self::Settled { consumer, progress, reason, runs } => {
                put_head(out, *consumer, progress);
                out.put_byte(match reason {
                    SettleReason::GaveUp => 0,
                    SettleReason::Skipped => 1,
                });
                put_runs(out, runs);
            }
            Self::Pause { consumer, until } => {
                out.put_u64(consumer.0);
                out.put_byte(u8::from(until.is_some()));
                until.iter().for_each(|until| out.put_i64(*until));
            }
        }
    }

    /// Reads the body of the command with this number. Fails on unknown numbers and on bytes that no writer makes.
    pub fn decode(number: u16, bytes: &[u8]) -> Result<Self, CommandError> {
        let mut reader = Reader::new(bytes);
        let command = match Self::read(number, &mut reader) {
            Some(read) => body(number, read)?,
            None => return Err(CommandError::UnknownNumber(number)),
        };
        body(number, reader.finish())?;
        Ok(command)
    }

    fn read(number: u16, r: &mut Reader<'_>) -> Option<Result<Self, CodecError>> {
        Some(match number {
            number::CONSUMER_CREATE => Self::read_create(r),
            number::CONSUMER_DELETE => r.u64().map(|uid| Self::Delete { consumer: ConsumerUid(uid) }),
            number::DELIVERED => Self::read_delivered(r),
            number::ACKS => {
                head(r).and_then(|(consumer, progress)| Ok(Self::Acks { consumer, progress, runs: runs(r)? }))
            }
            number::SETTLED => Self::read_settled(r),
            number::CONSUMER_PAUSE => Self::read_pause(r),
            _ => return None,
        })
    }

    fn read_create(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let action = match r.byte()? {
            0 => ConsumerAction::CreateOrUpdate,
            1 => ConsumerAction::Create,
            2 => ConsumerAction::Update,
            _ => return Err(CodecError::Range),
        };
        Ok(Self::Create { action, name: r.text()?.to_owned(), config: r.bytes()?.to_vec() })
    }

    fn read_pause(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let consumer = ConsumerUid(r.u64()?);
        let until = if r.bool()? { Some(r.i64()?) } else { None };
        Ok(Self::Pause { consumer, until })
    }

    fn read_delivered(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (consumer, progress) = head(r)?;
        let count = r.count()?;
        let mut marks = Vec::with_capacity(count);
        for _ in 0..count {
            marks.push((r.u64()?, r.u32()?));
        }
        Ok(Self::Delivered { consumer, progress, marks })
    }

    fn read_settled(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (consumer, progress) = head(r)?;
        let reason = match r.byte()? {
            0 => SettleReason::GaveUp,
            1 => SettleReason::Skipped,
            _ => return Err(CodecError::Range),
        };
        Ok(Self::Settled { consumer, progress, reason, runs: runs(r)? })
    }
}

fn put_head(out: &mut Vec<u8>, consumer: ConsumerUid, progress: &Progress) {
    out.put_u64(consumer.0);
    out.put_u64(progress.delivered.cseq);
    out.put_u64(progress.delivered.sseq);
    out.put_u64(progress.floor.cseq);
    out.put_u64(progress.floor.sseq);
}

fn head(r: &mut Reader<'_>) -> Result<(ConsumerUid, Progress), CodecError> {
    let consumer = ConsumerUid(r.u64()?);
    let delivered = Position { cseq: r.u64()?, sseq: r.u64()? };
    let floor = Position { cseq: r.u64()?, sseq: r.u64()? };
    Ok((consumer, Progress { delivered, floor }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn progress() -> impl Strategy<Value = Progress> {
        any::<[u64; 4]>().prop_map(|[a, b, c, d]| Progress {
            delivered: Position { cseq: a, sseq: b },
            floor: Position { cseq: c, sseq: d },
        })
    }

    fn some_runs() -> impl Strategy<Value = Vec<(u64, u64)>> {
        proptest::collection::btree_set(1u64..500, 0..60).prop_map(|seqs| {
            let mut runs = Vec::new();
            seqs.into_iter().for_each(|seq| crate::codec::push_run(&mut runs, seq));
            runs
        })
    }

    fn command() -> impl Strategy<Value = ConsumerCommand> {
        let uid = || any::<u64>().prop_map(ConsumerUid);
        let action = prop_oneof![
            Just(ConsumerAction::CreateOrUpdate),
            Just(ConsumerAction::Create),
            Just(ConsumerAction::Update)
        ];
        let reason = prop_oneof![Just(SettleReason::GaveUp), Just(SettleReason::Skipped)];
        prop_oneof![
            (".*", any::<Vec<u8>>(), action).prop_map(|(name, config, action)| ConsumerCommand::Create {
                name,
                config,
                action
            }),
            uid().prop_map(|consumer| ConsumerCommand::Delete { consumer }),
            (uid(), progress(), proptest::collection::vec(any::<(u64, u32)>(), 0..9))
                .prop_map(|(consumer, progress, marks)| ConsumerCommand::Delivered { consumer, progress, marks }),
            (uid(), progress(), some_runs()).prop_map(|(consumer, progress, runs)| ConsumerCommand::Acks {
                consumer,
                progress,
                runs
            }),
            (uid(), progress(), reason, some_runs()).prop_map(|(consumer, progress, reason, runs)| {
                ConsumerCommand::Settled { consumer, progress, reason, runs }
            }),
            (uid(), any::<Option<i64>>()).prop_map(|(consumer, until)| ConsumerCommand::Pause { consumer, until }),
        ]
    }

    proptest! {
        #[test]
        fn each_command_comes_back(command in command()) {
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            prop_assert_eq!(ConsumerCommand::decode(command.number(), &bytes), Ok(command));
        }

        #[test]
        fn any_bytes_decode_or_fail_without_panic(number in 99u16..112, bytes: Vec<u8>) {
            let _ = ConsumerCommand::decode(number, &bytes);
        }
    }

    #[test]
    fn golden_bytes_never_change() {
        let consumer = ConsumerUid(7);
        let progress = Progress { delivered: Position { cseq: 5, sseq: 300 }, floor: Position { cseq: 2, sseq: 10 } };
        let (name, config) = ("c".to_owned(), b"{}".to_vec());
        for (command, number, want) in [
            (
                ConsumerCommand::Create { name, config, action: ConsumerAction::Update },
                101,
                &[2, 1, b'c', 2, b'{', b'}'][..],
            ),
            (ConsumerCommand::Delete { consumer }, 103, &[7]),
            (
                ConsumerCommand::Delivered { consumer, progress, marks: vec![(11, 2)] },
                104,
                &[7, 5, 0xac, 2, 2, 10, 1, 11, 2],
            ),
            (
                ConsumerCommand::Acks { consumer, progress, runs: vec![(11, 13), (15, 15)] },
                105,
                &[7, 5, 0xac, 2, 2, 10, 2, 11, 2, 2, 0],
            ),
            (
                ConsumerCommand::Settled { consumer, progress, reason: SettleReason::Skipped, runs: vec![(11, 11)] },
                106,
                &[7, 5, 0xac, 2, 2, 10, 1, 1, 11, 0],
            ),
            (ConsumerCommand::Pause { consumer, until: Some(-2) }, 107, &[7, 1, 3]),
            (ConsumerCommand::Pause { consumer, until: None }, 107, &[7, 0]),
        ] {
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            assert_eq!((command.number(), &bytes[..]), (number, want), "{command:?}");
        }
    }

    #[test]
    fn unknown_numbers_are_refused() {
        assert_eq!(ConsumerCommand::decode(102, &[]), Err(CommandError::UnknownNumber(102)));
    }
}
