//! Consumers as ordered consumers of client libraries create them, and KV and inactivity that rest on them.

use super::{with_messages, with_stream};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    topic(
        "jetstream/ordered",
        Setup::JETSTREAM,
        vec![
            with_messages("a_push_consumer_with_flow_control", "", 3)
                .on("s")
                .hello()
                .line("SUB out 5")
                .sync()
                .on("a")
                .request(
                    "$JS.API.CONSUMER.CREATE.S.ordered1",
                    r#"{"stream_name":"S","config":{"name":"ordered1","deliver_policy":"all","ack_policy":"none","max_deliver":1,"ack_wait":79200000000000,"replay_policy":"instant","flow_control":true,"idle_heartbeat":5000000000,"deliver_subject":"out","num_replicas":1,"mem_storage":true,"inactive_threshold":300000000000}}"#,
                )
                .on("s")
                .expect(3),
            with_messages("a_pull_consumer", "", 3)
                .request(
                    "$JS.API.CONSUMER.CREATE.S.ordered1",
                    r#"{"stream_name":"S","config":{"name":"ordered1","deliver_policy":"all","ack_policy":"none","max_deliver":-1,"max_waiting":512,"replay_policy":"instant","num_replicas":1,"mem_storage":true,"inactive_threshold":300000000000}}"#,
                )
                .on("p")
                .hello()
                .line("SUB in 5")
                .raw(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.ordered1 in 28\r\n{\"batch\":3,\"no_wait\":true}  \r\n")
                .expect(3),
            with_messages("pending_ends_at_zero_for_a_watcher", "", 4)
                .on("s")
                .hello()
                .line("SUB out 5")
                .sync()
                .on("a")
                .request(
                    "$JS.API.CONSUMER.CREATE.S.w.foo.*",
                    r#"{"stream_name":"S","config":{"name":"w","deliver_policy":"last_per_subject","ack_policy":"none","max_deliver":1,"filter_subject":"foo.*","flow_control":true,"idle_heartbeat":5000000000,"deliver_subject":"out","mem_storage":true,"num_replicas":1}}"#,
                )
                .on("s")
                .expect(4),
            with_stream("an_inactive_ephemeral_goes", "")
                .request(
                    "$JS.API.CONSUMER.CREATE.S.E",
                    r#"{"stream_name":"S","config":{"name":"E","ack_policy":"none","inactive_threshold":500000000}}"#,
                )
                .wait_ms(2500)
                .request("$JS.API.CONSUMER.INFO.S.E", ""),
        ],
    )
}
