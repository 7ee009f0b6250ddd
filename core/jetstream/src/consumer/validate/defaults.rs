//! What a consumer configuration says when it says nothing (nats-server `setConsumerConfigDefaults`).

use forebay_api::consumer::{AckPolicy, ConsumerConfig, PriorityPolicy};
use forebay_api::duration::Nanos;
use forebay_api::error::ApiError;
use forebay_api::stream::StreamConfig;

use super::FLOW_CONTROL_ACK_HEARTBEAT;
use crate::stream::validate::Limits;

/// How long an ack may take (nats-server `JsAckWaitDefault`).
const ACK_WAIT: Nanos = Nanos::from_secs(30);
/// Deliveries that may be unacked (nats-server `JsDefaultMaxAckPending`).
const MAX_ACK_PENDING: i64 = 1000;
/// Pull requests that may wait (nats-server `JSWaitQueueDefaultMax`).
const MAX_WAITING: i64 = 512;
/// An ephemeral consumer is deleted when nobody used it for so long (nats-server `JsDeleteWaitTimeDefault`).
const INACTIVE_THRESHOLD: Nanos = Nanos::from_secs(5);
/// How long a pin holds without a request (nats-server `JsDefaultPinnedTTL`).
const PINNED_TTL: Nanos = Nanos::from_secs(120);

/// Fills in what was left out and puts right what is out of range; under `pedantic` the latter is refused.
pub(super) fn fill_in(
    config: &mut ConsumerConfig,
    stream: &StreamConfig,
    limits: &Limits,
    pedantic: bool,
) -> Result<(), ApiError> {
    correct_range(config, pedantic)?;
    if !config.is_push() && config.max_waiting == 0 {
        config.max_waiting = MAX_WAITING;
    }
    if config.ack_wait == Nanos::ZERO && matches!(config.ack_policy, AckPolicy::Explicit | AckPolicy::All) {
        config.ack_wait = ACK_WAIT;
    }
    if let Some(first) = config.backoff.first().copied() {
        if pedantic && config.ack_wait != first {
            return Err(ApiError::pedantic("first backoff value has to equal batch AckWait"));
        }
        config.ack_wait = first;
    }
    adopt_stream_limits(config, stream, pedantic)?;
    if config.max_ack_pending == 0 && config.ack_policy != AckPolicy::None {
        let bounds = [limits.max_ack_pending, limits.account.max_ack_pending];
        config.max_ack_pending = bounds.into_iter().filter(|most| *most > 0).fold(MAX_ACK_PENDING, i64::min);
    }
    if !config.is_push() && config.max_batch == 0 && limits.max_request_batch > 0 {
        if pedantic {
            return Err(ApiError::pedantic("max_request_batch must be set if it's JetStream limits are set"));
        }
        config.max_batch = limits.max_request_batch;
    }
    if config.priority_policy == PriorityPolicy::PinnedClient && config.priority_timeout == Nanos::ZERO {
        config.priority_timeout = PINNED_TTL;
    }
    if config.ack_policy == AckPolicy::FlowControl && !pedantic {
        config.flow_control = true;
        config.idle_heartbeat = FLOW_CONTROL_ACK_HEARTBEAT;
    }
    Ok(())
}

fn correct_range(config: &mut ConsumerConfig, pedantic: bool) -> Result<(), ApiError> {
    let correct = |wrong: bool, rule: &str| match wrong && pedantic {
        true => Err(ApiError::pedantic(rule)),
        false => Ok(wrong),
    };
    correct(config.max_deliver < -1, "max_deliver must be set to -1")?;
    if config.max_deliver <= 0 {
        config.max_deliver = -1;
    }
    if correct(config.max_waiting < 0, "max_waiting must not be negative")? {
        config.max_waiting = 0;
    }
    if correct(config.max_ack_pending < -1, "max_ack_pending must be set to -1")? {
        config.max_ack_pending = -1;
    }
    if correct(config.max_batch < 0, "max_batch must not be negative")? {
        config.max_batch = 0;
    }
    if correct(config.max_expires < Nanos::ZERO, "max_expires must not be negative")? {
        config.max_expires = Nanos::ZERO;
    }
    if correct(config.max_bytes < 0, "max_bytes must not be negative")? {
        config.max_bytes = 0;
    }
    if correct(config.idle_heartbeat < Nanos::ZERO, "idle_heartbeat must not be negative")? {
        config.idle_heartbeat = Nanos::ZERO;
    }
    if correct(config.inactive_threshold < Nanos::ZERO, "inactive_threshold must not be negative")? {
        config.inactive_threshold = Nanos::ZERO;
    }
    if correct(config.priority_timeout < Nanos::ZERO, "priority_timeout must not be negative")? {
        config.priority_timeout = Nanos::ZERO;
    }
    Ok(())
}

/// The stream's limits are its consumers' defaults.
fn adopt_stream_limits(config: &mut ConsumerConfig, stream: &StreamConfig, pedantic: bool) -> Result<(), ApiError> {
    let limits = stream.consumer_limits;
    if config.max_ack_pending == 0 {
        if pedantic && limits.max_ack_pending > 0 {
            return Err(ApiError::pedantic("max_ack_pending must be set if it's configured in stream limits"));
        }
        config.max_ack_pending = limits.max_ack_pending;
    }
    if config.inactive_threshold == Nanos::ZERO {
        if pedantic && limits.inactive_threshold > Nanos::ZERO {
            return Err(ApiError::pedantic("inactive_threshold must be set if it's configured in stream limits"));
        }
        config.inactive_threshold = limits.inactive_threshold;
    }
    Ok(())
}

/// Ephemeral consumers always go when nobody uses them.
pub(super) fn fill_in_ephemeral(config: &mut ConsumerConfig) {
    if !config.is_durable() && config.inactive_threshold == Nanos::ZERO {
        config.inactive_threshold = INACTIVE_THRESHOLD;
    }
}
