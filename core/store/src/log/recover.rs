//! Finding out, when the store is opened, where the log ends and what of it is damaged.
//!
//! Only a torn tail, above everything that was ever reported as durable, is cut. Damage below is listed, and its
//! segment is left as it is. No file is removed or reused because something about it is missing.

use super::format::{ENTRY_HEADER, EntryHeader, STORE_SHARD, Seal, SegmentHeader};
use super::scan::{Found, Scanner};
use super::segment::{Segment, segment_name, segment_of_name};
use super::tail::{Damage, Piece};
use super::waiting::Cursor;
use crate::error::OpenError;
use crate::limits::BLOCK;
use crate::storage::{FileInfo, Storage, StorageFile};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What recovery counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecoveryStats {
    /// Segments with entries.
    pub segments: u32,
    /// Of these, how many were read.
    pub scanned_segments: u32,
    /// Good entries in them.
    pub scanned_entries: u64,
    /// The last good lsn.
    pub last_lsn: u64,
    /// Segments that stood ready.
    pub prepared_segments: u32,
    /// Whether an unfinished write was found at the end and cut.
    pub torn_tail: bool,
    /// Files whose names the store does not know; they are left alone.
    pub foreign_files: u32,
}

/// The log as it was found.
#[derive(Debug)]
pub(crate) struct FoundLog {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) cursor: Cursor,
    /// Content of the block in which the cursor stands, up to it.
    pub(crate) tail_block: Vec<u8>,
    pub(crate) next_lsn: u64,
    pub(crate) epoch: u32,
    pub(crate) pieces: VecDeque<Piece>,
    pub(crate) damage: Vec<Damage>,
    /// Prepared segments that go on directly after the cursor.
    pub(crate) prepared: Vec<(u32, Arc<dyn StorageFile>)>,
    /// Segment files without anything in them that cannot be next; they may be renamed and reused.
    pub(crate) unused: Vec<u32>,
    pub(crate) next_id: u32,
    /// Highest local index of each shard among the scanned entries.
    pub(crate) indexes: HashMap<u32, u64>,
    pub(crate) stats: RecoveryStats,
}

/// Reads a whole segment.
pub(crate) fn read_segment(storage: &dyn Storage, id: u32) -> Result<Vec<u8>, OpenError> {
    let name = segment_name(id);
    storage.read_file(&name, 1 << 30).map_err(OpenError::io(format!("reading {name}")))
}

struct SegmentFile {
    file: Arc<dyn StorageFile>,
    len: u64,
    /// `None` if it has none of its own: prepared, or damaged.
    header: Option<SegmentHeader>,
}

/// Follows the log from the first entry that the checkpoint at `checkpoint_lsn` does not hold.
pub(crate) fn find_log(
    storage: &Arc<dyn Storage>,
    files: &[FileInfo],
    seal: Seal,
    segment_bytes: u32,
    checkpoint_lsn: u64,
) -> Result<FoundLog, OpenError> {
    let segments = open_segments(storage, files, seal)?;
    let mut walk = Walk {
        storage,
        seal,
        segment_bytes,
        checkpoint_lsn,
        lsn: checkpoint_lsn + 1,
        epoch: 0,
        found: FoundLog {
            segments: Vec::new(),
            cursor: Cursor { segment: 1, offset: BLOCK as u32, opened: false },
            tail_block: Vec::new(),
            next_lsn: 0,
            epoch: 0,
            pieces: VecDeque::new(),
            damage: Vec::new(),
            prepared: Vec::new(),
            unused: Vec::new(),
            next_id: segments.keys().next_back().map_or(1, |id| id + 1),
            indexes: HashMap::new(),
            stats: RecoveryStats::default(),
        },
    };
    walk.run(&segments)?;
    Ok(walk.found)
}

fn open_segments(
    storage: &Arc<dyn Storage>,
    files: &[FileInfo],
    seal: Seal,
) -> Result<BTreeMap<u32, SegmentFile>, OpenError> {
    let mut segments = BTreeMap::new();
    for info in files {
        let Some(id) = segment_of_name(&info.name) else { continue };
        let file = storage.open(&info.name).map_err(OpenError::io(format!("opening {}", info.name)))?;
        let mut block = [0u8; BLOCK];
        let header = if info.len >= BLOCK as u64 {
            file.read(0, &mut block).map_err(OpenError::io(format!("reading {}", info.name)))?;
            SegmentHeader::decode(&block).ok().filter(|h| h.segment == id && h.store_id == seal.store_id())
        } else {
            None
        };
        segments.insert(id, SegmentFile { file, len: info.len, header });
    }
    Ok(segments)
}

struct Walk<'a> {
    storage: &'a Arc<dyn Storage>,
    seal: Seal,
    segment_bytes: u32,
    checkpoint_lsn: u64,
    /// The lsn that comes next.
    lsn: u64,
    epoch: u32,
    found: FoundLog,
}

/// How the scan of one segment ended.
struct Scanned {
    end: usize,
    damaged: bool,
    /// The shards with entries in it, for its footer.
    shards: BTreeSet<u32>,
}

impl Walk<'_> {
    fn run(&mut self, segments: &BTreeMap<u32, SegmentFile>) -> Result<(), OpenError> {
        let with_header = |(id, s): (&u32, &SegmentFile)| s.header.map(|h| (*id, h));
        let start = segments.iter().filter_map(with_header).rfind(|(_, h)| h.first_lsn <= self.lsn);
        let first = segments.iter().filter_map(with_header).next();
        self.keep_below(segments, start.map_or(0, |(id, _)| id));
        match (start, first) {
            (Some((id, header)), _) => {
                self.lsn = header.first_lsn;
                self.epoch = header.epoch;
                self.walk_from(segments, id)?;
            }
            (None, Some((id, header))) => {
                self.lose(None, (0, 0), header.first_lsn, "the beginning of the log is missing");
                self.walk_from(segments, id)?;
            }
            // Not one segment has a header: a fresh log, or one that lost everything behind its checkpoint.
            (None, None) => {
                if self.checkpoint_lsn > 0 {
                    self.lose(None, (0, 0), self.lsn, "the log behind the checkpoint is missing");
                }
                self.walk_from(segments, 0)?;
            }
        }
        if self.lsn <= self.checkpoint_lsn {
            let next = self.checkpoint_lsn + 1;
            self.lose(None, (0, 0), next, "the log ends before its checkpoint");
        }
        self.found.next_lsn = self.lsn;
        self.found.epoch = self.found.epoch.max(self.epoch);
        self.found.stats.last_lsn = self.lsn - 1;
        self.found.stats.segments = self.found.segments.len() as u32;
        self.found.stats.prepared_segments = self.found.prepared.len() as u32;
        Ok(())
    }

    /// Segments below the first one that has to be read.
    fn keep_below(&mut self, segments: &BTreeMap<u32, SegmentFile>, start: u32) {
        let known: Vec<(u32, u64)> =
            segments.iter().filter_map(|(id, s)| s.header.map(|h| (*id, h.first_lsn))).collect();
        for (id, file) in segments.range(..start) {
            let next = known.iter().find(|(other, _)| other > id).map_or(self.lsn, |(_, lsn)| *lsn);
            let first = file.header.map_or(next, |h| h.first_lsn);
            let segment = Segment::new(*id, file.file.clone(), first);
            segment.extend(next.saturating_sub(1), u32::try_from(file.len).unwrap_or(self.segment_bytes));
            segment.seal();
            segment.forget_shards();
            if file.header.is_none() {
                segment.set_damaged();
                self.damage(Damage {
                    segment: Some(*id),
                    from: 0,
                    to: BLOCK as u32,
                    first_lsn: 1,
                    last_lsn: 0,
                    entry: None,
                    what: "a segment below the checkpoint has no readable header",
                });
            }
            self.found.segments.push(Arc::new(segment));
        }
    }

    /// Follows the chain through the segments from `start` on.
    fn walk_from(&mut self, segments: &BTreeMap<u32, SegmentFile>, start: u32) -> Result<(), OpenError> {
        let last_with_header = segments.iter().filter(|(_, s)| s.header.is_some()).map(|(id, _)| *id).next_back();
        let mut ended = false;
        for (id, file) in segments.range(start..) {
            let later = self.first_lsn_behind(segments, *id);
            let bytes = read_segment(&**self.storage, *id)?;
            if file.header.is_none() && last_with_header.is_none_or(|last| last < *id) {
                let scanner = Scanner::new(&bytes, *id, self.seal, BLOCK, self.lsn, self.epoch);
                if !scanner.proves_durable() {
                    self.note_unused(*id, file);
                    ended = true;
                    continue;
                }
            }
            if ended {
                // Something that counts lies behind an unused segment.
                self.found.unused.clear();
                self.found.prepared.clear();
            }
            self.check_header(*id, file.header);
            let first_lsn = self.lsn;
            let scanned = self.scan(*id, &bytes, later);
            self.finish_segment(*id, first_lsn, file, &bytes, &scanned, later.is_some());
        }
        Ok(())
    }

    /// The lsn with which the next segment begins, if one certainly follows. A segment whose header is damaged says it
    /// by its first entry; the last segments, if they have no header, are prepared ones or are judged on their own.
    fn first_lsn_behind(&self, segments: &BTreeMap<u32, SegmentFile>, id: u32) -> Option<u64> {
        let last_with_header = *segments.iter().rfind(|(_, s)| s.header.is_some())?.0;
        segments.range(id + 1..).take_while(|(id, _)| **id <= last_with_header).find_map(|(id, segment)| {
            let from_entry = || {
                let mut bytes = [0u8; ENTRY_HEADER];
                segment.file.read(BLOCK as u64, &mut bytes).ok()?;
                EntryHeader::decode(self.seal, *id, BLOCK as u32, &bytes).ok().map(|h| h.lsn)
            };
            segment.header.map(|h| h.first_lsn).or_else(from_entry)
        })
    }

    fn check_header(&mut self, id: u32, header: Option<SegmentHeader>) {
        match header {
            Some(header) if header.first_lsn > self.lsn => {
                self.lose(Some(id), (0, 0), header.first_lsn, "entries before this segment are missing");
                self.epoch = self.epoch.max(header.epoch);
            }
            Some(header) => self.epoch = self.epoch.max(header.epoch),
            None => self.lose(Some(id), (0, BLOCK as u32), self.lsn, "the segment's header is damaged"),
        }
    }

    fn scan(&mut self, id: u32, bytes: &[u8], later: Option<u64>) -> Scanned {
        let mut scanner = Scanner::new(bytes, id, self.seal, BLOCK, self.lsn, self.epoch);
        let mut run = (scanner.pos, scanner.lsn, scanner.epoch);
        let mut shards = BTreeSet::new();
        let mut damaged = self.found.damage.iter().any(|d| d.segment == Some(id));
        loop {
            let broken = match scanner.next() {
                Found::Entry(header, _) => {
                    self.found.stats.scanned_entries += 1;
                    if header.shard != STORE_SHARD {
                        let index = self.found.indexes.entry(header.shard).or_insert(0);
                        *index = (*index).max(header.index);
                        shards.insert(header.shard);
                    }
                    continue;
                }
                Found::BadRecords(header, _) => Some(header),
                Found::Nothing => None,
            };
            // The next segment goes on here. A torn entry with the same lsn may precede it: an earlier opening cut it.
            if later == Some(scanner.lsn) {
                break;
            }
            let durable = later.is_some_and(|first| first > scanner.lsn)
                || self.checkpoint_lsn >= scanner.lsn
                || scanner.proves_durable();
            if !durable {
                self.found.stats.torn_tail |= broken.is_some() || bytes_follow(bytes, scanner.pos);
                self.found.epoch = self.found.epoch.max(scanner.highest_epoch());
                break;
            }
            damaged = true;
            self.found.pieces.push_back(piece(id, run, &scanner));
            let goes_on = self.skip_damage(id, bytes.len(), &mut scanner, later, broken);
            run = (scanner.pos, scanner.lsn, scanner.epoch);
            if !goes_on {
                break;
            }
        }
        self.found.pieces.push_back(piece(id, run, &scanner));
        self.lsn = scanner.lsn;
        self.epoch = scanner.epoch;
        Scanned { end: scanner.pos, damaged, shards }
    }

    /// Notes damage at the scanner's position and moves it to the next good header; false if the segment has none.
    fn skip_damage(
        &mut self,
        id: u32,
        len: usize,
        scanner: &mut Scanner<'_>,
        later: Option<u64>,
        broken: Option<EntryHeader>,
    ) -> bool {
        let from = scanner.pos;
        let resumed = scanner.resync().filter(|(h, _)| later.is_none_or(|first| h.lsn < first));
        let (to, next) = match resumed {
            Some((header, at)) => {
                scanner.epoch = scanner.epoch.max(header.epoch);
                (at, header.lsn)
            }
            // Without a later segment only the checkpoint says that the entries up to it were there.
            None => (len, later.unwrap_or(self.checkpoint_lsn + 1).max(scanner.lsn)),
        };
        note(&mut self.found, lost(id, from, to, scanner.lsn, next, broken));
        scanner.pos = to;
        scanner.lsn = next;
        resumed.is_some()
    }

    fn finish_segment(
        &mut self,
        id: u32,
        first_lsn: u64,
        file: &SegmentFile,
        bytes: &[u8],
        scanned: &Scanned,
        later: bool,
    ) {
        for earlier in &self.found.segments {
            earlier.seal();
        }
        let segment = Segment::new(id, file.file.clone(), first_lsn);
        segment.extend(self.lsn.saturating_sub(1), u32::try_from(scanned.end).unwrap_or(self.segment_bytes));
        segment.note_shards(scanned.shards.iter().copied());
        let keep_writing = !scanned.damaged && !later && file.len == u64::from(self.segment_bytes);
        if scanned.damaged {
            segment.set_damaged();
        }
        if keep_writing {
            let block = scanned.end - scanned.end % BLOCK;
            self.found.tail_block = bytes.get(block..scanned.end).unwrap_or_default().to_vec();
            self.found.cursor = Cursor { segment: id, offset: scanned.end as u32, opened: true };
        } else {
            segment.seal();
            self.found.tail_block.clear();
            self.found.cursor = Cursor { segment: id + 1, offset: BLOCK as u32, opened: false };
        }
        self.found.stats.scanned_segments += 1;
        self.found.segments.push(Arc::new(segment));
    }

    /// A segment file in which nothing counts.
    fn note_unused(&mut self, id: u32, file: &SegmentFile) {
        let next = self.found.prepared.last().map_or(self.next_segment(), |(last, _)| last + 1);
        if file.len != u64::from(self.segment_bytes) {
            self.found.stats.foreign_files += 1;
        } else if id == next {
            self.found.prepared.push((id, file.file.clone()));
        } else {
            self.found.unused.push(id);
        }
    }

    fn next_segment(&self) -> u32 {
        let cursor = self.found.cursor;
        if cursor.opened { cursor.segment + 1 } else { cursor.segment }
    }

    /// Notes that the entries before `next` cannot be read, and goes on there.
    fn lose(&mut self, segment: Option<u32>, (from, to): (u32, u32), next: u64, what: &'static str) {
        let first_lsn = self.lsn;
        let last_lsn = next.saturating_sub(1);
        self.lsn = next;
        self.damage(Damage { segment, from, to, first_lsn, last_lsn, entry: None, what });
    }

    fn damage(&mut self, damage: Damage) {
        note(&mut self.found, damage);
    }
}

fn note(found: &mut FoundLog, damage: Damage) {
    tracing::error!(%damage, "the log is damaged below its durable position; nothing is removed");
    found.pieces.push_back(Piece::Damaged(damage.clone()));
    found.damage.push(damage);
}

fn piece(segment: u32, run: (usize, u64, u32), scanner: &Scanner<'_>) -> Piece {
    Piece::Run { segment, from: run.0, to: scanner.pos.max(run.0), lsn: run.1, epoch: run.2 }
}

fn lost(id: u32, from: usize, to: usize, first: u64, next: u64, header: Option<EntryHeader>) -> Damage {
    let one = next == first + 1;
    Damage {
        segment: Some(id),
        from: from as u32,
        to: to as u32,
        first_lsn: first,
        last_lsn: next.saturating_sub(1),
        entry: header.filter(|_| one).map(|h| (h.shard, h.index)),
        what: if header.is_some() { "records do not match their checksums" } else { "entries are unreadable" },
    }
}

/// Whether anything but zeros follows, which is then part of an unfinished write or of a recycled file.
fn bytes_follow(bytes: &[u8], pos: usize) -> bool {
    let end = super::format::align_block(pos).max(pos);
    bytes.get(pos..end).is_some_and(|rest| rest.iter().any(|b| *b != 0))
}
