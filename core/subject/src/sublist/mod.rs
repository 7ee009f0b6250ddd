//! Who is interested: subscriptions by filter.
//!
//! A tree of tokens whose edges to literal children stand in one flat hash table keyed by (parent, token), and whose
//! nodes fit a cache line each: matching a subject costs one probe a token and level, however many subscriptions
//! there are. Wildcard children hang at the node itself.
//!
//! Methods: `insert` and `remove` are commands, `matches`, `matches_below` and `has_match` are getters.

mod edge_table;
mod matched;
mod node;

pub use matched::{Matched, QueueMembers};

use crate::token::{FULL_WILDCARD, SEPARATOR, WILDCARD, has_empty_token, tokens};
use edge_table::EdgeTable;
use node::{NO_NODE, Node, NodeId, ROOT};
use smallvec::SmallVec;

type Frontier = SmallVec<[NodeId; 32]>;

/// Subscriptions by filter. `S` is cheap to clone and knows itself by `==` (an `Arc` compared by pointer, say).
pub struct Sublist<S> {
    nodes: Vec<Node<S>>,
    free: Vec<NodeId>,
    edges: EdgeTable,
    count: usize,
}

impl<S: Clone + PartialEq> Default for Sublist<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + PartialEq> Sublist<S> {
    /// An empty list.
    pub fn new() -> Self {
        Self { nodes: vec![Node::new(NO_NODE, b"")], free: Vec::new(), edges: EdgeTable::default(), count: 0 }
    }

    /// Subscriptions in the list.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True if nobody is interested in anything.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a subscription. The filter must be valid ([`crate::is_valid_filter`]); the list does not check it.
    pub fn insert(&mut self, filter: &[u8], queue: Option<&[u8]>, subscription: S) {
        let mut at = ROOT;
        for token in tokens(filter) {
            at = self.child_or_new(at, token);
        }
        self.nodes[at as usize].matched.add(queue, subscription);
        self.count += 1;
    }

    /// Takes a subscription out again; false if it was not there.
    pub fn remove(&mut self, filter: &[u8], queue: Option<&[u8]>, subscription: &S) -> bool {
        let mut at = ROOT;
        for token in tokens(filter) {
            at = self.child(at, token);
            if at == NO_NODE {
                return false;
            }
        }
        if !self.nodes[at as usize].matched.remove(queue, subscription) {
            return false;
        }
        self.count -= 1;
        self.prune(at);
        true
    }

    /// Calls `found` for each filter that matches `subject` and has subscriptions.
    /// A subject with an empty token matches nothing, not even `>` (nats-server `sublist.go`).
    #[inline]
    pub fn matches<'a>(&'a self, subject: &[u8], mut found: impl FnMut(&'a Matched<S>)) {
        if has_empty_token(subject) {
            return;
        }
        let mut now: Frontier = SmallVec::new();
        let mut next: Frontier = SmallVec::new();
        now.push(ROOT);
        let mut rest = Some(subject);
        while let Some(text) = rest {
            let token;
            (token, rest) = match memchr::memchr(SEPARATOR, text) {
                Some(at) => (&text[..at], Some(&text[at + 1..])),
                None => (text, None),
            };
            next.clear();
            for &at in &now {
                let node = &self.nodes[at as usize];
                if node.full_wildcard != NO_NODE {
                    found(&self.nodes[node.full_wildcard as usize].matched);
                }
                if node.wildcard != NO_NODE {
                    next.push(node.wildcard);
                }
                if node.literals != 0 {
                    let child = self.edges.find(&self.nodes, at, token);
                    if child != NO_NODE {
                        next.push(child);
                    }
                }
            }
            if next.is_empty() {
                return;
            }
            std::mem::swap(&mut now, &mut next);
        }
        for &at in &now {
            let matched = &self.nodes[at as usize].matched;
            if !matched.is_empty() {
                found(matched);
            }
        }
    }

    /// True if at least one subscription matches `subject`.
    pub fn has_match(&self, subject: &[u8]) -> bool {
        let mut any = false;
        self.matches(subject, |_| any = true);
        any
    }

    /// Calls `found` for each filter that matches `prefix.x` for every literal token `x`, and says whether that is all
    /// that can match: false if some filter tells one last token from another (what was found then does not count).
    pub fn matches_below<'a>(&'a self, prefix: &[u8], mut found: impl FnMut(&'a Matched<S>)) -> bool {
        if has_empty_token(prefix) {
            return true;
        }
        let mut now: Frontier = SmallVec::new();
        let mut next: Frontier = SmallVec::new();
        now.push(ROOT);
        for token in tokens(prefix) {
            next.clear();
            for &at in &now {
                let node = &self.nodes[at as usize];
                if node.full_wildcard != NO_NODE {
                    found(&self.nodes[node.full_wildcard as usize].matched);
                }
                let children = [node.wildcard, self.edges.find(&self.nodes, at, token)];
                next.extend(children.into_iter().filter(|id| *id != NO_NODE));
            }
            std::mem::swap(&mut now, &mut next);
        }
        for &at in &now {
            let node = &self.nodes[at as usize];
            if node.literals != 0 {
                return false;
            }
            for id in [node.full_wildcard, node.wildcard] {
                if id != NO_NODE && !self.nodes[id as usize].matched.is_empty() {
                    found(&self.nodes[id as usize].matched);
                }
            }
        }
        true
    }

    fn child(&self, at: NodeId, token: &[u8]) -> NodeId {
        let node = &self.nodes[at as usize];
        match token {
            WILDCARD => node.wildcard,
            FULL_WILDCARD => node.full_wildcard,
            _ => self.edges.find(&self.nodes, at, token),
        }
    }

    fn child_or_new(&mut self, at: NodeId, token: &[u8]) -> NodeId {
        let known = self.child(at, token);
        if known != NO_NODE {
            return known;
        }
        let node = Node::new(at, token);
        let id = match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = node;
                id
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as NodeId
            }
        };
        let parent = &mut self.nodes[at as usize];
        match token {
            WILDCARD => parent.wildcard = id,
            FULL_WILDCARD => parent.full_wildcard = id,
            _ => {
                parent.literals += 1;
                self.edges.insert(&self.nodes, id);
            }
        }
        id
    }

    /// Frees `at` and its ancestors as far as they hold nothing.
    fn prune(&mut self, mut at: NodeId) {
        while at != ROOT {
            let node = &self.nodes[at as usize];
            if !node.is_unused() {
                return;
            }
            let parent_id = node.parent;
            let parent = &self.nodes[parent_id as usize];
            if parent.wildcard == at {
                self.nodes[parent_id as usize].wildcard = NO_NODE;
            } else if parent.full_wildcard == at {
                self.nodes[parent_id as usize].full_wildcard = NO_NODE;
            } else {
                self.edges.remove(&self.nodes, at);
                self.nodes[parent_id as usize].literals -= 1;
            }
            self.nodes[at as usize].clear();
            self.free.push(at);
            at = parent_id;
        }
    }
}

#[cfg(test)]
mod tests;
