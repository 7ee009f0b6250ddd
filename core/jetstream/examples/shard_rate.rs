//! How long the shard takes for a message: publish, deliver, ack. Run with optimisation; the numbers are ns a message.

use std::sync::Arc;
use std::time::Instant;

use forebay_api::consumer::{AckPolicy, ConsumerConfig};
use forebay_api::duration::Nanos;
use forebay_api::pull::PullRequest;
use forebay_api::stream::StreamConfig;
use forebay_jetstream::command::{ConsumerAction, ConsumerCommand, StreamCommand, number};
use forebay_jetstream::{
    AckInput, AckVerb, Applied, Batch, BatchEnd, BatchLimit, Effects, LeaderOut, NO_WAITER, Proposals, Record, Shard,
    Take,
};
use forebay_store::Location;

const MESSAGES: u64 = 1_000_000;
const BATCH: usize = 500;

struct Bench {
    shard: Shard,
    fx: Effects,
    index: u64,
}

impl Bench {
    fn apply(&mut self, record: &Record<'_>, waiter: u32) {
        self.index += 1;
        let location = Location { segment: 1, offset: self.index as u32 };
        self.shard.apply(record, Applied { index: self.index, term: 0, location, waiter }, &mut self.fx);
    }

    fn command(&mut self, number: u16, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut body = Vec::new();
        encode(&mut body);
        self.apply(&Record::command(number, 1, 1, &body), NO_WAITER);
    }
}

fn main() {
    for (name, filter, id) in [("plain", "", false), ("wildcard filter", "a.*", false), ("with Msg-Id", "", true)] {
        run(name, filter, id);
    }
}

#[allow(clippy::disallowed_methods)]
fn clock() -> Instant {
    Instant::now()
}

fn run(name: &str, filter: &str, id: bool) {
    let mut bench = Bench { shard: Shard::new(1), fx: Effects::default(), index: 0 };
    bench.shard.become_leader(0);
    let config = StreamConfig {
        name: "S".into(),
        subjects: vec!["a.>".into()],
        duplicate_window: Nanos(120_000_000_000),
        ..StreamConfig::default()
    };
    let create = StreamCommand::Create { account: "A".into(), config: forebay_api::json::to_vec(&config), revision: 1 };
    bench.command(create.number(), |body| create.encode(body));
    let config = ConsumerConfig {
        durable: "C".into(),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: -1,
        filter_subject: filter.into(),
        ..ConsumerConfig::default()
    };
    let config = forebay_api::json::to_vec(&config);
    let create = ConsumerCommand::Create { name: "C".into(), config, action: ConsumerAction::Create };
    bench.command(create.number(), |body| create.encode(body));
    let publish = publish(&mut bench, id);
    let (deliver, ack) = deliver(&mut bench);
    println!("{name:16} publish {publish:4} ns · deliver {deliver:4} ns · ack with its log {ack:4} ns");
}

fn publish(bench: &mut Bench, id: bool) -> u64 {
    let payload = [b'x'; 128];
    let subjects: Vec<Vec<u8>> = (0..100).map(|n| format!("a.{n}").into_bytes()).collect();
    let ids: Vec<Vec<u8>> = (0..MESSAGES)
        .map(|n| if id { format!("NATS/1.0\r\nNats-Msg-Id: {n}\r\n\r\n").into_bytes() } else { vec![] })
        .collect();
    let start = clock();
    for n in 0..MESSAGES {
        let record = Record {
            number: number::PUBLISH,
            uid: 1,
            time: n as i64 * 100,
            subject: &subjects[n as usize % 100],
            headers: &ids[n as usize],
            payload: &payload,
        };
        bench.apply(&record, n as u32);
        if n % 256 == 255 {
            bench.fx.clear();
        }
    }
    start.elapsed().as_nanos() as u64 / MESSAGES
}

fn deliver(bench: &mut Bench) -> (u64, u64) {
    let key = bench.shard.consumer_key("A", "S", "C").expect("the consumer");
    let (mut b, mut out, mut acks, mut done) = (Batch::default(), LeaderOut::default(), Vec::new(), Vec::new());
    let (mut proposals, mut fx) = (Proposals::default(), Effects::default());
    let request = PullRequest { batch: BATCH as i64, ..PullRequest::default() };
    let reply: Arc<[u8]> = Arc::from(&b"_INBOX.abc.1"[..]);
    let limit = BatchLimit { messages: 256, bytes: 1 << 20 };
    let (mut deliver, mut ack, mut got, mut now) = (0, 0, 0u64, 1i64 << 60);
    while got < MESSAGES {
        now += 1_000;
        let start = clock();
        bench.shard.pull_request(key, now, &request, &reply, &mut out);
        loop {
            b.clear();
            let end = bench.shard.next_batch(key, now, limit, &mut b);
            got += b.deliveries.len() as u64;
            acks.extend(b.deliveries.iter().map(|d| AckInput { key, verb: AckVerb::Ack, sseq: d.seq, cseq: d.cseq }));
            if end == BatchEnd::Idle {
                break;
            }
        }
        deliver += start.elapsed().as_nanos() as u64;
        let start = clock();
        done.clear();
        bench.shard.handle_acks(now, &acks, &mut out, &mut done);
        proposals.clear();
        bench.shard.take_proposals(now, Take::Urgent, &mut proposals, &mut fx);
        for proposal in proposals.iter() {
            bench.index += 1;
            let at = Applied::unattended(bench.index, Location::NONE);
            bench.shard.apply(&Record::command(proposal.command, proposal.uid, now, proposal.body), at, &mut fx);
        }
        ack += start.elapsed().as_nanos() as u64;
        acks.clear();
        out.clear();
        fx.clear();
    }
    (deliver / got, ack / got)
}
