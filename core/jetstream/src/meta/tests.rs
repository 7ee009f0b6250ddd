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
