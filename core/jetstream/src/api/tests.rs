//! A conversation with nats-server 2.15.1, held again with our handlers over real machines: the same answers, apart from
//! times, versions and names of servers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use forebay_api::account::{AccountInfo, Usage};
use forebay_api::publish::header::header_value;
use forebay_store::Location;
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::command::number;
use crate::effect::{ApiOk, Applied, Effects};
use crate::id::NO_WAITER;
use crate::meta::{Meta, MetaEffects};
use crate::record::Record;

const ACCOUNT: &str = "$G";
const WAITER: u32 = 7;
const START: i64 = 1_795_000_000_000_000_000;

/// One server with one shard, without a log: what is proposed is applied at once.
struct World {
    meta: RefCell<Meta>,
    shard: RefCell<Shard>,
    facts: ServerFacts,
    now: Cell<i64>,
    enabled: bool,
}

impl World {
    fn new() -> Self {
        let mut shard = Shard::new(1);
        shard.become_leader(START);
        let facts = ServerFacts {
            name: "test".into(),
            version: "2.15.1-forebay.0.0.0".into(),
            domain: String::new(),
            unknown_fields: UnknownFields::Refused,
        };
        let (meta, shard) = (RefCell::new(Meta::new(1)), RefCell::new(shard));
        Self { meta, shard, facts, now: Cell::new(START), enabled: true }
    }

    fn tick(&self) -> i64 {
        self.now.set(self.now.get() + 1_000_000);
        self.now.get()
    }

    /// Applies a record to the shard and gives the answer, if one is waited for.
    fn apply(&self, record: &Record<'_>, waiter: u32) -> Option<Result<ApiOk, ApiError>> {
        let mut fx = Effects::default();
        let at = Applied { index: 1, term: 0, location: Location::NONE, waiter };
        self.shard.borrow_mut().apply(record, at, &mut fx);
        assert!(fx.damaged.is_empty(), "{:?}", fx.damaged);
        fx.replies.pop().map(|done| done.result)
    }

    fn apply_meta(&self, command: &MetaCommand) -> Option<Result<ApiOk, ApiError>> {
        let mut body = Vec::new();
        command.encode(&mut body);
        let mut fx = MetaEffects::default();
        let record = Record::command(command.number(), 0, self.tick(), &body);
        let at = Applied { index: 1, term: 0, location: Location::NONE, waiter: WAITER };
        self.meta.borrow_mut().apply(&record, at, &mut fx);
        assert!(fx.damaged.is_empty());
        let mut answer = fx.replies.pop().map(|done| done.result);
        for todo in fx.todo {
            let mut body = Vec::new();
            todo.command.encode(&mut body);
            let record = Record::command(todo.command.number(), todo.uid.0, self.tick(), &body);
            answer = self.apply(&record, todo.waiter).or(answer);
        }
        answer
    }

    fn propose(&self, command: Command) -> Result<ApiOk, ApiError> {
        let mut body = Vec::new();
        let (number, uid) = match command {
            Command::Meta(command) => return self.apply_meta(&command).expect("somebody waits"),
            Command::Stream { uid, command, .. } => {
                command.encode(&mut body);
                (command.number(), uid)
            }
            Command::Consumer { uid, command, .. } => {
                command.encode(&mut body);
                (command.number(), uid)
            }
        };
        self.apply(&Record::command(number, uid.0, self.tick(), &body), WAITER).expect("somebody waits")
    }

    /// Publishes to whichever stream captures the subject.
    fn publish(&self, subject: &str, headers: &[u8], payload: &[u8]) {
        let streams = self.streams(ACCOUNT);
        let captures = |stream: &&Assignment| {
            let matches = |filter: &String| forebay_subject::filter_matches(filter.as_bytes(), subject.as_bytes());
            stream.config.subjects.iter().any(matches)
        };
        let uid = streams.iter().find(captures).expect("a stream for the subject").uid;
        let record = Record {
            number: number::PUBLISH,
            uid: uid.0,
            time: self.tick(),
            subject: subject.as_bytes(),
            headers,
            payload,
        };
        self.apply(&record, NO_WAITER);
    }

    /// Everything that a request is answered with: headers and body of each message.
    fn ask(&self, subject: &str, headers: &[u8], payload: &[u8]) -> Vec<Reply> {
        let request = ApiRequest { account: ACCOUNT, subject: subject.as_bytes(), headers, payload, now: self.tick() };
        match handle(self, &request) {
            Step::Silent => vec![],
            Step::NoResponders => vec![Reply::status("503")],
            Step::Reply(reply) => vec![reply],
            Step::Propose { command, then } => {
                let result = self.propose(command);
                vec![then.complete(&self.facts, result, self.now.get())]
            }
            Step::Read(mut plan) => {
                let mut replies = Vec::new();
                while let Some(found) = plan.next() {
                    let body = found.body.as_ref().map(|body| body.record());
                    replies.push(plan.answer(&found, body));
                }
                replies.extend(plan.finish());
                replies
            }
        }
    }

    fn json(&self, subject: &str, payload: &str) -> Value {
        let replies = self.ask(subject, b"", payload.as_bytes());
        serde_json::from_slice(&replies.first().expect("an answer").payload).expect("JSON")
    }
}

impl ApiBackend for World {
    fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    fn is_enabled(&self, _account: &str) -> bool {
        self.enabled
    }

    fn account_info(&self, _account: &str) -> AccountInfo {
        let streams = self.meta.borrow().all().count() as u64;
        AccountInfo { usage: Usage { streams, ..Usage::default() }, ..AccountInfo::default() }
    }

    fn limits(&self, _account: &str) -> Limits {
        Limits::default()
    }

    fn stream(&self, account: &str, name: &str) -> Option<Assignment> {
        self.meta.borrow().get(account, name).cloned()
    }

    fn streams(&self, account: &str) -> Vec<Assignment> {
        self.meta.borrow().of_account(account).cloned().collect()
    }

    fn with_shard<R>(&self, _stream: &Assignment, read: impl FnOnce(&Shard) -> R) -> Option<R> {
        Some(read(&self.shard.borrow()))
    }

    fn admit(&self, _account: &str, _config: &StreamConfig) -> Result<(), ApiError> {
        Ok(())
    }

    fn has_interest(&self, _account: &str, _subject: &[u8]) -> bool {
        false
    }

    fn fresh_name(&self) -> String {
        "abcd1234".into()
    }
}

/// A step of the conversation: a publish, or a request with its answer.
#[derive(Deserialize)]
struct Line {
    request: Option<String>,
    publish: Option<String>,
    body: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    reply: String,
}

impl Line {
    fn headers(&self) -> Vec<u8> {
        if self.headers.is_empty() {
            return Vec::new();
        }
        let lines: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("NATS/1.0\r\n{lines}\r\n").into_bytes()
    }
}

/// Takes out what differs between any two servers: times that are set, versions, levels, names of servers.
fn mask(value: &mut Value) {
    const TIMES: [&str; 6] = ["created", "ts", "first_ts", "last_ts", "time", "pause_remaining"];
    const SERVER: [&str; 3] = ["_nats.ver", "_nats.level", "leader"];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let unset = value.as_str().is_some_and(|text| text.starts_with("0001-"));
                if (TIMES.contains(&name.as_str()) && !unset) || SERVER.contains(&name.as_str()) {
                    *value = Value::from("*");
                }
                mask(value);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// An answer in a form that can be compared: masked JSON, or headers and body with the time masked.
fn comparable(reply: &str) -> Value {
    if let Ok(mut json) = serde_json::from_str(reply) {
        mask(&mut json);
        return json;
    }
    let time = header_value(reply.as_bytes(), "Nats-Time-Stamp").map(|time| String::from_utf8_lossy(time).into_owned());
    Value::from(time.map_or(reply.to_owned(), |time| reply.replace(&time, "*")))
}

#[test]
fn a_conversation_goes_as_with_nats_server() {
    let world = World::new();
    let lines: Vec<Line> = serde_json::from_str(include_str!("golden.json")).unwrap();
    let (mut compared, mut different) = (0, Vec::new());
    for line in lines {
        if let Some(subject) = &line.publish {
            world.publish(subject, &line.headers(), line.body.as_bytes());
            continue;
        }
        let request = line.request.as_deref().unwrap();
        let replies = world.ask(&format!("$JS.API.{request}"), &line.headers(), line.body.as_bytes());
        let ours = match replies.first() {
            None => "silence".to_owned(),
            Some(reply) if reply.headers.starts_with(b"NATS/1.0 503") => "no responders".to_owned(),
            Some(reply) => String::from_utf8([&reply.headers[..], &reply.payload].concat()).unwrap(),
        };
        let (ours, theirs) = (comparable(&ours), comparable(&line.reply));
        if ours != theirs {
            different.push(format!("{request} {}\n  ours   {ours}\n  theirs {theirs}", line.body));
        }
        compared += 1;
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(compared > 150, "{compared}");
}

fn with_messages() -> World {
    let world = World::new();
    let config = r#"{"name":"A","subjects":["a.>"],"storage":"memory","allow_direct":true}"#;
    assert_eq!(world.json("$JS.API.STREAM.CREATE.A", config)["did_create"], true);
    for number in 0..5 {
        world.publish(&format!("a.{}", number % 2), b"", format!("m{number}").as_bytes());
    }
    world.publish("a.h", b"NATS/1.0\r\nK: v\r\n\r\n", b"hh");
    world
}

/// Sequence, pending and last sequence of each message, and the status line of the last.
fn batch(replies: &[Reply]) -> (Vec<[String; 3]>, String) {
    let value = |reply: &Reply, name: &str| {
        let value = header_value(&reply.headers, name).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    let (last, messages) = replies.split_last().unwrap();
    let names = ["Nats-Sequence", "Nats-Num-Pending", "Nats-Last-Sequence"];
    let messages = messages.iter().map(|reply| names.map(|name| value(reply, name))).collect();
    (messages, String::from_utf8(last.headers.clone()).unwrap())
}

#[test]
fn a_batch_counts_down_and_says_when_it_ends() {
    let world = with_messages();
    let (messages, end) = batch(&world.ask("$JS.API.DIRECT.GET.A", b"", br#"{"seq":1,"batch":3}"#));
    assert_eq!(messages, [["1", "5", "0"], ["2", "4", "1"], ["3", "3", "2"]]);
    assert_eq!(end, "NATS/1.0 204 EOB\r\nNats-Num-Pending: 3\r\nNats-Last-Sequence: 3\r\n\r\n");
    let (messages, end) = batch(&world.ask("$JS.API.DIRECT.GET.A", b"", br#"{"multi_last":["a.0","a.h"]}"#));
    assert_eq!(messages, [["5", "1", "0"], ["6", "0", "5"]]);
    let eob = "NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 6\r\nNats-UpTo-Sequence: 6\r\n\r\n";
    assert_eq!(end, eob);
    let few = world.ask("$JS.API.DIRECT.GET.A", b"", br#"{"seq":1,"batch":100,"max_bytes":8}"#);
    assert_eq!(batch(&few).0.len(), 2, "the one that reaches max_bytes is the last");
}

#[test]
fn a_message_that_is_gone_ends_the_answer() {
    let world = with_messages();
    let request =
        |payload| ApiRequest { account: ACCOUNT, subject: b"$JS.API.DIRECT.GET.A", headers: b"", payload, now: START };
    let Step::Read(mut plan) = handle(&world, &request(br#"{"seq":1,"batch":3}"#)) else { panic!("messages to read") };
    let found = plan.next().unwrap();
    assert_eq!(plan.answer(&found, None), Reply::status("404 Message Not Found"));
    assert!(plan.next().is_none() && plan.finish().is_none());
    let Step::Read(mut plan) = handle(&world, &request(br#"{"seq":1,"batch":3}"#)) else { panic!("messages to read") };
    let found = plan.next().unwrap();
    plan.answer(&found, found.body.as_ref().map(|body| body.record()));
    let found = plan.next().unwrap();
    assert!(plan.answer(&found, None).headers.starts_with(b"NATS/1.0 204 EOB"));
    assert!(plan.next().is_none() && plan.finish().is_none());
}

#[test]
fn what_is_no_endpoint_or_not_built_is_refused_in_words() {
    let world = with_messages();
    let error = |subject: &str, payload: &str| {
        let answer = world.json(subject, payload);
        (answer["type"].as_str().unwrap().to_owned(), answer["error"]["err_code"].as_u64().unwrap())
    };
    let kind = |name: &str| format!("io.nats.jetstream.api.v1.{name}_response");
    // nats-server 2.15.1 leaves a subject that is none of the API's without an answer.
    assert!(world.ask("$JS.API.STREAM.FOO.A", b"", b"").is_empty());
    assert_eq!(error("$JS.API.STREAM.SNAPSHOT.A", "{}"), (kind("stream_snapshot"), 10064));
    assert_eq!(error("$JS.API.STREAM.RESTORE.A", "{}"), (kind("stream_restore"), 10062));
    assert_eq!(
        error("$JS.API.STREAM.CREATE.M", r#"{"name":"M","mirror":{"name":"A"}}"#),
        (kind("stream_create"), 10052)
    );
    // Here nats-server lets the client wait for an answer that never comes.
    assert_eq!(error("$JS.API.CONSUMER.RESET.A.c", ""), (kind("consumer_reset"), 10014));
    world.json("$JS.API.CONSUMER.CREATE.A.c", r#"{"stream_name":"A","config":{}}"#);
    assert_eq!(error("$JS.API.CONSUMER.RESET.A.c", ""), (kind("consumer_reset"), 10204));
}

#[test]
fn an_account_without_jetstream_is_told_so() {
    let world = World { enabled: false, ..World::new() };
    for subject in ["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.CONSUMER.INFO.A.c"] {
        assert_eq!(world.json(subject, "")["error"]["err_code"], 10039, "{subject}");
    }
    assert_eq!(world.ask("$JS.API.DIRECT.GET.A", b"", b"{}"), [Reply::status("503")]);
}

#[test]
fn a_consumer_without_a_name_gets_one() {
    let world = with_messages();
    let create = || world.json("$JS.API.CONSUMER.CREATE.A", r#"{"stream_name":"A","config":{"ack_policy":"none"}}"#);
    let created = create();
    assert_eq!(created["name"], "abcd1234");
    assert_eq!(created["config"].get("name"), None);
    assert_eq!(created["num_pending"], 6);
    assert_eq!(create()["error"]["err_code"], 10013, "the only name there is was taken");
}

#[test]
fn account_info_has_the_level_of_this_server() {
    let info = with_messages().json("$JS.API.INFO", "");
    assert_eq!(info["api"]["level"], forebay_api::level::SERVER_LEVEL);
    assert_eq!(info["streams"], 1);
}
