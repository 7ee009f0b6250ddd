//! Counters of a plugin's own.

/// Adds to `forebay_plugin_user_total{plugin,metric="<name>"}`. Names are of `a-z`, `0-9` and `_`, at most 64 long, at
/// most 32 of them; others are not counted. Under `cargo test` nothing happens.
pub fn count(name: &str, by: u64) {
    crate::abi::count(name, by);
}
