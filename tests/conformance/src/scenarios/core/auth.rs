//! Sign-in by one token or by one user and password.

use crate::scenario::{Scenario, scenario, topic};
use crate::setup::Setup;

const TOKEN: Setup = Setup::flags(&["--auth", "s3cret"]);
const USER: Setup = Setup::flags(&["--user", "ada", "--pass", "lovelace"]);

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = topic("core/auth", Setup::CORE, token());
    all.extend(topic("core/auth", Setup::CORE, user()));
    all
}

fn token() -> Vec<Scenario> {
    vec![
        scenario("info_says_that_auth_is_required").with_info_fields().with(TOKEN).open(),
        scenario("the_right_token")
            .with(TOKEN)
            .hello_with(r#"{"verbose":false,"auth_token":"s3cret"}"#)
            .line("SUB foo 1")
            .publish("foo", "x")
            .sync(),
        scenario("a_wrong_token_is_a_violation")
            .with(TOKEN)
            .open()
            .line(r#"CONNECT {"verbose":false,"auth_token":"wrong"}"#)
            .until_closed(),
        scenario("no_token_is_a_violation").with(TOKEN).open().line(r#"CONNECT {"verbose":false}"#).until_closed(),
        scenario("an_empty_token_is_a_violation")
            .with(TOKEN)
            .open()
            .line(r#"CONNECT {"verbose":false,"auth_token":""}"#)
            .until_closed(),
        scenario("a_user_where_a_token_is_asked_is_a_violation")
            .with(TOKEN)
            .open()
            .line(r#"CONNECT {"verbose":false,"user":"s3cret","pass":"s3cret"}"#)
            .until_closed(),
        scenario("a_token_given_as_a_password")
            .with(TOKEN)
            .open()
            .line(r#"CONNECT {"verbose":false,"pass":"s3cret"}"#)
            .until_closed(),
        scenario("verbose_says_ok_after_the_right_token")
            .with(TOKEN)
            .open()
            .line(r#"CONNECT {"verbose":true,"auth_token":"s3cret"}"#)
            .expect(1)
            .quiet(),
        scenario("verbose_says_no_ok_after_a_wrong_token")
            .with(TOKEN)
            .open()
            .line(r#"CONNECT {"verbose":true,"auth_token":"wrong"}"#)
            .until_closed(),
        scenario("ping_before_connect_is_refused").with(TOKEN).open().line("PING").until_closed(),
        scenario("sub_before_connect_is_refused").with(TOKEN).open().line("SUB foo 1").until_closed(),
        scenario("pub_before_connect_is_refused").with(TOKEN).open().publish("foo", "x").until_closed(),
        scenario("saying_nothing_is_a_timeout").with(TOKEN).open().until_closed(),
        scenario("what_follows_a_wrong_token_is_not_heard")
            .with(TOKEN)
            .hello_with(r#"{"verbose":false,"auth_token":"s3cret"}"#)
            .line("SUB foo 1")
            .sync()
            .on("b")
            .open()
            .raw(b"CONNECT {\"verbose\":false,\"auth_token\":\"wrong\"}\r\nPUB foo 1\r\nx\r\n")
            .until_closed()
            .on("a")
            .sync(),
    ]
}

fn user() -> Vec<Scenario> {
    vec![
        scenario("the_right_user_and_password")
            .with(USER)
            .hello_with(r#"{"verbose":false,"user":"ada","pass":"lovelace"}"#)
            .publish("foo", "x")
            .sync(),
        scenario("a_wrong_password_is_a_violation")
            .with(USER)
            .open()
            .line(r#"CONNECT {"verbose":false,"user":"ada","pass":"wrong"}"#)
            .until_closed(),
        scenario("an_unknown_user_is_a_violation")
            .with(USER)
            .open()
            .line(r#"CONNECT {"verbose":false,"user":"bob","pass":"lovelace"}"#)
            .until_closed(),
        scenario("no_user_is_a_violation").with(USER).open().line(r#"CONNECT {"verbose":false}"#).until_closed(),
        scenario("a_token_where_a_user_is_asked_is_a_violation")
            .with(USER)
            .open()
            .line(r#"CONNECT {"verbose":false,"auth_token":"lovelace"}"#)
            .until_closed(),
        scenario("a_user_in_other_letters_is_a_violation")
            .with(USER)
            .open()
            .line(r#"CONNECT {"verbose":false,"user":"Ada","pass":"lovelace"}"#)
            .until_closed(),
        scenario("a_second_connect_with_a_wrong_password_closes")
            .with(USER)
            .hello_with(r#"{"verbose":false,"user":"ada","pass":"lovelace"}"#)
            .line(r#"CONNECT {"verbose":false,"user":"ada","pass":"wrong"}"#)
            .until_closed(),
    ]
}
