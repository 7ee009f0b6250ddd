//! Small facts in named trees: a mirror of the control plane for quick look-ups. The log and the checkpoints are the
//! truth; a meta store that is empty or gone is filled again from them.

use crate::limits::{META_KEY_BYTES, META_VALUE_BYTES};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Why a meta store did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// Longer than a meta store takes.
    #[error("a key or value is too long for the meta store")]
    TooLong,
    /// The database underneath failed.
    #[error("the meta store failed: {0}")]
    Failed(String),
    /// Too many requests wait.
    #[error("too many requests wait for the meta store")]
    Busy,
    /// It has been closed.
    #[error("the meta store is closed")]
    Closed,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetaOp {
    /// Sets a key.
    Put {
        /// The tree.
        tree: String,
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// Removes a key.
    Delete {
        /// The tree.
        tree: String,
        /// The key.
        key: Vec<u8>,
    },
}

impl MetaOp {
    fn check(&self) -> Result<(), MetaError> {
        let (key, value) = match self {
            MetaOp::Put { key, value, .. } => (key.len(), value.len()),
            MetaOp::Delete { key, .. } => (key.len(), 0),
        };
        if key > META_KEY_BYTES || value > META_VALUE_BYTES { Err(MetaError::TooLong) } else { Ok(()) }
    }
}

/// Checks the lengths of a batch.
pub(crate) fn check_batch(batch: &[MetaOp]) -> Result<(), MetaError> {
    batch.iter().try_for_each(MetaOp::check)
}

/// A key and its value.
pub type MetaPair = (Vec<u8>, Vec<u8>);

/// Small facts. All methods may block; none may be called under a shard's lock.
pub trait MetaStore: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// See [`MetaError`].
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError>;

    /// All pairs of a tree whose keys begin with `prefix`, sorted by key.
    ///
    /// # Errors
    /// See [`MetaError`].
    fn list(&self, tree: &str, prefix: &[u8]) -> Result<Vec<MetaPair>, MetaError>;

    /// Applies changes in order, those of one tree together, and returns when they are on the disk.
    ///
    /// # Errors
    /// See [`MetaError`].
    fn apply(&self, batch: Vec<MetaOp>) -> Result<(), MetaError>;

    /// Sets one key.
    ///
    /// # Errors
    /// See [`MetaError`].
    fn put(&self, tree: &str, key: &[u8], value: &[u8]) -> Result<(), MetaError> {
        self.apply(vec![MetaOp::Put { tree: tree.to_owned(), key: key.to_vec(), value: value.to_vec() }])
    }

    /// Removes one key.
    ///
    /// # Errors
    /// See [`MetaError`].
    fn delete(&self, tree: &str, key: &[u8]) -> Result<(), MetaError> {
        self.apply(vec![MetaOp::Delete { tree: tree.to_owned(), key: key.to_vec() }])
    }
}

type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// A meta store in memory.
#[derive(Debug, Default)]
pub struct MemoryMeta {
    trees: Mutex<BTreeMap<String, Tree>>,
}

impl MemoryMeta {
    /// An empty one.
    #[must_use]
    pub fn new() -> MemoryMeta {
        MemoryMeta::default()
    }
}

impl MetaStore for MemoryMeta {
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError> {
        Ok(self.trees.lock().get(tree).and_then(|t| t.get(key).cloned()))
    }

    fn list(&self, tree: &str, prefix: &[u8]) -> Result<Vec<MetaPair>, MetaError> {
        let trees = self.trees.lock();
        let Some(tree) = trees.get(tree) else { return Ok(Vec::new()) };
        let from = tree.range(prefix.to_vec()..).take_while(|(k, _)| k.starts_with(prefix));
        Ok(from.map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    fn apply(&self, batch: Vec<MetaOp>) -> Result<(), MetaError> {
        check_batch(&batch)?;
        let mut trees = self.trees.lock();
        for op in batch {
            match op {
                MetaOp::Put { tree, key, value } => {
                    trees.entry(tree).or_default().insert(key, value);
                }
                MetaOp::Delete { tree, key } => {
                    trees.entry(tree).or_default().remove(&key);
                }
            }
        }
        Ok(())
    }
}
