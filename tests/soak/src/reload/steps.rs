//! The edits: those that have to take effect, those that have to be refused, and one that needs a restart.

use std::time::Duration;

use anyhow::Result;
use forebay_conformance::clock::Stopwatch;

use crate::reload::files::{Files, How};
use crate::report::{Cases, Report};
use crate::server::Server;

/// An edit must be answered within this: two looks at the files, and the time to compile.
const EFFECT_WAIT: Duration = Duration::from_secs(15);
/// The plugin that is edited.
const PLUGIN: &str = "redact";

/// Where the new version comes from.
#[derive(Clone, Copy, Debug)]
enum What {
    Code,
    Config,
}

/// Five ways, four times: twenty versions.
const GOOD: [(What, How); 5] = [
    (What::Code, How::Link),
    (What::Code, How::InPlace),
    (What::Code, How::Rename),
    (What::Config, How::Rename),
    (What::Config, How::InPlace),
];
/// How many edits take effect.
pub(super) const GOOD_EDITS: usize = 20;

/// What breaks, what the log must say of it, and how.
struct Broken {
    name: &'static str,
    reason: &'static str,
    /// Whether each plugin that runs counts it as refused, since it is nobody's in particular.
    put: fn(&mut Files) -> Result<()>,
}

const BROKEN: [Broken; 7] = [
    Broken {
        name: "half of a .wasm",
        reason: "it is not a WebAssembly module",
        put: |files| {
            let code = files.code();
            files.put_code(How::Rename, &code[..code.len() / 2])
        },
    },
    Broken {
        name: "a .wasm that is emptied",
        reason: "it is not a WebAssembly module",
        put: |files| files.put_code(How::InPlace, b""),
    },
    Broken {
        name: "a .wasm that is gone",
        reason: "cannot read",
        put: |files| Ok(std::fs::remove_file(files.plugin())?),
    },
    Broken {
        name: "a config that the plugin refuses",
        reason: "its config is refused",
        put: |files| {
            let text = files.config_text().replace("hash = [", "hush = [");
            files.put_config(How::InPlace, &text)
        },
    },
    Broken {
        name: "a configuration that is no TOML",
        reason: "quickstart.toml:",
        put: |files| {
            let text = files.config_text() + "\nx = [";
            files.put_config(How::InPlace, &text)
        },
    },
    Broken {
        name: "a configuration with an unknown key",
        reason: "colour",
        put: |files| {
            let text = format!("colour = 1\n{}", files.config_text());
            files.put_config(How::Rename, &text)
        },
    },
    Broken {
        name: "a configuration that is emptied",
        reason: "is empty",
        put: |files| files.put_config(How::InPlace, ""),
    },
];

/// A version: what its stamp says, and what it does.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// The first 8 digits of the file's hash.
    pub(super) sha8: String,
    /// Whether it hashes the field `airport`.
    pub(super) airport: bool,
}

/// What the edits have shown so far.
pub(super) struct Steps<'a> {
    server: &'a Server,
    files: Files,
    /// By generation, from 1.
    pub(super) versions: Vec<Version>,
    effects: Cases,
    refusals: Cases,
    restarts: Cases,
    waits: Vec<Duration>,
    pub(super) refused: u64,
}

impl<'a> Steps<'a> {
    pub(super) fn new(server: &'a Server, files: Files) -> Self {
        let first = Version { sha8: files.sha8(), airport: files.airport };
        Self {
            server,
            files,
            versions: vec![first],
            effects: Cases::default(),
            refusals: Cases::default(),
            restarts: Cases::default(),
            waits: Vec::new(),
            refused: 0,
        }
    }

    /// Makes all edits, spread over a time.
    pub(super) fn run(&mut self, over: Duration) -> Result<()> {
        let watch = Stopwatch::start();
        for number in 0..GOOD_EDITS {
            let due = over * number as u32 / GOOD_EDITS as u32;
            std::thread::sleep(due.saturating_sub(watch.elapsed()));
            if let Some(broken) = number.checked_sub(1).and_then(|at| BROKEN.get(at / 2)).filter(|_| number % 2 == 1) {
                self.break_and_mend(broken)?;
            }
            let (what, how) = GOOD[number % GOOD.len()];
            self.edit(what, how)?;
        }
        self.need_a_restart()
    }

    fn edit(&mut self, what: What, how: How) -> Result<()> {
        let from = self.server.logged();
        match what {
            What::Code => {
                let code = self.files.next_build();
                self.files.put_code(how, &code)?;
            }
            What::Config => {
                self.files.airport = !self.files.airport;
                self.files.put_config(how, &self.files.config_text())?;
            }
        }
        let version = Version { sha8: self.files.sha8(), airport: self.files.airport };
        let (reloads, generation) = (self.versions.len() as u64, self.versions.len() + 1);
        let text = format!("Plugin reloaded plugin={PLUGIN} sha256={} generation={generation}", version.sha8);
        let watch = Stopwatch::start();
        let line = self.server.wait_for(from, &text, EFFECT_WAIT);
        self.waits.push(watch.elapsed());
        let counted = self.server.metrics()?.reloads(PLUGIN, "ok");
        let seen = format!("log {line:?}, counted {counted}");
        self.effects.case(format!("edit {reloads}, {what:?} {how:?}"), line.is_some() && counted == reloads, seen);
        self.versions.push(version);
        Ok(())
    }

    fn break_and_mend(&mut self, broken: &Broken) -> Result<()> {
        let from = self.server.logged();
        (broken.put)(&mut self.files)?;
        let line = self.server.wait_for(from, "refused", EFFECT_WAIT).unwrap_or_default();
        self.refused += 1;
        let counted = self.server.metrics()?.reloads(PLUGIN, "failed");
        // As it was: the same files make no new generation.
        let code = self.files.code();
        self.files.put_code(How::Rename, &code)?;
        self.files.put_config(How::Rename, &self.files.config_text())?;
        let mended = self.server.wait_for(from, "What was refused is gone", EFFECT_WAIT).is_some();
        let told = line.contains("[ERR]") && line.contains(broken.reason);
        let holds = told && counted == self.refused && mended && self.server.is_healthy();
        self.refusals.case(broken.name, holds, format!("log {line:?}, counted {counted}, mended {mended}"));
        Ok(())
    }

    /// What only a restart changes is named, and so is the way back.
    fn need_a_restart(&mut self) -> Result<()> {
        let text = self.files.config_text();
        let streams = text.replace("[[streams]]", "[[streams]]\nmax_age = \"7d\"");
        for (name, text, said) in [
            ("listen", text.replacen("127.0.0.1:-1", "127.0.0.1:4999", 1), "options=listen"),
            ("[[streams]]", streams, "options=[[streams]]"),
            ("as it was", text, "says again what runs"),
        ] {
            let from = self.server.logged();
            self.files.put_config(How::Rename, &text)?;
            let line = self.server.wait_for(from, said, EFFECT_WAIT);
            self.restarts.case(name, line.is_some(), format!("{:?}", self.server.lines_from(from)));
        }
        Ok(())
    }

    /// The rows about the edits.
    pub(super) fn tell(&mut self, report: &mut Report) -> Result<()> {
        self.waits.sort_unstable();
        let (middle, last) = (self.waits.get(self.waits.len() / 2), self.waits.last());
        report.cases("20 edits take effect, each in the log and in reloads_total", &self.effects);
        report.cases("broken files and configs are refused with the reason, and counted", &self.refusals);
        report.cases("what needs a restart is named", &self.restarts);
        let metrics = self.server.metrics()?;
        let (ok, failed) = (metrics.reloads(PLUGIN, "ok"), metrics.reloads(PLUGIN, "failed"));
        report.row(
            "reloads_total ok and failed at the end",
            format!(
                "{ok} and {failed} (took {:.1?} p50, {:.1?} most)",
                middle.unwrap_or(&Duration::ZERO),
                last.unwrap_or(&Duration::ZERO)
            ),
            ok == GOOD_EDITS as u64 && failed == self.refused,
        );
        let errors = metrics.all_errors(PLUGIN);
        report.row("calls of the plugin that failed", errors, errors == 0);
        Ok(())
    }
}
