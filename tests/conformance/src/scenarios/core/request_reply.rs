//! Requests, and the 503 that says that nobody listens.

use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

// tidy: long — a list of scenarios, no logic
pub(super) fn scenarios() -> Vec<Scenario> {
    topic(
        "core/request_reply",
        Setup::CORE,
        vec![
            scenario("an_answer_comes_back")
                .on("service")
                .hello()
                .line("SUB help 1")
                .sync()
                .on("a")
                .hello()
                .line("SUB inbox.* 9")
                .raw(b"PUB help inbox.1 2\r\nhi\r\n")
                .sync()
                .on("service")
                .expect(1)
                .publish("${service.reply.1}", "answer")
                .sync()
                .on("a")
                .expect(1),
            scenario("nobody_listens_is_503").hello().line("SUB inbox.* 9").raw(b"PUB help inbox.1 2\r\nhi\r\n").sync(),
            scenario("nobody_listens_is_503_for_hpub")
                .hello()
                .line("SUB inbox.* 9")
                .publish_with_headers("help inbox.1", "A: 1\r\n", "hi")
                .sync(),
            scenario("no_503_without_a_reply").hello().line("SUB > 9").line("UNSUB 9").publish("help", "x").sync(),
            scenario("no_503_without_a_subscription_to_the_reply").hello().raw(b"PUB help inbox.1 2\r\nhi\r\n").sync(),
            scenario("no_503_to_a_subscription_of_another_connection")
                .on("b")
                .hello()
                .line("SUB inbox.* 9")
                .sync()
                .on("a")
                .hello()
                .raw(b"PUB help inbox.1 2\r\nhi\r\n")
                .sync()
                .on("b")
                .sync(),
            scenario("no_503_to_a_queue_subscription")
                .hello()
                .line("SUB inbox.* q 9")
                .raw(b"PUB help inbox.1 2\r\nhi\r\n")
                .sync(),
            scenario("no_503_when_connect_did_not_ask_for_it")
                .hello_with(r#"{"verbose":false,"headers":true}"#)
                .line("SUB inbox.* 9")
                .raw(b"PUB help inbox.1 2\r\nhi\r\n")
                .sync(),
            scenario("a_503_counts_for_unsub_max")
                .hello()
                .line("SUB inbox.* 9")
                .line("UNSUB 9 1")
                .raw(b"PUB help inbox.1 2\r\nhi\r\n")
                .raw(b"PUB help inbox.2 2\r\nhi\r\n")
                .sync(),
            scenario("no_503_where_only_oneself_listens_with_echo")
                .hello()
                .line("SUB inbox.* 9")
                .line("SUB help 1")
                .raw(b"PUB help inbox.1 2\r\nhi\r\n")
                .sync(),
            scenario("a_503_for_each_of_a_batch")
                .hello()
                .line("SUB inbox.* 9")
                .raw(b"PUB help inbox.1 0\r\n\r\nPUB help inbox.2 0\r\n\r\nPUB help inbox.3 0\r\n\r\n")
                .sync(),
            scenario("a_listener_that_went_away_is_nobody")
                .hello()
                .line("SUB help 1")
                .line("SUB inbox.* 9")
                .raw(b"PUB help inbox.1 0\r\n\r\n")
                .sync()
                .line("UNSUB 1")
                .raw(b"PUB help inbox.2 0\r\n\r\n")
                .sync(),
            scenario("a_503_is_verbose_too")
                .hello_with(r#"{"verbose":true,"headers":true,"no_responders":true}"#)
                .line("SUB inbox.* 9")
                .expect(1)
                .raw(b"PUB help inbox.1 0\r\n\r\n")
                .expect(2)
                .quiet(),
            scenario("jetstream_that_is_off_is_nobody").hello().request("$JS.API.INFO", ""),
            scenario("a_queue_member_answers")
                .on("service")
                .hello()
                .line("SUB help workers 1")
                .sync()
                .on("a")
                .hello()
                .line("SUB inbox.* 9")
                .raw(b"PUB help inbox.1 2\r\nhi\r\n")
                .sync()
                .on("service")
                .expect(1)
                .publish("${service.reply.1}", "answer")
                .sync()
                .on("a")
                .expect(1),
        ],
    )
}
