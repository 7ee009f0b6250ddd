//! The lane with its threads: order, bounds, the hot tail, cold reads, failures and a full disk.

use forebay_store::conformance::machine::{Machine, Op};
use forebay_store::conformance::reopen;
use forebay_store::log::segment::segment_name;
use forebay_store::storage::faulty::FaultyStorage;
use forebay_store::{
    ColdReads, Config, DurableEntry, Group, LaneFailure, LaneThread, Location, MemoryStorage, NewEntry, OnDurable,
    PrepareThread, ReadError, ReadJob, RecordBatch, RecordFields, Records, Step, Storage, Store, SubmitError,
};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn batch(payload: &[u8], count: usize) -> RecordBatch {
    let mut batch = RecordBatch::new();
    for _ in 0..count {
        batch.push(&RecordFields { number: 1, subject: b"a.b", payload, ..RecordFields::default() }).unwrap();
    }
    batch
}

/// Sends (lsn, index, attachment, location of the first record) on.
struct Report(SyncSender<(u64, u64, u64, Location)>, Arc<Mutex<Vec<u64>>>);

impl OnDurable<u64> for Report {
    fn durable(&mut self, group: &Arc<Group>, entries: &mut Vec<DurableEntry<u64>>) {
        for entry in entries.drain(..) {
            let bytes = group.bytes(entry.range.clone());
            assert_eq!(Records::new(bytes, entry.first_record, entry.count).flatten().count(), entry.count as usize);
            self.0.send((entry.lsn, entry.index, entry.attachment, entry.first_record)).unwrap();
        }
    }

    fn failed(&mut self, _: &LaneFailure, attachments: &mut Vec<u64>) {
        self.1.lock().unwrap().append(attachments);
    }
}

type Reports = Receiver<(u64, u64, u64, Location)>;

fn report() -> (Report, Reports, Arc<Mutex<Vec<u64>>>) {
    let (sender, receiver) = sync_channel(100_000);
    let failed = Arc::new(Mutex::new(Vec::new()));
    (Report(sender, failed.clone()), receiver, failed)
}

#[test]
fn many_threads_get_their_entries_back_in_order() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let opened = Store::<u64>::open(storage, Config::small()).unwrap();
    let (on, reports, _) = report();
    let prepare = PrepareThread::spawn(opened.store.clone()).unwrap();
    let lane = LaneThread::spawn(opened.lane, on, Duration::from_millis(1)).unwrap();
    let handle = lane.handle().clone();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let handle = handle.clone();
            scope.spawn(move || {
                let batch = batch(&[7; 90], 3);
                for n in 0..500 {
                    let mut attachment = thread * 1000 + n;
                    loop {
                        match handle.submit(NewEntry::local(thread as u32, 0, &batch, attachment)) {
                            Ok(_) => break,
                            Err(refused) => {
                                assert_eq!(refused.reason, SubmitError::Full);
                                attachment = refused.attachment;
                                std::thread::yield_now();
                            }
                        }
                    }
                }
            });
        }
    });
    lane.stop();
    drop(prepare);
    let reports: Vec<_> = reports.try_iter().collect();
    assert_eq!(reports.len(), 2000);
    assert!(reports.windows(2).all(|w| w[0].0 < w[1].0), "lsns rise");
    for thread in 0..4 {
        let own: Vec<_> = reports.iter().filter(|r| r.2 / 1000 == thread).collect();
        assert!(
            own.iter().zip(0..).all(|(r, n)| r.2 % 1000 == n && r.1 == n + 1),
            "order and index of thread {thread}"
        );
    }
    assert_eq!(handle.submit(NewEntry::local(0, 0, &batch(b"x", 1), 1)).unwrap_err().reason, SubmitError::Closed);
    assert!(opened.store.lane().durable() >= 2000);
}

#[test]
fn what_waits_is_bounded_and_refused_entries_come_back() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let mut opened = Store::<u64>::open(storage, Config::small()).unwrap();
    let handle = opened.lane.handle();
    let long = batch(&[1; 10_000], 1);
    let mut entries: Vec<_> = (0..10).map(|n| NewEntry::local(1, 0, &long, n)).collect();
    assert_eq!(handle.submit_all(&mut entries), Err(SubmitError::Full));
    assert_eq!(entries.iter().map(|e| e.attachment).collect::<Vec<_>>(), [6, 7, 8, 9]);
    assert!(handle.waiting_bytes() > 60_000);
    let (mut on, reports, _) = report();
    while opened.lane.step(&mut on) == Step::Wrote {}
    assert_eq!(handle.waiting_bytes(), 0);
    assert_eq!(handle.submit_all(&mut entries).unwrap().map(|p| (p.lsn, p.index)), Some((10, 10)));
    while opened.lane.step(&mut on) == Step::Wrote {}
    assert_eq!(reports.try_iter().map(|r| r.2).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    let huge = batch(&[1; 50_000], 1);
    assert_eq!(handle.submit(NewEntry::local(1, 0, &huge, 1)).unwrap_err().reason, SubmitError::TooLarge);
}

#[test]
fn recent_records_are_read_from_memory_and_old_ones_from_disk() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let mut opened = Store::<u64>::open(storage, Config::small()).unwrap();
    let (mut on, reports, _) = report();
    let mut held = None;
    for n in 0..400u64 {
        let one = batch(&n.to_le_bytes().repeat(50), 2);
        opened.lane.handle().submit(NewEntry::local(1, 0, &one, n)).unwrap();
        assert_eq!(opened.lane.step(&mut on), Step::Wrote);
        let at = reports.recv().unwrap().3;
        let hot = opened.store.hot().get(at).expect("just written");
        assert_eq!(hot.record().payload[..8], n.to_le_bytes());
        held.get_or_insert((at, hot));
    }
    let (first, held) = held.unwrap();
    assert_eq!(held.record().payload[..8], 0u64.to_le_bytes());
    assert!(opened.store.hot().get(first).is_none() && opened.store.hot().held_bytes() <= 64 << 10);
    let cold = ColdReads::spawn(opened.store.reader()).unwrap();
    let (sender, results) = sync_channel(1);
    let second = first.plus(held.as_bytes().len());
    let nowhere = Location { segment: 99, offset: 5000 };
    let between = first.plus(3);
    let job = ReadJob::new(vec![first, second, nowhere, between], move |r| sender.send(r).unwrap());
    cold.submit(job).unwrap();
    let results = results.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(results[0].as_ref().unwrap().as_bytes(), held.as_bytes());
    assert_eq!(results[1].as_ref().unwrap().as_bytes(), held.as_bytes());
    assert!(matches!(results[2], Err(ReadError::Gone)));
    assert!(matches!(results[3], Err(ReadError::Damaged { .. })));
    let chunk = opened.store.reader().read_chunk(first.segment, first.offset, 100).unwrap();
    assert_eq!(chunk, held.as_bytes()[..100]);
}

#[test]
fn a_write_error_is_final_and_hands_every_attachment_back() {
    let disk = FaultyStorage::new(1);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut opened = Store::<u64>::open(storage, Config::small()).unwrap();
    opened.store.prepare_segments();
    let (mut on, reports, failed) = report();
    let handle = opened.lane.handle();
    let long = batch(&[1; 9_000], 1);
    for n in 0..4 {
        handle.submit(NewEntry::local(1, 0, &long, n)).unwrap();
    }
    assert_eq!(opened.lane.step(&mut on), Step::Wrote);
    disk.fail_in(1);
    assert_eq!(opened.lane.step(&mut on), Step::Failed);
    let confirmed: Vec<u64> = reports.try_iter().map(|r| r.2).collect();
    let mut all = confirmed.clone();
    all.extend(failed.lock().unwrap().iter());
    assert_eq!(all, [0, 1, 2, 3]);
    assert_eq!(handle.durable(), confirmed.len() as u64);
    assert!(handle.failed());
    assert_eq!(handle.submit(NewEntry::local(1, 0, &long, 5)).unwrap_err().reason, SubmitError::Failed);
    assert_eq!(opened.lane.step(&mut on), Step::Failed);
}

#[test]
fn a_full_disk_refuses_publishes_keeps_a_reserve_and_ends_by_itself() {
    let memory = Arc::new(MemoryStorage::new());
    let storage: Arc<dyn Storage> = memory.clone();
    // Room for six segments of 64 KiB and the small files.
    memory.set_capacity(6 * (64 << 10) + 4096);
    let (mut opened, mut machine) = reopen(&storage).unwrap();
    let handle = opened.store.lane();
    let mut id = 0;
    let refusal = loop {
        opened.store.prepare_segments();
        match machine.submit(0, &[Op::Publish { id, len: 2_000 }]) {
            Ok(_) => id += 1,
            Err(reason) => break reason,
        }
        assert_eq!(opened.lane.step(&mut machine), Step::Wrote);
    };
    assert_eq!(refusal, SubmitError::DiskFull);
    assert!(handle.disk_full() && !handle.failed());
    // Two more segments take deletes, until they are full as well.
    let mut deletes = 0;
    while machine.submit(0, &[Op::Delete { seq: 1 + deletes % id }]).is_ok() {
        deletes += 1;
        assert_eq!(opened.lane.step(&mut machine), Step::Wrote);
    }
    assert!(deletes > 800, "only {deletes} deletes found room");
    machine.check_bodies().unwrap();
    memory.set_capacity(u64::MAX);
    opened.store.prepare_segments();
    assert!(!handle.disk_full());
    machine.submit(0, &[Op::Publish { id: 9_999, len: 2_000 }]).unwrap();
    assert_eq!(opened.lane.step(&mut machine), Step::Wrote);
    let before = machine.contents();
    drop((opened, machine));
    assert_eq!(reopen(&storage).unwrap().1.contents(), before);
}

#[test]
fn a_pinned_segment_and_one_that_is_read_are_not_reused() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let (mut opened, mut machine) = reopen(&storage).unwrap();
    opened.store.pin(4, 1);
    let freed = |opened: &mut forebay_store::Opened<u64>, machine: &mut Machine| {
        let mut freed = 0;
        for n in 0..60 {
            for id in 0..10 {
                machine.submit(0, &[Op::Publish { id: n * 10 + id, len: 900 }]).unwrap();
            }
            machine.delete_most(0, 1000);
            while opened.lane.step(machine) == Step::Wrote {}
            opened.store.write_checkpoint(machine.checkpoint()).unwrap();
            let step = machine.collect(0).unwrap();
            freed += u32::from(matches!(step, forebay_store::CollectStep::Freed { .. }));
        }
        freed
    };
    assert_eq!(freed(&mut opened, &mut machine), 0);
    opened.store.pin(4, u64::MAX);
    assert!(freed(&mut opened, &mut machine) > 3);
}

#[test]
fn a_callback_that_panics_fails_the_lane() {
    struct Panic;
    impl OnDurable<u64> for Panic {
        fn durable(&mut self, _: &Arc<Group>, _: &mut Vec<DurableEntry<u64>>) {
            panic!("as the test wants");
        }
        fn failed(&mut self, _: &LaneFailure, _: &mut Vec<u64>) {}
    }
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let opened = Store::<u64>::open(storage.clone(), Config::small()).unwrap();
    let lane = LaneThread::spawn(opened.lane, Panic, Duration::from_millis(1)).unwrap();
    let handle = lane.handle().clone();
    handle.submit(NewEntry::local(1, 0, &batch(b"x", 1), 1)).unwrap();
    while !handle.failed() {
        std::thread::yield_now();
    }
    assert_eq!(handle.submit(NewEntry::local(1, 0, &batch(b"x", 1), 1)).unwrap_err().reason, SubmitError::Failed);
    assert_eq!((handle.durable(), handle.reported()), (1, 0));
}

#[test]
fn the_folder_stays_locked_as_long_as_the_lane_lives() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let opened = Store::<u64>::open(storage.clone(), Config::small()).unwrap();
    let lane = opened.lane;
    drop(opened.store);
    assert!(Store::<u64>::open(storage.clone(), Config::small()).is_err());
    drop(lane);
    Store::<u64>::open(storage, Config::small()).unwrap();
}

#[test]
fn a_whole_entry_is_read_back_from_memory_and_from_the_disk() {
    let disk = FaultyStorage::new(4);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut opened = Store::<u64>::open(storage.clone(), Config::small()).unwrap();
    let (mut on, reports, _) = report();
    let sizes = [10usize, 3_000, 30_000];
    for size in sizes {
        let batch = batch(&vec![7; size], 1 + size % 3);
        opened.store.lane().submit(NewEntry::local(5, 77, &batch, 0)).unwrap();
        assert_eq!(opened.lane.step(&mut on), Step::Wrote);
    }
    let places: Vec<Location> = reports.try_iter().map(|(.., place)| place).collect();
    let check = |store: &Store<u64>| {
        for (nth, (size, place)) in sizes.into_iter().zip(&places).enumerate() {
            let entry = store.reader().entry(*place).unwrap();
            assert_eq!((entry.shard, entry.index, entry.time, entry.lsn), (5, nth as u64 + 1, 77, nth as u64 + 1));
            let expected = batch(&vec![7; size], 1 + size % 3);
            assert_eq!((&entry.bytes()[..], entry.records_crc), (expected.bytes(), expected.crc()));
        }
        let elsewhere = Location { offset: places[0].offset + 8, ..places[0] };
        assert!(matches!(store.reader().entry(elsewhere), Err(ReadError::Damaged { .. })));
        assert!(matches!(store.reader().entry(Location { segment: 99, offset: 8192 }), Err(ReadError::Gone)));
    };
    check(&opened.store);
    drop(opened);
    let opened = Store::<u64>::open(storage.clone(), Config::small()).unwrap();
    check(&opened.store);
    disk.flip_bit(&segment_name(places[1].segment), u64::from(places[1].offset) + 500, 2);
    assert!(matches!(opened.store.reader().entry(places[1]), Err(ReadError::Damaged { .. })));
}
