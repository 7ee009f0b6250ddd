//! Endpoints that this server does not have yet: each refuses in words, as nats-server does where it can not either.

use forebay_api::consumer::request::{Paused, Reset};
use forebay_api::error::ApiError;
use forebay_api::response::{Paged, Response};
use forebay_api::routes::{Endpoint, Route};
use forebay_api::stream::request::Purged;
use forebay_api::{consumer, stream};
use serde::Serialize;

use super::{ApiBackend, Call, Nothing, Reply, Step};

/// Why an endpoint is not there.
const NOT_YET: &str = "not supported by this server yet";

/// Answers an endpoint that is not built.
pub(super) fn answer<B: ApiBackend>(call: &Call<'_, B>) -> Step {
    refuse(call.route(), refusal(call))
}

fn refusal<B: ApiBackend>(call: &Call<'_, B>) -> ApiError {
    let stream = call.stream();
    let exists = |stream: &crate::meta::Assignment| {
        let find = |shard: &crate::shard::Shard| shard.consumer_of(stream.uid, call.subject.consumer).is_some();
        call.backend.with_shard(stream, find).unwrap_or(false)
    };
    match (call.route().endpoint, stream) {
        (Endpoint::StreamRestore, _) => ApiError::stream_restore(NOT_YET),
        (Endpoint::StreamSnapshot, Ok(_)) => ApiError::stream_snapshot(NOT_YET),
        (Endpoint::ConsumerUnpin, Ok(stream)) if exists(&stream) => ApiError::consumer_invalid_priority_group(),
        (Endpoint::ConsumerUnpin, Ok(_)) => ApiError::consumer_not_found(),
        (Endpoint::ConsumerReset, Ok(stream)) if exists(&stream) => ApiError::consumer_invalid_reset(NOT_YET),
        // Here nats-server lets the client wait for an answer that never comes.
        (Endpoint::ConsumerReset, Ok(_)) => ApiError::consumer_not_found(),
        (Endpoint::StreamSnapshot | Endpoint::ConsumerUnpin | Endpoint::ConsumerReset, Err(error)) => error,
        // Replicas, leaders and moves: what nats-server says without a cluster.
        _ => ApiError::cluster_required(),
    }
}

/// A failed answer with the fields that this endpoint always writes.
pub(super) fn refuse(route: &'static Route, error: ApiError) -> Step {
    let kind = route.response;
    let payload = match route.endpoint {
        Endpoint::StreamInfo => Response::<Paged>::failed(kind, error).to_json(),
        Endpoint::StreamNames => Response::<stream::request::NamesPage>::failed(kind, error).to_json(),
        Endpoint::StreamList => Response::<stream::request::ListPage>::failed(kind, error).to_json(),
        Endpoint::StreamPurge => Response::<Purged>::failed(kind, error).to_json(),
        Endpoint::StreamRestore => Response::<Restore>::failed(kind, error).to_json(),
        Endpoint::ConsumerNames => Response::<consumer::request::NamesPage>::failed(kind, error).to_json(),
        Endpoint::ConsumerList => Response::<consumer::request::ListPage>::failed(kind, error).to_json(),
        Endpoint::ConsumerPause => Response::<Paused>::failed(kind, error).to_json(),
        Endpoint::ConsumerReset => Response::<Reset>::failed(kind, error).to_json(),
        _ => Response::<Nothing>::failed(kind, error).to_json(),
    };
    Step::Reply(Reply::json(payload, true))
}

/// The body of a failed restore.
#[derive(Default, Serialize)]
struct Restore {
    deliver_subject: &'static str,
}
