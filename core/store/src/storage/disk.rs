//! Files on a real disk, by rustix.
//!
//! Durable writes go through a second descriptor with `O_DIRECT | O_DSYNC`; where the file system refuses
//! `O_DIRECT`, through the buffered one with `fdatasync`. Reads are buffered: the kernel keeps both views of a file
//! the same. (`reference/raft-storage.md` §4.1 has the measurements.)

use super::{FileInfo, FolderLock, Storage, StorageFile};
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FallocateFlags, FileType, FlockOperation, Mode, OFlags};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the file that is locked.
pub const LOCK_FILE: &str = "LOCK";

/// A folder of a file system.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    folder: Arc<OwnedFd>,
    direct: bool,
}

#[derive(Debug)]
struct DiskFile {
    buffered: OwnedFd,
    direct: Mutex<Direct>,
    folder: Arc<OwnedFd>,
    name: String,
}

/// The descriptor for direct writes.
#[derive(Debug, Clone)]
enum Direct {
    Untried,
    /// Not wanted, or the file system does not know `O_DIRECT`.
    Refused,
    Open(Arc<OwnedFd>),
}

/// The lock ends with the descriptor, also when the process is killed.
#[derive(Debug)]
struct DiskLock {
    _file: OwnedFd,
}

impl FolderLock for DiskLock {}

impl Disk {
    /// Opens a folder and makes it, with its parents, if it is missing.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn open(path: &Path) -> io::Result<Disk> {
        Disk::with_direct(path, true)
    }

    /// The same with buffered writes and `fdatasync` only.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn open_buffered(path: &Path) -> io::Result<Disk> {
        Disk::with_direct(path, false)
    }

    fn with_direct(path: &Path, direct: bool) -> io::Result<Disk> {
        make_durable_folder(path)?;
        let folder = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Disk { path: path.to_owned(), folder: Arc::new(folder), direct })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<DiskFile> {
        check_name(name)?;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP;
        let buffered = rustix::fs::openat(&self.folder, name, OFlags::RDWR | OFlags::CLOEXEC | flags, mode)?;
        Ok(DiskFile {
            buffered,
            direct: Mutex::new(if self.direct { Direct::Untried } else { Direct::Refused }),
            folder: self.folder.clone(),
            name: name.to_owned(),
        })
    }
}

/// Makes a folder and its missing parents, and makes each new name durable in its parent.
fn make_durable_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_durable_folder(parent)?;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::fs::File::open(parent)?.sync_all()
}

/// Names are plain: the storage is flat, and a damaged file must not lead out of the folder.
fn check_name(name: &str) -> io::Result<()> {
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if plain && !name.starts_with('.') {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is not a plain file name")))
}

impl Storage for Disk {
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.file(name, OFlags::CREATE | OFlags::EXCL)?;
        if len > 0 {
            match rustix::fs::fallocate(&file.buffered, FallocateFlags::empty(), 0, len) {
                Ok(()) => {}
                Err(rustix::io::Errno::OPNOTSUPP) => rustix::fs::ftruncate(&file.buffered, len)?,
                Err(error) => {
                    let _ = self.remove(name);
                    return Err(error.into());
                }
            }
        }
        Ok(Arc::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(self.file(name, OFlags::empty())?))
    }

    fn list(&self) -> io::Result<Vec<FileInfo>> {
        let mut files = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if check_name(name).is_err() {
                continue;
            }
            let stat = match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                files.push(FileInfo { name: name.to_owned(), len: u64::try_from(stat.st_size).unwrap_or(0) });
            }
        }
        files.sort();
        Ok(files)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        Ok(rustix::fs::unlinkat(&self.folder, name, AtFlags::empty())?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_name(from)?;
        check_name(to)?;
        Ok(rustix::fs::renameat(&self.folder, from, &self.folder, to)?)
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.folder)?)
    }

    fn lock(&self) -> io::Result<Box<dyn FolderLock>> {
        let file = self.file(LOCK_FILE, OFlags::CREATE)?.buffered;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(DiskLock { _file: file }))
    }

    fn available(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.folder)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl DiskFile {
    fn direct(&self) -> Option<Arc<OwnedFd>> {
        let mut direct = self.direct.lock();
        if matches!(*direct, Direct::Untried) {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::DIRECT | OFlags::DSYNC;
            let opened = rustix::fs::openat(&self.folder, self.name.as_str(), flags, Mode::empty());
            *direct = opened.map_or(Direct::Refused, |fd| Direct::Open(Arc::new(fd)));
        }
        match &*direct {
            Direct::Open(fd) => Some(fd.clone()),
            _ => None,
        }
    }
}

fn write_all(fd: &OwnedFd, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(fd, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = bytes.get(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl StorageFile for DiskFile {
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self.direct() {
            Some(fd) => write_all(&fd, offset, bytes),
            None => {
                write_all(&self.buffered, offset, bytes)?;
                Ok(rustix::fs::fdatasync(&self.buffered)?)
            }
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_all(&self.buffered, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.buffered)?)
    }

    fn read(&self, mut offset: u64, into: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < into.len() {
            let Some(rest) = into.get_mut(done..) else { break };
            match rustix::io::pread(&self.buffered, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    done += n;
                    offset += n as u64;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn end_writing(&self) {
        let mut direct = self.direct.lock();
        if matches!(*direct, Direct::Open(_)) {
            *direct = Direct::Untried;
        }
    }

    fn size(&self) -> io::Result<u64> {
        Ok(u64::try_from(rustix::fs::fstat(&self.buffered)?.st_size).unwrap_or(0))
    }
}
