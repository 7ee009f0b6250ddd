//! Starts and stops JetStream: the store's folder, the threads, the declared streams.

use crate::clock::{Clock, monotonic_nanos};
use crate::entropy;
use crate::error::StartError;
use crate::identity::Identity;
use crate::log;
use crate::machine;
use crate::options::Options;
use forebay_api::json::UnknownFields;
use forebay_api::level::SERVER_LEVEL;
use forebay_broker::{Broker, GLOBAL_ACCOUNT, ThreadState};
use forebay_jetstream::api::ServerFacts;
use forebay_jetstream::run::{self, JetStream, Started, Upkeep, Waiters};
use forebay_store::{Disk, LaneThread, PrepareThread, Storage, foreign_streams};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shards for streams with one replica.
const LOCAL_SHARDS: u32 = 4;
/// Room in an entry beside one message of the largest payload: its subject, headers and the group it comes with.
const ENTRY_ROOM: usize = 2 << 20;
/// How often, and how far apart, to look whether a declared stream is there.
const DECLARE_LOOKS: u32 = 2_000;
/// See [`DECLARE_LOOKS`].
const DECLARE_PAUSE: Duration = Duration::from_millis(1);
/// Length of a fresh consumer name.
const NAME_CHARS: usize = 8;

/// JetStream's clock.
struct WiredClock(Clock);

impl run::Clock for WiredClock {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn wall_ns(&self) -> i64 {
        self.0.wall_nanos()
    }
}

/// JetStream with its threads.
pub(super) struct Running {
    pub(super) js: Arc<JetStream>,
    upkeep: Upkeep,
    lane: LaneThread<Waiters>,
    _prepare: PrepareThread,
}

impl Running {
    /// Writes a checkpoint and ends the threads.
    pub(super) fn stop(self) {
        self.upkeep.stop();
        self.lane.stop();
    }
}

/// Opens the store and starts.
///
/// # Errors
/// The folder holds nats-server's streams, cannot be used, or holds what this version cannot read.
pub(super) fn start(
    options: &Options,
    identity: &Identity,
    clock: Clock,
    broker: &Arc<Broker>,
) -> Result<Running, StartError> {
    let failed = |text: String| StartError::JetStream(text);
    let base = options.jetstream.store_base();
    if !options.jetstream.ignore_nats_store
        && let Some(foreign) = foreign_streams(&base.path)
    {
        return Err(failed(format!(
            "{} holds streams of nats-server, which are not touched: choose another store folder (-sd), or start with --ignore-nats-store",
            foreign.display()
        )));
    }
    let folder = base.path.join("forebay");
    let disk = Disk::open(&folder).map_err(|error| failed(format!("{}: {error}", folder.display())))?;
    let max_memory = options.jetstream.max_memory.unwrap_or_else(machine::default_jetstream_memory);
    let max_storage = match options.jetstream.max_storage {
        Some(most) => most,
        None => machine::default_jetstream_storage(&folder, 0)
            .map_err(|error| failed(format!("{}: {error}", folder.display())))?,
    };
    log::jetstream_facts(max_memory, max_storage, &folder, SERVER_LEVEL);
    let started = open(options, identity, clock, broker, Arc::new(disk), (max_memory, max_storage))?;
    let Started { js, lane, prepare, store, recovered, damaged } = started;
    tracing::info!(streams = recovered.0, messages = recovered.1, damaged, "Recovered");
    let upkeep = Upkeep::start(js.clone(), store)
        .map_err(|source| StartError::System { what: "start the upkeep thread", source })?;
    declare(options, clock, broker, &js);
    Ok(Running { js, upkeep, lane, _prepare: prepare })
}

fn open(
    options: &Options,
    identity: &Identity,
    clock: Clock,
    broker: &Arc<Broker>,
    storage: Arc<dyn Storage>,
    (max_memory, max_storage): (u64, u64),
) -> Result<Started, StartError> {
    let config = run::Config {
        facts: ServerFacts {
            name: identity.server_name.clone(),
            version: identity.version.to_owned(),
            domain: String::new(),
            unknown_fields: UnknownFields::Refused,
        },
        max_memory,
        max_storage,
        shards: LOCAL_SHARDS,
        cores: options.core_thread_count(),
        fresh_name: Box::new(|| entropy::base62(NAME_CHARS)),
    };
    let defaults = forebay_store::Config::default();
    let store_config = forebay_store::Config {
        store_id: entropy::u64(),
        clock: Some(monotonic_nanos),
        max_entry_bytes: defaults.max_entry_bytes.max(options.limits.max_payload + ENTRY_ROOM),
        ..defaults
    };
    let lane_state = ThreadState::new(broker.clone(), entropy::u64(), clock.now(), clock.wall_nanos());
    run::start(config, storage, store_config, broker.clone(), Arc::new(WiredClock(clock)), lane_state)
        .map_err(|error| StartError::JetStream(error.to_string()))
}

/// Creates and updates the streams that the configuration declares. None is deleted for not being there.
fn declare(options: &Options, clock: Clock, broker: &Arc<Broker>, js: &Arc<JetStream>) {
    let mut thread = ThreadState::new(broker.clone(), entropy::u64(), clock.now(), clock.wall_nanos());
    for stream in &options.streams {
        let Some(name) = stream.config.get("name").and_then(serde_json::Value::as_str) else { continue };
        if stream.account != GLOBAL_ACCOUNT {
            tracing::error!(stream = name, account = stream.account, "Only the account $G has JetStream yet");
            continue;
        }
        match serde_json::to_vec(&stream.config) {
            Ok(config) => {
                js.declare(&mut thread, &stream.account, name, &config);
                await_stream(js, &stream.account, name);
            }
            Err(error) => tracing::error!(stream = name, error = %error, "A declared stream cannot be written as JSON"),
        }
    }
}

/// Whoever is told that the server is ready finds the declared streams.
fn await_stream(js: &JetStream, account: &str, name: &str) {
    for _ in 0..DECLARE_LOOKS {
        if js.has_stream(account, name) {
            return;
        }
        std::thread::sleep(DECLARE_PAUSE);
    }
    tracing::error!(stream = name, "A declared stream is not there");
}
