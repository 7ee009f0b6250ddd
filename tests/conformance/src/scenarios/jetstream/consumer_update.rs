//! What an update of a consumer does to what it has delivered, and what may not change.

use super::{
    CREATE, INFO, asked, consumer, durable, fetched, pull_consumer, pull_request as next, told, with_messages,
    with_stream,
};
use crate::scenario::{Scenario, topic};
use crate::setup::Setup;

const FIVE: &str = r#"{"batch":5,"no_wait":true}"#;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/consumer_update", Setup::JETSTREAM, filters());
    all.extend(topic("jetstream/consumer_update", Setup::JETSTREAM, waits()));
    all.extend(topic("jetstream/consumer_update", Setup::JETSTREAM, push()));
    all.extend(topic("jetstream/consumer_update", Setup::JETSTREAM, fixed()));
    all
}

fn filters() -> Vec<Scenario> {
    let only_two = durable(r#""filter_subject":"foo.2""#);
    vec![
        told(
            fetched("what_was_delivered_under_another_filter_comes_again", "", "", 3)
                .on("a")
                .request(CREATE, &only_two)
                .request("foo.2", "x")
                .request("foo.1", "x")
                .on("p")
                .publish("${p.reply.1}", "-NAK")
                .sync()
                .wait_ms(50)
                .raw(&next(FIVE))
                .expect(3),
        ),
        told(
            fetched("what_was_delivered_under_another_filter_is_acked", "", "", 3)
                .on("a")
                .request(CREATE, &only_two)
                .on("p")
                .publish("${p.reply.1}", "")
                .publish("${p.reply.2}", "")
                .publish("${p.reply.3}", ""),
        ),
        asked(
            pull_consumer(with_messages("other_filters_before_any_delivery", "", 4), r#""filter_subject":"foo.1""#)
                .request(CREATE, &durable(r#""filter_subjects":["foo.2","foo.4"]"#))
                .request(INFO, ""),
            FIVE,
        )
        .expect(3),
        asked(pull_consumer(with_messages("a_wider_filter_does_not_go_back", "", 4), r#""filter_subject":"foo.4""#), "1")
            .expect(1)
            .on("a")
            .request(CREATE, &durable(r#""filter_subject":"foo.*""#))
            .request(INFO, ""),
        asked(pull_consumer(with_messages("a_wider_filter_for_who_waits", "", 4), r#""filter_subject":"foo.2""#), "2")
            .expect(1)
            .on("a")
            .wait_ms(100)
            .request(CREATE, &durable(r#""filter_subject":"foo.*""#))
            .request(INFO, "")
            .on("p")
            .quiet(),
        pull_consumer(with_stream("filters_of_a_work_queue", r#""retention":"workqueue""#), r#""filter_subject":"foo.1""#)
            .request(
                "$JS.API.CONSUMER.CREATE.S.D",
                r#"{"stream_name":"S","config":{"name":"D","durable_name":"D","ack_policy":"explicit","filter_subject":"foo.2"}}"#,
            )
            .request(CREATE, &only_two)
            .request(CREATE, &durable(r#""filter_subject":"foo.3""#)),
    ]
}

fn waits() -> Vec<Scenario> {
    let changed = |scenario: Scenario, config: &str| scenario.on("a").request(CREATE, &durable(config)).on("p");
    let short = r#""ack_wait":300000000"#;
    let two = r#"{"batch":2,"expires":30000000000}"#;
    vec![
        told(
            changed(fetched("a_shorter_ack_wait", "", r#""ack_wait":20000000000"#, 1), short)
                .wait_ms(600)
                .raw(&next("1"))
                .expect(1),
        ),
        told(
            changed(fetched("a_longer_ack_wait", "", r#""ack_wait":400000000"#, 1), r#""ack_wait":20000000000"#)
                .wait_ms(800)
                .raw(&next("1"))
                .quiet(),
        ),
        told(
            changed(
                fetched("fewer_deliveries", "", short, 1).wait_ms(500).raw(&next("1")).expect(1),
                r#""ack_wait":300000000,"max_deliver":2"#,
            )
            .wait_ms(500)
            .raw(&next("1"))
            .quiet(),
        ),
        told(
            changed(
                fetched("a_backoff", "", r#""ack_wait":20000000000,"max_deliver":5"#, 1),
                r#""max_deliver":5,"backoff":[200000000,300000000]"#,
            )
            .raw(&next(two))
            .expect(2),
        ),
        changed(fetched("headers_only_from_now_on", "", "", 1), r#""headers_only":true"#)
            .on("a")
            .request("foo.2", "xyz")
            .on("p")
            .raw(&next("1"))
            .expect(1),
        told(
            changed(fetched("a_description_changes_nothing_else", "", "", 2), r#""description":"x""#)
                .publish("${p.reply.1}", ""),
        ),
        changed(
            fetched("who_waits_goes_on_waiting", "", "", 1).raw(&next(r#"{"batch":1,"expires":30000000000}"#)).sync(),
            r#""description":"x""#,
        )
        .on("a")
        .request("foo.2", "x")
        .on("p")
        .expect(1),
    ]
}

fn push() -> Vec<Scenario> {
    let bound = |name: &str| {
        let scenario = with_messages(name, "", 2).on("s").hello().line("SUB out 5").line("SUB out2 6").sync().on("a");
        consumer(scenario, "C", r#""durable_name":"C","deliver_subject":"out","ack_policy":"explicit""#)
            .on("s")
            .expect(2)
    };
    vec![
        // The answer to the update says whether somebody listens, and that depends on who is faster.
        bound("another_deliver_subject_gets_what_was_not_acked")
            .line("UNSUB 5")
            .sync()
            .wait_ms(100)
            .on("a")
            .publish(CREATE, &durable(r#""deliver_subject":"out2""#))
            .on("s")
            .expect(2)
            .on("a")
            .wait_ms(100)
            .request(INFO, ""),
        bound("a_deliver_subject_in_use").on("a").request(CREATE, &durable(r#""deliver_subject":"out2""#)),
    ]
}

fn fixed() -> Vec<Scenario> {
    let one = |name: &str, config: &str, new: &str| {
        pull_consumer(with_messages(name, "", 1), config).request(CREATE, &durable(new))
    };
    vec![
        one("max_waiting_may_not_change", "", r#""max_waiting":5"#),
        one("the_storage_may_not_change", "", r#""mem_storage":true"#),
        one(
            "the_start_may_not_change",
            r#""deliver_policy":"by_start_sequence","opt_start_seq":1"#,
            r#""deliver_policy":"by_start_sequence","opt_start_seq":2"#,
        ),
        one("a_pull_consumer_may_not_push", "", r#""deliver_subject":"out""#),
        consumer(
            with_messages("the_heartbeat_may_not_change", "", 1),
            "C",
            r#""durable_name":"C","deliver_subject":"out","ack_policy":"explicit","idle_heartbeat":1000000000"#,
        )
        .request(CREATE, &durable(r#""deliver_subject":"out","idle_heartbeat":2000000000"#)),
        one("metadata_may_change", r#""metadata":{"a":"1"}"#, r#""metadata":{"b":"2"}"#).request(CREATE, &durable("")),
        one("one_replica_may_be_said", "", r#""num_replicas":1"#),
        one("three_replicas_may_not", "", r#""num_replicas":3"#),
        pull_consumer(with_stream("the_action_update", ""), "").request(
            CREATE,
            r#"{"stream_name":"S","action":"update","config":{"name":"C","durable_name":"C","ack_policy":"explicit","max_ack_pending":7}}"#,
        ),
        pull_consumer(with_stream("an_unknown_action", ""), "").request(
            CREATE,
            r#"{"stream_name":"S","action":"replace","config":{"name":"C","durable_name":"C","ack_policy":"explicit","max_ack_pending":7}}"#,
        ),
    ]
}
