//! What changes the table of streams.

use crate::codec::{CodecError, Reader, Write};
use crate::command::{CommandError, body, number};

/// A command of the meta machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaCommand {
    /// Makes a stream, unless one of this name exists with the same config.
    Create {
        /// The account that owns it.
        account: String,
        /// The normalised config as JSON.
        config: Vec<u8>,
    },
    /// Replaces a stream's config.
    Update {
        /// The account that owns it.
        account: String,
        /// The normalised config as JSON; it has the name.
        config: Vec<u8>,
    },
    /// Removes a stream: its name is free at once, its shard removes the rest.
    Delete {
        /// The account that owns it.
        account: String,
        /// Its name.
        name: String,
    },
    /// A removed stream's shard is done with it.
    Forget {
        /// Its uid.
        uid: u64,
    },
    /// The process that held the streams in memory has ended, and they have ended with it.
    ForgetMemory,
    /// A stream's shard has decided about an update.
    Settle {
        /// The stream's uid.
        uid: u64,
        /// The update's revision.
        revision: u64,
        /// The config that stays, as JSON, if the shard refused the update; empty if it took it.
        kept: Vec<u8>,
    },
}

impl MetaCommand {
    /// The number for the record's header.
    #[must_use]
    pub fn number(&self) -> u16 {
        match self {
            Self::Create { .. } => number::META_CREATE,
            Self::Update { .. } => number::META_UPDATE,
            Self::Delete { .. } => number::META_DELETE,
            Self::Forget { .. } => number::META_FORGET,
            Self::ForgetMemory => number::META_FORGET_MEMORY,
            Self::Settle { .. } => number::META_SETTLE,
        }
    }

    /// Appends the body: the record's payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create { account, config } | Self::Update { account, config } => {
                out.put_bytes(account.as_bytes());
                out.put_bytes(config);
            }
            Self::Delete { account, name } => {
                out.put_bytes(account.as_bytes());
                out.put_bytes(name.as_bytes());
            }
            Self::Forget { uid } => out.put_u64(*uid),
            Self::ForgetMemory => {}
            Self::Settle { uid, revision, kept } => {
                out.put_u64(*uid);
                out.put_u64(*revision);
                out.put_bytes(kept);
            }
        }
    }

    /// Reads the body of the command with this number. Fails on unknown numbers and on bytes that no writer makes.
    ///
    /// # Errors
    /// See [`CommandError`].
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
        let with_config = |r: &mut Reader<'_>| Ok((r.text()?.to_owned(), r.bytes()?.to_vec()));
        Some(match number {
            number::META_CREATE => with_config(r).map(|(account, config)| Self::Create { account, config }),
            number::META_UPDATE => with_config(r).map(|(account, config)| Self::Update { account, config }),
            number::META_DELETE => r
                .text()
                .and_then(|account| Ok(Self::Delete { account: account.to_owned(), name: r.text()?.to_owned() })),
            number::META_FORGET => r.u64().map(|uid| Self::Forget { uid }),
            number::META_FORGET_MEMORY => Ok(Self::ForgetMemory),
            number::META_SETTLE => {
                r.u64().and_then(|uid| Ok(Self::Settle { uid, revision: r.u64()?, kept: r.bytes()?.to_vec() }))
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_command_comes_back(account: String, name: String, config: Vec<u8>, uid: u64) {
            for command in [
                MetaCommand::Create { account: account.clone(), config: config.clone() },
                MetaCommand::Update { account: account.clone(), config: config.clone() },
                MetaCommand::Delete { account: account.clone(), name: name.clone() },
                MetaCommand::Forget { uid },
                MetaCommand::ForgetMemory,
                MetaCommand::Settle { uid, revision: uid.wrapping_mul(3), kept: config.clone() },
            ] {
                let mut bytes = Vec::new();
                command.encode(&mut bytes);
                prop_assert_eq!(MetaCommand::decode(command.number(), &bytes), Ok(command));
            }
        }

        #[test]
        fn any_bytes_decode_or_fail_without_panic(number in 200u16..208, bytes: Vec<u8>) {
            let _ = MetaCommand::decode(number, &bytes);
        }
    }

    #[test]
    fn golden_bytes_never_change() {
        for (command, number, want) in [
            (MetaCommand::Create { account: "A".into(), config: b"{}".to_vec() }, 201, &[1, b'A', 2, b'{', b'}'][..]),
            (MetaCommand::Update { account: "A".into(), config: b"{}".to_vec() }, 202, &[1, b'A', 2, b'{', b'}']),
            (MetaCommand::Delete { account: "A".into(), name: "S".into() }, 203, &[1, b'A', 1, b'S']),
            (MetaCommand::Forget { uid: 300 }, 204, &[0xac, 2]),
            (MetaCommand::ForgetMemory, 205, &[]),
            (MetaCommand::Settle { uid: 7, revision: 2, kept: b"{}".to_vec() }, 206, &[7, 2, 2, b'{', b'}']),
        ] {
            let mut bytes = Vec::new();
            command.encode(&mut bytes);
            assert_eq!((command.number(), &bytes[..]), (number, want), "{command:?}");
        }
    }
}
