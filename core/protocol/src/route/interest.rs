//! Interest: how many subscribers one filter has now, in one account and queue group. The number replaces what was said
//! before; 0 ends it.

use super::Frame;
use super::error::RouteError;
use super::frame::{Fields, Kind, begin, finish, put_text};

const QUEUE: u8 = 1;

/// The interest in one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest<'a> {
    /// The account.
    pub account: &'a [u8],
    /// The filter.
    pub filter: &'a [u8],
    /// The queue group.
    pub queue: Option<&'a [u8]>,
    /// How many members the group has; without a group, 1.
    pub weight: u32,
}

impl<'a> Interest<'a> {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = begin(out, Kind::Interest, if self.queue.is_some() { QUEUE } else { 0 });
        out.extend_from_slice(&self.weight.to_le_bytes());
        put_text(out, self.account);
        put_text(out, self.filter);
        if let Some(queue) = self.queue {
            put_text(out, queue);
        }
        finish(out, start);
    }

    /// Reads the frame.
    ///
    /// # Errors
    /// A body that is none.
    pub fn decode(frame: &Frame<'a>) -> Result<Self, RouteError> {
        let mut fields = Fields(frame.body);
        let weight = fields.u32()?;
        let (account, filter) = (fields.text()?, fields.text()?);
        let queue = if frame.flags & QUEUE != 0 { Some(fields.text()?) } else { None };
        fields.end()?;
        Ok(Self { account, filter, queue, weight })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn interest_has_its_golden_bytes() {
        let mut out = Vec::new();
        Interest { account: b"$G", filter: b"a.*", queue: Some(b"q"), weight: 2 }.encode(&mut out);
        let body = [2, 0, 0, 0, 2, 0, b'$', b'G', 3, 0, b'a', b'.', b'*', 1, 0, b'q'];
        assert_eq!(out, [&[16, 0, 0, 0, 7, 1, 0, 0][..], &body].concat());
    }

    proptest! {
        #[test]
        fn interest_goes_there_and_back(
            account: Vec<u8>, filter: Vec<u8>, queue: Option<Vec<u8>>, weight: u32,
        ) {
            let interest = Interest { account: &account, filter: &filter, queue: queue.as_deref(), weight };
            let mut out = Vec::new();
            interest.encode(&mut out);
            let frame = Frame { kind: Kind::Interest, flags: out[5], body: &out[8..] };
            prop_assert_eq!(Interest::decode(&frame), Ok(interest));
        }

        #[test]
        fn any_body_decodes_without_a_panic(body: Vec<u8>, flags: u8) {
            let _ = Interest::decode(&Frame { kind: Kind::Interest, flags, body: &body });
        }
    }
}
