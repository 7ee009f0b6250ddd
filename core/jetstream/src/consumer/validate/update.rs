//! What may change in a consumer, and when two configurations are the same (nats-server `checkNewConsumerConfig`).

use forebay_api::consumer::ConsumerConfig;
use forebay_api::error::ApiError;
use forebay_api::level::adopt_server_keys;

/// Checks a complete configuration that is to replace `old`.
///
/// `deliver_subject_in_use` says whether somebody listens on the old deliver subject; a push consumer may only move when
/// nobody does. On a work queue, [`super::check_unique_filters`] must hold too.
///
/// # Errors
/// 10012 for what may not change, 10013, 10116.
pub fn check_consumer_update(
    old: &ConsumerConfig,
    new: &ConsumerConfig,
    deliver_subject_in_use: bool,
) -> Result<(), ApiError> {
    if let Some(rule) = broken_rule(old, new) {
        return Err(ApiError::consumer_create(rule));
    }
    if old.deliver_subject != new.deliver_subject && deliver_subject_in_use {
        return Err(ApiError::consumer_name_exist());
    }
    if old.max_waiting != new.max_waiting {
        return Err(ApiError::consumer_create("max waiting can not be updated"));
    }
    super::check_backoff(new)
}

/// The first rule that the change breaks, in nats-server's words and order.
fn broken_rule(old: &ConsumerConfig, new: &ConsumerConfig) -> Option<&'static str> {
    let rules = [
        (old.deliver_policy != new.deliver_policy, "deliver policy can not be updated"),
        (old.mem_storage != new.mem_storage, "storage type can not be updated"),
        (old.direct != new.direct, "direct can not be updated"),
        (old.sourcing != new.sourcing, "sourcing can not be updated"),
        (old.opt_start_seq != new.opt_start_seq, "start sequence can not be updated"),
        (old.opt_start_time != new.opt_start_time, "start time can not be updated"),
        (old.ack_policy != new.ack_policy, "ack policy can not be updated"),
        (old.replay_policy != new.replay_policy, "replay policy can not be updated"),
        (old.idle_heartbeat != new.idle_heartbeat, "heart beats can not be updated"),
        (old.flow_control != new.flow_control, "flow control can not be updated"),
        (!old.is_push() && new.is_push(), "can not update pull consumer to push based"),
        (old.is_push() && !new.is_push(), "can not update push consumer to pull based"),
    ];
    rules.into_iter().find_map(|(broken, rule)| broken.then_some(rule))
}

/// True if a create with the action `create` asks for what already is: the complete configurations are equal, apart
/// from the keys that the server adds to metadata. Otherwise err 10148.
#[must_use]
pub fn is_same_consumer(complete: &ConsumerConfig, existing: &ConsumerConfig) -> bool {
    let mut complete = complete.clone();
    adopt_server_keys(&mut complete.metadata, &existing.metadata);
    complete == *existing
}
