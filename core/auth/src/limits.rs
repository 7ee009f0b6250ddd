//! The named bounds and fixed names of authentication.

/// The account of everyone who has no other (nats-server `globalAccountName`).
pub const GLOBAL_ACCOUNT: &str = "$G";

/// bcrypt looks at no more bytes of a password than these; Go's implementation, and with it
/// nats-server, never accepts a longer one.
pub const BCRYPT_PASSWORD_BYTES_MAX: usize = 72;
