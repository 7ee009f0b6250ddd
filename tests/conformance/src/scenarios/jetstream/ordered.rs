//! Consumers as ordered consumers of client libraries create them, and KV and inactivity that rest on them.

use super::{consumer, with_messages, with_stream};
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
            watched("a_watcher_of_headers", r#""deliver_policy":"last_per_subject","filter_subject":"foo.>","headers_only":true"#)
                .expect(2),
            watched("a_watcher_of_updates", r#""deliver_policy":"new","filter_subject":"foo.>""#)
                .quiet()
                .on("a")
                .request("foo.a", "4")
                .on("s")
                .expect(1),
            watched("a_watcher_of_a_history", r#""deliver_policy":"all","filter_subject":"foo.a""#).expect(2),
            watched("a_watcher_of_two_keys", r#""deliver_policy":"last_per_subject","filter_subjects":["foo.a","foo.b"]"#)
                .expect(2),
            watched("a_watcher_goes_on_with_what_is_new", r#""deliver_policy":"last_per_subject","filter_subject":"foo.>""#)
                .expect(2)
                .on("a")
                .request_with_headers("foo.a", "Nats-Rollup: sub\r\nKV-Operation: PURGE\r\n", "")
                .on("s")
                .expect(1),
            watched("one_that_begins_where_another_ended", r#""deliver_policy":"by_start_sequence","opt_start_seq":2"#).expect(2),
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

/// A key-value bucket with two values of `foo.a` and one of `foo.b`, and a watcher as clients make it.
fn watched(name: &str, config: &str) -> Scenario {
    let bucket = r#""max_msgs_per_subject":3,"allow_rollup_hdrs":true,"deny_delete":true"#;
    let filled = with_stream(name, bucket).request("foo.a", "1").request("foo.b", "2").request("foo.a", "3");
    let watcher = r#""ack_policy":"none","max_deliver":1,"deliver_subject":"out","mem_storage":true,"num_replicas":1"#;
    consumer(filled.on("s").hello().line("SUB out 5").sync().on("a"), "w", &format!("{watcher},{config}")).on("s")
}
