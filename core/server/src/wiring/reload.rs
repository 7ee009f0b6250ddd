//! Watches the plugins' files and the configuration, and puts into effect what changed in them: whole or not at all.
//!
//! The folders are watched, not the files: editors and Kubernetes replace files and links. What is looked at then is a
//! fingerprint of the files, so that other files in the folder cost nothing but a look.

use super::plugins;
use crate::clock::Clock;
use crate::limits::{RELOAD_QUIET, RELOAD_WAIT_MAX};
use crate::options::{Built, LoadError, Options, PluginOptions};
use forebay_plugin_host::Host;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

/// The running watch. Dropping it ends it.
pub(super) struct Reloads {
    stopped: Arc<AtomicBool>,
    wake: SyncSender<()>,
}

impl Drop for Reloads {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // A full queue wakes it as well.
        let _ = self.wake.try_send(());
    }
}

/// Inode, time of change in nanoseconds, and length of each file that matters; `None` where there is none.
type Fingerprint = Vec<(PathBuf, Option<(u64, i128, u64)>)>;

struct Watch {
    host: Host,
    clock: Clock,
    config: PathBuf,
    /// What runs.
    plugins: PluginOptions,
    /// The file without what may change while the server runs.
    rest: Option<Options>,
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    seen: Fingerprint,
    stopped: Arc<AtomicBool>,
}

/// Starts to watch; `None` if there is no file to watch, or the system cannot, which the log says.
pub(super) fn start(options: &Options, host: &Host, clock: Clock) -> Option<Reloads> {
    let config = options.config.as_ref()?.path.clone();
    let (wake, woken) = sync_channel(1);
    let stopped = Arc::new(AtomicBool::new(false));
    let waker = wake.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| is_change(event.kind)) {
            // If one is waiting already, it stands for this one too.
            let _ = waker.try_send(());
        }
    });
    let watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(error = %error, "Files cannot be watched: changes need a restart");
            return None;
        }
    };
    let mut watch = Watch {
        host: host.clone(),
        clock,
        plugins: options.plugins.clone(),
        rest: load(&config).ok().map(without_live),
        config,
        watcher,
        folders: BTreeSet::new(),
        seen: Fingerprint::new(),
        stopped: stopped.clone(),
    };
    watch.watch_folders();
    watch.seen = watch.fingerprint();
    let thread = std::thread::Builder::new().name("forebay-reload".to_owned()).spawn(move || watch.run(&woken));
    if let Err(error) = thread {
        tracing::warn!(error = %error, "No thread to watch files: changes need a restart");
        return None;
    }
    Some(Reloads { stopped, wake })
}

/// Reading a file is an event, too, and would wake us for ever.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

fn load(config: &Path) -> Result<Options, LoadError> {
    let mut options = Options::load(config, Built::NOW)?;
    options.finish().map_err(|source| LoadError::Options { path: config.to_owned(), source })?;
    Ok(options)
}

/// The part of a file that only a restart puts into effect.
fn without_live(mut options: Options) -> Options {
    options.plugins = PluginOptions::default();
    options.config = None;
    for stream in &mut options.streams {
        // Lines above it may come and go.
        (stream.at.line, stream.at.column) = (0, 0);
    }
    options
}

impl Watch {
    fn run(mut self, woken: &Receiver<()>) {
        while woken.recv().is_ok() && !self.stopped.load(Ordering::Acquire) {
            let until = self.clock.now() + RELOAD_WAIT_MAX;
            while self.clock.now() < until && woken.recv_timeout(RELOAD_QUIET) != Err(RecvTimeoutError::Timeout) {}
            if self.stopped.load(Ordering::Acquire) {
                return;
            }
            let now = self.fingerprint();
            if now != self.seen {
                self.seen = now;
                self.reload();
                self.watch_folders();
                // New plugins have new files; a file that changed meanwhile woke us again.
                self.seen.extend(self.fingerprint().into_iter().skip(self.seen.len()));
            }
        }
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.config.as_path()).chain(self.plugins.plugins.iter().map(|plugin| plugin.file.as_path()))
    }

    fn fingerprint(&self) -> Fingerprint {
        let of = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            let changed = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
            Some((metadata.ino(), changed, metadata.len()))
        };
        self.files().map(|path| (path.to_owned(), of(path))).collect()
    }

    /// Watches the folders of all files that matter now.
    fn watch_folders(&mut self) {
        let wanted: BTreeSet<PathBuf> = self.files().map(folder_of).collect();
        for gone in self.folders.difference(&wanted) {
            // It may be gone from the disk as well.
            let _ = self.watcher.unwatch(gone);
        }
        let mut watched = BTreeSet::new();
        for folder in wanted {
            if self.folders.contains(&folder) {
                watched.insert(folder);
                continue;
            }
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    watched.insert(folder);
                }
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), error = %error, "A folder cannot be watched: changes in it need a restart");
                }
            }
        }
        self.folders = watched;
    }

    fn reload(&mut self) {
        let loaded = match load(&self.config) {
            Ok(loaded) => loaded,
            Err(error) => {
                return tracing::error!(reason = %error, "The configuration is refused, what runs goes on");
            }
        };
        let next = loaded.plugins.clone();
        match self.host.apply(&plugins::set(&next)) {
            Ok(report) => {
                for plugin in report.plugins.iter().filter(|plugin| plugin.changed) {
                    let sha256 = plugin.sha256.get(..8).unwrap_or_default();
                    tracing::info!(plugin = plugin.name, sha256, generation = plugin.generation, "Plugin reloaded");
                }
                for plugin in &report.removed {
                    tracing::info!(plugin, "Plugin removed");
                }
                if next.transforms != self.plugins.transforms || next.filters != self.plugins.filters {
                    plugins::tell(&next);
                }
                self.plugins = next;
            }
            Err(error) => tracing::error!(reason = %error, "The plugins are refused, the old ones go on"),
        }
        let rest = without_live(loaded);
        if self.rest.as_ref().is_some_and(|before| *before != rest) {
            tracing::warn!(
                "The configuration changed in more than plugins, transforms and filters: that needs a restart"
            );
        }
        self.rest = Some(rest);
    }
}

/// The folder that a file is in.
fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_writes_is_a_change() {
        assert!(is_change(EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(is_change(EventKind::Remove(notify::event::RemoveKind::File)));
        assert!(!is_change(EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(!is_change(EventKind::Access(AccessKind::Close(AccessMode::Read))));
    }

    #[test]
    fn a_file_without_a_folder_is_in_the_current_one() {
        assert_eq!(folder_of(Path::new("a.toml")), Path::new("."));
        assert_eq!(folder_of(Path::new("/x/a.toml")), Path::new("/x"));
    }
}
