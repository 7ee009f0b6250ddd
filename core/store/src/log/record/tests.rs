//! Golden bytes and round trips of records.

use super::*;
use proptest::prelude::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

const GOLDEN_HOT: &str =
    "670e5a0a30000000020103000500000000000000ffffffffffffffff0300000002000000612e6268687061796c6f6164";
const GOLDEN_COLD: &str = concat!(
    "ae43956338000000020103800500000000000000ffffffffffffffff03000000020000004d00000000000000",
    "612e6268687061796c6f6164"
);

#[test]
fn a_record_has_these_bytes() {
    let mut fields = RecordFields {
        number: 0x0102,
        flags: 0x03,
        uid: 5,
        time: -1,
        subject: b"a.b",
        headers: b"hh",
        payload: b"payload",
        seq: None,
    };
    let mut out = Vec::new();
    encode_record(&mut out, &fields).unwrap();
    assert_eq!(hex(&out), GOLDEN_HOT);
    fields.seq = Some(77);
    out.clear();
    encode_record(&mut out, &fields).unwrap();
    assert_eq!(hex(&out), GOLDEN_COLD);
}

#[test]
fn a_record_that_is_too_long_leaves_the_batch_unchanged() {
    let mut batch = RecordBatch::new();
    batch.push(&RecordFields { payload: b"x", ..RecordFields::default() }).unwrap();
    let before = batch.bytes().to_vec();
    let subject = vec![b'a'; 70_000];
    let fields = RecordFields { subject: &subject, ..RecordFields::default() };
    assert!(matches!(batch.push(&fields), Err(FormatError::TooLarge { .. })));
    assert_eq!((batch.bytes(), batch.count()), (before.as_slice(), 1));
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_record_is_noticed() {
    let mut out = Vec::new();
    encode_record(&mut out, &RecordFields { subject: b"a.b", payload: b"hello", ..RecordFields::default() }).unwrap();
    for bit in 0..out.len() * 8 {
        let mut bad = out.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(RecordRef::decode(&bad).is_err(), "bit {bit}");
    }
    for cut in 0..out.len() {
        assert!(RecordRef::decode(&out[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_missing_or_additional_record_is_noticed() {
    let mut batch = RecordBatch::new();
    for n in 0..3u64 {
        batch.push(&RecordFields { uid: n, payload: b"x", ..RecordFields::default() }).unwrap();
    }
    assert_eq!(verify_records(batch.bytes(), 3, batch.crc()), Ok(()));
    assert!(verify_records(batch.bytes(), 2, batch.crc()).is_err());
    assert!(verify_records(batch.bytes(), 4, batch.crc()).is_err());
    assert!(verify_records(batch.bytes(), 3, batch.crc() ^ 1).is_err());
}

proptest! {
    #[test]
    fn records_survive_the_round_trip(
        number: u16, flags in 0u16..256, uid: u64, time: i64, seq in proptest::option::of(any::<u64>()),
        subject in proptest::collection::vec(any::<u8>(), 0..40),
        headers in proptest::collection::vec(any::<u8>(), 0..40),
        payload in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let fields = RecordFields { number, flags, uid, time, subject: &subject, headers: &headers, payload: &payload, seq };
        let mut out = b"before".to_vec();
        let crc = encode_record(&mut out, &fields).unwrap();
        let record = RecordRef::decode(&out[6..]).unwrap();
        prop_assert_eq!(record.fields(record.seq), fields);
        prop_assert_eq!((record.len, record.crc), (fields.encoded_len(), crc));
        prop_assert_eq!(RecordRef::parse_trusted(&out[6..]), Ok(record));
    }

    #[test]
    fn random_bytes_are_never_a_record(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(RecordRef::decode(&bytes).is_err());
        let _ = RecordRef::parse_trusted(&bytes);
    }

    #[test]
    fn a_batch_gives_its_records_back_in_order(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..20)) {
        let mut batch = RecordBatch::new();
        for payload in &payloads {
            batch.push(&RecordFields { payload, ..RecordFields::default() }).unwrap();
        }
        prop_assert_eq!(verify_records(batch.bytes(), batch.count(), batch.crc()), Ok(()));
        let first = Location { segment: 3, offset: 100 };
        let mut offset = 100u32;
        for (read, payload) in Records::new(batch.bytes(), first, batch.count()).zip(&payloads) {
            let (at, record) = read.unwrap();
            prop_assert_eq!(at, Location { segment: 3, offset });
            prop_assert_eq!(record.payload, payload.as_slice());
            offset += record.len as u32;
        }
    }
}
