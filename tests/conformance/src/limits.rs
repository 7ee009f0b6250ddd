//! How long the harness waits, and how much it takes.

use std::time::Duration;

/// A server must say "Server is ready" within this.
pub const START_WAIT: Duration = Duration::from_secs(20);
/// A server must exit this long after SIGTERM, otherwise it is killed and the scenario fails.
pub const STOP_WAIT: Duration = Duration::from_secs(15);
/// A frame that a scenario expects must come within this.
pub const FRAME_WAIT: Duration = Duration::from_secs(6);
/// Once a scenario has waited in vain, its later steps wait only this long: it has failed anyway.
pub const FRAME_WAIT_AFTER_TIMEOUT: Duration = Duration::from_millis(300);
/// How long silence must last for "nothing arrives".
pub const QUIET_WAIT: Duration = Duration::from_millis(200);
/// The pause between the bytes of a dribbled send.
pub const DRIBBLE_PAUSE: Duration = Duration::from_millis(1);
/// A frame larger than this is not a frame that any scenario asks for.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many lines of a server's log are kept to explain a failed start.
pub const LOG_LINES_MAX: usize = 200;

const _: () = assert!(FRAME_WAIT_AFTER_TIMEOUT.as_millis() < FRAME_WAIT.as_millis());
