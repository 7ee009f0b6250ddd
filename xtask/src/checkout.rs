//! The checkout that xtask works in: its root, its target folder, its files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders that hold nothing of ours, at any depth.
const SKIPPED_FOLDERS: &[&str] = &["target", ".git", "node_modules", "__pycache__", "data"];

/// The repository's working tree.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    /// The folder of the root Cargo.toml.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

impl Checkout {
    /// The checkout that this xtask was started from. Cargo tells it at run time: what was compiled in may be that of
    /// another checkout that shares the target folder.
    pub(crate) fn find() -> Result<Self> {
        let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let manifest = told.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = manifest.parent().context("xtask lies in no folder")?.to_path_buf();
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self { root, target })
    }

    /// A path under the root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path as it is named in messages: relative to the root, with forward slashes.
    pub(crate) fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }

    /// All files with this ending under a folder, in a stable order.
    pub(crate) fn files(&self, folder: &str, ending: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let start = self.path(folder);
        if start.is_dir() {
            collect(&start, ending, &mut found)?;
        }
        found.sort();
        Ok(found)
    }
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            let skipped = SKIPPED_FOLDERS.contains(&name.as_ref()) || name.starts_with("target-");
            if !skipped {
                collect(&path, ending, found)?;
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    Ok(())
}
