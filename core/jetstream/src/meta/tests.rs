//! The table of streams, one sentence per rule.

use forebay_store::Location;

use super::*;

struct Bench {
    meta: Meta,
    fx: MetaEffects,
    index: u64,
}

impl Bench {
    fn new() -> Self {
        Self { meta: Meta::new(2), fx: MetaEffects::default(), index: 0 }
    }

    fn run(&mut self, command: &MetaCommand) -> Result<Vec<MetaTodo>, u16> {
        let mut body = Vec::new();
        command.encode(&mut body);
        self.fx.clear();
        self.index += 1;
        let at = Applied { index: self.index, term: 0, location: Location::NONE, waiter: 3 };
        self.meta.apply(&Record::command(command.number(), 0, 99, &body), at, &mut self.fx);
        match self.fx.replies.pop() {
            Some(ApiDone { result: Err(error), .. }) => Err(error.err_code),
            Some(other) => panic!("{other:?}"),
            None => Ok(std::mem::take(&mut self.fx.todo)),
        }
    }

    fn create(&mut self, name: &str, subjects: &[&str]) -> Result<Vec<MetaTodo>, u16> {
        self.run(&MetaCommand::Create { account: "A".into(), config: config(name, subjects) })
    }
}

fn config(name: &str, subjects: &[&str]) -> Vec<u8> {
    let subjects = subjects.iter().map(|subject| (*subject).into()).collect();
    forebay_api::json::to_vec(&StreamConfig { name: name.into(), subjects, ..StreamConfig::default() })
}

#[test]
fn names_and_subjects_are_unique_in_an_account() {
    let mut bench = Bench::new();
    let made = bench.create("S", &["a.>"]).unwrap();
    assert_eq!((made[0].shard, made[0].uid, made[0].waiter), (1, StreamUid(1), 3));
    assert_eq!(bench.create("S", &["a.>"]).unwrap(), made, "the same again is answered by the shard");
    assert_eq!(bench.create("S", &["b"]), Err(10058));
    assert_eq!(bench.create("T", &["a.b"]), Err(10065));
    assert_eq!(bench.create("T", &["b"]).unwrap()[0].shard, 2);
    let other = MetaCommand::Create { account: "B".into(), config: config("S", &["a.>"]) };
    assert!(bench.run(&other).is_ok());
    let names: Vec<_> = bench.meta.of_account("A").map(|stream| stream.config.name.as_str()).collect();
    assert_eq!(names, ["S", "T"]);
}

#[test]
fn a_deleted_name_is_free_at_once_and_the_shard_is_told_until_it_is_done() {
    let mut bench = Bench::new();
    bench.create("S", &["a"]).unwrap();
    let delete = MetaCommand::Delete { account: "A".into(), name: "S".into() };
    assert_eq!(bench.run(&delete).unwrap()[0].command, StreamCommand::Delete);
    assert_eq!(bench.run(&delete), Err(10059));
    assert_eq!(bench.create("S", &["a"]).unwrap()[0].uid, StreamUid(2));
    let mut bytes = Vec::new();
    bench.meta.checkpoint(&mut bytes);
    bench.meta = Meta::restore(&bytes, 2).unwrap();
    let todo = bench.meta.reconcile(1, |uid| (uid == StreamUid(1)).then_some(1));
    assert_eq!(todo.iter().map(|todo| (todo.uid.0, todo.command.number())).collect::<Vec<_>>(), [(2, 2), (1, 4)]);
    assert_eq!(bench.meta.forgettable(|_, _| false).collect::<Vec<_>>(), [StreamUid(1)]);
    bench.run(&MetaCommand::Forget { uid: 1 }).unwrap();
    assert_eq!(bench.meta.reconcile(1, |_| Some(1)), []);
}

#[test]
fn an_update_is_held_against_the_config_of_its_turn() {
    let mut bench = Bench::new();
    bench.create("S", &["a"]).unwrap();
    let update = |config: StreamConfig| {
        let config = StreamConfig { name: "S".into(), subjects: vec!["a".into()], ..config };
        MetaCommand::Update { account: "A".into(), config: forebay_api::json::to_vec(&config) }
    };
    // Both were asked for when the stream was still open.
    assert!(bench.run(&update(StreamConfig { sealed: true, deny_purge: true, ..StreamConfig::default() })).is_ok());
    assert_eq!(bench.run(&update(StreamConfig { max_msgs: 5, ..StreamConfig::default() })), Err(10052));
    assert_eq!(bench.run(&update(StreamConfig { sealed: true, ..StreamConfig::default() })), Err(10052));
    let gone = MetaCommand::Delete { account: "A".into(), name: "S".into() };
    bench.run(&gone).unwrap();
    assert_eq!(bench.run(&update(StreamConfig::default())), Err(10059));
}

#[test]
fn streams_in_memory_are_forgotten_together() {
    let mut bench = Bench::new();
    bench.create("F", &["f"]).unwrap();
    for name in ["M", "N"] {
        let config = StreamConfig { name: name.into(), storage: Storage::Memory, ..StreamConfig::default() };
        let config = forebay_api::json::to_vec(&config);
        bench.run(&MetaCommand::Create { account: "A".into(), config }).unwrap();
    }
    assert!(bench.meta.has_memory_streams());
    let todo = bench.run(&MetaCommand::ForgetMemory).unwrap();
    assert_eq!(
        todo.iter().map(|todo| (todo.uid.0, &todo.command)).collect::<Vec<_>>(),
        [(2, &StreamCommand::Delete), (3, &StreamCommand::Delete)]
    );
    assert_eq!(bench.meta.all().map(|stream| stream.config.name.as_str()).collect::<Vec<_>>(), ["F"]);
    assert_eq!(bench.meta.reconcile(1, |_| Some(1)).len() + bench.meta.reconcile(2, |_| Some(1)).len(), 2);
    assert_eq!(bench.run(&MetaCommand::ForgetMemory).unwrap(), []);
}

#[test]
fn an_update_counts_its_revision_and_a_shard_that_missed_it_is_told() {
    let mut bench = Bench::new();
    bench.create("S", &["a"]).unwrap();
    bench.create("T", &["b"]).unwrap();
    let update = |subjects: &[&str]| MetaCommand::Update { account: "A".into(), config: config("S", subjects) };
    assert_eq!(bench.run(&update(&["a", "b"])), Err(10065));
    let todo = bench.run(&update(&["a", "c"])).unwrap();
    assert!(matches!(todo[0].command, StreamCommand::Update { revision: 2, .. }));
    let missed = bench.meta.reconcile(1, |_| Some(1));
    assert_eq!(missed[0].command, todo[0].command);
    assert_eq!(bench.meta.reconcile(1, |_| Some(2)), []);
}

fn settle(revision: u64, kept: &[u8]) -> MetaCommand {
    MetaCommand::Settle { uid: 1, revision, kept: kept.to_vec() }
}

#[test]
fn subjects_of_an_update_are_free_when_the_shard_has_decided() {
    let mut bench = Bench::new();
    bench.create("S", &["a"]).unwrap();
    let update = |subjects: &[&str]| MetaCommand::Update { account: "A".into(), config: config("S", subjects) };
    bench.run(&update(&["b"])).unwrap();
    bench.run(&update(&["c"])).unwrap();
    bench.run(&settle(2, b"")).unwrap();
    for subject in ["a", "b", "c"] {
        assert_eq!(bench.create("T", &[subject]), Err(10065), "the shard has not decided about the last");
    }
    let mut bytes = Vec::new();
    bench.meta.checkpoint(&mut bytes);
    bench.meta = Meta::restore(&bytes, 2).unwrap();
    // It has refused the last: what stays is the config of the one before.
    bench.run(&settle(3, &config("S", &["b"]))).unwrap();
    assert_eq!(bench.meta.get("A", "S").unwrap().config.subjects, ["b"]);
    assert_eq!(bench.create("T", &["b"]), Err(10065));
    bench.create("T", &["a"]).unwrap();
    bench.create("U", &["c"]).unwrap();
    assert_eq!(bench.run(&update(&["b", "c"])), Err(10065));
}

#[test]
fn what_a_shard_had_decided_before_a_crash_is_learnt_at_the_start() {
    let mut bench = Bench::new();
    bench.create("S", &["a"]).unwrap();
    let update = |subjects: &[&str]| MetaCommand::Update { account: "A".into(), config: config("S", subjects) };
    bench.run(&update(&["b"])).unwrap();
    let parsed = |subject: &str| serde_json::from_slice::<StreamConfig>(&config("S", &[subject])).unwrap();
    let (old, new) = (parsed("a"), parsed("b"));
    assert_eq!(bench.meta.settled(1, |_| Some((1, &old))), [], "it has not decided: it is asked again");
    assert_eq!(bench.meta.settled(1, |_| Some((2, &new))), [settle(2, b"")]);
    let refused = bench.meta.settled(1, |_| Some((2, &old)));
    assert_eq!(refused, [settle(2, &config("S", &["a"]))]);
    bench.run(&refused[0]).unwrap();
    assert_eq!(bench.meta.settled(1, |_| Some((2, &old))), []);
    assert_eq!(bench.meta.get("A", "S").unwrap().config.subjects, ["a"]);
}

#[test]
fn tables_of_the_first_version_are_read() {
    let mut bench = Bench::new();
    bench.create("S", &["a"]).unwrap();
    let mut bytes = Vec::new();
    bench.meta.checkpoint(&mut bytes);
    // Version 1 ended a stream before its held subjects.
    bytes[0] = 1;
    let held_of_s = bytes.len() - 2;
    assert_eq!(bytes[held_of_s..], [0, 0], "no held subjects, nothing being deleted");
    bytes.remove(held_of_s);
    let restored = Meta::restore(&bytes, 2).unwrap();
    assert_eq!(restored.get("A", "S"), bench.meta.get("A", "S"));
}

#[cfg(feature = "mutants")]
#[test]
fn mutants_are_found() {
    use crate::mutant::{
        DELETION_NOT_REMEMBERED, MISSED_UPDATE_NOT_TOLD, SUBJECTS_NOT_HELD, UPDATE_NOT_CHECKED, is_found_by,
    };
    assert!(is_found_by(SUBJECTS_NOT_HELD, subjects_of_an_update_are_free_when_the_shard_has_decided));
    assert!(is_found_by(UPDATE_NOT_CHECKED, an_update_is_held_against_the_config_of_its_turn));
    assert!(is_found_by(MISSED_UPDATE_NOT_TOLD, an_update_counts_its_revision_and_a_shard_that_missed_it_is_told));
    let test = a_deleted_name_is_free_at_once_and_the_shard_is_told_until_it_is_done;
    assert!(is_found_by(DELETION_NOT_REMEMBERED, test));
}
