//! The conformance suite on every storage.

use forebay_store::storage::faulty::FaultyStorage;
use forebay_store::{Disk, MemoryStorage, Storage, conformance};
use std::cell::RefCell;
use std::sync::Arc;

#[test]
fn memory_conforms() {
    conformance::run(|| Arc::new(MemoryStorage::new()));
}

#[test]
fn faulty_without_faults_conforms() {
    conformance::run(|| Arc::new(FaultyStorage::new(1)));
}

/// Folders in the target directory rather than in a tmpfs, so that direct I/O is really used.
fn folders(open: impl Fn(&std::path::Path) -> std::io::Result<Disk>) {
    let kept = RefCell::new(Vec::new());
    conformance::run(|| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let disk: Arc<dyn Storage> = Arc::new(open(&folder.path().join("a/b")).unwrap());
        kept.borrow_mut().push(folder);
        disk
    });
}

#[test]
fn disk_conforms() {
    folders(Disk::open);
}

#[test]
fn disk_without_direct_io_conforms() {
    folders(Disk::open_buffered);
}

#[test]
fn names_that_lead_out_of_the_folder_are_refused() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk = Disk::open(folder.path()).unwrap();
    for name in ["../x", "a/b", "", ".hidden", "a b", "/etc/x"] {
        assert!(disk.create(name, 0).is_err(), "{name}");
        assert!(disk.open(name).is_err(), "{name}");
    }
}
