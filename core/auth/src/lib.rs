//! Who may use this server, decided without a socket.
//!
//! # What
//! The users and tokens of a configuration ([`AuthConfig`]), what a client offered in its CONNECT
//! ([`Credentials`]), and the one function that judges the second by the first ([`authenticate`]).
//!
//! # Boundary
//! Pure: no I/O, no clock, no randomness, no threads. Comparing a bcrypt hash takes tens of
//! milliseconds of CPU; [`AuthConfig::is_expensive_for`] says so beforehand, so that the caller runs
//! [`authenticate`] away from a core thread.
//!
//! # Invariants
//! Secrets are compared in constant time, and neither `Debug` nor an error ever shows one. A denial
//! does not tell the client what was wrong.
//!
//! # Not here (and where instead)
//! The texts of `-ERR` on the wire: `protocol/error.rs`. Reading users from a file:
//! `server/options/auth.rs`. nkeys, JWT, callout: refused by the options until they are built.

mod decision;
mod limits;
mod permission;
mod secret;
mod user;

pub use decision::{Allowed, Decision, Denied, authenticate};
pub use limits::{BCRYPT_PASSWORD_BYTES_MAX, GLOBAL_ACCOUNT};
pub use permission::{Permissions, SubjectPermission};
pub use secret::Secret;
pub use user::{AuthConfig, AuthConfigError, Credentials, Method, User};
