//! The compact form of a stream's index: variable-length integers, each message relative to the one before.

use super::{IndexError, NewMessage, StreamIndex};
use crate::log::format::Location;
use hashbrown::HashMap;

/// 2: a message's size may carry [`HAS_HEADERS`]. What was written as 1 reads the same, without headers.
const VERSION: u64 = 2;
const OLDEST: u64 = 1;
/// Added to the size of a message with headers.
const HAS_HEADERS: u64 = 1 << 32;

pub(super) fn index(index: &StreamIndex, out: &mut Vec<u8>) {
    put(out, VERSION);
    put(out, index.first);
    put(out, index.last);
    put(out, u64::from(index.last_time.is_some()));
    put_signed(out, index.last_time.unwrap_or(0));
    put(out, index.num_subjects() as u64);
    // Ids are renumbered in the order of the table, so that gaps do not travel.
    let mut numbers = HashMap::with_capacity(index.num_subjects());
    for (number, (id, state)) in index.subjects.iter().enumerate() {
        numbers.insert(id, number as u64);
        put(out, state.name.len() as u64);
        out.extend_from_slice(&state.name);
    }
    put(out, index.count());
    let (mut seq, mut time, mut place) = (0u64, 0i64, Location { segment: 0, offset: 0 });
    for (next, meta) in index.iter_from(0) {
        put(out, next - seq);
        put(out, numbers.get(&meta.subject_id).copied().unwrap_or(0));
        put(out, u64::from(meta.size) + if meta.has_headers { HAS_HEADERS } else { 0 });
        put_signed(out, meta.time.wrapping_sub(time));
        put_signed(out, i64::from(meta.location.segment).wrapping_sub(i64::from(place.segment)));
        put_signed(out, i64::from(meta.location.offset).wrapping_sub(i64::from(place.offset)));
        (seq, time, place) = (next, meta.time, meta.location);
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<(StreamIndex, usize), IndexError> {
    let mut rest = bytes;
    if !(OLDEST..=VERSION).contains(&take(&mut rest)?) {
        return Err(IndexError::Damaged);
    }
    let first = take(&mut rest)?;
    let last = take(&mut rest)?;
    let has_last_time = take(&mut rest)? == 1;
    let last_time = take_signed(&mut rest)?;
    let mut names: Vec<&[u8]> = Vec::new();
    for _ in 0..take(&mut rest)? {
        let len = usize::try_from(take(&mut rest)?).map_err(|_| IndexError::Damaged)?;
        let (name, behind) = rest.split_at_checked(len).ok_or(IndexError::Damaged)?;
        rest = behind;
        names.push(name);
    }
    let mut index = StreamIndex::new(1);
    let (mut seq, mut time, mut place) = (0u64, 0i64, (0i64, 0i64));
    for _ in 0..take(&mut rest)? {
        seq = seq.checked_add(take(&mut rest)?).ok_or(IndexError::Damaged)?;
        let subject = usize::try_from(take(&mut rest)?).ok().and_then(|n| names.get(n)).ok_or(IndexError::Damaged)?;
        let size = take(&mut rest)?;
        let has_headers = size & HAS_HEADERS != 0;
        let size = u32::try_from(size & !HAS_HEADERS).map_err(|_| IndexError::Damaged)?;
        time = time.wrapping_add(take_signed(&mut rest)?);
        place.0 = place.0.wrapping_add(take_signed(&mut rest)?);
        place.1 = place.1.wrapping_add(take_signed(&mut rest)?);
        let location = Location {
            segment: u32::try_from(place.0).map_err(|_| IndexError::Damaged)?,
            offset: u32::try_from(place.1).map_err(|_| IndexError::Damaged)?,
        };
        let message = NewMessage { seq, location, time, size, has_headers, subject };
        index.push(&message).map_err(|_| IndexError::Damaged)?;
    }
    if last < index.last || last == u64::MAX || first > last + 1 {
        return Err(IndexError::Damaged);
    }
    index.last = last;
    if index.count() == 0 {
        index.first = first;
    }
    index.last_time = has_last_time.then_some(last_time);
    Ok((index, bytes.len() - rest.len()))
}

pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7F) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

pub(super) fn take(rest: &mut &[u8]) -> Result<u64, IndexError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first().ok_or(IndexError::Damaged)?;
        *rest = behind;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(IndexError::Damaged)
}

pub(super) fn take_signed(rest: &mut &[u8]) -> Result<i64, IndexError> {
    let value = take(rest)?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}
