//! Streams that the configuration declares: made or changed as a request to the API would, and waited for.

use crate::api::{self, ApiRequest, Reply, Step};
use crate::meta::Assignment;
use crate::run::JetStream;
use crate::run::api::propose;
use forebay_api::error::ApiError;
use forebay_api::stream::Storage;
use forebay_broker::ThreadState;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How long to wait until a declared stream is stored and known.
const DECLARE_WAIT: Duration = Duration::from_secs(20);

/// The part of an answer that says why not.
#[derive(Default, Deserialize)]
struct Refusal {
    error: Option<ApiError>,
}

impl JetStream {
    /// Creates a stream, or updates it if it is there, and returns when publishes to its subjects reach it.
    ///
    /// # Errors
    /// What the API would answer.
    pub fn declare(
        self: &Arc<Self>,
        thread: &mut ThreadState,
        account: &str,
        name: &str,
        config: &[u8],
    ) -> Result<(), ApiError> {
        // A stream in memory is being forgotten if the log still has it.
        let lasts = |known: &Assignment| known.config.storage != Storage::Memory;
        let exists = self.meta.lock().meta.get(account, name).is_some_and(lasts);
        let verb = if exists { "UPDATE" } else { "CREATE" };
        let subject = format!("$JS.API.STREAM.{verb}.{name}");
        let now = thread.wall_ns();
        let request = ApiRequest { account, subject: subject.as_bytes(), headers: b"", payload: config, now };
        match api::handle(&**self, &request) {
            Step::Reply(reply) => refusal(&reply).map_or(Ok(()), Err),
            Step::Propose { command, .. } => {
                let (tell, told) = sync_channel(1);
                // Nobody waits any more once the time is over.
                let completion = Box::new(move |result: Result<_, ApiError>, _: &mut ThreadState| {
                    let _ = tell.send(result.map(|_| ()));
                });
                propose(self, thread, &command, completion);
                told.recv_timeout(DECLARE_WAIT)
                    .unwrap_or_else(|_| Err(ApiError::stream_general("the store did not take it in time")))
            }
            Step::Silent | Step::NoResponders | Step::Read(_) => Err(ApiError::bad_request()),
        }
    }
}

fn refusal(reply: &Reply) -> Option<ApiError> {
    serde_json::from_slice::<Refusal>(&reply.payload).unwrap_or_default().error
}
