//! Why bytes from another server make no sense.

use thiserror::Error;

/// Why decoding a frame stopped. The connection ends after each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// A frame longer than its lane allows.
    #[error("a frame of {length} bytes, where at most {most} are allowed")]
    TooLong {
        /// What the header says.
        length: usize,
        /// The bound.
        most: usize,
    },
    /// A kind that this version does not know, or that has no place here.
    #[error("a frame of kind {0}, which has no place here")]
    Kind(u8),
    /// A body that does not hold what its kind promises.
    #[error("a damaged frame: {0}")]
    Body(&'static str),
}
