//! The process-wide runtime: one wasmtime engine, its linkers and its ticker, made with the first plugin.

use std::num::NonZeroUsize;

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy, WasmBacktraceDetails,
};

use crate::limits::{MEMORY_BYTES_MAX, STACK_BYTES_MAX, TABLE_ELEMENTS_MAX};
use crate::run::Ticker;

/// Bytes of a returned instance's memory that stay resident, so that the next one needs no page faults.
const KEEP_RESIDENT_BYTES: usize = 128 << 10;
/// Frames of a guest's stack that a trap tells.
const BACKTRACE_FRAMES_MAX: usize = 16;

/// What all plugins share.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) ticker: Ticker,
}

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot start: {0}")]
pub struct EngineError(String);

impl Runtime {
    /// Makes the engine for at most `instances` instances at a time. Where the address space for a pool cannot be had,
    /// instances are made on demand: a little slower to replace, no slower to call.
    pub(crate) fn new(instances: u32) -> Result<Self, EngineError> {
        let engine = Engine::new(&config(InstanceAllocationStrategy::Pooling(pool(instances)))).or_else(|error| {
            tracing::warn!(target: "plugin", error = %format!("{error:#}"), "no pool for plugin instances, making them on demand");
            Engine::new(&config(InstanceAllocationStrategy::OnDemand))
        });
        let engine = engine.map_err(|error| EngineError(format!("{error:#}")))?;
        let ticker = Ticker::new(engine.clone());
        Ok(Self { engine, ticker })
    }
}

/// Epochs interrupt (fuel would make guests 1.8–2.2 times slower); floats are deterministic; what forebay/1 does not
/// need is off. The crate features leave threads, garbage collection and the component model out altogether.
fn config(allocation: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .consume_fuel(false)
        .concurrency_support(false)
        .max_wasm_stack(STACK_BYTES_MAX)
        .memory_init_cow(true)
        .wasm_simd(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_relaxed_simd(false)
        .cranelift_nan_canonicalization(true)
        .wasm_memory64(false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .generate_address_map(true)
        .allocation_strategy(allocation);
    config
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(instances)
        .total_memories(instances)
        .total_tables(instances.saturating_mul(2))
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}
