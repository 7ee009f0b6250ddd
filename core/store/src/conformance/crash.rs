//! The crash test: a store on a faulty disk, with publishes, deletes, checkpoints, footers and collection running, and
//! the power going at any call. After each cut the store has to hold exactly what some moment of its history held, at
//! or after the last moment that it reported as durable.

use super::machine::{Contents, Machine, Op};
use super::reopen;
use crate::error::OpenError;
use crate::log::collect::CollectStep;
use crate::log::lane::Step;
use crate::storage::Storage;
use crate::storage::faulty::{Dice, FaultyStorage};
use crate::store::Opened;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a seed saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CrashStats {
    /// Power cuts.
    pub cuts: u64,
    /// Of these, during opening.
    pub cuts_while_opening: u64,
    /// Entries that were reported as durable.
    pub durable: u64,
    /// Segments that got a new life.
    pub freed: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Entries that survived without having been reported.
    pub unreported: u64,
    /// Torn tails that were cut.
    pub torn: u64,
    /// Write errors without a power cut.
    pub write_errors: u64,
}

/// Everything that was submitted, by lsn.
type History = BTreeMap<u64, (u32, Vec<Op>)>;

struct Run {
    disk: FaultyStorage,
    storage: Arc<dyn Storage>,
    dice: Dice,
    history: History,
    /// The highest lsn that was reported as durable, in any life.
    reported: u64,
    next_id: u64,
    stats: CrashStats,
    turns: u32,
    /// Whether a call of this life fails although the power stays on.
    failing: bool,
}

/// Runs one seed through `lives` lives of a store.
///
/// # Errors
/// What was lost, invented or out of order, in words.
pub fn run_seed(seed: u64, lives: u32) -> Result<CrashStats, String> {
    let disk = FaultyStorage::new(seed);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut run = Run {
        disk,
        storage,
        dice: Dice::new(seed ^ 0xC4A5),
        history: History::new(),
        reported: 0,
        next_id: 1,
        stats: CrashStats::default(),
        turns: 0,
        failing: false,
    };
    for life in 0..lives {
        run.life().map_err(|error| format!("seed {seed}, life {life}: {error}"))?;
    }
    Ok(run.stats)
}

impl Run {
    fn life(&mut self) -> Result<(), String> {
        // One opening in four is itself interrupted, maybe several times.
        self.failing = false;
        while self.dice.one_in(4) {
            let calls = self.dice.below(12) + 1;
            self.disk.cut_power_in(calls);
            match reopen(&self.storage) {
                Ok((opened, machine)) => {
                    // The cut comes later, in the middle of what follows.
                    self.verify(&opened, &machine)?;
                    self.work(opened, machine)?;
                    self.cut();
                }
                Err(_) if self.disk.is_off() => {
                    self.stats.cuts_while_opening += 1;
                    self.cut();
                }
                Err(error) => return Err(format!("the store does not open: {error}")),
            }
        }
        self.disk.power_cut();
        let (opened, machine) = reopen(&self.storage).map_err(|e: OpenError| format!("does not open: {e}"))?;
        self.verify(&opened, &machine)?;
        let calls = self.dice.below(120) + 1;
        self.failing = self.dice.one_in(6);
        if self.failing {
            self.disk.fail_in(calls);
        }
        self.disk.cut_power_in(calls + self.dice.below(30));
        self.work(opened, machine)?;
        self.cut();
        Ok(())
    }

    fn cut(&mut self) {
        self.stats.cuts += 1;
        self.disk.power_cut();
    }

    /// Compares what was recovered with the history, and forgets the future that did not happen.
    fn verify(&mut self, opened: &Opened<u64>, machine: &Machine) -> Result<(), String> {
        if let Some(damage) = opened.recovered.damage.first() {
            return Err(format!("damage is reported where only the power went: {damage}"));
        }
        let last = opened.recovered.stats.last_lsn;
        if last < self.reported {
            return Err(format!("entries {} to {} were reported as durable and are lost", last + 1, self.reported));
        }
        self.stats.torn += u64::from(opened.recovered.stats.torn_tail);
        self.stats.unreported += last - self.reported;
        self.history.retain(|lsn, _| *lsn <= last);
        // What was read back has been synced: from now on it counts as reported.
        self.reported = last;
        let expected = replay(&self.history);
        let mut found = machine.contents();
        found.retain(|_, messages| !messages.is_empty());
        if found != expected {
            return Err(difference(&expected, &found));
        }
        machine.check_bodies()?;
        if machine.confused.is_empty() { Ok(()) } else { Err(format!("confused entries {:?}", machine.confused)) }
    }

    fn work(&mut self, mut opened: Opened<u64>, mut machine: Machine) -> Result<(), String> {
        for _ in 0..2_000 {
            if self.disk.is_off() {
                break;
            }
            self.turn(&mut opened, &mut machine)?;
            self.reported = self.reported.max(machine.reported);
            if machine.failure.is_some() {
                self.stats.write_errors += u64::from(!self.disk.is_off());
                break;
            }
        }
        self.stats.durable += machine.reported;
        if machine.confused.is_empty() { Ok(()) } else { Err(format!("confused entries {:?}", machine.confused)) }
    }

    fn turn(&mut self, opened: &mut Opened<u64>, machine: &mut Machine) -> Result<(), String> {
        match self.dice.below(100) {
            0..45 => self.submit(machine),
            45..85 => {
                if opened.lane.step(machine) == Step::NoSpace && !self.failing && !self.disk.is_off() {
                    return Err("there is no space on an endless disk".into());
                }
            }
            85..88 => {
                opened.lane.mark();
            }
            88..91 => {
                if opened.store.write_checkpoint(machine.checkpoint()).is_ok() {
                    self.stats.checkpoints += 1;
                }
            }
            91..97 => {
                if let Ok(CollectStep::Freed { .. }) = machine.collect(7) {
                    self.stats.freed += 1;
                }
            }
            97 => {
                opened.store.prepare_segments();
            }
            98 => {
                machine.hand_in_footers(3);
            }
            _ => {
                let shard = self.dice.below(3) as u32;
                self.delete_most(machine, shard);
            }
        }
        self.turns += 1;
        if self.turns.is_multiple_of(64) && !self.disk.is_off() {
            machine.check_bodies()?;
        }
        Ok(())
    }

    fn submit(&mut self, machine: &mut Machine) {
        let shard = self.dice.below(3) as u32;
        let count = 1 + self.dice.below(4);
        let mut ops = Vec::new();
        for _ in 0..count {
            if self.dice.one_in(8) {
                ops.push(Op::Delete { seq: self.dice.below(200) });
            } else {
                let len = match self.dice.below(20) {
                    0 => 8_000,
                    1..4 => 3_000,
                    _ => self.dice.below(600),
                };
                ops.push(Op::Publish { id: self.next_id, len: len as usize });
                self.next_id += 1;
            }
        }
        self.note(machine, shard, ops);
    }

    fn delete_most(&mut self, machine: &mut Machine, shard: u32) {
        let seqs: Vec<u64> = machine.contents().get(&shard).map(|s| s.keys().copied().collect()).unwrap_or_default();
        for chunk in seqs.chunks(40) {
            let ops = chunk.iter().filter(|s| *s % 6 != 0).map(|seq| Op::Delete { seq: *seq }).collect();
            self.note(machine, shard, ops);
        }
    }

    fn note(&mut self, machine: &mut Machine, shard: u32, ops: Vec<Op>) {
        if let Ok(placed) = machine.submit(shard, &ops) {
            self.history.insert(placed.lsn, (shard, ops));
        }
    }
}

/// What the shards hold after a history.
fn replay(history: &History) -> Contents {
    let mut contents = Contents::new();
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    for (shard, ops) in history.values() {
        let messages = contents.entry(*shard).or_default();
        for op in ops {
            match op {
                Op::Publish { id, .. } => {
                    let seq = next.entry(*shard).or_insert(1);
                    messages.insert(*seq, *id);
                    *seq += 1;
                }
                Op::Delete { seq } => {
                    messages.remove(seq);
                }
            }
        }
    }
    contents.retain(|_, messages| !messages.is_empty());
    contents
}

fn difference(expected: &Contents, found: &Contents) -> String {
    for shard in expected.keys().chain(found.keys()) {
        let (e, f) = (expected.get(shard), found.get(shard));
        if e == f {
            continue;
        }
        let (e, f) = (e.cloned().unwrap_or_default(), f.cloned().unwrap_or_default());
        let lost = e.iter().find(|(seq, id)| f.get(seq) != Some(id));
        let invented = f.iter().find(|(seq, id)| e.get(seq) != Some(id));
        return format!("shard {shard}: first missing {lost:?}, first unexpected {invented:?}");
    }
    "the same".into()
}
