//! The real binary, as people and their scripts use it: flags, files, signals, log lines, endpoints.

mod cluster;
mod config;
mod files;
mod flags;
mod monitor;
mod process;
mod signals;
