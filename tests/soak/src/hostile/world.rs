//! A server with the hostile plugin bound in many ways, and a client that hears what the server holds against it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::{Client, ConnectOptions, Event};
use bytes::Bytes;
use serde_json::Value;

use crate::monitor::Metrics;
use crate::server::Server;

/// The plugin's name in the configuration.
pub(super) const PLUGIN: &str = "hostile";
/// CPU time of a call.
pub(super) const TIMEOUT: Duration = Duration::from_millis(5);
/// Memory of an instance: what allocates without end is there before its time is up.
pub(super) const MEMORY_MIB: u64 = 4;
/// After so long an open breaker lets a call through.
pub(super) const BREAKER_PAUSE: Duration = Duration::from_millis(1_100);
/// Failures that open a breaker.
pub(super) const BREAKER_FAILURES: u64 = 5;
/// An answer must come within this.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// Nothing that comes at all comes later than this.
pub(super) const SILENCE: Duration = Duration::from_millis(400);

/// A way to misbehave: the last token of a subject asks for it.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// What the publisher is told, if it is told.
    pub(super) texts: &'static [&'static str],
}

/// A plugin that allocates may use up its time first where the machine is busy.
pub(super) const KINDS: [Kind; 3] = [
    Kind { name: "loop", texts: &["used up its 5ms of CPU time"] },
    Kind { name: "hog", texts: &["KiB of memory", "CPU time"] },
    Kind { name: "panic", texts: &["as it was told"] },
];

/// Bindings of which each has a breaker of its own, for measurements: `w.<number>.>`.
pub(super) const SPARE: usize = 120;

/// What a transform's error may do.
pub(super) const TRANSFORM_POLICIES: [&str; 3] = ["reject", "pass", "drop"];
/// What a filter's error may do.
pub(super) const FILTER_POLICIES: [&str; 3] = ["deliver", "skip", "pause"];

/// The configuration; `pause` is what the bindings with that policy do.
pub(super) fn configuration(plugin: &Path, pause: &str) -> String {
    let mut text = format!(
        "listen = \"127.0.0.1:-1\"\ncore_threads = 1\n[http]\nlisten = \"127.0.0.1:-1\"\n\
         [jetstream]\nstore_dir = \"data\"\nmax_storage = \"1GiB\"\nmax_memory = \"64MiB\"\n\
         [[streams]]\nname = \"T\"\nsubjects = [\"t.>\"]\n[[streams]]\nname = \"F\"\nsubjects = [\"f.>\"]\n\
         [plugins.{PLUGIN}]\nfile = \"{}\"\ntimeout = \"{}ms\"\nmemory_max = \"{MEMORY_MIB}MiB\"\n",
        plugin.display(),
        TIMEOUT.as_millis(),
    );
    let mut transform = |subject: &str, policy: &str| {
        text += &format!(
            "[[transforms]]\nplugin = \"{PLUGIN}\"\nsubjects = [\"{subject}\"]\non_error = \"{policy}\"\nstamp = true\n"
        );
    };
    for policy in TRANSFORM_POLICIES {
        for kind in &KINDS {
            // Behind `t` there is a stream, behind `c` there is none.
            transform(&format!("t.{policy}.{}.>", kind.name), policy);
            transform(&format!("c.{policy}.{}.>", kind.name), policy);
        }
    }
    for number in 0..SPARE {
        transform(&format!("w.{number}.>"), "reject");
    }
    for policy in FILTER_POLICIES {
        for kind in &KINDS {
            let consumer = format!("{policy}_{}", kind.name);
            let policy = if policy == "pause" { pause } else { policy };
            text += &format!(
                "[[filters]]\nplugin = \"{PLUGIN}\"\nstream = \"F\"\nconsumer = \"{consumer}\"\non_error = \"{policy}\"\n"
            );
        }
    }
    text
}

/// The server and a client.
pub(super) struct World {
    pub(super) server: Server,
    pub(super) config: PathBuf,
    pub(super) plugin: PathBuf,
    pub(super) client: Client,
    errors: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// Starts both.
    pub(super) async fn start(program: &Path, plugin: &Path, folder: &Path) -> Result<Self> {
        let config = folder.join("hostile.toml");
        std::fs::write(&config, configuration(plugin, "pause"))?;
        let server = Server::start(program, &config)?;
        let errors = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&errors);
        let options = ConnectOptions::new().event_callback(move |event| {
            if let (Event::ServerError(_) | Event::Disconnected | Event::ClientError(_), Ok(mut heard)) =
                (&event, heard.lock())
            {
                heard.push(event.to_string());
            }
            async {}
        });
        let client = options.connect(server.url()).await?;
        Ok(Self { server, config, plugin: plugin.to_owned(), client, errors })
    }

    /// What the server held against the client since the last question.
    pub(super) fn take_errors(&self) -> Vec<String> {
        self.errors.lock().map(|mut errors| std::mem::take(&mut *errors)).unwrap_or_default()
    }

    /// Asks, and waits; `None` if nobody answers.
    pub(super) async fn ask(&self, subject: &str, payload: &'static str, wait: Duration) -> Option<Bytes> {
        let request = self.client.request(subject.to_owned(), payload.into());
        let answer = tokio::time::timeout(wait, request).await.ok()?.ok()?;
        Some(answer.payload)
    }

    /// Asks for JSON.
    pub(super) async fn ask_json(&self, subject: &str, payload: &'static str) -> Result<Value> {
        let answer =
            self.ask(subject, payload, ANSWER_WAIT).await.with_context(|| format!("no answer on {subject}"))?;
        serde_json::from_slice(&answer).with_context(|| format!("{subject} answers {answer:?}"))
    }

    /// The server has handled what was published before.
    pub(super) async fn settle(&self) -> Result<()> {
        self.client.flush().await?;
        self.ask_json("$JS.API.INFO", "").await?;
        Ok(())
    }

    /// Its metrics.
    pub(super) fn metrics(&self) -> Result<Metrics> {
        self.server.metrics()
    }

    /// Bindings whose breaker is open.
    pub(super) fn open(&self) -> Result<u64> {
        Ok(self.metrics()?.of_plugin("breaker_open", PLUGIN))
    }

    /// Last sequence of a stream, and how many messages it has.
    pub(super) async fn stream(&self, name: &str) -> Result<(u64, u64)> {
        let info = self.ask_json(&format!("$JS.API.STREAM.INFO.{name}"), "").await?;
        let of = |key: &str| info.pointer(&format!("/state/{key}")).and_then(Value::as_u64);
        Ok((of("last_seq").context("no last_seq")?, of("messages").context("no messages")?))
    }
}
