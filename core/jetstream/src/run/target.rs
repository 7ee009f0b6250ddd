//! The number by which the broker names an internal subscription of ours, and what is packed into it, so that a publish
//! finds its stage without a look-up.

use crate::id::StreamUid;

/// What an internal subscription is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A stream's subject.
    Stream(StreamTarget),
    /// `$JS.API.>`.
    Api,
    /// `$JS.ACK.>`.
    Ack,
    /// `$JS.FC.>`.
    FlowControl,
}

/// A stream, as ingress needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamTarget {
    /// Where it lives.
    pub shard: u32,
    /// Which it is.
    pub uid: StreamUid,
    /// It bypasses the lane.
    pub memory: bool,
    /// It acks nothing.
    pub no_ack: bool,
}

const KIND_SHIFT: u32 = 60;
const KIND_STREAM: u64 = 1;
const KIND_API: u64 = 2;
const KIND_ACK: u64 = 3;
const KIND_FLOW: u64 = 4;
const MEMORY_BIT: u64 = 1 << 59;
const NO_ACK_BIT: u64 = 1 << 58;
const SHARD_SHIFT: u32 = 48;
const SHARD_MASK: u64 = (1 << 10) - 1;
const UID_MASK: u64 = (1 << SHARD_SHIFT) - 1;

impl Target {
    /// The number for the broker.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Stream(stream) => {
                let flag = |set: bool, bit: u64| if set { bit } else { 0 };
                KIND_STREAM << KIND_SHIFT
                    | flag(stream.memory, MEMORY_BIT)
                    | flag(stream.no_ack, NO_ACK_BIT)
                    | (u64::from(stream.shard) & SHARD_MASK) << SHARD_SHIFT
                    | stream.uid.0 & UID_MASK
            }
            Self::Api => KIND_API << KIND_SHIFT,
            Self::Ack => KIND_ACK << KIND_SHIFT,
            Self::FlowControl => KIND_FLOW << KIND_SHIFT,
        }
    }

    /// What a number means; `None` if it is not one of ours.
    #[inline]
    pub(super) fn of(number: u64) -> Option<Self> {
        match number >> KIND_SHIFT {
            KIND_STREAM => Some(Self::Stream(StreamTarget {
                shard: (number >> SHARD_SHIFT & SHARD_MASK) as u32,
                uid: StreamUid(number & UID_MASK),
                memory: number & MEMORY_BIT != 0,
                no_ack: number & NO_ACK_BIT != 0,
            })),
            KIND_API => Some(Self::Api),
            KIND_ACK => Some(Self::Ack),
            KIND_FLOW => Some(Self::FlowControl),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_says_what_was_put_in() {
        let stream = StreamTarget { shard: 1023, uid: StreamUid((1 << 48) - 1), memory: true, no_ack: false };
        for target in [Target::Stream(stream), Target::Api, Target::Ack, Target::FlowControl] {
            assert_eq!(Target::of(target.number()), Some(target));
        }
        assert_eq!(Target::of(0), None);
    }
}
