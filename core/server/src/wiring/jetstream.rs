//! Starts and stops JetStream: the store's folder, the threads, the declared streams.

use super::plugins;
use crate::clock::{Clock, monotonic_nanos};
use crate::entropy;
use crate::error::{StartError, without_number};
use crate::identity::Identity;
use crate::log;
use crate::machine;
use crate::options::Options;
use forebay_api::json::UnknownFields;
use forebay_api::level::SERVER_LEVEL;
use forebay_broker::{Broker, ThreadState};
use forebay_jetstream::api::ServerFacts;
use forebay_jetstream::run::{self, JetStream, Started, Upkeep, Waiters};
use forebay_plugin_host::Host;
use forebay_store::{Disk, LaneThread, PrepareThread, Storage, foreign_streams};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

/// Shards for streams with one replica.
const LOCAL_SHARDS: u32 = 4;
/// Room in an entry beside one message of the largest payload: its subject, headers and the group it comes with.
const ENTRY_ROOM: usize = 2 << 20;
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
/// The folder holds nats-server's streams, cannot be used, or holds what this version cannot read; a declared stream
/// cannot be as declared, or a stream is a work queue and has a filter that it cannot have. Nothing is left running then.
pub(super) fn start(
    options: &Options,
    identity: &Identity,
    clock: Clock,
    broker: &Arc<Broker>,
    host: &Host,
) -> Result<Running, StartError> {
    let base = options.jetstream.store_base();
    if !options.jetstream.ignore_nats_store
        && let Some(foreign) = foreign_streams(&base.path)
    {
        return Err(StartError::JetStream(format!(
            "{} holds streams of nats-server, which are not touched: choose another store folder (-sd), or start with --ignore-nats-store",
            foreign.display()
        )));
    }
    let folder = base.path.join("forebay");
    let unusable = |error: &dyn Display| {
        let (folder, why) = (folder.display(), without_number(&error.to_string()));
        StartError::JetStream(format!("the store folder {folder} cannot be used: {why}"))
    };
    let disk = Disk::open(&folder).map_err(|error| unusable(&error))?;
    let max_memory = options.jetstream.max_memory.unwrap_or_else(machine::default_jetstream_memory);
    let max_storage = match options.jetstream.max_storage {
        Some(most) => most,
        None => machine::default_jetstream_storage(&folder, 0).map_err(|error| unusable(&error))?,
    };
    log::jetstream_facts(max_memory, max_storage, &folder, SERVER_LEVEL);
    let config = config(options, identity, (max_memory, max_storage), host);
    let started = open(options, config, clock, broker, Arc::new(disk));
    let Started { js, lane, prepare, store, recovered, damaged } = started.map_err(|error| unusable(&error))?;
    tracing::info!(streams = recovered.0, messages = recovered.1, damaged, "Recovered");
    if let Some((_, why)) = plugins::on_work_queues(&options.plugins, &js).into_iter().next() {
        return Err(StartError::Plugins(why));
    }
    let upkeep = Upkeep::start(js.clone(), store)
        .map_err(|source| StartError::System { what: "start the upkeep thread", source })?;
    let running = Running { js, upkeep, lane, _prepare: prepare };
    match declare(options, clock, broker, &running.js) {
        Ok(()) => Ok(running),
        Err(error) => {
            running.stop();
            Err(error)
        }
    }
}

fn config(options: &Options, identity: &Identity, (max_memory, max_storage): (u64, u64), host: &Host) -> run::Config {
    run::Config {
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
        filters: Arc::new(host.clone()),
    }
}

fn open(
    options: &Options,
    config: run::Config,
    clock: Clock,
    broker: &Arc<Broker>,
    storage: Arc<dyn Storage>,
) -> Result<Started, run::StartError> {
    let defaults = forebay_store::Config::default();
    let store_config = forebay_store::Config {
        store_id: entropy::u64(),
        clock: Some(monotonic_nanos),
        max_entry_bytes: defaults.max_entry_bytes.max(options.limits.max_payload + ENTRY_ROOM),
        ..defaults
    };
    let lane_state = ThreadState::new(broker.clone(), entropy::u64(), clock.now(), clock.wall_nanos());
    run::start(config, storage, store_config, broker.clone(), Arc::new(WiredClock(clock)), lane_state)
}

/// Creates and updates the streams that the configuration declares: whoever is told that the server is ready finds
/// them as declared. None is deleted for not being there.
fn declare(options: &Options, clock: Clock, broker: &Arc<Broker>, js: &Arc<JetStream>) -> Result<(), StartError> {
    let mut thread = ThreadState::new(broker.clone(), entropy::u64(), clock.now(), clock.wall_nanos());
    for stream in &options.streams {
        let refused = |why: String| StartError::Other(format!("{}: the stream {:?}: {why}", stream.at, stream.name()));
        let config = serde_json::to_vec(&stream.config).map_err(|error| refused(error.to_string()))?;
        js.declare(&mut thread, &stream.account, stream.name(), &config).map_err(|error| refused(error.to_string()))?;
    }
    Ok(())
}
