//! Named bounds of this crate.

/// Tokens that a literal subject or filter is split into without allocating; longer ones still work.
pub const TOKENS_INLINE: usize = 32;
/// Bytes of a token that a sublist node keeps inline; a longer token is kept behind a pointer.
pub const TOKEN_INLINE_BYTES: usize = 15;

const _: () = assert!(TOKEN_INLINE_BYTES < 255, "255 marks a token kept behind a pointer");
