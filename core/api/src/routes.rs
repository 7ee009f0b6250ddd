//! Every endpoint of the JetStream API: its subject, what it is asked, what it answers, who may ask, since which level.
//!
//! The answers' types were read off nats-server 2.15.1.

/// The subject prefix of every endpoint.
pub const API_PREFIX: &str = "$JS.API.";
/// The type of an answer to an API subject that is no endpoint.
pub const SYSTEM_RESPONSE: &str = "io.nats.jetstream.api.v1.system_response";

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which one.
    pub endpoint: Endpoint,
    /// Its subject after [`API_PREFIX`]: `*` is a name, `>` the rest.
    pub pattern: &'static str,
    /// What the body is.
    pub body: Body,
    /// The `type` of the answer; empty where the answer is no JSON.
    pub response: &'static str,
    /// Who may ask.
    pub scope: Scope,
    /// The API level that it came with.
    pub level: u32,
}

/// What the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Anything; it is not read.
    Ignored,
    /// Nothing or an empty object (otherwise err 10038).
    None,
    /// JSON or nothing; what is not JSON is not read.
    Optional,
    /// JSON.
    Json,
    /// Its own format.
    Other,
}

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Any account with JetStream.
    Account,
    /// The system account.
    System,
}

/// Makes the enum and the table from the rows.
macro_rules! routes {
    ($($(#[$doc:meta])* $endpoint:ident $pattern:literal $body:ident $response:literal $scope:ident $level:literal;)*) => {
        /// The endpoints of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Endpoint {
            $($(#[$doc])* $endpoint,)*
        }

        /// The endpoints, the busiest first.
        pub const ROUTES: &[Route] = &[
            $(Route {
                endpoint: Endpoint::$endpoint,
                pattern: $pattern,
                body: Body::$body,
                response: response_type!($response),
                scope: Scope::$scope,
                level: $level,
            },)*
        ];
    };
}

/// The whole name of an answer's type.
macro_rules! response_type {
    ("") => {
        ""
    };
    ($name:literal) => {
        concat!("io.nats.jetstream.api.v1.", $name, "_response")
    };
}

routes! {
    /// Messages for a pull consumer.
    ConsumerNext "CONSUMER.MSG.NEXT.*.*" Other "" Account 0;
    /// The last message of a subject, as a message.
    DirectGetLast "DIRECT.GET.*.>" Optional "" Account 0;
    /// Messages, as messages.
    DirectGet "DIRECT.GET.*" Json "" Account 0;
    /// What the account uses and may use.
    AccountInfo "INFO" Ignored "account_info" Account 0;
    /// A new stream.
    StreamCreate "STREAM.CREATE.*" Json "stream_create" Account 0;
    /// A changed stream.
    StreamUpdate "STREAM.UPDATE.*" Json "stream_update" Account 0;
    /// The streams' names.
    StreamNames "STREAM.NAMES" Optional "stream_names" Account 0;
    /// The streams.
    StreamList "STREAM.LIST" Optional "stream_list" Account 0;
    /// A stream.
    StreamInfo "STREAM.INFO.*" Optional "stream_info" Account 0;
    /// A stream less.
    StreamDelete "STREAM.DELETE.*" None "stream_delete" Account 0;
    /// A stream's messages less.
    StreamPurge "STREAM.PURGE.*" Optional "stream_purge" Account 0;
    /// A message, as JSON.
    MessageGet "STREAM.MSG.GET.*" Json "stream_msg_get" Account 0;
    /// A message less.
    MessageDelete "STREAM.MSG.DELETE.*" Json "stream_msg_delete" Account 0;
    /// A backup.
    StreamSnapshot "STREAM.SNAPSHOT.*" Json "stream_snapshot" Account 0;
    /// A stream from a backup.
    StreamRestore "STREAM.RESTORE.*" Json "stream_restore" Account 0;
    /// A replica less.
    StreamPeerRemove "STREAM.PEER.REMOVE.*" Json "stream_remove_peer" Account 0;
    /// A replica less, gently.
    StreamPeerEvacuate "STREAM.PEER.EVACUATE.*" Json "stream_evacuate_peer" Account 5;
    /// The end of a move.
    StreamCancelMove "STREAM.CANCEL_MOVE.*" Ignored "stream_cancel_move" Account 5;
    /// Another leader.
    StreamLeaderStepdown "STREAM.LEADER.STEPDOWN.*" Optional "stream_leader_stepdown" Account 0;
    /// A consumer named in the subject, perhaps with its filter, or only in the body.
    ConsumerCreateNamed "CONSUMER.CREATE.*.>" Json "consumer_create" Account 0;
    /// An ephemeral consumer, the older way.
    ConsumerCreate "CONSUMER.CREATE.*" Json "consumer_create" Account 0;
    /// A durable consumer, the older way.
    ConsumerDurableCreate "CONSUMER.DURABLE.CREATE.*.*" Json "consumer_create" Account 0;
    /// The consumers' names.
    ConsumerNames "CONSUMER.NAMES.*" Optional "consumer_names" Account 0;
    /// The consumers.
    ConsumerList "CONSUMER.LIST.*" Optional "consumer_list" Account 0;
    /// A consumer.
    ConsumerInfo "CONSUMER.INFO.*.*" None "consumer_info" Account 0;
    /// A consumer less.
    ConsumerDelete "CONSUMER.DELETE.*.*" None "consumer_delete" Account 0;
    /// A rest for a consumer.
    ConsumerPause "CONSUMER.PAUSE.*.*" Optional "consumer_pause" Account 1;
    /// Another pinned client.
    ConsumerUnpin "CONSUMER.UNPIN.*.*" Json "consumer_unpin" Account 1;
    /// Another position.
    ConsumerReset "CONSUMER.RESET.*.*" Optional "consumer_reset" Account 4;
    /// Another leader.
    ConsumerLeaderStepdown "CONSUMER.LEADER.STEPDOWN.*.*" Optional "consumer_leader_stepdown" Account 0;
    /// Another leader of the cluster.
    MetaLeaderStepdown "META.LEADER.STEPDOWN" Optional "meta_leader_stepdown" System 0;
    /// A server less.
    ServerRemove "SERVER.REMOVE" Json "meta_server_remove" System 0;
    /// A server less, gently.
    ServerEvacuate "SERVER.EVACUATE" Json "meta_server_remove" System 5;
    /// A smaller quorum.
    MetaRescue "META.RESCUE" Json "meta_rescue" System 5;
    /// An account's streams less.
    AccountPurge "ACCOUNT.PURGE.*" Ignored "account_purge" System 0;
    /// A stream elsewhere.
    AccountStreamMove "ACCOUNT.STREAM.MOVE.*.*" Json "stream_update" System 0;
    /// The end of a move.
    AccountStreamCancelMove "ACCOUNT.STREAM.CANCEL_MOVE.*.*" Ignored "stream_update" System 0;
}

impl Endpoint {
    /// The endpoint's row.
    #[must_use]
    pub fn route(self) -> &'static Route {
        static UNKNOWN: Route = Route {
            endpoint: Endpoint::AccountInfo,
            pattern: "",
            body: Body::Ignored,
            response: SYSTEM_RESPONSE,
            scope: Scope::Account,
            level: 0,
        };
        ROUTES.get(self as usize).unwrap_or(&UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_finds_its_row() {
        for route in ROUTES {
            assert_eq!(route.endpoint.route(), route);
            assert!(route.response.is_empty() || route.response.starts_with("io.nats.jetstream.api.v1."));
        }
        assert_eq!(Endpoint::StreamCreate.route().response, "io.nats.jetstream.api.v1.stream_create_response");
    }
}
