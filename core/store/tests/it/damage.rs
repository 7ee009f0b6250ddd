//! Damage below the durable position is reported in its place and never cut; a torn tail is cut and never reported.

use forebay_store::conformance::machine::{Machine, Op};
use forebay_store::conformance::reopen;
use forebay_store::log::segment::segment_name;
use forebay_store::storage::faulty::{Dice, FaultyStorage};
use forebay_store::{Config, OpenError, Step, Storage, Store, TailItem};
use std::sync::Arc;

/// A store with `count` single publishes, each in a write of its own; with a mark behind them if `marked`.
fn filled(count: u64, marked: bool) -> (FaultyStorage, Arc<dyn Storage>) {
    let disk = FaultyStorage::new(3);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let (mut opened, mut machine) = reopen(&storage).unwrap();
    for id in 0..count {
        machine.submit(0, &[Op::Publish { id, len: 300 }]).unwrap();
        assert_eq!(opened.lane.step(&mut machine), Step::Wrote);
    }
    if marked {
        assert!(opened.lane.mark());
        assert_eq!(opened.lane.step(&mut machine), Step::Wrote);
    }
    (disk, storage)
}

/// The ids of the entries in the tail, and -1 where damage is reported.
fn tail(storage: &Arc<dyn Storage>) -> (Vec<i64>, bool) {
    let opened = Store::<u64>::open(storage.clone(), Config::small()).unwrap();
    let mut ids = Vec::new();
    for item in opened.store.tail(&opened.recovered) {
        match item.unwrap() {
            TailItem::Damaged(_) => ids.push(-1),
            TailItem::Entry(entry) => {
                for record in entry.records() {
                    let id = u64::from_le_bytes(*record.unwrap().1.payload.first_chunk().unwrap());
                    ids.push(id.cast_signed());
                }
            }
        }
    }
    assert_eq!(opened.recovered.damage.len(), ids.iter().filter(|id| **id < 0).count());
    (ids, opened.recovered.stats.torn_tail)
}

#[test]
fn a_damaged_entry_is_reported_where_it_was() {
    let (disk, storage) = filled(10, true);
    // One entry takes 72 + 36 + 10 + 300 bytes, rounded up to 8.
    disk.flip_bit(&segment_name(1), 4096 + 3 * 424 + 200, 3);
    let (ids, _) = tail(&storage);
    assert_eq!(ids, [0, 1, 2, -1, 4, 5, 6, 7, 8, 9]);
    let opened = Store::<u64>::open(storage.clone(), Config::small()).unwrap();
    let damage = &opened.recovered.damage[0];
    assert_eq!((damage.segment, damage.first_lsn, damage.last_lsn, damage.entry), (Some(1), 4, 4, Some((0, 4))));
    assert!(opened.store.segments_info()[0].damaged && opened.store.segments_info()[0].sealed);
}

#[test]
fn the_last_entry_is_a_torn_tail_unless_a_mark_proves_otherwise() {
    for (marked, expected) in [(false, vec![0, 1, 2, 3]), (true, vec![0, 1, 2, 3, -1])] {
        let (disk, storage) = filled(5, marked);
        disk.flip_bit(&segment_name(1), 4096 + 4 * 424 + 100, 0);
        let (ids, torn) = tail(&storage);
        assert_eq!((ids, torn), (expected, !marked));
    }
}

#[test]
fn what_comes_after_damage_goes_into_another_segment_and_the_damage_stays() {
    let (disk, storage) = filled(6, true);
    disk.flip_bit(&segment_name(1), 4096 + 2 * 424 + 100, 0);
    let before = storage.read_file(&segment_name(1), 1 << 20).unwrap();
    let (mut opened, mut machine) = reopen(&storage).unwrap();
    machine.submit(0, &[Op::Publish { id: 99, len: 300 }]).unwrap();
    assert_eq!(opened.lane.step(&mut machine), Step::Wrote);
    drop((opened, machine));
    assert_eq!(storage.read_file(&segment_name(1), 1 << 20).unwrap(), before);
    assert_eq!(tail(&storage).0, [0, 1, -1, 3, 4, 5, 99]);
}

#[test]
fn a_damaged_segment_header_loses_no_entry() {
    let (disk, storage) = filled(400, true);
    disk.flip_bit(&segment_name(2), 30, 0);
    let (ids, _) = tail(&storage);
    assert_eq!(ids.iter().filter(|id| **id >= 0).count(), 400);
    assert_eq!(ids.iter().filter(|id| **id < 0).count(), 1);
}

#[test]
fn a_missing_segment_is_reported() {
    let (_, storage) = filled(600, true);
    storage.remove(&segment_name(2)).unwrap();
    let (ids, _) = tail(&storage);
    assert_eq!(ids.iter().filter(|id| **id < 0).count(), 1);
    assert_eq!((ids.first(), ids.last()), (Some(&0), Some(&599)));
    storage.remove(&segment_name(1)).unwrap();
    let (ids, _) = tail(&storage);
    assert_eq!((ids.first(), ids.last()), (Some(&-1), Some(&599)));
}

#[test]
fn any_flipped_bit_below_the_mark_costs_at_most_its_own_entries_and_is_noticed() {
    let mut dice = Dice::new(11);
    for _ in 0..150 {
        let (disk, storage) = filled(20, true);
        let at = 4096 + dice.below(20 * 424);
        disk.flip_bit(&segment_name(1), at, dice.below(8) as u32);
        let hit = ((at - 4096) / 424).cast_signed();
        let in_padding = (at - 4096) % 424 >= 418;
        let (ids, torn) = tail(&storage);
        let expected: Vec<i64> = (0..20).map(|id| if id == hit && !in_padding { -1 } else { id }).collect();
        assert_eq!((ids, torn), (expected, false), "byte {at}");
    }
}

#[test]
fn a_damaged_checkpoint_is_moved_aside_and_the_older_one_serves() {
    let (disk, storage) = filled(20, true);
    let (mut opened, mut machine) = reopen(&storage).unwrap();
    for id in 100..103 {
        opened.store.write_checkpoint(machine.checkpoint()).unwrap();
        machine.submit(0, &[Op::Publish { id, len: 10 }]).unwrap();
        while opened.lane.step(&mut machine) == Step::Wrote {}
    }
    let lsns = opened.store.checkpoint_lsns();
    let before = machine.contents();
    drop((opened, machine));
    let name = format!("checkpoint-{:016x}", lsns[1]);
    disk.flip_bit(&name, 100, 1);
    let (opened, machine) = reopen(&storage).unwrap();
    assert_eq!(opened.recovered.checkpoint.as_ref().unwrap().lsn, lsns[0]);
    assert_eq!(opened.recovered.damage.len(), 1);
    assert_eq!(machine.contents(), before);
    assert!(storage.read_file(&format!("damaged-{name}"), 1 << 20).is_ok());
}

#[test]
fn a_newer_store_and_one_without_its_identity_are_refused() {
    let (_, storage) = filled(3, false);
    let text = storage.read_file("FORMAT", 4096).unwrap();
    storage.write_file("FORMAT", b"forebay-store 9\n").unwrap();
    let newer = Store::<u64>::open(storage.clone(), Config::small()).unwrap_err();
    assert!(matches!(newer, OpenError::Newer { found: 9, known: 1 }), "{newer}");
    storage.remove("FORMAT").unwrap();
    assert!(matches!(Store::<u64>::open(storage.clone(), Config::small()), Err(OpenError::NoFormat)));
    storage.write_file("FORMAT", &text).unwrap();
    assert_eq!(tail(&storage).0, [0, 1, 2]);
}

#[test]
fn entries_of_another_store_or_a_former_life_never_count() {
    let (_, storage) = filled(30, true);
    let bytes = storage.read_file(&segment_name(1), 1 << 20).unwrap();
    // The same file under the next number, as a recycled one looks after a power cut.
    storage.write_file(&segment_name(2), &bytes).unwrap();
    let (opened, machine) = reopen(&storage).unwrap();
    assert_eq!((opened.recovered.damage.len(), opened.recovered.stats.prepared_segments), (0, 1));
    assert_eq!(machine.contents()[&0].len(), 30);
    drop((opened, machine));

    let other: Arc<dyn Storage> = Arc::new(FaultyStorage::new(4));
    drop(Store::<u64>::open(other.clone(), Config { store_id: 77, ..Config::small() }).unwrap());
    other.write_file(&segment_name(1), &bytes).unwrap();
    let opened = Store::<u64>::open(other.clone(), Config::small()).unwrap();
    assert_eq!(Machine::new(opened.store.clone()).contents().len(), 0);
    assert_eq!(opened.recovered.stats.scanned_entries, 0);
}

#[test]
fn the_os_level_is_refused_in_words() {
    let storage: Arc<dyn Storage> = Arc::new(FaultyStorage::new(1));
    let config = Config { durability: forebay_store::Durability::Os, ..Config::small() };
    let error = Store::<u64>::open(storage, config).unwrap_err();
    assert!(error.to_string().contains("not built yet"));
}

#[test]
fn a_damaged_header_of_the_last_segment_loses_no_entry() {
    let (disk, storage) = filled(200, true);
    disk.flip_bit(&segment_name(2), 30, 0);
    let (ids, _) = tail(&storage);
    assert_eq!(ids.iter().filter(|id| **id >= 0).count(), 200);
    let (mut opened, mut machine) = reopen(&storage).unwrap();
    machine.submit(0, &[Op::Publish { id: 999, len: 300 }]).unwrap();
    assert_eq!(opened.lane.step(&mut machine), Step::Wrote);
    drop((opened, machine));
    assert_eq!(tail(&storage).0.last(), Some(&999));
}
