//! sled's owner: one thread, a bounded queue, batches of whatever waits, one blocking flush per batch.

use crate::limits::META_QUEUE;
use crate::meta::sled::Database;
use crate::meta_store::{MetaError, MetaOp, MetaPair, MetaStore, check_batch};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Changes that are flushed together at most.
const BATCH: usize = 4096;

enum Request {
    Get { tree: String, key: Vec<u8>, answer: SyncSender<Result<Option<Vec<u8>>, MetaError>> },
    List { tree: String, prefix: Vec<u8>, answer: SyncSender<Result<Vec<MetaPair>, MetaError>> },
    Apply { ops: Vec<MetaOp>, answer: SyncSender<Result<(), MetaError>> },
}

/// A meta store on sled.
#[derive(Debug)]
pub struct SledMeta {
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
    /// Where an unreadable database was moved to when this one was opened.
    moved_aside: Option<PathBuf>,
}

impl SledMeta {
    /// Opens a database, or makes an empty one. One that cannot be opened is moved aside, never deleted: the caller
    /// fills the new one from the log.
    ///
    /// # Errors
    /// If neither works.
    pub fn open(path: &Path) -> Result<SledMeta, MetaError> {
        let (database, moved_aside) = match Database::open(path) {
            Ok(database) => (database, None),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the meta store cannot be opened; it is moved aside");
                let aside = free_name(path)?;
                std::fs::rename(path, &aside).map_err(|e| MetaError::Failed(e.to_string()))?;
                (Database::open(path)?, Some(aside))
            }
        };
        let (requests, inbox) = sync_channel(META_QUEUE);
        let thread = std::thread::Builder::new().name("forebay-meta".into());
        let thread = thread.spawn(move || serve(&database, &inbox)).map_err(|e| MetaError::Failed(e.to_string()))?;
        Ok(SledMeta { requests: Some(requests), thread: Some(thread), moved_aside })
    }

    /// Where an unreadable database was moved to when this one was opened.
    #[must_use]
    pub fn moved_aside(&self) -> Option<&Path> {
        self.moved_aside.as_deref()
    }

    fn ask<A>(&self, make: impl FnOnce(SyncSender<Result<A, MetaError>>) -> Request) -> Result<A, MetaError> {
        let (answer, inbox) = sync_channel(1);
        let requests = self.requests.as_ref().ok_or(MetaError::Closed)?;
        requests.try_send(make(answer)).map_err(|error| match error {
            TrySendError::Full(_) => MetaError::Busy,
            TrySendError::Disconnected(_) => MetaError::Closed,
        })?;
        inbox.recv().unwrap_or(Err(MetaError::Closed))
    }
}

fn free_name(path: &Path) -> Result<PathBuf, MetaError> {
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{n}"));
        PathBuf::from(name)
    };
    (1..1000).map(name).find(|p| !p.exists()).ok_or_else(|| MetaError::Failed("too many damaged meta stores".into()))
}

impl MetaStore for SledMeta {
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError> {
        self.ask(|answer| Request::Get { tree: tree.to_owned(), key: key.to_vec(), answer })
    }

    fn list(&self, tree: &str, prefix: &[u8]) -> Result<Vec<MetaPair>, MetaError> {
        self.ask(|answer| Request::List { tree: tree.to_owned(), prefix: prefix.to_vec(), answer })
    }

    fn apply(&self, batch: Vec<MetaOp>) -> Result<(), MetaError> {
        check_batch(&batch)?;
        self.ask(|answer| Request::Apply { ops: batch, answer })
    }
}

impl Drop for SledMeta {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the meta store's thread panicked");
        }
    }
}

fn serve(database: &Database, inbox: &Receiver<Request>) {
    while let Ok(first) = inbox.recv() {
        let mut next = Some(first);
        let mut ops = Vec::new();
        let mut waiting = Vec::new();
        // Changes gather until a read has to see them, the queue is empty, or there are enough.
        while let Some(request) = next.take() {
            match request {
                Request::Apply { ops: more, answer } => {
                    ops.extend(more);
                    waiting.push(answer);
                }
                read => {
                    commit(database, &mut ops, &mut waiting);
                    answer_read(database, read);
                }
            }
            if ops.len() < BATCH {
                next = inbox.try_recv().ok();
            }
        }
        commit(database, &mut ops, &mut waiting);
    }
}

fn commit(database: &Database, ops: &mut Vec<MetaOp>, waiting: &mut Vec<SyncSender<Result<(), MetaError>>>) {
    if waiting.is_empty() {
        return;
    }
    let result = database.apply(std::mem::take(ops)).and_then(|()| database.flush());
    for answer in waiting.drain(..) {
        // Whoever asked may have gone; the change is made all the same.
        let _ = answer.try_send(result.clone());
    }
}

fn answer_read(database: &Database, request: Request) {
    match request {
        Request::Get { tree, key, answer } => {
            let _ = answer.try_send(database.get(&tree, &key));
        }
        Request::List { tree, prefix, answer } => {
            let _ = answer.try_send(database.list(&tree, &prefix));
        }
        Request::Apply { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(n: u8) -> Vec<MetaOp> {
        (0..n).map(|i| MetaOp::Put { tree: "t".into(), key: vec![b'k', i], value: vec![i; 3] }).collect()
    }

    #[test]
    fn what_was_applied_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meta");
        {
            let meta = SledMeta::open(&path).unwrap();
            meta.apply(pairs(20)).unwrap();
            meta.delete("t", &[b'k', 3]).unwrap();
            meta.put("other", b"k", b"v").unwrap();
            assert_eq!(meta.get("t", &[b'k', 4]).unwrap(), Some(vec![4; 3]));
        }
        let meta = SledMeta::open(&path).unwrap();
        assert_eq!(meta.list("t", b"k").unwrap().len(), 19);
        assert_eq!(meta.get("t", &[b'k', 3]).unwrap(), None);
        assert_eq!(meta.get("other", b"k").unwrap(), Some(b"v".to_vec()));
        assert_eq!(meta.moved_aside(), None);
    }

    #[test]
    fn a_deleted_database_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meta");
        SledMeta::open(&path).unwrap().put("t", b"k", b"v").unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(SledMeta::open(&path).unwrap().get("t", b"k").unwrap(), None);
    }

    #[test]
    fn a_database_that_cannot_be_opened_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meta");
        std::fs::write(&path, b"not a database").unwrap();
        let meta = SledMeta::open(&path).unwrap();
        assert!(meta.moved_aside().unwrap().exists());
        assert_eq!(meta.get("t", b"k").unwrap(), None);
    }

    #[test]
    fn too_long_values_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let meta = SledMeta::open(&folder.path().join("meta")).unwrap();
        let value = vec![0; crate::limits::META_VALUE_BYTES + 1];
        assert_eq!(meta.put("t", b"k", &value), Err(MetaError::TooLong));
    }
}
