//! Lines in the server's log: target `plugin`, with the plugin's name and hash. The server cuts lines to 4 KiB and, on
//! each thread, to 100 a second after a burst of 1,000. Under `cargo test` they go to standard error.

use std::fmt::Display;

/// Something is broken.
pub fn error(line: impl Display) {
    write(0, line);
}

/// Something is odd.
pub fn warn(line: impl Display) {
    write(1, line);
}

/// Something that an operator may want to know.
pub fn info(line: impl Display) {
    write(2, line);
}

/// Something that helps to find faults.
pub fn debug(line: impl Display) {
    write(3, line);
}

fn write(level: u32, line: impl Display) {
    crate::abi::log(level, &line.to_string());
}
