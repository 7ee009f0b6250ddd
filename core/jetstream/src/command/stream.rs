//! What changes a stream, besides publishes.

use super::{CommandError, body, number};
use crate::codec::{CodecError, Reader, Write, put_runs, runs};

/// A command for one stream, whose uid stands in the record's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamCommand {
    /// Makes the stream. Repeating it with the same uid changes nothing.
    Create {
        /// The account that owns it.
        account: String,
        /// The normalised config as JSON.
        config: Vec<u8>,
        /// The meta machine's revision of the config.
        revision: u64,
    },
    /// Replaces the config.
    Update {
        /// The normalised config as JSON.
        config: Vec<u8>,
        /// The meta machine's revision of the config; an older one than the stream's is ignored.
        revision: u64,
    },
    /// Removes the stream, its consumers and its messages.
    Delete,
    /// Removes many messages (`STREAM.PURGE`).
    Purge {
        /// Only subjects that this filter names; empty for all.
        filter: Vec<u8>,
        /// Only sequences below this one; 0 for all.
        below: u64,
        /// How many of the newest stay; 0 for none.
        keep: u64,
    },
    /// Removes one message (`STREAM.MSG.DELETE`).
    DeleteMessage {
        /// Its sequence.
        seq: u64,
        /// The bytes must go too: the collector leaves them out of what it rewrites.
        erase: bool,
    },
    /// The leader found that everything up to this sequence is older than `max_age`.
    Expire {
        /// The last sequence that goes.
        through: u64,
    },
    /// Moves the stream's last sequence on without messages.
    Skip {
        /// The new last sequence.
        through: u64,
    },
    /// The leader found that the TTL of these messages has passed.
    ExpireMessages {
        /// Inclusive runs of sequences, rising.
        runs: Vec<(u64, u64)>,
    },
}

impl StreamCommand {
    /// The number for the record's header.
    pub fn number(&self) -> u16 {
        match self {
            Self::Create { .. } => number::STREAM_CREATE,
            Self::Update { .. } => number::STREAM_UPDATE,
            Self::Delete => number::STREAM_DELETE,
            Self::Purge { .. } => number::STREAM_PURGE,
            Self::DeleteMessage { .. } => number::MESSAGE_DELETE,
            Self::Expire { .. } => number::EXPIRE,
            Self::Skip { .. } => number::SKIP,
            Self::ExpireMessages { .. } => number::EXPIRE_MESSAGES,
        }
    }

    /// Appends the body: the record's payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create { account, config, revision } => {
                out.put_bytes(account.as_bytes());
                out.put_u64(*revision);
                out.put_bytes(config);
            }
            Self::Update { config, revision } => {
                out.put_u64(*revision);
                out.put_bytes(config);
            }
            Self::Delete => {}
            Self::Purge { filter, below, keep } => {
                out.put_bytes(filter);
                out.put_u64(*below);
                out.put_u64(*keep);
            }
            Self::DeleteMessage { seq, erase } => {
                out.put_u64(*seq);
                out.put_byte(u8::from(*erase));
            }
            Self::Expire { through } | Self::Skip { through } => out.put_u64(*through),
            Self::ExpireMessages { runs } => put_runs(out, runs),
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
            number::STREAM_CREATE => Self::read_create(r),
            number::STREAM_UPDATE => {
                r.u64().and_then(|revision| Ok(Self::Update { revision, config: r.bytes()?.to_vec() }))
            }
            number::STREAM_DELETE => Ok(Self::Delete),
            number::STREAM_PURGE => r
                .bytes()
                .and_then(|filter| Ok(Self::Purge { filter: filter.to_vec(), below: r.u64()?, keep: r.u64()? })),
            number::MESSAGE_DELETE => r.u64().and_then(|seq| Ok(Self::DeleteMessage { seq, erase: r.bool()? })),
            number::EXPIRE => r.u64().map(|through| Self::Expire { through }),
            number::SKIP => r.u64().map(|through| Self::Skip { through }),
            number::EXPIRE_MESSAGES => runs(r).map(|runs| Self::ExpireMessages { runs }),
            _ => return None,
        })
    }

    fn read_create(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let account = r.text()?.to_owned();
        let revision = r.u64()?;
        Ok(Self::Create { account, revision, config: r.bytes()?.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command() -> impl Strategy<Value = StreamCommand> {
        let runs = proptest::collection::vec((1u64..1000, 0u64..1000), 0..8).prop_map(|gaps| {
            let mut at = 0;
            gaps.into_iter()
                .map(|(gap, len)| {
                    let run = (at + gap, at + gap + len);
                    at = run.1;
                    run
                })
                .collect::<Vec<_>>()
        });
        prop_oneof![
            (".*", any::<Vec<u8>>(), any::<u64>()).prop_map(|(account, config, revision)| StreamCommand::Create {
                account,
                config,
                revision
            }),
            (any::<Vec<u8>>(), any::<u64>()).prop_map(|(config, revision)| StreamCommand::Update { config, revision }),
            Just(StreamCommand::Delete),
            (any::<Vec<u8>>(), any::<u64>(), any::<u64>()).prop_map(|(filter, below, keep)| StreamCommand::Purge {
                filter,
                below,
                keep
            }),
            (any::<u64>(), any::<bool>()).prop_map(|(seq, erase)| StreamCommand::DeleteMessage { seq, erase }),
            any::<u64>().prop_map(|through| StreamCommand::Expire { through }),
            any::<u64>().prop_map(|through| StreamCommand::Skip { through }),
            runs.prop_map(|runs| StreamCommand::ExpireMessages { runs }),
        ]
    }

    proptest! {
        #[test]
        fn each_command_comes_back(command in command()) {
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            prop_assert_eq!(StreamCommand::decode(command.number(), &bytes), Ok(command));
        }

        #[test]
        fn any_bytes_decode_or_fail_without_panic(number in 0u16..20, bytes: Vec<u8>) {
            let _ = StreamCommand::decode(number, &bytes);
        }
    }

    #[test]
    fn golden_bytes_never_change() {
        for (command, number, want) in [
            (
                StreamCommand::Create { account: "$G".into(), config: b"{}".to_vec(), revision: 300 },
                2,
                &[2, b'$', b'G', 0xac, 2, 2, b'{', b'}'][..],
            ),
            (StreamCommand::Update { config: b"{}".to_vec(), revision: 1 }, 3, &[1, 2, b'{', b'}']),
            (StreamCommand::Delete, 4, &[]),
            (StreamCommand::Purge { filter: b"a.>".to_vec(), below: 9, keep: 0 }, 5, &[3, b'a', b'.', b'>', 9, 0]),
            (StreamCommand::DeleteMessage { seq: 128, erase: true }, 6, &[0x80, 1, 1]),
            (StreamCommand::Expire { through: 5 }, 7, &[5]),
            (StreamCommand::Skip { through: 6 }, 8, &[6]),
            (StreamCommand::ExpireMessages { runs: vec![(3, 4), (9, 9)] }, 9, &[2, 3, 1, 5, 0]),
        ] {
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            assert_eq!((command.number(), &bytes[..]), (number, want), "{command:?}");
        }
    }

    #[test]
    fn unknown_numbers_and_trailing_bytes_are_refused() {
        assert_eq!(StreamCommand::decode(99, &[]), Err(CommandError::UnknownNumber(99)));
        assert_eq!(StreamCommand::decode(4, &[1]), Err(CommandError::Body { number: 4, source: CodecError::Trailing }));
    }
}
