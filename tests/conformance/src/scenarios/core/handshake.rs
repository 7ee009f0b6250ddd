//! INFO, CONNECT, PING and PONG.

use crate::scenario::{CONNECT, Scenario, scenario, topic};
use crate::setup::Setup;

// tidy: long — a list of scenarios, no logic
pub(super) fn scenarios() -> Vec<Scenario> {
    topic(
        "core/handshake",
        Setup::CORE,
        vec![
            scenario("info_is_sent_first").with_info_fields().open().quiet(),
            scenario("info_names_a_server_that_has_a_name")
                .with_info_fields()
                .with(Setup::flags(&["-n", "north"]))
                .open(),
            scenario("ping_is_answered").open().line("PING").expect(1),
            scenario("ping_before_connect_is_answered_without_a_second_info").open().line("PING").expect(1).quiet(),
            scenario("a_second_info_follows_the_first_ping_after_connect").with_info_fields().hello().quiet(),
            scenario("the_second_info_comes_once").hello().sync().sync(),
            scenario("no_second_info_for_protocol_0")
                .with_info_fields()
                .hello_with(r#"{"verbose":false,"protocol":0}"#)
                .sync(),
            scenario("no_second_info_without_a_protocol").hello_with(r#"{"verbose":false}"#).sync(),
            scenario("a_ping_before_connect_uses_up_nothing").open().sync().line(CONNECT).sync().sync(),
            scenario("protocol_2_is_refused").open().line(r#"CONNECT {"verbose":false,"protocol":2}"#).until_closed(),
            scenario("a_negative_protocol_is_refused")
                .open()
                .line(r#"CONNECT {"verbose":false,"protocol":-1}"#)
                .until_closed(),
            scenario("no_responders_without_headers_is_refused")
                .open()
                .line(r#"CONNECT {"verbose":false,"no_responders":true}"#)
                .until_closed(),
            scenario("connect_without_json_closes").open().line("CONNECT").until_closed(),
            scenario("connect_with_broken_json_closes").open().line(r#"CONNECT {"verbose":"#).until_closed(),
            scenario("connect_with_a_wrong_type_closes").open().line(r#"CONNECT {"verbose":"yes"}"#).until_closed(),
            scenario("connect_with_an_empty_object_is_verbose")
                .open()
                .line("CONNECT {}")
                .expect(1)
                .line("PUB x 0\r\n")
                .expect(1),
            scenario("connect_ignores_unknown_fields")
                .hello_with(r#"{"verbose":false,"shoe_size":43,"nested":{"a":[1,2]}}"#),
            scenario("connect_field_names_are_not_case_sensitive").hello_with(r#"{"VERBOSE":false,"Protocol":1}"#),
            scenario("connect_takes_nulls").hello_with(r#"{"verbose":false,"name":null,"user":null,"protocol":null}"#),
            scenario("connect_with_a_json_array_closes").open().line("CONNECT []").until_closed(),
            scenario("connect_takes_spaces_around_json").open().line("CONNECT    {\"verbose\":false}   ").sync(),
            scenario("connect_takes_a_tab_before_json").open().line("CONNECT\t{\"verbose\":false}").sync(),
            scenario("connect_verb_is_not_case_sensitive").open().line(r#"connect {"verbose":false}"#).sync(),
            scenario("an_account_in_connect_is_a_violation")
                .open()
                .line(r#"CONNECT {"verbose":false,"account":"A"}"#)
                .until_closed(),
            scenario("connect_with_an_unused_token_is_taken").hello_with(r#"{"verbose":false,"auth_token":"x"}"#),
            scenario("connect_with_unused_user_and_password_is_taken")
                .hello_with(r#"{"verbose":false,"user":"x","pass":"y"}"#),
            scenario("connect_twice_drops_subscriptions")
                .hello()
                .line("SUB foo 1")
                .sync()
                .line(CONNECT)
                .publish("foo", "x")
                .sync(),
            scenario("connect_twice_changes_verbose")
                .hello()
                .line(r#"CONNECT {"verbose":true}"#)
                .expect(1)
                .line("SUB foo 1")
                .expect(1),
            scenario("a_client_that_never_says_connect_may_publish_and_subscribe")
                .open()
                .line("SUB foo 1")
                .publish("foo", "hi")
                .sync(),
            scenario("a_client_that_never_says_connect_is_verbose").open().line("SUB foo 1").expect(1),
            scenario("pong_without_ping_is_ignored").hello().line("PONG").sync(),
            scenario("ping_and_pong_take_bytes_up_to_the_line_end").hello().line("PING now").line("PONG  ").sync(),
            scenario("the_verb_ping_is_not_case_sensitive").hello().line("ping").line("PiNg").sync(),
            scenario("ok_from_a_client_is_tolerated").hello().line("+OK").sync(),
            scenario("err_from_a_client_closes").hello().line("-ERR 'x'").sync(),
            scenario("info_from_a_client_is_tolerated").hello().line("INFO {}").sync(),
            scenario("tls_required_in_connect_is_ignored_without_tls")
                .hello_with(r#"{"verbose":false,"tls_required":true}"#),
            scenario("a_client_that_stops_sending_is_closed").hello().finish_sending().until_closed(),
            scenario("other_clients_do_not_notice_one_that_goes")
                .hello()
                .line("SUB foo 1")
                .sync()
                .on("b")
                .hello()
                .line("SUB foo 2")
                .sync()
                .close()
                .on("a")
                .publish("foo", "x")
                .sync(),
        ],
    )
}
