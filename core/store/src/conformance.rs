//! One suite for every storage, and a small shard machine that it and the crash test drive.
//!
//! Feature `test-util`. A failed check panics with what was expected: these are test functions for other crates.

pub mod crash;
pub mod machine;

use crate::checkpoint::ShardCheckpoint;
use crate::config::Config;
use crate::error::OpenError;
use crate::limits::BLOCK;
use crate::log::collect::CollectStep;
use crate::storage::Storage;
use crate::store::{Opened, Store};
use machine::{Machine, Op};
use std::io::ErrorKind;
use std::sync::Arc;

/// Runs everything on storages that `make` gives; each call has to give an empty one.
pub fn run(make: impl Fn() -> Arc<dyn Storage>) {
    files(&*make());
    small_files(&*make());
    lock(&*make());
    what_was_durable_is_there_after_opening_again(make());
    small_groups_share_a_block(make());
    checkpoints_shorten_the_tail(make());
    footers_are_written_when_complete(make());
    collected_segments_are_used_again(make());
    a_foreign_file_is_left_alone(make());
}

fn aligned(byte: u8, blocks: usize) -> crate::log::buffer::AlignedBuf {
    let mut buf = crate::log::buffer::AlignedBuf::new(blocks * BLOCK);
    buf.bytes_mut().fill(byte);
    buf
}

fn files(storage: &dyn Storage) {
    let file = storage.create("seg-b", 4 * BLOCK as u64).expect("create");
    assert_eq!(storage.create("seg-b", 0).expect_err("exists").kind(), ErrorKind::AlreadyExists);
    assert_eq!(file.size().expect("size"), 4 * BLOCK as u64);
    file.sync().expect("sync");
    storage.sync_folder().expect("sync folder");
    let mut read = vec![9u8; BLOCK];
    file.read(0, &mut read).expect("read");
    assert!(read.iter().all(|b| *b == 0), "a new file reads as zeros");
    file.write_durable(BLOCK as u64, aligned(7, 2).bytes()).expect("durable write");
    file.write(10, b"plain").expect("write");
    file.sync().expect("sync");
    let mut read = vec![0u8; 5 * BLOCK];
    assert_eq!(file.read(0, &mut read).expect_err("too far").kind(), ErrorKind::UnexpectedEof);
    file.read(0, &mut read[..4 * BLOCK]).expect("read");
    assert_eq!(&read[10..15], b"plain");
    assert!(read[BLOCK..3 * BLOCK].iter().all(|b| *b == 7) && read[3 * BLOCK..].iter().all(|b| *b == 0));
    drop(storage.create("seg-a", 0).expect("create"));
    storage.rename("seg-a", "seg-b").expect("rename replaces");
    assert_eq!(storage.open("seg-a").expect_err("renamed").kind(), ErrorKind::NotFound);
    assert_eq!(storage.rename("seg-a", "c").expect_err("missing").kind(), ErrorKind::NotFound);
    let list = storage.list().expect("list");
    assert_eq!(list.iter().map(|f| (f.name.as_str(), f.len)).collect::<Vec<_>>(), [("seg-b", 0)]);
    storage.remove("seg-b").expect("remove");
    assert_eq!(storage.remove("seg-b").expect_err("removed").kind(), ErrorKind::NotFound);
    assert!(storage.available().expect("available") > 0);
}

fn small_files(storage: &dyn Storage) {
    assert_eq!(storage.read_file("small", 10).expect_err("missing").kind(), ErrorKind::NotFound);
    storage.write_file("small", b"one").expect("write");
    storage.write_file("small", b"another").expect("replace");
    assert_eq!(storage.read_file("small", 10).expect("read"), b"another");
    assert_eq!(storage.read_file("small", 3).expect_err("longer").kind(), ErrorKind::InvalidData);
    assert_eq!(storage.list().expect("list").len(), 1, "no temporary file is left");
}

fn lock(storage: &dyn Storage) {
    let lock = storage.lock().expect("lock");
    assert_eq!(storage.lock().expect_err("locked").kind(), ErrorKind::WouldBlock);
    drop(lock);
    drop(storage.lock().expect("free again"));
}

/// Opens a store with small bounds and applies its tail.
///
/// # Errors
/// Those of the store.
pub fn reopen(storage: &Arc<dyn Storage>) -> Result<(Opened<u64>, Machine), OpenError> {
    let opened = Store::<u64>::open(storage.clone(), Config::small())?;
    let mut machine = Machine::new(opened.store.clone());
    machine.recover(&opened.recovered)?;
    Ok((opened, machine))
}

fn open_new(storage: &Arc<dyn Storage>) -> (Opened<u64>, Machine) {
    reopen(storage).expect("open")
}

fn publish(id: u64, len: usize) -> Op {
    Op::Publish { id, len }
}

/// Submits single publishes, each written on its own, and returns the last lsn.
fn publish_all(opened: &mut Opened<u64>, machine: &mut Machine, ids: std::ops::Range<u64>, len: usize) -> u64 {
    let mut last = 0;
    for id in ids {
        let shard = (id % 3) as u32;
        last = machine.submit(shard, &[publish(id, len)]).expect("submit").lsn;
        while opened.lane.step(machine) == crate::Step::Wrote {}
    }
    assert_eq!(opened.store.lane().durable(), last);
    last
}

fn what_was_durable_is_there_after_opening_again(storage: Arc<dyn Storage>) {
    let (mut opened, mut machine) = open_new(&storage);
    assert!(matches!(reopen(&storage), Err(OpenError::Locked)));
    let last = publish_all(&mut opened, &mut machine, 0..300, 700);
    machine.submit(1, &[publish(1000, 35_000)]).expect("an entry longer than a group");
    machine.submit(1, &[Op::Delete { seq: 2 }, publish(1001, 5)]).expect("submit");
    while opened.lane.step(&mut machine) == crate::Step::Wrote {}
    machine.check_bodies().expect("bodies");
    let before = machine.contents();
    assert!(opened.store.segments_info().len() > 3, "several segments were filled");
    drop((opened, machine));
    for _ in 0..3 {
        let (opened, machine) = open_new(&storage);
        assert_eq!(opened.recovered.damage, []);
        assert_eq!(opened.recovered.stats.last_lsn, last + 2);
        assert_eq!(machine.contents(), before);
        machine.check_bodies().expect("bodies");
    }
}

fn small_groups_share_a_block(storage: Arc<dyn Storage>) {
    let (mut opened, mut machine) = open_new(&storage);
    publish_all(&mut opened, &mut machine, 0..20, 20);
    let used = opened.store.segments_info().iter().map(|s| u64::from(s.bytes)).sum::<u64>();
    assert!(used < 3 * BLOCK as u64, "twenty small groups took {used} bytes");
    machine.check_bodies().expect("bodies");
    drop((opened, machine));
    // The tail block goes on where it was.
    let (mut opened, mut machine) = open_new(&storage);
    publish_all(&mut opened, &mut machine, 20..40, 20);
    let before = machine.contents();
    drop((opened, machine));
    let (_opened, machine) = open_new(&storage);
    assert_eq!(machine.contents(), before);
    assert_eq!(machine.contents().values().map(|s| s.len()).sum::<usize>(), 40);
}

fn checkpoints_shorten_the_tail(storage: Arc<dyn Storage>) {
    let (mut opened, mut machine) = open_new(&storage);
    publish_all(&mut opened, &mut machine, 0..200, 500);
    let ahead = ShardCheckpoint { shard: 0, lsn: 10_000, index: 1, blob: vec![] };
    assert!(opened.store.write_checkpoint(vec![ahead]).is_err(), "a checkpoint of the future is refused");
    for _ in 0..4 {
        opened.store.write_checkpoint(machine.checkpoint()).expect("checkpoint");
        publish_all(&mut opened, &mut machine, 200..210, 100);
    }
    let kept = opened.store.checkpoint_lsns();
    assert_eq!(kept.len(), 2);
    let before = machine.contents();
    drop((opened, machine));
    let (opened, machine) = open_new(&storage);
    assert_eq!(opened.recovered.checkpoint.as_ref().map(|c| c.lsn), kept.last().copied());
    assert!(machine.applied_entries() < 20, "only the tail was applied again");
    assert_eq!(machine.contents(), before);
    machine.check_bodies().expect("bodies");
}

fn footers_are_written_when_complete(storage: Arc<dyn Storage>) {
    let (mut opened, mut machine) = open_new(&storage);
    publish_all(&mut opened, &mut machine, 0..300, 500);
    assert_eq!(machine.hand_in_footers(2), 0, "one shard is missing");
    let written = machine.hand_in_footers(3);
    let sealed: Vec<_> = opened.store.segments_info().into_iter().filter(|s| s.sealed).collect();
    assert_eq!(written as usize, sealed.len());
    for segment in &sealed {
        let footer = opened.store.read_footer(segment.id).expect("footer").expect("there is one");
        let rows: usize = footer.parts.iter().map(|(_, p)| p.rows.len()).sum();
        assert_eq!(rows as u64, segment.last_lsn - segment.first_lsn + 1, "one record an entry");
    }
    let tail = opened.store.tail_without(&opened.recovered, |_| true).count();
    assert_eq!(tail, 0);
}

fn collected_segments_are_used_again(storage: Arc<dyn Storage>) {
    let (mut opened, mut machine) = open_new(&storage);
    let mut freed = 0;
    for round in 0..30u64 {
        publish_all(&mut opened, &mut machine, round * 100..round * 100 + 100, 600);
        for shard in 0..3 {
            machine.delete_most(shard, 5);
        }
        while opened.lane.step(&mut machine) == crate::Step::Wrote {}
        opened.store.write_checkpoint(machine.checkpoint()).expect("checkpoint");
        for _ in 0..20 {
            if let CollectStep::Freed { .. } = machine.collect(round.cast_signed()).expect("collect") {
                freed += 1;
            }
            while opened.lane.step(&mut machine) == crate::Step::Wrote {}
        }
        machine.check_bodies().expect("bodies");
    }
    assert!(freed > 10, "only {freed} segments were freed");
    assert!(opened.store.segments_info().len() < 20, "{} segments are left", opened.store.segments_info().len());
    let before = machine.contents();
    drop((opened, machine));
    let (opened, machine) = open_new(&storage);
    assert_eq!(opened.recovered.damage, []);
    assert_eq!(machine.contents(), before);
    machine.check_bodies().expect("bodies");
}

fn a_foreign_file_is_left_alone(storage: Arc<dyn Storage>) {
    storage.write_file("notes.txt", b"mine").expect("write");
    storage.write_file("seg-1", b"not a segment's name").expect("write");
    let (mut opened, mut machine) = open_new(&storage);
    assert_eq!(opened.recovered.stats.foreign_files, 2);
    publish_all(&mut opened, &mut machine, 0..10, 100);
    drop((opened, machine));
    drop(open_new(&storage));
    assert_eq!(storage.read_file("notes.txt", 10).expect("read"), b"mine");
    assert_eq!(storage.read_file("seg-1", 100).expect("read"), b"not a segment's name");
}
