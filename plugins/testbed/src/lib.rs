//! A guest that misbehaves on demand: the last token of a message's subject says how. The host's tests run it; guests
//! that no Rust compiler would write stand as WebAssembly text in `plugins/host/tests/it`.

use std::hint::black_box;

use forebay_sdk::{Action, Message, filter, init, log, transform};

/// What `#[init]` takes.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Any text; nothing is done with it.
    #[serde(default)]
    tag: String,
    /// Refuse the config with this text.
    refuse: Option<String>,
    /// Panic.
    #[serde(default)]
    panic: bool,
}

#[init]
fn configure(config: Config) -> Result<(), String> {
    if config.panic {
        panic!("configured to panic");
    }
    log::debug(format_args!("tag {}", config.tag));
    config.refuse.map_or(Ok(()), Err)
}

fn order<'a>(message: &Message<'a>) -> &'a str {
    message.subject().rsplit('.').next().unwrap_or_default()
}

#[transform]
fn act(message: &Message<'_>) -> Action {
    match order(message) {
        "loop" => spin(u64::MAX),
        "slow" => spin(1_000_000),
        "hog" => hog(),
        "recurse" => Action::subject(recurse(1).to_string()),
        "panic" => panic!("as it was told"),
        "index" => Action::subject(message.payload()[black_box(1_000)].to_string()),
        "leak" => leak(1 << 20),
        "reserved" => Action::pass().header("Nats-Msg-Id", "1"),
        "subject" => Action::subject("a..b"),
        "fail" => Action::fail("cannot judge"),
        "drop" => Action::Drop,
        "reject" => Action::reject("rejected on demand"),
        "rename" => Action::subject("renamed"),
        "twice" => Action::emit([Action::pass(), Action::subject("copy").payload("copied")]),
        "flood" => flood(),
        _ => Action::Pass,
    }
}

#[filter]
fn keep(message: &Message<'_>) -> Result<bool, String> {
    match order(message) {
        "skip" => Ok(false),
        // The two measures of the bench: a look at both ends, and a look at every byte.
        "touch" => Ok(message.subject().starts_with("orders.") && message.payload().last() == Some(&b'}')),
        "scan" => Ok(memchr::memchr(0, message.payload()).is_none()),
        "undecided" => Err("cannot judge".into()),
        "panic" => panic!("as it was told"),
        "loop" => {
            spin(u64::MAX);
            Ok(true)
        }
        "hog" => {
            hog();
            Ok(true)
        }
        _ => Ok(true),
    }
}

fn spin(turns: u64) -> Action {
    let mut turn = 0;
    while black_box(turn) < turns {
        turn += 1;
    }
    Action::Pass
}

fn hog() -> Action {
    let mut all = Vec::new();
    loop {
        all.push(vec![1_u8; 1 << 16]);
        black_box(&all);
    }
}

fn leak(bytes: usize) -> Action {
    std::mem::forget(black_box(vec![1_u8; bytes]));
    Action::Pass
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    recurse(depth + 1) + frame[3]
}

fn flood() -> Action {
    for line in 0..10_000 {
        log::info(format_args!("line {line}"));
    }
    Action::Pass
}
