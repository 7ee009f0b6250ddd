//! Requests are refused in the words that nats-server 2.15.1 was heard to use.

use super::*;
use crate::consumer::request::CreateRequest;
use crate::stream::request::{ConfigRequest, InfoRequest, ListRequest, MessageGetRequest};

fn stream_refusal(body: &str) -> String {
    ConfigRequest::parse(body.as_bytes(), UnknownFields::Refused).unwrap_err().description.into_owned()
}

#[test]
fn a_bad_stream_configuration_is_refused_in_go_s_words() {
    for (body, text) in [
        (r#"{"name":"J","xx":1}"#, r#"json: unknown field "xx""#),
        (r#"{"name":"J","placement":{"zz":1}}"#, r#"json: unknown field "zz""#),
        (
            r#"{"name":"J","max_msgs":"1"}"#,
            "json: cannot unmarshal string into Go struct field StreamConfigRequest.max_msgs of type int64",
        ),
        (
            r#"{"name":"J","max_msgs":1.5}"#,
            "json: cannot unmarshal number 1.5 into Go struct field StreamConfigRequest.max_msgs of type int64",
        ),
        (
            r#"{"name":"J","max_msgs":99999999999999999999}"#,
            "json: cannot unmarshal number 99999999999999999999 into Go struct field StreamConfigRequest.max_msgs of type int64",
        ),
        (
            r#"{"name":"J","num_replicas":true}"#,
            "json: cannot unmarshal bool into Go struct field StreamConfigRequest.num_replicas of type int",
        ),
        (
            r#"{"name":"J","first_seq":-1}"#,
            "json: cannot unmarshal number -1 into Go struct field StreamConfigRequest.first_seq of type uint64",
        ),
        (
            r#"{"name":"J","max_msg_size":3000000000}"#,
            "json: cannot unmarshal number 3000000000 into Go struct field StreamConfigRequest.max_msg_size of type int32",
        ),
        (
            r#"{"name":"J","max_age":"1s"}"#,
            "json: cannot unmarshal string into Go struct field StreamConfigRequest.max_age of type time.Duration",
        ),
        (
            r#"{"name":"J","max_age":1e9}"#,
            "json: cannot unmarshal number 1e9 into Go struct field StreamConfigRequest.max_age of type time.Duration",
        ),
        (r#"{"name":"J","retention":"foo"}"#, r#"can not unmarshal "\"foo\"""#),
        (r#"{"name":"J","retention":null}"#, r#"can not unmarshal "null""#),
        (r#"{"name":"J","storage":1}"#, r#"can not unmarshal "1""#),
        (r#"{"name":"J","persist_mode":"x"}"#, r#"can not unmarshal "\"x\"""#),
        (r#"{"name":"J","compression":"zip"}"#, "unknown compression algorithm"),
        (r#"{"name":"J","compression":3}"#, "json: cannot unmarshal number into Go value of type string"),
        (
            r#"{"name":"J","subjects":"a"}"#,
            "json: cannot unmarshal string into Go struct field StreamConfigRequest.subjects of type []string",
        ),
        (
            r#"{"name":"J","subjects":[1]}"#,
            "json: cannot unmarshal number into StreamConfigRequest.subjects.0 of type string",
        ),
        (
            r#"{"name":"J","sources":[{"name":1}]}"#,
            "json: cannot unmarshal number into Go struct field StreamConfigRequest.sources.0.name of type string",
        ),
        (
            r#"{"name":"J","sources":[3]}"#,
            "json: cannot unmarshal number into StreamConfigRequest.sources.0 of type server.StreamSource",
        ),
        (
            r#"{"name":"J","sources":{}}"#,
            "json: cannot unmarshal object into Go struct field StreamConfigRequest.sources of type []*server.StreamSource",
        ),
        (
            r#"{"name":"J","sources":[{"opt_start_time":3}]}"#,
            "json: cannot unmarshal number into Go struct field StreamConfigRequest.sources.0.opt_start_time of type time.Time",
        ),
        (
            r#"{"name":"J","mirror":{"name":1}}"#,
            "json: cannot unmarshal number into Go struct field StreamConfigRequest.mirror.name of type string",
        ),
        (
            r#"{"name":"J","mirror":[1]}"#,
            "json: cannot unmarshal array into Go struct field StreamConfigRequest.mirror of type server.StreamSource",
        ),
        (
            r#"{"name":"J","subject_transform":[]}"#,
            "json: cannot unmarshal array into Go struct field StreamConfigRequest.subject_transform of type server.SubjectTransformConfig",
        ),
        (
            r#"{"name":"J","placement":3}"#,
            "json: cannot unmarshal number into Go struct field StreamConfigRequest.placement of type server.Placement",
        ),
        (
            r#"{"name":"J","consumer_limits":{"max_ack_pending":"x"}}"#,
            "json: cannot unmarshal string into Go struct field StreamConfigRequest.consumer_limits.max_ack_pending of type int",
        ),
        (
            r#"{"name":"J","metadata":{"a":1}}"#,
            "json: cannot unmarshal number into Go struct field StreamConfigRequest.metadata.a of type string",
        ),
        (
            r#"{"name":"J","metadata":[]}"#,
            "json: cannot unmarshal array into Go struct field StreamConfigRequest.metadata of type map[string]string",
        ),
        (
            r#"{"name":"J","pedantic":1}"#,
            "json: cannot unmarshal number into Go struct field StreamConfigRequest.pedantic of type bool",
        ),
        (
            r#"{"name":"J","sources":[{"name":"q","opt_start_time":"yesterday"}]}"#,
            r#"parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006""#,
        ),
        ("[1]", "json: cannot unmarshal array into Go value of type server.StreamConfigRequest"),
        (r#""a""#, "json: cannot unmarshal string into Go value of type server.StreamConfigRequest"),
        ("1x", "json: cannot unmarshal number into Go value of type server.StreamConfigRequest"),
        ("true", "json: cannot unmarshal bool into Go value of type server.StreamConfigRequest"),
    ] {
        assert_eq!(stream_refusal(body), format!("invalid JSON: {text}"), "{body}");
    }
}

#[test]
fn bad_syntax_is_refused_with_go_s_offset() {
    for (body, text) in [
        (r#"{"name":"J","#, "unexpected EOF"),
        (r#"{"name":"J""#, "unexpected EOF"),
        ("[", "unexpected EOF"),
        ("nul", "unexpected EOF"),
        ("x", "invalid character 'x' looking for beginning of value at offset 1"),
        (r#"{"name":"J"} trailing"#, "invalid character 'a' in literal true (expecting 'u') at offset 16"),
        (r#"{"name":"J"}}"#, "invalid character '}' looking for beginning of value at offset 13"),
        (r#"{"name":"J","opt":tru}"#, "invalid character '}' in literal true (expecting 'e') at offset 22"),
        ("{'a':1}", r"invalid character '\'' looking for beginning of object key string at offset 2"),
        ("{\"name\":\"J\n\"}", r"invalid character '\n' in string at offset 11"),
        (r#"{"name" "J"}"#, r#"invalid character '"' after object key at offset 9"#),
        (r#"{"name":"J",}"#, "invalid character '}' looking for beginning of object key string at offset 13"),
        (r#"{"name":"J" "a":1}"#, r#"invalid character '"' after object key:value pair at offset 13"#),
        (r#"{"name":"J","max_msgs":01}"#, "invalid character '1' after object key:value pair at offset 25"),
        (r#"{"name":"J","max_msgs":+1}"#, "invalid character '+' looking for beginning of value at offset 24"),
        (r#"{"name":"J","max_msgs":-}"#, "invalid character '}' in numeric literal at offset 25"),
        (r#"{"name":"J","max_msgs":1.}"#, "invalid character '}' in numeric literal at offset 26"),
        (r#"{"name":"J","description":"\x"}"#, r"invalid escape sequence `\x` in string at offset 29"),
        (r#"{"name":"J","description":"\u00zz"}"#, r"invalid escape sequence `\u00zz` in string at offset 33"),
        (r#"{"name":"J","subjects":[}"#, "invalid character '}' looking for beginning of value at offset 25"),
        (r#"{"name":"J","subjects":["a",]}"#, "invalid character ']' looking for beginning of value at offset 29"),
        ("{\"name\":\"J\",\"description\":\"\u{1}\"}", r"invalid character '\x01' in string at offset 28"),
        ("\u{feff}{}", r"invalid character '\ufeff' looking for beginning of value at offset 3"),
        ("{\"name\":\u{e9}}", "invalid character '\u{e9}' looking for beginning of value at offset 10"),
    ] {
        assert_eq!(stream_refusal(body), format!("invalid JSON: {text}"), "{body}");
    }
}

#[test]
fn other_requests_name_their_own_type() {
    let refused = UnknownFields::Refused;
    let consumer = |body: &str| decode::<CreateRequest>(body.as_bytes(), refused).unwrap_err().to_string();
    for (body, text) in [
        (r#"{"config":{"x":1}}"#, r#"json: unknown field "x""#),
        (r#"{"config":{"ack_policy":3}}"#, r#"can not unmarshal "3""#),
        (r#"{"config":{"priority_policy":"x"}}"#, r#"unknown priority policy: "x""#),
        (r#"{"action":"x"}"#, r#"unknown consumer action: "x""#),
        (r#"{"config":null,"action":null}"#, "unknown consumer action: null"),
        (
            r#"{"config":{"backoff":["a"]}}"#,
            "json: cannot unmarshal string into CreateConsumerRequest.config.backoff.0 of type time.Duration",
        ),
        (
            r#"{"config":{"backoff":1}}"#,
            "json: cannot unmarshal number into Go struct field CreateConsumerRequest.config.backoff of type []time.Duration",
        ),
        (
            r#"{"config":{"max_waiting":"a"}}"#,
            "json: cannot unmarshal string into Go struct field CreateConsumerRequest.config.max_waiting of type int",
        ),
        (
            r#"{"config":{"rate_limit_bps":-1}}"#,
            "json: cannot unmarshal number -1 into Go struct field CreateConsumerRequest.config.rate_limit_bps of type uint64",
        ),
        (
            r#"{"config":[]}"#,
            "json: cannot unmarshal array into Go struct field CreateConsumerRequest.config of type server.ConsumerConfig",
        ),
        ("[]", "json: cannot unmarshal array into Go value of type server.CreateConsumerRequest"),
    ] {
        assert_eq!(consumer(body), text, "{body}");
    }
    let info = decode::<InfoRequest>(br#"{"offset":"x"}"#, refused).unwrap_err();
    assert_eq!(info.0, "json: cannot unmarshal string into Go struct field JSApiStreamInfoRequest.offset of type int");
    let list = decode::<ListRequest>(br#"{"offset":[]}"#, refused).unwrap_err();
    assert_eq!(list.0, "json: cannot unmarshal array into Go struct field JSApiStreamListRequest.offset of type int");
    let get = decode::<MessageGetRequest>(br#"{"start_time":1}"#, refused).unwrap_err();
    assert_eq!(
        get.0,
        "json: cannot unmarshal number into Go struct field JSApiMsgGetRequest.start_time of type time.Time"
    );
}

#[test]
fn what_go_accepts_is_accepted() {
    let parse = |body: &str| ConfigRequest::parse(body.as_bytes(), UnknownFields::Refused).unwrap();
    assert_eq!(parse(""), ConfigRequest::default());
    assert_eq!(parse(" null "), ConfigRequest::default());
    assert_eq!(parse(r#"{"NAME":"J"}"#).config.name, "J");
    assert_eq!(parse(r#"{"name":"J","description":"a"}{"description":"b"}"#).config.description, "b");
    assert_eq!(parse(r#"{"max_msgs":1,"MAX_MSGS":2}"#).config.max_msgs, 2);
    assert_eq!(parse(r#"{"max_msgs":-0,"subjects":null,"placement":null}"#).config.max_msgs, 0);
    assert_eq!(parse(r#"{"discard":"NEW","persist_mode":""}"#).config.discard, crate::stream::Discard::New);
    assert_eq!(parse(r#"{"description":"\u00e9\ud83d\ude00\ud800"}"#).config.description, "\u{e9}\u{1f600}\u{fffd}");
    assert!(parse(r#"{"name":"J","Pedantic":true}"#).pedantic);
    let lenient = ConfigRequest::parse(br#"{"name":"J","new":{"a":[1]}}"#, UnknownFields::Ignored).unwrap();
    assert_eq!(lenient.config.name, "J");
}

#[test]
fn a_body_too_deep_is_refused() {
    let body = "[".repeat(100_000);
    assert!(stream_refusal(&body).contains("exceeded max depth"));
    assert!(stream_refusal(&format!("{{\"a\":{body}")).contains("exceeded max depth"));
}

#[test]
fn strings_are_escaped_as_go_escapes_them() {
    let json = to_vec(&"d <&> \u{e9}\u{2028}\"\n\u{1}\\");
    assert_eq!(String::from_utf8(json).unwrap(), "\"d \\u003c\\u0026\\u003e \u{e9}\\u2028\\\"\\n\\u0001\\\\\"");
}

#[test]
fn an_empty_request_is_nothing_or_an_empty_object() {
    for body in ["", "{}", "{ }", " {\n} "] {
        assert!(is_empty_request(body.as_bytes()), "{body:?}");
    }
    for body in ["x", "[]", "{\"a\":1}", "null", " "] {
        assert!(!is_empty_request(body.as_bytes()), "{body:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_body_panics(body: Vec<u8>) {
        let _ = ConfigRequest::parse(&body, UnknownFields::Refused);
    }

    #[test]
    fn what_serde_json_reads_we_read(text: String, number: i64, flag: bool) {
        let config = crate::stream::StreamConfig { description: text, max_msgs: number, no_ack: flag, ..Default::default() };
        let ours = ConfigRequest::parse(&to_vec(&config), UnknownFields::Refused).unwrap();
        proptest::prop_assert_eq!(ours.config, config);
    }
}
