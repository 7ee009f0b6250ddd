//! The table is complete, the generated files are fresh, and the JSON is nats-server's.

use std::collections::BTreeSet;

use super::{ApiError, ERRORS, codegen};

#[test]
fn an_error_is_written_as_nats_server_writes_it() {
    let json = crate::json::to_vec(&ApiError::stream_not_found());
    assert_eq!(json, br#"{"code":404,"err_code":10059,"description":"stream not found"}"#);
    let json = crate::json::to_vec(&ApiError::stream_wrong_last_sequence(4));
    assert_eq!(json, br#"{"code":400,"err_code":10071,"description":"wrong last sequence: 4"}"#);
    let error = ApiError::stream_external_del_prefix_overlaps("a", "b");
    assert_eq!(error.description, "stream external delivery prefix a overlaps with stream subject b");
    assert_eq!(ApiError::stream_not_found().to_string(), "stream not found (10059)");
}

#[test]
fn generated_files_are_fresh() {
    for file in codegen::generated() {
        let found = std::fs::read_to_string(&file.path).unwrap_or_default();
        assert!(found == file.text, "{} is stale: cargo run -p forebay-api --example codegen", file.path.display());
    }
}

#[test]
fn numbers_and_names_are_unique_and_rise() {
    assert!(ERRORS.windows(2).all(|pair| pair[0].err_code < pair[1].err_code));
    let names: BTreeSet<_> = ERRORS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ERRORS.len());
    assert_eq!(codegen::rows().len(), ERRORS.len());
    assert!(codegen::rows().iter().all(|row| row.since.starts_with("2.")));
}

/// The constants of async-nats' `ErrorCode`, as that crate's source lists them: name and number.
const ASYNC_NATS: &str = include_str!("../../testdata/async_nats_0_51_error_codes.txt");

#[test]
fn every_error_code_that_async_nats_knows_has_a_row() {
    let known: BTreeSet<u16> = ERRORS.iter().map(|row| row.err_code).collect();
    let mut count = 0;
    for line in ASYNC_NATS.lines() {
        let (name, code) = line.split_once(' ').unwrap();
        assert!(known.contains(&code.parse().unwrap()), "{name} {code}");
        count += 1;
    }
    assert!(count > 200, "the list is whole: {count}");
}
