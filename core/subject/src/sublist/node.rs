//! One node of the sublist: a token below a parent, in one cache line.

use super::matched::Matched;
use crate::limits::TOKEN_INLINE_BYTES;

pub(super) type NodeId = u32;
/// The root's place; also what "no child" could never be.
pub(super) const ROOT: NodeId = 0;
/// Says that there is no such node.
pub(super) const NO_NODE: NodeId = u32::MAX;

/// `length` of a token that is kept behind a pointer.
const LONG: u8 = 255;

#[repr(align(64))]
pub(super) struct Node<S> {
    pub(super) parent: NodeId,
    pub(super) wildcard: NodeId,
    pub(super) full_wildcard: NodeId,
    /// How many literal children there are.
    pub(super) literals: u32,
    pub(super) matched: Matched<S>,
    long: Option<Box<[u8]>>,
    length: u8,
    short: [u8; TOKEN_INLINE_BYTES],
}

const _: () = assert!(size_of::<Node<std::sync::Arc<u8>>>() == 64, "a node fits one cache line");

impl<S> Node<S> {
    pub(super) fn new(parent: NodeId, token: &[u8]) -> Self {
        let mut short = [0; TOKEN_INLINE_BYTES];
        let (length, long) = match short.get_mut(..token.len()) {
            Some(place) => {
                place.copy_from_slice(token);
                (token.len() as u8, None)
            }
            None => (LONG, Some(token.into())),
        };
        Self {
            parent,
            wildcard: NO_NODE,
            full_wildcard: NO_NODE,
            literals: 0,
            matched: Matched::None,
            long,
            length,
            short,
        }
    }

    #[inline]
    pub(super) fn token(&self) -> &[u8] {
        match &self.long {
            Some(token) => token,
            None => &self.short[..self.length as usize],
        }
    }

    #[inline]
    pub(super) fn is(&self, parent: NodeId, token: &[u8]) -> bool {
        self.parent == parent && self.token() == token
    }

    pub(super) fn is_unused(&self) -> bool {
        self.literals == 0
            && self.wildcard == NO_NODE
            && self.full_wildcard == NO_NODE
            && matches!(self.matched, Matched::None)
    }

    /// Gives back what a freed node holds.
    pub(super) fn clear(&mut self) {
        self.long = None;
        self.length = 0;
        self.parent = NO_NODE;
    }
}
