//! What the machine has: the defaults of JetStream's limits are a share of it, as in nats-server.

use std::io;
use std::path::Path;

/// The part of memory and of free disk that JetStream takes where no limit is given.
const JETSTREAM_SHARE_PERCENT: u64 = 75;

/// JetStream's limit of memory where none is given, in bytes.
pub fn default_jetstream_memory() -> u64 {
    share(memory_bytes())
}

/// JetStream's limit of disk where none is given, in bytes. `folder` must exist; `ours` is what our own
/// files in it take, which counts as free, so that the limit stays the same from start to start.
///
/// # Errors
/// What the operating system says about the folder.
pub fn default_jetstream_storage(folder: &Path, ours: u64) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(share(disk.f_bavail.saturating_mul(disk.f_frsize).saturating_add(ours)))
}

fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    // The field is 32 bits wide on some machines.
    #[allow(clippy::useless_conversion)]
    u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit))
}

fn share(bytes: u64) -> u64 {
    bytes / 100 * JETSTREAM_SHARE_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_some_of_each() {
        let memory = default_jetstream_memory();
        assert!(memory > 1 << 20 && memory < memory_bytes());
        let folder = std::env::temp_dir();
        let storage = default_jetstream_storage(&folder, 0).unwrap();
        assert!(default_jetstream_storage(&folder, 1 << 40).unwrap() > storage);
        assert!(default_jetstream_storage(Path::new("/nowhere"), 0).is_err());
    }
}
