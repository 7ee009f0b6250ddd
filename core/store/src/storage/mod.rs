//! The only contact with file systems: a flat folder of segments and small files.
//!
//! Names are relative to the folder that the storage was opened on. What a power cut may take is part of each
//! method's contract; `faulty.rs` takes all of it.

pub mod disk;
#[cfg(any(test, feature = "test-util"))]
pub mod faulty;
pub mod memory;

use crate::mutant;
use std::io;
use std::sync::Arc;

/// A name in the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileInfo {
    /// Name relative to the folder.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
}

/// An open file.
pub trait StorageFile: Send + Sync + std::fmt::Debug {
    /// Writes and returns when a power cut cannot take the bytes any more. During the call a power cut may leave any
    /// subset of the sectors. Offset, length and address have to be multiples of the block size.
    ///
    /// # Errors
    /// Any error is final for the lane: what reached the disk is then unknown.
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Writes without a promise; [`StorageFile::sync`] gives it.
    ///
    /// # Errors
    /// Those of the operating system.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file's content and length durable, not its name.
    ///
    /// # Errors
    /// After an error the unsynced bytes may be gone for good; never try again.
    fn sync(&self) -> io::Result<()>;

    /// Fills `into` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file ends too early.
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// Nothing will be written any more: gives back what only writing needs.
    fn end_writing(&self) {}

    /// Length in bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn size(&self) -> io::Result<u64>;
}

/// Keeps other servers out of the folder until it is dropped.
pub trait FolderLock: Send + Sync + std::fmt::Debug {}

/// A flat folder.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// Makes a new file of `len` bytes that read as zero, with the space reserved. The name is durable after
    /// [`Storage::sync_folder`], length and space after [`StorageFile::sync`].
    ///
    /// # Errors
    /// `AlreadyExists`, `StorageFull`.
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn StorageFile>>;

    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound`.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// The plain files of the folder, sorted by name.
    ///
    /// # Errors
    /// Those of the operating system.
    fn list(&self) -> io::Result<Vec<FileInfo>>;

    /// Takes a name away. Durable after [`Storage::sync_folder`].
    ///
    /// # Errors
    /// `NotFound`.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames, replacing `to`. Durable after [`Storage::sync_folder`]; a power cut leaves either name, never neither.
    ///
    /// # Errors
    /// `NotFound`.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes all names durable.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync_folder(&self) -> io::Result<()>;

    /// Takes the folder for this process.
    ///
    /// # Errors
    /// `WouldBlock` if another server has it.
    fn lock(&self) -> io::Result<Box<dyn FolderLock>>;

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// Those of the operating system.
    fn available(&self) -> io::Result<u64>;

    /// Writes a small file so that a power cut leaves the old or the new content whole, and returns when it is the
    /// new one for good.
    ///
    /// # Errors
    /// Those of the steps; the old content is then still there.
    fn write_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!("{TEMPORARY}{name}");
        match self.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.create(&temporary, 0)?;
        let written = file.write(0, bytes).and_then(|()| file.sync()).and_then(|()| self.rename(&temporary, name));
        if let Err(error) = written {
            let _ = self.remove(&temporary);
            return Err(error);
        }
        self.sync_names()
    }

    /// The whole content of a file, if it is not longer than `limit`.
    ///
    /// # Errors
    /// `NotFound`; `InvalidData` if it is longer.
    fn read_file(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = self.open(name)?;
        let len = file.size()?;
        if len > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} is longer than {limit} bytes")));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        file.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// [`Storage::sync_folder`], unless the mutant that forgets it is switched on.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync_names(&self) -> io::Result<()> {
        if mutant::active(mutant::NO_FOLDER_SYNC) { Ok(()) } else { self.sync_folder() }
    }
}

/// How the names of files begin that were never finished; they are removed when the store is opened.
pub const TEMPORARY: &str = "tmp-";

/// Whether an error says that there is no space left, which is no failure of the disk.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
