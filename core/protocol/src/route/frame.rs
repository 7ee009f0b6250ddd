//! The header of every frame, and how bodies are read and written.

use super::error::RouteError;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 8;

/// What a frame is. Numbers are never used again for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Who a server is: the first frame of both sides.
    Hello = 1,
    /// That a server knows the shared secret.
    Proof = 2,
    /// Why a connection is not wanted; the last frame.
    Refuse = 3,
    /// Are you there?
    Ping = 4,
    /// Yes.
    Pong = 5,
    /// Which servers the sender is connected to, and what became of itself.
    Gossip = 6,
    /// Somebody's interest came, changed or went.
    Interest = 7,
    /// A client's message.
    Message = 8,
    /// A call to the other server.
    Call = 9,
    /// The answer to one.
    Answer = 10,
}

impl Kind {
    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Hello,
            2 => Self::Proof,
            3 => Self::Refuse,
            4 => Self::Ping,
            5 => Self::Pong,
            6 => Self::Gossip,
            7 => Self::Interest,
            8 => Self::Message,
            9 => Self::Call,
            10 => Self::Answer,
            _ => return None,
        })
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the body.
    pub length: usize,
    /// What the body is.
    pub kind: Kind,
    /// What the kind makes of them.
    pub flags: u8,
}

/// A whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the body is.
    pub kind: Kind,
    /// What the kind makes of them.
    pub flags: u8,
    /// The body.
    pub body: &'a [u8],
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A frame, and how many bytes it takes.
    Frame(Frame<'a>, usize),
    /// Not a whole one; with so many bytes there will be one, as far as that is known.
    Partial(usize),
}

/// Reads a header whose body has at most `most` bytes.
///
/// # Errors
/// A length over the bound, or an unknown kind.
pub fn header(bytes: [u8; HEADER_BYTES], most: usize) -> Result<Header, RouteError> {
    let [a, b, c, d, kind, flags, _, _] = bytes;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > most {
        return Err(RouteError::TooLong { length, most });
    }
    let kind = Kind::from_number(kind).ok_or(RouteError::Kind(kind))?;
    Ok(Header { length, kind, flags })
}

/// Reads the frame at the beginning of `bytes`, whose body has at most `most` bytes.
///
/// # Errors
/// As [`header`].
#[inline]
pub fn decode(bytes: &[u8], most: usize) -> Result<Decoded<'_>, RouteError> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(Decoded::Partial(HEADER_BYTES));
    };
    let Header { length, kind, flags } = header(*head, most)?;
    let taken = HEADER_BYTES + length;
    match rest.get(..length) {
        Some(body) => Ok(Decoded::Frame(Frame { kind, flags, body }, taken)),
        None => Ok(Decoded::Partial(taken)),
    }
}

/// Begins a frame; [`finish`] writes its length.
pub(super) fn begin(out: &mut Vec<u8>, kind: Kind, flags: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind as u8, flags, 0, 0]);
    start
}

/// Ends the frame that began at `start`. Callers keep bodies under 4 GiB.
pub(super) fn finish(out: &mut [u8], start: usize) {
    let length = (out.len().saturating_sub(start + HEADER_BYTES)) as u32;
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

/// A header alone, for bodies that are written from where they lie.
pub fn header_bytes(kind: Kind, flags: u8, length: usize) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = (length as u32).to_le_bytes();
    [a, b, c, d, kind as u8, flags, 0, 0]
}

/// Appends a text with its length in two bytes. Callers keep it under 64 KiB; a longer one is cut.
pub(super) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    let length = text.len().min(usize::from(u16::MAX));
    out.extend_from_slice(&(length as u16).to_le_bytes());
    out.extend_from_slice(text.get(..length).unwrap_or_default());
}

/// Reads a body's fields in order.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn chunk<const N: usize>(&mut self) -> Result<[u8; N], RouteError> {
        let (chunk, rest) = self.0.split_first_chunk::<N>().ok_or(RouteError::Body("it ends too early"))?;
        self.0 = rest;
        Ok(*chunk)
    }

    pub(super) fn u8(&mut self) -> Result<u8, RouteError> {
        self.chunk().map(|[byte]: [u8; 1]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, RouteError> {
        self.chunk().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, RouteError> {
        self.chunk().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, RouteError> {
        self.chunk().map(u64::from_le_bytes)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], RouteError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(RouteError::Body("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a [u8], RouteError> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    pub(super) fn end(self) -> Result<(), RouteError> {
        if self.0.is_empty() { Ok(()) } else { Err(RouteError::Body("it goes on behind its end")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_has_its_golden_bytes() {
        assert_eq!(header_bytes(Kind::Message, 3, 0x0102_0304), [4, 3, 2, 1, 8, 3, 0, 0]);
    }

    #[test]
    fn a_length_over_the_bound_is_refused_from_the_header_alone() {
        let head = header_bytes(Kind::Call, 0, 101);
        assert_eq!(decode(&head, 100), Err(RouteError::TooLong { length: 101, most: 100 }));
        assert_eq!(decode(&head, 101), Ok(Decoded::Partial(109)));
        assert_eq!(decode(&head[..7], 100), Ok(Decoded::Partial(8)));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_a_panic(bytes: Vec<u8>, most in 0usize..1000) {
            if let Ok(Decoded::Frame(frame, taken)) = decode(&bytes, most) {
                prop_assert_eq!(frame.body.len() + HEADER_BYTES, taken);
                prop_assert!(taken <= bytes.len() && frame.body.len() <= most);
            }
        }

        #[test]
        fn a_header_goes_there_and_back(number in 1u8..=10, flags: u8, length in 0usize..1000) {
            let kind = Kind::from_number(number).expect("known");
            prop_assert_eq!(header(header_bytes(kind, flags, length), 1000), Ok(Header { length, kind, flags }));
        }
    }
}
