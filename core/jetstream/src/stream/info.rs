//! What STREAM.INFO says.

use std::collections::BTreeMap;

use forebay_api::stream::{StreamInfo, StreamState};
use forebay_api::time::Time;

use super::Stream;
use crate::limits::{DELETED_DETAILS_MAX, SUBJECT_DETAILS_PAGE};

/// What a STREAM.INFO request asks for besides the usual.
#[derive(Clone, Debug, Default)]
pub struct InfoRequest {
    /// List the deleted sequences.
    pub deleted_details: bool,
    /// Count messages of the subjects that this names; empty for no.
    pub subjects_filter: Vec<u8>,
    /// Leave out so many subjects.
    pub offset: usize,
}

/// One page of a STREAM.INFO reply.
#[derive(Clone, Debug)]
pub struct StreamInfoPage {
    /// The info.
    pub info: StreamInfo,
    /// How many subjects match `subjects_filter`.
    pub total: usize,
    /// How many were left out before this page.
    pub offset: usize,
    /// How many a page holds.
    pub limit: usize,
}

impl Stream {
    pub(crate) fn info(&self, now: i64, request: &InfoRequest) -> StreamInfoPage {
        let mut info = StreamInfo {
            config: (*self.config).clone(),
            created: Time::from_unix_ns(self.created),
            state: self.state(),
            ts: Time::from_unix_ns(now),
            ..StreamInfo::default()
        };
        if request.deleted_details {
            info.state.deleted = self.index.deleted().flatten().take(DELETED_DETAILS_MAX).collect();
        }
        let (mut total, mut limit) = (0, 0);
        if !request.subjects_filter.is_empty() {
            let mut counts = BTreeMap::new();
            self.index.for_each_subject(&request.subjects_filter, |subject| {
                counts.insert(String::from_utf8_lossy(&subject.name).into_owned(), subject.count);
            });
            (total, limit) = (counts.len(), SUBJECT_DETAILS_PAGE);
            info.state.subjects = counts.into_iter().skip(request.offset).take(limit).collect();
        }
        StreamInfoPage { info, total, offset: request.offset, limit }
    }

    pub(crate) fn state(&self) -> StreamState {
        let index = &self.index;
        let at = |time: Option<i64>| time.map_or(Time::ZERO, Time::from_unix_ns);
        // nats-server shows 0 for a stream that never held a message.
        let untouched = index.count() == 0 && index.last_seq() == 0;
        // After the last message is gone the stream still tells when the last one came.
        let last = index.last_time().or(Some(self.last_time).filter(|time| *time != i64::MIN));
        StreamState {
            messages: index.count(),
            bytes: index.bytes(),
            first_seq: if untouched { 0 } else { index.first_seq() },
            first_ts: at(index.first_time()),
            last_seq: index.last_seq(),
            last_ts: at(last),
            num_subjects: index.num_subjects() as u64,
            num_deleted: index.num_deleted(),
            consumer_count: self.consumers.len() as u64,
            ..StreamState::default()
        }
    }
}
