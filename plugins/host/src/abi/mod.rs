//! `forebay/1`, the contract with the guest: what it says about itself ([`section`]), how messages reach it
//! ([`frame`]), what its answers mean ([`result`]). Pure; `docs/plugins/abi.md` is the specification.

pub mod frame;
pub mod result;
pub mod section;

/// The contract's name and major version.
pub const ABI: &str = "forebay/1";
/// The module of everything that a guest may import.
pub const IMPORT_MODULE: &str = "forebay";
