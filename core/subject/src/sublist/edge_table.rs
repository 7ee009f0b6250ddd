//! All edges to literal children of all nodes, in one flat hash table keyed by (parent, token).

use super::node::{NO_NODE, Node, NodeId};
use crate::hash::hash;
use hashbrown::HashTable;

#[derive(Clone, Copy)]
struct Edge {
    child: NodeId,
    /// The low half of the hash: most misses end here, without touching the child's cache line.
    check: u32,
}

#[derive(Default)]
pub(super) struct EdgeTable {
    edges: HashTable<Edge>,
}

impl EdgeTable {
    #[inline]
    pub(super) fn find<S>(&self, nodes: &[Node<S>], parent: NodeId, token: &[u8]) -> NodeId {
        let full = hash(u64::from(parent), token);
        let check = full as u32;
        match self.edges.find(full, |edge| edge.check == check && nodes[edge.child as usize].is(parent, token)) {
            Some(edge) => edge.child,
            None => NO_NODE,
        }
    }

    pub(super) fn insert<S>(&mut self, nodes: &[Node<S>], child: NodeId) {
        let full = hash_of(nodes, child);
        self.edges.insert_unique(full, Edge { child, check: full as u32 }, |edge| hash_of(nodes, edge.child));
    }

    pub(super) fn remove<S>(&mut self, nodes: &[Node<S>], child: NodeId) {
        if let Ok(entry) = self.edges.find_entry(hash_of(nodes, child), |edge| edge.child == child) {
            entry.remove();
        }
    }
}

fn hash_of<S>(nodes: &[Node<S>], child: NodeId) -> u64 {
    let node = &nodes[child as usize];
    hash(u64::from(node.parent), node.token())
}
