//! The named bounds of the plugin host.

use std::time::Duration;

use forebay_broker::hooks::{EMITS_MAX, FILTER_BATCH_MAX};

/// Length of a tick: how often a running guest is looked at.
pub const TICK: Duration = Duration::from_millis(1);
/// CPU time of one call, unless the plugin's config says otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_millis(5);
/// Shortest and longest timeout a config may ask for.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// See [`TIMEOUT_MIN`].
pub const TIMEOUT_MAX: Duration = Duration::from_secs(10);
/// A filter's batch may take this many timeouts.
pub const BATCH_TIMEOUTS: u64 = 4;
/// CPU time of a new instance's start and configuration together.
pub const CONFIGURE_BUDGET: Duration = Duration::from_millis(250);

/// Largest `.wasm` file.
pub const MODULE_BYTES_MAX: usize = 16 << 20;
/// Largest `forebay.plugin` section.
pub const SECTION_BYTES_MAX: usize = 64 << 10;
/// Most functions of a module.
pub const FUNCTIONS_MAX: usize = 50_000;
/// Most imports of a module (a WASI program imports a few dozen).
pub const IMPORTS_MAX: usize = 256;
/// Most elements of a table.
pub const TABLE_ELEMENTS_MAX: usize = 10_000;
/// The guest's native stack.
pub const STACK_BYTES_MAX: usize = 256 << 10;
/// Linear memory of one instance, unless the plugin's config says otherwise.
pub const MEMORY_BYTES_DEFAULT: usize = 16 << 20;
/// Least memory a config may give: the mailbox and a stack need some.
pub const MEMORY_BYTES_MIN: usize = 1 << 20;
/// Most memory a config may give; the pool reserves address space by it.
pub const MEMORY_BYTES_MAX: usize = 1 << 30;
/// Longest config, as JSON.
pub const CONFIG_BYTES_MAX: usize = 1 << 20;

/// The mailbox that each guest is asked for at its start.
pub const MAILBOX_BYTES: usize = 64 << 10;
/// A batch is cut where its frame would pass this; a single message may be larger.
pub const BATCH_FRAME_BYTES_MAX: usize = 256 << 10;
/// Largest frame of all (a message of nats-server's largest `max_payload` and its headers fit).
pub const FRAME_BYTES_MAX: usize = 80 << 20;
/// Most messages that one transform call may emit.
pub const EMITS_PER_CALL_MAX: usize = 16;
/// Most header edits of one emitted message.
pub const HEADER_EDITS_MAX: usize = 64;
/// Longest header name that a plugin may set.
pub const HEADER_NAME_BYTES_MAX: usize = 256;
/// Largest header block after a plugin's edits.
pub const HEADER_BLOCK_BYTES_MAX: usize = 64 << 10;
/// Longest subject that a plugin may make (nats-server's `max_control_line`).
pub const SUBJECT_BYTES_MAX: usize = 4096;
/// Longest text that is kept of a panic, a reject or a refused config.
pub const FAIL_TEXT_BYTES_MAX: usize = 1024;

/// Longest log line of a guest; the rest is cut off.
pub const LOG_LINE_BYTES_MAX: usize = 4096;
/// Log lines a second and thread of one plugin.
pub const LOG_LINES_PER_SECOND: u64 = 100;
/// Log lines in a row before that rate applies.
pub const LOG_LINES_BURST: u64 = 1000;
/// Counters of its own that a plugin may have.
pub const COUNTERS_MAX: usize = 32;
/// Longest name of such a counter.
pub const COUNTER_NAME_BYTES_MAX: usize = 64;

/// Plugins of one host, unless its config says otherwise.
pub const PLUGINS_MAX_DEFAULT: usize = 32;
/// Names of plugins that one host ever hears of; they keep their counters.
pub const PLUGINS_EVER_MAX: usize = 4096;
/// Longest name of a plugin.
pub const PLUGIN_NAME_BYTES_MAX: usize = 64;
/// Bindings that one host ever hears of: their numbers are never used again.
pub const BINDINGS_EVER_MAX: usize = 65_536;
/// Self-tests of one plugin.
pub const SELFTESTS_MAX: usize = 64;

/// Calls after which an instance is replaced, so that a slow leak stays bounded.
pub const RECYCLE_CALLS: u64 = 1_000_000;
/// Failures within [`BREAKER_WINDOW`] that open a breaker.
pub const BREAKER_FAILURES: usize = 5;
/// See [`BREAKER_FAILURES`].
pub const BREAKER_WINDOW: Duration = Duration::from_secs(10);
/// The first pause of an open breaker; each failed probe doubles it.
pub const BREAKER_PAUSE_FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
pub const BREAKER_PAUSE_MAX: Duration = Duration::from_secs(300);
/// Of the single calls every so many-th is timed; reading the clock costs more than a call.
pub const SAMPLE_EVERY: u64 = 64;

const _: () = assert!(FILTER_BATCH_MAX == 64, "a batch's verdict is one u64");
const _: () = assert!(EMITS_PER_CALL_MAX <= EMITS_MAX);
const _: () = assert!(MAILBOX_BYTES < MEMORY_BYTES_MIN && MEMORY_BYTES_MIN <= MEMORY_BYTES_DEFAULT);
const _: () = assert!(MEMORY_BYTES_DEFAULT <= MEMORY_BYTES_MAX && FRAME_BYTES_MAX <= MEMORY_BYTES_MAX);
const _: () = assert!(SAMPLE_EVERY.is_power_of_two());
