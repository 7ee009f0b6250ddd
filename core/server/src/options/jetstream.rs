//! Whether messages are kept, where, and how much of them.

use std::path::PathBuf;

use super::Options;
use super::table::{Reload, Row, Set};

/// Whether messages are kept, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JetStreamOptions {
    /// `-js`, or a `[jetstream]` table.
    pub enabled: bool,
    /// The folder that `-sd` or `store_dir` names.
    pub store_dir: Option<PathBuf>,
    /// The limit of memory streams in bytes; `None` is 75 % of the machine's memory.
    pub max_memory: Option<u64>,
    /// The limit of file streams in bytes; `None` is 75 % of the free disk, our own files counted as free.
    pub max_storage: Option<u64>,
    /// What an ack of a file stream means.
    pub durability: Durability,
    /// Start though the folder holds a nats-server's streams; they stay untouched.
    pub ignore_nats_store: bool,
}

/// What an ack of a file stream means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// On the disk.
    #[default]
    Fsync,
}

/// The folder above our data (`<base>/forebay`) and nats-server's (`<base>/jetstream`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreBase {
    /// The folder.
    pub path: PathBuf,
    /// Whether nobody chose it, and a reboot may empty it.
    pub temporary: bool,
}

impl JetStreamOptions {
    /// Where the store is. Without a folder it is nats-server's own default, in the temporary folder.
    pub fn store_base(&self) -> StoreBase {
        match &self.store_dir {
            Some(path) => StoreBase { path: path.clone(), temporary: false },
            None => StoreBase { path: std::env::temp_dir().join("nats"), temporary: true },
        }
    }
}

fn durability(options: &mut Options, word: &str) -> Result<(), String> {
    match word {
        "fsync" => options.jetstream.durability = Durability::Fsync,
        other => return Err(format!("\"{other}\" is not built yet: \"fsync\" is")),
    }
    Ok(())
}

const fn row(key: &'static str, default: &'static str, text: &'static str, set: Set<Options>) -> Row<Options> {
    Row { key, default, unit: "", reload: Reload::Restart, since: "0.1.0", text, set }
}

pub(crate) static ROWS: &[Row<Options>] = &[
    row(
        "jetstream.enabled",
        "true",
        "Whether messages are kept. The table's presence means true.",
        Set::Flag(|o, flag| o.jetstream.enabled = flag),
    ),
    row(
        "jetstream.store_dir",
        "\"data\"",
        "The folder of the store; its data lies in the folder `forebay` inside. Needed, there is no default.",
        Set::Path(|o, path| o.jetstream.store_dir = Some(path)),
    ),
    row(
        "jetstream.max_memory",
        "",
        "How much memory streams may hold. By default 75 % of the machine's memory.",
        Set::Size { min: 0, max: i64::MAX as u64, set: |o, size| o.jetstream.max_memory = Some(size) },
    ),
    row(
        "jetstream.max_storage",
        "",
        "How much file streams may hold. By default 75 % of the free disk.",
        Set::Size { min: 0, max: i64::MAX as u64, set: |o, size| o.jetstream.max_storage = Some(size) },
    ),
    row(
        "jetstream.durability",
        "\"fsync\"",
        "What an ack means: \"fsync\", the message is on the disk.",
        Set::Choice { of: &["fsync", "os"], set: durability },
    ),
    row(
        "jetstream.ignore_nats_store",
        "false",
        "Start though store_dir holds a nats-server's streams. They are never touched.",
        Set::Flag(|o, flag| o.jetstream.ignore_nats_store = flag),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_folder_the_store_is_where_nats_server_has_it_and_temporary() {
        let base = JetStreamOptions::default().store_base();
        assert!(base.temporary && base.path.ends_with("nats"));
        let chosen = JetStreamOptions { store_dir: Some("/data".into()), ..JetStreamOptions::default() };
        assert_eq!(chosen.store_base(), StoreBase { path: "/data".into(), temporary: false });
    }
}
