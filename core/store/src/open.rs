//! Opening a store: its identity, its epoch, its newest checkpoint, and the end of its log.

use crate::checkpoint::{Checkpoint, Checkpoints, checkpoint_of_name};
use crate::config::Config;
use crate::error::OpenError;
use crate::log::footer::footer_of_name;
use crate::log::format::{FORMAT_VERSION, Seal};
use crate::log::group::BufferPool;
use crate::log::recover::{FoundLog, find_log};
use crate::log::segment::{Segments, numbered, segment_name, segment_of_name};
use crate::log::stock::{RECYCLED_PREFIX, Stock};
use crate::log::tail::Damage;
use crate::log::waiting::{LaneLimits, Shared, Start};
use crate::storage::disk::LOCK_FILE;
use crate::storage::{FileInfo, Storage, TEMPORARY};
use crate::store::{Opened, Recovered, StoreParts, buffer_bytes};
use hashbrown::HashMap;
use std::io;
use std::sync::Arc;

/// Says what the folder is.
const FORMAT_FILE: &str = "FORMAT";
/// Counts the openings, so that no two write under the same number.
const EPOCH_FILE: &str = "EPOCH";
const SMALL_FILE: u64 = 4096;

/// What `FORMAT` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    store_id: u64,
    segment_bytes: u32,
}

impl Identity {
    fn encode(self) -> String {
        let text = format!(
            "forebay-store {FORMAT_VERSION}\nid {:016x}\nsegment-bytes {}\n",
            self.store_id, self.segment_bytes
        );
        let crc = crc32c::crc32c(text.as_bytes());
        format!("{text}crc32c {crc:08x}\n")
    }

    /// The version is read before the checksum, because a newer one may have another form.
    fn decode(text: &str) -> Result<Identity, OpenError> {
        let version = text.lines().next().and_then(|l| l.strip_prefix("forebay-store ")).and_then(|v| v.parse().ok());
        let version: u32 = version.ok_or(OpenError::NoFormat)?;
        if version > FORMAT_VERSION {
            return Err(OpenError::Newer { found: version, known: FORMAT_VERSION });
        }
        let body = checked_text(text).ok_or(OpenError::NoFormat)?;
        let field = |name: &str| body.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        let store_id = field("id").and_then(|v| u64::from_str_radix(v, 16).ok());
        let segment_bytes = field("segment-bytes").and_then(|v| v.parse().ok());
        match (store_id, segment_bytes) {
            (Some(store_id), Some(segment_bytes)) => Ok(Identity { store_id, segment_bytes }),
            _ => Err(OpenError::NoFormat),
        }
    }
}

/// The lines above the last one, if the last one is their checksum.
fn checked_text(text: &str) -> Option<&str> {
    let at = text.rfind("crc32c ")?;
    let (body, last) = text.split_at_checked(at)?;
    let crc = u32::from_str_radix(last.strip_prefix("crc32c ")?.trim_end(), 16).ok()?;
    (crc32c::crc32c(body.as_bytes()) == crc).then_some(body)
}

pub(crate) fn open<T>(storage: Arc<dyn Storage>, mut config: Config) -> Result<Opened<T>, OpenError> {
    config.check(config.segment_bytes)?;
    let lock = storage.lock().map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked,
        _ => OpenError::Io { what: "locking the store".into(), source },
    })?;
    let files = remove_unfinished(&*storage)?;
    let identity = identify(&*storage, &files, &config)?;
    config.store_id = identity.store_id;
    config.check(identity.segment_bytes)?;
    let seal = Seal::new(identity.store_id);
    let (checkpoints, checkpoint, damaged) =
        Checkpoints::open(storage.clone(), &files).map_err(OpenError::io("reading the checkpoints"))?;
    let checkpoint_lsn = checkpoint.as_ref().map_or(0, |c| c.lsn);
    let mut found = find_log(&storage, &files, seal, identity.segment_bytes, checkpoint_lsn)?;
    found.damage.extend(damaged.iter().map(|_| damaged_checkpoint()));
    found.stats.foreign_files += files.iter().filter(|f| is_foreign(&f.name)).count() as u32;
    // What a process that was killed had written is read back from the cache: make sure that it is on the disk before
    // anything is built on it.
    for segment in &found.segments {
        if segment.last_lsn() > checkpoint_lsn {
            segment.file.sync().map_err(OpenError::io(format!("syncing {}", segment_name(segment.id))))?;
        }
    }
    let epoch = next_epoch(&*storage, found.epoch)?;
    let recycled = recycle_unused(&*storage, &files, &found)?;
    storage.sync_names().map_err(OpenError::io("syncing the store's folder"))?;

    let indexes = next_indexes(&found, checkpoint.as_ref());
    let limits = LaneLimits {
        segment_bytes: identity.segment_bytes,
        group_bytes: config.group_bytes,
        entry_bytes: config.max_entry_bytes,
        waiting_bytes: config.max_waiting_bytes,
    };
    let pool = Arc::new(BufferPool::new(buffer_bytes(config.group_bytes)));
    let start = Start { seal, epoch, next_lsn: found.next_lsn, cursor: found.cursor, indexes };
    let shared = Arc::new(Shared::new(start, limits, pool.clone()));
    let segments = Arc::new(Segments::default());
    let stock = Arc::new(Stock::new(storage.clone(), identity.segment_bytes, found.next_id, recycled));
    for (id, file) in std::mem::take(&mut found.prepared) {
        stock.adopt(id, file);
        shared.segment_ready();
    }
    let current = found.segments.last().filter(|s| found.cursor.opened && s.id == found.cursor.segment).cloned();
    for segment in found.segments {
        segments.insert(segment);
    }
    let parts = StoreParts {
        shared,
        storage,
        segments,
        stock,
        checkpoints,
        pool,
        config,
        segment_bytes: identity.segment_bytes,
        lock: lock.into(),
        current,
        tail_block: found.tail_block,
    };
    let (store, lane) = parts.build();
    let recovered = Recovered { checkpoint, damage: found.damage, stats: found.stats, pieces: found.pieces };
    Ok(Opened { store: Arc::new(store), lane, recovered })
}

/// The index that each local shard's next entry gets.
fn next_indexes(found: &FoundLog, checkpoint: Option<&Checkpoint>) -> HashMap<u32, u64> {
    let mut indexes = found.indexes.clone();
    for shard in checkpoint.into_iter().flat_map(|c| &c.shards) {
        let index = indexes.entry(shard.shard).or_insert(0);
        *index = (*index).max(shard.index);
    }
    for index in indexes.values_mut() {
        *index += 1;
    }
    indexes
}

/// Removes files that were never finished, which their names say, and lists the others.
fn remove_unfinished(storage: &dyn Storage) -> Result<Vec<FileInfo>, OpenError> {
    let mut files = storage.list().map_err(OpenError::io("listing the store's folder"))?;
    for file in files.iter().filter(|f| f.name.starts_with(TEMPORARY)) {
        storage.remove(&file.name).map_err(OpenError::io(format!("removing {}", file.name)))?;
    }
    files.retain(|f| !f.name.starts_with(TEMPORARY));
    Ok(files)
}

fn identify(storage: &dyn Storage, files: &[FileInfo], config: &Config) -> Result<Identity, OpenError> {
    match storage.read_file(FORMAT_FILE, SMALL_FILE) {
        Ok(bytes) => Identity::decode(&String::from_utf8(bytes).map_err(|_| OpenError::NoFormat)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if files.iter().any(|f| segment_of_name(&f.name).is_some() || checkpoint_of_name(&f.name).is_some()) {
                return Err(OpenError::NoFormat);
            }
            let identity = Identity { store_id: config.store_id, segment_bytes: config.segment_bytes };
            storage.write_file(FORMAT_FILE, identity.encode().as_bytes()).map_err(OpenError::io("writing FORMAT"))?;
            Ok(identity)
        }
        Err(error) => Err(OpenError::io("reading FORMAT")(error)),
    }
}

/// The number of this opening: above that of every earlier one. It is durable before anything is written under it.
fn next_epoch(storage: &dyn Storage, seen: u32) -> Result<u32, OpenError> {
    let recorded = match storage.read_file(EPOCH_FILE, SMALL_FILE) {
        Ok(bytes) => String::from_utf8(bytes).ok().and_then(|t| checked_text(&t)?.trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(OpenError::io("reading EPOCH")(error)),
    };
    let epoch: u32 = seen.max(recorded.unwrap_or(0)).saturating_add(1);
    let text = format!("{epoch}\n");
    let text = format!("{text}crc32c {:08x}\n", crc32c::crc32c(text.as_bytes()));
    storage.write_file(EPOCH_FILE, text.as_bytes()).map_err(OpenError::io("writing EPOCH"))?;
    Ok(epoch)
}

/// The files that may be given a new life: those freed before, and prepared ones whose number is not next.
fn recycle_unused(storage: &dyn Storage, files: &[FileInfo], found: &FoundLog) -> Result<Vec<String>, OpenError> {
    let mut recycled: Vec<String> =
        files.iter().filter(|f| numbered(&f.name, RECYCLED_PREFIX, 8).is_some()).map(|f| f.name.clone()).collect();
    for id in &found.unused {
        let name = segment_name(*id);
        let free = format!("{RECYCLED_PREFIX}{id:08x}");
        storage.rename(&name, &free).map_err(OpenError::io(format!("renaming {name}")))?;
        if !recycled.contains(&free) {
            recycled.push(free);
        }
    }
    Ok(recycled)
}

fn is_foreign(name: &str) -> bool {
    let known = [FORMAT_FILE, EPOCH_FILE, LOCK_FILE].contains(&name)
        || segment_of_name(name).is_some()
        || checkpoint_of_name(name).is_some()
        || footer_of_name(name).is_some()
        || numbered(name, RECYCLED_PREFIX, 8).is_some();
    !known
}

fn damaged_checkpoint() -> Damage {
    Damage {
        segment: None,
        from: 0,
        to: 0,
        first_lsn: 1,
        last_lsn: 0,
        entry: None,
        what: "a checkpoint was damaged and has been moved aside",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_survives_the_round_trip() {
        let identity = Identity { store_id: 0xABCD, segment_bytes: 1 << 16 };
        assert_eq!(Identity::decode(&identity.encode()).unwrap(), identity);
        assert_eq!(
            identity.encode().lines().take(3).collect::<Vec<_>>(),
            ["forebay-store 1", "id 000000000000abcd", "segment-bytes 65536"]
        );
    }

    #[test]
    fn a_newer_store_is_refused_in_words() {
        let error = Identity::decode("forebay-store 2\nwhatever\n").unwrap_err();
        assert!(matches!(error, OpenError::Newer { found: 2, known: 1 }));
        assert!(error.to_string().contains("format version 2"));
    }

    #[test]
    fn a_damaged_identity_is_refused() {
        let text = Identity { store_id: 1, segment_bytes: 1 << 16 }.encode();
        assert!(matches!(Identity::decode(&text.replace("65536", "65537")), Err(OpenError::NoFormat)));
        assert!(matches!(Identity::decode(""), Err(OpenError::NoFormat)));
    }
}
