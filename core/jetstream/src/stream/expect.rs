//! What a publisher expects of the stream before its message may be stored.

use forebay_api::error::ApiError;
use forebay_api::publish::PublishHeaders;
use forebay_store::{Matcher, StreamIndex};
use forebay_subject::is_literal;

/// `Nats-Expected-Last-Subject-Sequence` and `Nats-Expected-Last-Sequence`.
pub(crate) fn sequences(index: &StreamIndex, subject: &[u8], headers: &PublishHeaders<'_>) -> Result<(), ApiError> {
    if let Some(expected) = headers.expected_last_subject_seq {
        let filter = headers.expected_last_subject_seq_subject.unwrap_or(subject);
        let have = last_of(index, filter);
        if have != expected {
            return Err(ApiError::stream_wrong_last_sequence(have));
        }
    } else if headers.expected_last_subject_seq_subject.is_some() {
        return Err(ApiError::stream_expected_last_seq_per_subject_invalid());
    }
    match headers.expected_last_seq {
        Some(expected) if expected != index.last_seq() => Err(ApiError::stream_wrong_last_sequence(index.last_seq())),
        _ => Ok(()),
    }
}

/// `Nats-Expected-Last-Msg-Id`.
pub(crate) fn message_id(last: &[u8], headers: &PublishHeaders<'_>) -> Result<(), ApiError> {
    match headers.expected_last_msg_id {
        Some(expected) if expected != last => Err(ApiError::stream_wrong_last_msg_id(String::from_utf8_lossy(last))),
        _ => Ok(()),
    }
}

/// The last sequence of a subject, or of the subjects that a filter names; 0 if there is none.
fn last_of(index: &StreamIndex, filter: &[u8]) -> u64 {
    if is_literal(filter) {
        return index.last_by_subject(filter).map_or(0, |(seq, _)| seq);
    }
    index.prev_matching(index.last_seq(), &mut Matcher::new([filter])).map_or(0, |(seq, _)| seq)
}
