//! Files in memory: nothing outlives the process. For tests, and for servers that keep memory streams only.

use super::{FileInfo, FolderLock, Storage, StorageFile};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A folder in memory.
#[derive(Debug)]
pub struct MemoryStorage {
    files: Mutex<BTreeMap<String, Arc<MemoryFile>>>,
    locked: Arc<AtomicBool>,
    capacity: AtomicU64,
}

#[derive(Debug, Default)]
struct MemoryFile {
    bytes: Mutex<Vec<u8>>,
}

#[derive(Debug)]
struct MemoryLock(Arc<AtomicBool>);

impl FolderLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        MemoryStorage::new()
    }
}

impl MemoryStorage {
    /// An empty folder without a limit.
    #[must_use]
    pub fn new() -> MemoryStorage {
        MemoryStorage { files: Mutex::default(), locked: Arc::default(), capacity: AtomicU64::new(u64::MAX) }
    }

    /// Sets how many bytes all files may have together; new files beyond it are refused as `StorageFull`.
    pub fn set_capacity(&self, bytes: u64) {
        self.capacity.store(bytes, Ordering::Relaxed);
    }

    fn used(&self) -> u64 {
        self.files.lock().values().map(|f| f.bytes.lock().len() as u64).sum()
    }
}

impl Storage for MemoryStorage {
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn StorageFile>> {
        if len > self.available()? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut files = self.files.lock();
        if files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = Arc::new(MemoryFile::default());
        file.bytes.lock().resize(usize::try_from(len).map_err(io::Error::other)?, 0);
        files.insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.files.lock().get(name).cloned();
        Ok(file.ok_or(io::ErrorKind::NotFound)?)
    }

    fn list(&self) -> io::Result<Vec<FileInfo>> {
        let files = self.files.lock();
        Ok(files.iter().map(|(n, f)| FileInfo { name: n.clone(), len: f.bytes.lock().len() as u64 }).collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.lock().remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files.lock();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn FolderLock>> {
        if self.locked.swap(true, Ordering::AcqRel) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock(self.locked.clone())))
    }

    fn available(&self) -> io::Result<u64> {
        Ok(self.capacity.load(Ordering::Relaxed).saturating_sub(self.used()))
    }
}

impl StorageFile for MemoryFile {
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(offset, bytes)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_at(&mut self.bytes.lock(), offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        read_at(&self.bytes.lock(), offset, into)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().len() as u64)
    }
}

pub(super) fn write_at(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let start = usize::try_from(offset).map_err(io::Error::other)?;
    let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::InvalidInput)?;
    if content.len() < end {
        content.resize(end, 0);
    }
    content.get_mut(start..end).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(bytes);
    Ok(())
}

pub(super) fn read_at(content: &[u8], offset: u64, into: &mut [u8]) -> io::Result<()> {
    let start = usize::try_from(offset).map_err(io::Error::other)?;
    let end = start.checked_add(into.len()).ok_or(io::ErrorKind::InvalidInput)?;
    into.copy_from_slice(content.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
    Ok(())
}
