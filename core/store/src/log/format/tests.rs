//! Golden bytes and round trips of the entry and segment headers.

use super::*;
use proptest::prelude::*;

fn sample() -> EntryHeader {
    EntryHeader {
        kind: EntryKind::Entry,
        flags: 0,
        len: 200,
        count: 3,
        lsn: 0x0102_0304_0506_0708,
        group_lsn: 0x0102_0304_0506_0700,
        epoch: 7,
        shard: 9,
        index: 11,
        term: 13,
        time: -2,
        records_crc: 0xDEAD_BEEF,
    }
}

#[test]
fn the_entry_header_has_these_bytes() {
    let mut out = [0u8; ENTRY_HEADER];
    sample().encode(Seal::new(0x1122_3344_5566_7788), 5, 4096, &mut out);
    let hex: String = out.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        &hex[8..],
        concat!(
            "17fb0100c800000003000000",
            "08070605040302010007060504030201",
            "07000000090000000b000000000000000d00000000000000",
            "feffffffffffffffefbeadde00000000"
        )
    );
    assert_eq!(&hex[..8], GOLDEN_ENTRY_CRC);
}

const GOLDEN_ENTRY_CRC: &str = "5ea687e1";
const GOLDEN_SEGMENT: &str = "701d5ff5464241595345470a0100000005000000000000048877665544332211630000000000000002000000";

#[test]
fn the_segment_header_has_these_bytes() {
    let header =
        SegmentHeader { segment: 5, store_id: 0x1122_3344_5566_7788, first_lsn: 99, epoch: 2, segment_bytes: 64 << 20 };
    let mut out = [0u8; BLOCK];
    header.encode(&mut out);
    let hex: String = out[..SEGMENT_HEADER].iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, GOLDEN_SEGMENT);
    assert!(out[SEGMENT_HEADER..].iter().all(|b| *b == 0));
    assert_eq!(SegmentHeader::decode(&out), Ok(header));
}

#[test]
fn a_segment_of_a_newer_version_is_refused() {
    let header = SegmentHeader { segment: 5, store_id: 1, first_lsn: 99, epoch: 2, segment_bytes: 64 << 20 };
    let mut out = [0u8; BLOCK];
    header.encode(&mut out);
    put(&mut out, 12, &2u32.to_le_bytes());
    let crc = crc32c::crc32c(&out[4..SEGMENT_HEADER]);
    put(&mut out, 0, &crc.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&out), Err(FormatError::Unknown("segment version")));
}

#[test]
fn an_entry_header_is_valid_only_in_its_place_and_store() {
    let mut out = [0u8; ENTRY_HEADER];
    let seal = Seal::new(1);
    sample().encode(seal, 5, 4096, &mut out);
    assert_eq!(EntryHeader::decode(seal, 5, 4096, &out), Ok(sample()));
    assert_eq!(EntryHeader::decode(seal, 5, 4104, &out), Err(FormatError::Checksum));
    assert_eq!(EntryHeader::decode(seal, 6, 4096, &out), Err(FormatError::Checksum));
    assert_eq!(EntryHeader::decode(Seal::new(2), 5, 4096, &out), Err(FormatError::Checksum));
}

#[test]
fn every_flipped_bit_of_an_entry_header_is_noticed() {
    let mut out = [0u8; ENTRY_HEADER];
    let seal = Seal::new(1);
    sample().encode(seal, 5, 4096, &mut out);
    for bit in 0..ENTRY_HEADER * 8 {
        let mut bad = out;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(EntryHeader::decode(seal, 5, 4096, &bad).is_err(), "bit {bit}");
    }
}

prop_compose! {
    fn any_header()(kind in 1u8..=9, len in ENTRY_HEADER as u32.., count: u32, lsn: u64, back: u64, epoch: u32,
        shard: u32, index: u64, term: u64, time: i64, records_crc: u32) -> EntryHeader {
        EntryHeader { kind: EntryKind::from_byte(kind).unwrap(), flags: 0, len, count, lsn, group_lsn: lsn.saturating_sub(back),
            epoch, shard, index, term, time, records_crc }
    }
}

proptest! {
    #[test]
    fn entry_headers_survive_the_round_trip(header in any_header(), store: u64, segment: u32, offset: u32) {
        let mut out = [0u8; ENTRY_HEADER];
        header.encode(Seal::new(store), segment, offset, &mut out);
        prop_assert_eq!(EntryHeader::decode(Seal::new(store), segment, offset, &out), Ok(header));
    }

    #[test]
    fn random_bytes_are_never_an_entry_or_a_segment(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(EntryHeader::decode(Seal::new(1), 1, 4096, &bytes).is_err());
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
    }
}
