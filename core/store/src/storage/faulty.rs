//! A disk that does what disks do when the power goes: for the crash tests. Seeded and deterministic.
//!
//! - Bytes that were not synced are lost sector by sector, some of them, as the seed says.
//! - A durable write that the power cut interrupts leaves any subset of its sectors.
//! - Names that were not synced with the folder may be the old or the new ones; changes are lost from some point on.
//! - Any call can fail with EIO, and any bit can be flipped.

use super::{FileInfo, FolderLock, Storage, StorageFile, memory};
use crate::limits::SECTOR;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

type Inode = u64;

/// A small generator (splitmix64): the tests need the same numbers on every machine, not good ones.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 for 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.roll().checked_rem(n).unwrap_or(0)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Debug, Default)]
struct Content {
    /// What a power cut leaves.
    durable: Vec<u8>,
    /// What reads see.
    seen: Vec<u8>,
    /// Sectors in which the two differ.
    dirty: std::collections::BTreeSet<usize>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(String, Inode),
    Remove(String),
    Rename(String, String),
}

#[derive(Debug)]
struct World {
    files: BTreeMap<Inode, Content>,
    names: BTreeMap<String, Inode>,
    durable_names: BTreeMap<String, Inode>,
    pending: Vec<NameChange>,
    next_inode: Inode,
    dice: Dice,
    calls: u64,
    /// The power goes during the call with this number.
    cut_at: Option<u64>,
    /// These calls fail with EIO.
    fail_at: Option<u64>,
    off: bool,
    capacity: u64,
    /// Files and locks of before the power cut are dead.
    generation: u64,
    locked: bool,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct FaultyStorage {
    world: Arc<Mutex<World>>,
}

#[derive(Debug)]
struct FaultyFile {
    world: Arc<Mutex<World>>,
    inode: Inode,
    generation: u64,
}

#[derive(Debug)]
struct FaultyLock {
    world: Arc<Mutex<World>>,
    generation: u64,
}

impl FolderLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        let mut world = self.world.lock();
        if world.generation == self.generation {
            world.locked = false;
        }
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

impl FaultyStorage {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> FaultyStorage {
        let world = World {
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending: Vec::new(),
            next_inode: 1,
            dice: Dice::new(seed),
            calls: 0,
            cut_at: None,
            fail_at: None,
            off: false,
            capacity: u64::MAX,
            generation: 0,
            locked: false,
        };
        FaultyStorage { world: Arc::new(Mutex::new(world)) }
    }

    /// Calls that changed something so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.world.lock().calls
    }

    /// Lets the power go in the middle of the n-th changing call from now on; every call fails from then on.
    pub fn cut_power_in(&self, calls: u64) {
        let mut world = self.world.lock();
        world.cut_at = Some(world.calls + calls.max(1));
    }

    /// Lets the n-th changing call from now on fail with EIO.
    pub fn fail_in(&self, calls: u64) {
        let mut world = self.world.lock();
        world.fail_at = Some(world.calls + calls.max(1));
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.world.lock().off
    }

    /// Sets how many bytes fit.
    pub fn set_capacity(&self, bytes: u64) {
        self.world.lock().capacity = bytes;
    }

    /// Takes what a power cut takes, and switches on again. Open files and locks are dead.
    pub fn power_cut(&self) {
        let mut world = self.world.lock();
        world.lose_unsynced();
        world.off = false;
        world.cut_at = None;
        world.fail_at = None;
        world.locked = false;
        world.generation += 1;
    }

    /// Flips one bit of what the disk holds.
    pub fn flip_bit(&self, name: &str, byte: u64, bit: u32) {
        let mut world = self.world.lock();
        let Some(inode) = world.names.get(name).copied() else { return };
        let Some(content) = world.files.get_mut(&inode) else { return };
        let Ok(at) = usize::try_from(byte) else { return };
        for side in [&mut content.durable, &mut content.seen] {
            if let Some(b) = side.get_mut(at) {
                *b ^= 1 << (bit % 8);
            }
        }
    }
}

impl World {
    /// Counts a changing call. `Some(true)`: the power goes during it.
    fn enter(&mut self) -> io::Result<bool> {
        if self.off {
            return Err(eio());
        }
        self.calls += 1;
        if self.fail_at == Some(self.calls) {
            return Err(eio());
        }
        if self.cut_at == Some(self.calls) {
            self.off = true;
            return Ok(true);
        }
        Ok(false)
    }

    fn lose_unsynced(&mut self) {
        let mut dice = self.dice.clone();
        for content in self.files.values_mut() {
            // A file's length is like its sectors: it may or may not have arrived.
            if content.seen.len() != content.durable.len() && dice.one_in(2) {
                content.durable.resize(content.seen.len(), 0);
            }
            for sector in std::mem::take(&mut content.dirty) {
                if dice.one_in(2) {
                    copy_sector(content, sector);
                }
            }
            content.seen.clone_from(&content.durable);
        }
        let kept = dice.below(self.pending.len() as u64 + 1) as usize;
        for change in std::mem::take(&mut self.pending).into_iter().take(kept) {
            apply_change(&mut self.durable_names, change);
        }
        self.names.clone_from(&self.durable_names);
        let named: std::collections::BTreeSet<Inode> = self.names.values().copied().collect();
        self.files.retain(|inode, _| named.contains(inode));
        self.dice = dice;
    }

    fn used(&self) -> u64 {
        self.files.values().map(|c| c.seen.len() as u64).sum()
    }

    fn change(&mut self, change: NameChange) {
        apply_change(&mut self.names, change.clone());
        self.pending.push(change);
    }
}

fn apply_change(names: &mut BTreeMap<String, Inode>, change: NameChange) {
    match change {
        NameChange::Set(name, inode) => {
            names.insert(name, inode);
        }
        NameChange::Remove(name) => {
            names.remove(&name);
        }
        NameChange::Rename(from, to) => {
            if let Some(inode) = names.remove(&from) {
                names.insert(to, inode);
            }
        }
    }
}

fn copy_sector(content: &mut Content, sector: usize) {
    let start = sector * SECTOR;
    let end = (start + SECTOR).min(content.seen.len());
    if content.durable.len() < end {
        content.durable.resize(end, 0);
    }
    if let (Some(to), Some(from)) = (content.durable.get_mut(start..end), content.seen.get(start..end)) {
        to.copy_from_slice(from);
    }
}

impl Storage for FaultyStorage {
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn StorageFile>> {
        let mut world = self.world.lock();
        let cut = world.enter()?;
        if world.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if world.used().saturating_add(len) > world.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = world.next_inode;
        world.next_inode += 1;
        let seen = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        world.files.insert(inode, Content { seen, ..Content::default() });
        world.change(NameChange::Set(name.to_owned(), inode));
        if cut {
            return Err(eio());
        }
        Ok(Arc::new(FaultyFile { world: self.world.clone(), inode, generation: world.generation }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let world = self.world.lock();
        if world.off {
            return Err(eio());
        }
        let inode = *world.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FaultyFile { world: self.world.clone(), inode, generation: world.generation }))
    }

    fn list(&self) -> io::Result<Vec<FileInfo>> {
        let world = self.world.lock();
        if world.off {
            return Err(eio());
        }
        let len = |inode| world.files.get(inode).map_or(0, |c: &Content| c.seen.len() as u64);
        Ok(world.names.iter().map(|(name, inode)| FileInfo { name: name.clone(), len: len(inode) }).collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world.lock();
        let cut = world.enter()?;
        if !world.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.change(NameChange::Remove(name.to_owned()));
        if cut { Err(eio()) } else { Ok(()) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world.lock();
        let cut = world.enter()?;
        if !world.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        if cut { Err(eio()) } else { Ok(()) }
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut world = self.world.lock();
        if world.enter()? {
            // Interrupted: the changes are as unsynced as they were.
            return Err(eio());
        }
        for change in std::mem::take(&mut world.pending) {
            apply_change(&mut world.durable_names, change);
        }
        let named: std::collections::BTreeSet<Inode> = world.durable_names.values().copied().collect();
        world.files.retain(|inode, _| named.contains(inode));
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn FolderLock>> {
        let mut world = self.world.lock();
        if world.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        world.locked = true;
        Ok(Box::new(FaultyLock { world: self.world.clone(), generation: world.generation }))
    }

    fn available(&self) -> io::Result<u64> {
        let world = self.world.lock();
        Ok(world.capacity.saturating_sub(world.used()))
    }
}

impl FaultyFile {
    fn put(&self, offset: u64, bytes: &[u8], durable: bool) -> io::Result<()> {
        let mut world = self.world.lock();
        if world.generation != self.generation {
            return Err(eio());
        }
        let cut = world.enter()?;
        let mut dice = world.dice.clone();
        let content = world.files.get_mut(&self.inode).ok_or_else(eio)?;
        memory::write_at(&mut content.seen, offset, bytes)?;
        let first = usize::try_from(offset).map_err(io::Error::other)? / SECTOR;
        let last = (usize::try_from(offset).map_err(io::Error::other)? + bytes.len()).div_ceil(SECTOR);
        // A cut during a durable write tears it: what is left dirty is decided sector by sector in `power_cut`. To
        // meet the cases in which all or nothing arrived more often than chance would, one in four tears is clean.
        let all = durable && (!cut || dice.one_in(8));
        for sector in first..last {
            if all {
                copy_sector(content, sector);
                content.dirty.remove(&sector);
            } else {
                content.dirty.insert(sector);
            }
        }
        if cut && !all && dice.one_in(8) {
            for sector in first..last {
                content.dirty.remove(&sector);
            }
        }
        world.dice = dice;
        if cut { Err(eio()) } else { Ok(()) }
    }
}

impl StorageFile for FaultyFile {
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.put(offset, bytes, true)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.put(offset, bytes, false)
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.world.lock();
        if world.generation != self.generation {
            return Err(eio());
        }
        if world.enter()? {
            return Err(eio());
        }
        let content = world.files.get_mut(&self.inode).ok_or_else(eio)?;
        content.durable.clone_from(&content.seen);
        content.dirty.clear();
        Ok(())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let world = self.world.lock();
        if world.off || world.generation != self.generation {
            return Err(eio());
        }
        memory::read_at(&world.files.get(&self.inode).ok_or_else(eio)?.seen, offset, into)
    }

    fn size(&self) -> io::Result<u64> {
        let world = self.world.lock();
        if world.off {
            return Err(eio());
        }
        Ok(world.files.get(&self.inode).ok_or_else(eio)?.seen.len() as u64)
    }
}
