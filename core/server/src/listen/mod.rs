//! Accepting and owning connections, one kind of socket per file; each offers the broker a `Sink`.

pub(crate) mod owner;
pub(crate) mod route;
pub(crate) mod speaker;
pub(crate) mod tcp;
