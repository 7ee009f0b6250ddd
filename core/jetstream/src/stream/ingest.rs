//! A publish: the checks in nats-server's order, then the message has a sequence (nats.md §3.4).
//!
//! The order is that of nats-server's R3 streams on every stream: the message id is looked up before the sequence
//! expectations, so that a retry of a stored message is a duplicate and not an error.

use forebay_api::error::ApiError;
use forebay_api::publish::{PublishHeaders, Ttl};
use forebay_api::stream::Retention;
use forebay_store::{Location, NewMessage, RecordFields, encode_record};

use super::{Stream, expect, rollup};
use crate::effect::{Applied, Body, Effects, PublishOutcome, Row, RowOutcome};
use crate::limits::HEADERS_MAX_BYTES;
use crate::record::Record;

impl Stream {
    /// Decides about one message and stores it, or not.
    pub(crate) fn apply_publish(&mut self, record: &Record<'_>, at: Applied, fx: &mut Effects) {
        let time = record.time.max(self.last_time);
        self.now = time;
        let outcome = match self.ingest(record, time, at.location, fx) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.count_refusal(&error);
                PublishOutcome::Refused(error)
            }
        };
        if fx.gather_rows {
            let outcome = match &outcome {
                PublishOutcome::Stored { seq } => RowOutcome::Seq(*seq),
                PublishOutcome::Refused(error) => RowOutcome::Refused(error.err_code),
                PublishOutcome::Duplicate { .. } | PublishOutcome::NotStored { .. } => RowOutcome::Refused(0),
            };
            let size = self.rules.size(record.subject, record.headers, record.payload) as u32;
            fx.rows.push(Row { location: at.location, stream: self.uid(), outcome, size, time });
        }
        fx.publish_done(at.waiter, &self.facts, outcome);
    }

    fn ingest(
        &mut self,
        record: &Record<'_>,
        time: i64,
        location: Location,
        fx: &mut Effects,
    ) -> Result<PublishOutcome, ApiError> {
        if self.rules.sealed {
            return Err(ApiError::stream_sealed());
        }
        let headers = match record.headers {
            [] => PublishHeaders::default(),
            block => PublishHeaders::parse(block),
        };
        self.check_features(&headers)?;
        if let Some(id) = headers.msg_id
            && self.rules.window > 0
            && let Some(seq) = self.dedupe.find(id, time, self.rules.window)
        {
            self.counters.duplicates += 1;
            return Ok(PublishOutcome::Duplicate { seq });
        }
        expect::sequences(&self.index, record.subject, &headers)?;
        expect::message_id(&self.last_msg_id, &headers)?;
        rollup::check(&self.rules, &headers)?;
        let body = (record.headers.len() + record.payload.len()) as u64;
        if body > self.rules.max_msg_size {
            return Err(ApiError::stream_message_exceeds_maximum());
        }
        if record.headers.len() > HEADERS_MAX_BYTES {
            return Err(ApiError::stream_header_exceeds_maximum());
        }
        let seq = self.index.last_seq() + 1;
        let unwanted = self.rules.retention == Retention::Interest
            && !self.consumers.values().any(|consumer| consumer.filters.matches(record.subject));
        if unwanted {
            self.index.skip_to(seq);
            self.note(&headers, seq, time);
            return Ok(PublishOutcome::NotStored { seq });
        }
        let size = self.rules.size(record.subject, record.headers, record.payload);
        self.check_room(record.subject, size)?;
        self.store(record, seq, size, time, location, fx)?;
        self.note(&headers, seq, time);
        self.note_ttl(&headers, seq, time);
        self.counters.published += 1;
        self.counters.published_bytes += body;
        for consumer in self.consumers.values_mut() {
            if consumer.handle_stored(seq, record.subject) {
                fx.wake.push(consumer.key());
            }
        }
        self.enforce(record.subject, fx);
        self.apply_rollup(&headers, record.subject, seq, fx);
        Ok(PublishOutcome::Stored { seq })
    }

    /// Headers that ask for what the stream does not allow.
    fn check_features(&self, headers: &PublishHeaders<'_>) -> Result<(), ApiError> {
        if headers.incr.is_some() {
            return Err(ApiError::message_incr_disabled());
        }
        if let Some(stream) = headers.expected_stream
            && stream != self.facts.name.as_bytes()
        {
            return Err(ApiError::stream_not_match());
        }
        if let Some(ttl) = headers.ttl {
            if ttl == Ttl::Invalid {
                return Err(ApiError::message_ttl_invalid());
            }
            if !self.rules.allow_ttl {
                return Err(ApiError::message_ttl_disabled());
            }
        }
        if headers.batch_id.is_some() {
            return Err(ApiError::atomic_publish_disabled());
        }
        if headers.schedule.is_some() {
            return Err(ApiError::message_schedules_disabled());
        }
        if headers.stream_source.is_some() {
            return Err(ApiError::message_source_hdr_not_allowed());
        }
        Ok(())
    }

    fn store(
        &mut self,
        record: &Record<'_>,
        seq: u64,
        size: u64,
        time: i64,
        location: Location,
        fx: &mut Effects,
    ) -> Result<(), ApiError> {
        let size = u32::try_from(size).map_err(|_| ApiError::stream_message_exceeds_maximum())?;
        let body = match self.bodies {
            Some(_) => Some(encode(record, time, seq)?),
            None => None,
        };
        let has_headers = !record.headers.is_empty();
        let message = NewMessage { seq, location, time, size, has_headers, subject: record.subject };
        self.index.push(&message).map_err(ApiError::stream_store_failed)?;
        match (&mut self.bodies, body) {
            (Some(bodies), Some(body)) => {
                bodies.push(seq, body);
            }
            _ => fx.retained.push(Body { location, size }),
        }
        if self.config.num_replicas > 1 {
            self.digest.add(seq, time, record.subject, record.headers, record.payload);
        }
        Ok(())
    }

    /// What the next publish is compared with.
    fn note(&mut self, headers: &PublishHeaders<'_>, seq: u64, time: i64) {
        self.last_time = time;
        self.last_msg_id.clear();
        if let Some(id) = headers.msg_id {
            self.last_msg_id.extend_from_slice(id);
            if self.rules.window > 0 {
                self.dedupe.insert(id, seq, time);
            }
        }
    }

    fn note_ttl(&mut self, headers: &PublishHeaders<'_>, seq: u64, time: i64) {
        match headers.ttl {
            Some(Ttl::Never) => self.ttls.insert_never(seq),
            Some(Ttl::After(ttl)) if ttl.ns() > 0 => self.ttls.insert(seq, time.saturating_add(ttl.ns())),
            _ => {}
        }
    }

    fn count_refusal(&mut self, error: &ApiError) {
        let refused = &mut self.counters.refused;
        let reason = match error.err_code {
            10060 | 10070 | 10071 | 10193 => &mut refused.expectation,
            10054 | 10077 | 10097 => &mut refused.limit,
            10109 => &mut refused.sealed,
            _ => &mut refused.header,
        };
        *reason += 1;
    }
}

/// The record of a message in memory; it carries its sequence and its final time.
fn encode(record: &Record<'_>, time: i64, seq: u64) -> Result<bytes::Bytes, ApiError> {
    let fields = RecordFields {
        number: record.number,
        flags: 0,
        uid: record.uid,
        time,
        subject: record.subject,
        headers: record.headers,
        payload: record.payload,
        seq: Some(seq),
    };
    let mut out = Vec::with_capacity(fields.encoded_len());
    encode_record(&mut out, &fields).map_err(ApiError::stream_store_failed)?;
    Ok(out.into())
}
