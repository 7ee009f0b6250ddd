//! Watches the plugins' files and the configuration, and puts into effect what changed in them: whole or not at all.
//!
//! The folders are watched, not the files: editors and Kubernetes replace files and links. What is looked at then is a
//! fingerprint of the files, so that other files in the folder cost nothing but a look. Where no event comes (a folder
//! behind a link, one that was made anew, a network's) the fingerprint is looked at by itself every few seconds.

use super::plugins;
use crate::clock::Clock;
use crate::limits::{RELOAD_LOOK, RELOAD_QUIET, RELOAD_WAIT_MAX};
use crate::options::{Built, LoadError, Options, PluginOptions};
use forebay_jetstream::run::JetStream;
use forebay_plugin_host::{Host, Report};
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

/// The running watch. Dropping it ends it.
pub(super) struct Reloads {
    told: Arc<Told>,
    wake: SyncSender<()>,
}

/// What the watch is told from outside.
#[derive(Default)]
struct Told {
    stop: AtomicBool,
    /// Somebody asked for a reload, whether anything changed or not.
    reload: AtomicBool,
}

impl Reloads {
    /// Reads everything anew, as after a change.
    pub(super) fn ask(&self) {
        self.tell(&self.told.reload);
    }

    fn tell(&self, what: &AtomicBool) {
        what.store(true, Ordering::Release);
        // A full queue wakes it as well.
        let _ = self.wake.try_send(());
    }
}

impl Drop for Reloads {
    fn drop(&mut self) {
        self.tell(&self.told.stop);
    }
}

/// Inode, time of change in nanoseconds, and length of each file that matters; `None` where there is none.
type Fingerprint = BTreeMap<PathBuf, Option<(u64, i128, u64)>>;

struct Watch {
    host: Host,
    jetstream: Option<Arc<JetStream>>,
    clock: Clock,
    config: PathBuf,
    /// What runs.
    plugins: PluginOptions,
    /// The file at the start, without what may change while the server runs.
    started_with: Option<Options>,
    /// The same of the file when it was read last.
    rest: Option<Options>,
    /// The last reload was refused.
    refused: bool,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    seen: Fingerprint,
    told: Arc<Told>,
}

/// Starts to watch; `None` if there is no file to watch, or no thread for it, which the log says.
pub(super) fn start(
    options: &Options,
    host: &Host,
    jetstream: Option<Arc<JetStream>>,
    clock: Clock,
) -> Option<Reloads> {
    let config = options.config.as_ref()?.path.clone();
    let (wake, woken) = sync_channel(1);
    let told = Arc::new(Told::default());
    let waker = wake.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| is_change(event.kind)) {
            // If one is waiting already, it stands for this one too.
            let _ = waker.try_send(());
        }
    });
    if let Err(error) = &watcher {
        tracing::warn!(error = %error, every = ?RELOAD_LOOK, "Files cannot be watched, they are looked at");
    }
    let rest = load(&config).ok().map(without_live);
    let mut watch = Watch {
        host: host.clone(),
        jetstream,
        clock,
        plugins: options.plugins.clone(),
        started_with: rest.clone(),
        rest,
        refused: false,
        config,
        watcher: watcher.ok(),
        folders: BTreeSet::new(),
        seen: Fingerprint::new(),
        told: told.clone(),
    };
    watch.watch_folders();
    let thread = std::thread::Builder::new().name("forebay-reload".to_owned()).spawn(move || watch.run(&woken));
    if let Err(error) = thread {
        tracing::warn!(error = %error, "No thread to watch files: changes need a restart");
        return None;
    }
    Some(Reloads { told, wake })
}

/// Reading a file is an event, too, and would wake us for ever.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// The file's options. An empty file is what an editor leaves for a moment, or for good where the disk is full: it
/// would take all plugins away.
fn load(config: &Path) -> Result<Options, LoadError> {
    let options = |source| LoadError::Options { path: config.to_owned(), source };
    if std::fs::metadata(config).is_ok_and(|metadata| metadata.len() == 0) {
        return Err(LoadError::Empty { path: config.to_owned() });
    }
    let mut loaded = Options::load(config, Built::NOW)?;
    loaded.finish().map_err(options)?;
    Ok(loaded)
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
        // Nothing has been seen yet: the first look finds what changed while the server started.
        loop {
            let is_woken = woken.recv_timeout(RELOAD_LOOK) != Err(RecvTimeoutError::Timeout);
            if self.told.stop.load(Ordering::Acquire) {
                return;
            }
            if !is_woken && self.fingerprint() == self.seen {
                continue;
            }
            let now = self.settled(woken);
            if self.told.stop.load(Ordering::Acquire) {
                return;
            }
            let asked = self.told.reload.swap(false, Ordering::AcqRel);
            if asked || now != self.seen {
                self.seen = now;
                self.reload(asked);
                self.watch_folders();
                // New plugins have new files; a file that changed meanwhile is seen by the next look.
                let mut files = self.fingerprint();
                files.iter_mut().for_each(|(path, print)| *print = self.seen.get(path).copied().unwrap_or(*print));
                self.seen = files;
            }
        }
    }

    /// The files once nothing of them changes any more, so that one that is being written is not read half; however
    /// much goes on changing, after a while.
    fn settled(&self, woken: &Receiver<()>) -> Fingerprint {
        let until = self.clock.now() + RELOAD_WAIT_MAX;
        let mut before = self.fingerprint();
        loop {
            let is_quiet = woken.recv_timeout(RELOAD_QUIET) != Ok(());
            let now = self.fingerprint();
            if (is_quiet && now == before) || self.clock.now() >= until || self.told.stop.load(Ordering::Acquire) {
                return now;
            }
            before = now;
        }
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.config.as_path()).chain(self.plugins.plugins.iter().map(|plugin| plugin.file.as_path()))
    }

    fn fingerprint(&self) -> Fingerprint {
        let of = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            let changed = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
            Some((metadata.ino(), changed, metadata.len()))
        };
        self.files().map(|path| (path.to_owned(), of(path))).collect()
    }

    /// Watches the folders of all files that matter now. One that was made anew under its old name needs a new watch.
    fn watch_folders(&mut self) {
        let wanted: BTreeSet<PathBuf> = self.files().map(folder_of).collect();
        let before = std::mem::replace(&mut self.folders, wanted.clone());
        let Some(watcher) = &mut self.watcher else { return };
        for folder in &before {
            // It may be gone from the disk as well.
            let _ = watcher.unwatch(folder);
        }
        for folder in wanted {
            if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive)
                && !before.contains(&folder)
            {
                let folder = folder.display();
                tracing::warn!(folder = %folder, error = %error, every = ?RELOAD_LOOK, "A folder cannot be watched, it is looked at");
            }
        }
    }

    /// Whole, or not at all and why.
    fn apply(&self, next: &PluginOptions) -> Result<Report, String> {
        let staged = self.host.stage(&plugins::set(next)).map_err(|error| error.to_string())?;
        let refused = self.jetstream.as_ref().map(|js| plugins::on_work_queues(next, js)).unwrap_or_default();
        if refused.is_empty() {
            return Ok(self.host.publish(staged));
        }
        refused.iter().for_each(|(plugin, _)| self.host.count_refused_of(plugin));
        Err(refused.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; "))
    }

    fn reload(&mut self, asked: bool) {
        let loaded = match load(&self.config) {
            Ok(loaded) => loaded,
            Err(error) => {
                self.host.count_refused();
                return self.refuse(asked, "The configuration is refused, what runs goes on", &error);
            }
        };
        let next = loaded.plugins.clone();
        match self.apply(&next) {
            Ok(report) => {
                plugins::tell_changed(&report, "Plugin reloaded");
                let rebound = next.transforms != self.plugins.transforms || next.filters != self.plugins.filters;
                if rebound {
                    let (transforms, filters) = (next.transforms.len(), next.filters.len());
                    tracing::info!(transforms, filters, "Plugins bound anew");
                    plugins::tell(&next);
                }
                let changed = rebound || !report.removed.is_empty() || report.plugins.iter().any(|one| one.changed);
                if std::mem::take(&mut self.refused) && !changed {
                    tracing::info!("What was refused is gone: the files say what runs");
                }
                if asked {
                    tracing::info!("Reloaded server configuration");
                }
                self.plugins = next;
            }
            Err(reason) => self.refuse(asked, "The plugins are refused, the old ones go on", &reason),
        }
        self.tell_rest(without_live(loaded));
    }

    fn refuse(&mut self, asked: bool, what: &'static str, reason: &dyn std::fmt::Display) {
        self.refused = true;
        if asked {
            // nats-server's words, for those who sent a signal and wait for them.
            return tracing::error!("Failed to reload server configuration: {reason}");
        }
        tracing::error!(reason = %reason, "{what}");
    }

    /// Says what of the file does not take effect, and when it says again what runs.
    fn tell_rest(&mut self, rest: Options) {
        let changed = self.rest.as_ref().is_some_and(|before| *before != rest);
        if let Some(runs) = self.started_with.as_ref().filter(|_| changed) {
            let options = runs.differing(&rest).join(", ");
            if options.is_empty() {
                tracing::info!("The configuration says again what runs: no restart is needed");
            } else {
                tracing::warn!(options, "The configuration changed in what needs a restart: that has no effect yet");
            }
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
