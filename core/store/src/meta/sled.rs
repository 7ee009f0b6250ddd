//! sled 0.34.7 as a meta store: only its owner thread (`run/meta_thread.rs`) calls these functions.
//!
//! Rules from measurement (`reference/raft-storage.md` §3): real batches, then a blocking flush; `flush_async`
//! deadlocks, and many single-key batches without a flush stall for seconds.

use crate::limits::META_CACHE_BYTES;
use crate::meta_store::{MetaError, MetaOp, MetaPair};
use std::collections::BTreeMap;
use std::path::Path;

/// First byte of each value, so that a later layout can tell its own from ours.
const VALUE_VERSION: u8 = 1;

/// An open database.
#[derive(Debug)]
pub(crate) struct Database {
    db: sled::Db,
}

fn failed(error: &sled::Error) -> MetaError {
    MetaError::Failed(error.to_string())
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Database, MetaError> {
        let config = sled::Config::new().path(path).cache_capacity(META_CACHE_BYTES).flush_every_ms(None);
        Ok(Database { db: config.open().map_err(|e| failed(&e))? })
    }

    fn tree(&self, name: &str) -> Result<sled::Tree, MetaError> {
        self.db.open_tree(name).map_err(|e| failed(&e))
    }

    pub(crate) fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, MetaError> {
        let value = self.tree(tree)?.get(key).map_err(|e| failed(&e))?;
        Ok(value.and_then(|v| unversioned(&v)))
    }

    pub(crate) fn list(&self, tree: &str, prefix: &[u8]) -> Result<Vec<MetaPair>, MetaError> {
        let mut pairs = Vec::new();
        for pair in self.tree(tree)?.scan_prefix(prefix) {
            let (key, value) = pair.map_err(|e| failed(&e))?;
            if let Some(value) = unversioned(&value) {
                pairs.push((key.to_vec(), value));
            }
        }
        Ok(pairs)
    }

    /// One batch per tree, without a flush.
    pub(crate) fn apply(&self, ops: Vec<MetaOp>) -> Result<(), MetaError> {
        let mut batches: BTreeMap<String, sled::Batch> = BTreeMap::new();
        for op in ops {
            match op {
                MetaOp::Put { tree, key, value } => {
                    let mut versioned = Vec::with_capacity(value.len() + 1);
                    versioned.push(VALUE_VERSION);
                    versioned.extend_from_slice(&value);
                    batches.entry(tree).or_default().insert(key, versioned);
                }
                MetaOp::Delete { tree, key } => batches.entry(tree).or_default().remove(key),
            }
        }
        for (tree, batch) in batches {
            self.tree(&tree)?.apply_batch(batch).map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    pub(crate) fn flush(&self) -> Result<(), MetaError> {
        self.db.flush().map(|_| ()).map_err(|e| failed(&e))
    }
}

/// The value without its version; of an unknown version nothing, as the mirror is filled again anyway.
fn unversioned(value: &[u8]) -> Option<Vec<u8>> {
    value.split_first().filter(|(version, _)| **version == VALUE_VERSION).map(|(_, rest)| rest.to_vec())
}
