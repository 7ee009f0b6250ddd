//! Consumers: create, info, names, list, update, delete, and what is refused.

use super::{CREATE, consumer, pull_consumer, with_messages, with_stream};
use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("jetstream/consumer", Setup::JETSTREAM, create());
    all.extend(topic("jetstream/consumer", Setup::JETSTREAM, manage()));
    all.extend(topic("jetstream/consumer_refused", Setup::JETSTREAM, refused()));
    all.extend(topic("jetstream/consumer_start", Setup::JETSTREAM, starts()));
    all
}

/// A stream with messages and a consumer `C` made from these fields.
fn made(name: &str, config: &str) -> Scenario {
    consumer(with_messages(name, "", 3), "C", config)
}

fn create() -> Vec<Scenario> {
    vec![
        made("a_durable_pull_consumer", r#""durable_name":"C","ack_policy":"explicit""#),
        made("a_named_ephemeral", r#""ack_policy":"explicit""#),
        made("ack_policy_none_is_the_default", r#""durable_name":"C""#),
        made("ack_policy_all", r#""durable_name":"C","ack_policy":"all""#),
        made("a_push_consumer", r#""durable_name":"C","deliver_subject":"out","ack_policy":"explicit""#),
        made(
            "every_field_set",
            r#""durable_name":"C","description":"all","ack_policy":"explicit","ack_wait":5000000000,"max_deliver":5,"filter_subject":"foo.1","replay_policy":"instant","max_waiting":10,"max_ack_pending":7,"headers_only":true,"max_batch":4,"max_expires":3000000000,"max_bytes":1000,"inactive_threshold":60000000000,"num_replicas":1,"mem_storage":true,"metadata":{"a":"b"}"#,
        ),
        made("ack_sampling", r#""durable_name":"C","ack_policy":"explicit","sample_freq":"50%""#),
        made("filters_count_what_is_pending", r#""durable_name":"C","filter_subjects":["foo.1","foo.3"],"ack_policy":"explicit""#),
        made("a_filter_that_matches_nothing", r#""durable_name":"C","filter_subject":"bar","ack_policy":"explicit""#),
        made("backoff_sets_ack_wait", r#""durable_name":"C","ack_policy":"explicit","max_deliver":4,"backoff":[1000000000,2000000000]"#),
        with_messages("an_ephemeral_gets_a_name", "", 1)
            .request("$JS.API.CONSUMER.CREATE.S", r#"{"stream_name":"S","config":{"deliver_subject":"out"}}"#)
            .capture("/name", "consumer")
            .request("$JS.API.CONSUMER.NAMES.S", "")
            .request("$JS.API.CONSUMER.INFO.S.${consumer}", ""),
        with_messages("the_old_way_of_a_durable", "", 1)
            .request("$JS.API.CONSUMER.DURABLE.CREATE.S.C", r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit"}}"#),
        with_messages("the_filter_in_the_subject", "", 1).request(
            "$JS.API.CONSUMER.CREATE.S.C.foo.1",
            r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","filter_subject":"foo.1","ack_policy":"explicit"}}"#,
        ),
    ]
}

fn manage() -> Vec<Scenario> {
    vec![
        pull_consumer(with_messages("creating_it_again_is_fine", "", 1), "")
            .request(CREATE, r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","ack_policy":"explicit"}}"#),
        pull_consumer(with_messages("an_update_changes_what_may_change", "", 1), "").request(
            CREATE,
            r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","ack_policy":"explicit","max_ack_pending":5,"description":"new","ack_wait":9000000000}}"#,
        ),
        pull_consumer(with_messages("an_update_of_the_filter_counts_again", "", 3), "").request(
            CREATE,
            r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","ack_policy":"explicit","filter_subject":"foo.2"}}"#,
        ),
        pull_consumer(with_messages("the_ack_policy_may_not_change", "", 1), "")
            .request(CREATE, r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","ack_policy":"all"}}"#),
        pull_consumer(with_messages("the_deliver_policy_may_not_change", "", 1), "").request(
            CREATE,
            r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","ack_policy":"explicit","deliver_policy":"new"}}"#,
        ),
        pull_consumer(with_messages("create_where_one_exists", "", 1), "").request(
            CREATE,
            r#"{"stream_name":"S","action":"create","config":{"name":"C","durable_name":"C","ack_policy":"explicit","max_ack_pending":5}}"#,
        ),
        with_messages("update_where_none_exists", "", 1).request(
            CREATE,
            r#"{"stream_name":"S","action":"update","config":{"name":"C","durable_name":"C","ack_policy":"explicit"}}"#,
        ),
        pull_consumer(with_messages("info", "", 1), "").request("$JS.API.CONSUMER.INFO.S.C", ""),
        with_stream("info_of_none", "").request("$JS.API.CONSUMER.INFO.S.C", ""),
        scenario("info_in_no_stream").hello().request("$JS.API.CONSUMER.INFO.NONE.C", ""),
        with_stream("names_of_none", "").request("$JS.API.CONSUMER.NAMES.S", "").request("$JS.API.CONSUMER.LIST.S", ""),
        scenario("names_in_no_stream").hello().request("$JS.API.CONSUMER.NAMES.NONE", ""),
        pull_consumer(consumer(with_messages("names_and_list_are_sorted", "", 1), "Z", r#""durable_name":"Z""#), "")
            .request("$JS.API.CONSUMER.NAMES.S", "")
            .request("$JS.API.CONSUMER.LIST.S", "")
            .request("$JS.API.CONSUMER.NAMES.S", r#"{"offset":1}"#),
        pull_consumer(with_messages("delete", "", 1), "")
            .request("$JS.API.CONSUMER.DELETE.S.C", "")
            .request("$JS.API.CONSUMER.INFO.S.C", "")
            .request("$JS.API.CONSUMER.DELETE.S.C", ""),
        pull_consumer(with_messages("it_goes_with_its_stream", "", 1), "")
            .request("$JS.API.STREAM.DELETE.S", "")
            .request("$JS.API.CONSUMER.INFO.S.C", ""),
        pull_consumer(with_stream("the_stream_counts_it", ""), "").request("$JS.API.STREAM.INFO.S", ""),
    ]
}

fn refused() -> Vec<Scenario> {
    vec![
        scenario("in_no_stream")
            .hello()
            .request(CREATE, r#"{"stream_name":"S","config":{"name":"C","durable_name":"C"}}"#),
        with_stream("another_stream_in_the_body", "").request(CREATE, r#"{"stream_name":"T","config":{"name":"C"}}"#),
        with_stream("another_name_in_the_body", "")
            .request(CREATE, r#"{"stream_name":"S","config":{"name":"D","durable_name":"D"}}"#),
        with_stream("two_names", "").request(CREATE, r#"{"stream_name":"S","config":{"name":"C","durable_name":"D"}}"#),
        with_stream("a_broken_body", "").request(CREATE, "{"),
        with_stream("an_empty_body", "").request(CREATE, ""),
        with_stream("an_unknown_field", "")
            .request(CREATE, r#"{"stream_name":"S","config":{"name":"C","shoe_size":43}}"#),
        made(
            "filter_and_filters_together",
            r#""durable_name":"C","filter_subject":"foo.1","filter_subjects":["foo.2"]"#,
        ),
        made("filters_that_overlap", r#""durable_name":"C","filter_subjects":["foo.*","foo.1"]"#),
        made("an_empty_filter_among_filters", r#""durable_name":"C","filter_subjects":["foo.1",""]"#),
        with_stream("another_filter_in_the_subject", "").request(
            "$JS.API.CONSUMER.CREATE.S.C.foo.1",
            r#"{"stream_name":"S","config":{"name":"C","durable_name":"C","filter_subject":"foo.2"}}"#,
        ),
        made("a_start_sequence_without_its_policy", r#""durable_name":"C","opt_start_seq":2"#),
        made("a_policy_without_its_start_sequence", r#""durable_name":"C","deliver_policy":"by_start_sequence""#),
        made("a_policy_without_its_start_time", r#""durable_name":"C","deliver_policy":"by_start_time""#),
        made("last_per_subject_without_a_filter", r#""durable_name":"C","deliver_policy":"last_per_subject""#),
        made("a_deliver_subject_with_a_wildcard", r#""durable_name":"C","deliver_subject":"out.*""#),
        made("a_deliver_subject_that_is_a_cycle", r#""durable_name":"C","deliver_subject":"foo.x""#),
        made("max_waiting_on_a_push_consumer", r#""durable_name":"C","deliver_subject":"out","max_waiting":5"#),
        made("a_heartbeat_on_a_pull_consumer", r#""durable_name":"C","idle_heartbeat":1000000000"#),
        made("flow_control_on_a_pull_consumer", r#""durable_name":"C","flow_control":true"#),
        made("flow_control_without_a_heartbeat", r#""durable_name":"C","deliver_subject":"out","flow_control":true"#),
        made("a_heartbeat_that_is_too_short", r#""durable_name":"C","deliver_subject":"out","idle_heartbeat":1000000"#),
        made("a_rate_limit_on_a_pull_consumer", r#""durable_name":"C","rate_limit_bps":1000"#),
        made("a_negative_ack_wait", r#""durable_name":"C","ack_policy":"explicit","ack_wait":-1"#),
        made(
            "more_backoff_than_max_deliver",
            r#""durable_name":"C","ack_policy":"explicit","max_deliver":1,"backoff":[1000000000,2000000000]"#,
        ),
        made("a_backoff_without_max_deliver", r#""durable_name":"C","ack_policy":"explicit","backoff":[1000000000]"#),
        made("more_replicas_than_the_stream", r#""durable_name":"C","num_replicas":3"#),
        made("a_name_with_a_wildcard", r#""durable_name":"C*""#),
        made("an_unknown_policy", r#""durable_name":"C","deliver_policy":"some""#),
        pull_consumer(with_stream("two_on_a_work_queue_without_filters", r#""retention":"workqueue""#), "").request(
            "$JS.API.CONSUMER.CREATE.S.D",
            r#"{"stream_name":"S","config":{"name":"D","durable_name":"D","ack_policy":"explicit"}}"#,
        ),
        consumer(
            with_stream("a_work_queue_wants_explicit_acks", r#""retention":"workqueue""#),
            "C",
            r#""durable_name":"C","ack_policy":"all""#,
        ),
        pull_consumer(
            with_stream("a_work_queue_wants_deliver_all", r#""retention":"workqueue""#),
            r#""deliver_policy":"new""#,
        ),
    ]
}

fn starts() -> Vec<Scenario> {
    let started = |name: &str, config: &str| {
        made(name, &format!(r#""durable_name":"C","ack_policy":"none",{config}"#))
            .request("foo.1", "later")
            .wait_ms(100)
            .line("SUB in 5")
            .raw(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C in 29\r\n{\"batch\":10,\"no_wait\":true}  \r\n")
            .wait_ms(150)
            .sync()
    };
    vec![
        started("all", r#""deliver_policy":"all""#),
        started("new", r#""deliver_policy":"new""#),
        started("last", r#""deliver_policy":"last""#),
        started("by_sequence", r#""deliver_policy":"by_start_sequence","opt_start_seq":2"#),
        started("by_a_sequence_beyond_the_end", r#""deliver_policy":"by_start_sequence","opt_start_seq":9"#),
        started("by_a_time_long_ago", r#""deliver_policy":"by_start_time","opt_start_time":"2001-01-01T00:00:00Z""#),
        started("by_a_time_to_come", r#""deliver_policy":"by_start_time","opt_start_time":"2101-01-01T00:00:00Z""#),
        started("last_per_subject", r#""deliver_policy":"last_per_subject","filter_subject":"foo.*""#),
        started("last_of_a_filter", r#""deliver_policy":"last","filter_subject":"foo.2""#),
    ]
}
