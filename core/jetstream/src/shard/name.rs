//! Looking a stream up by account and name without making a key.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::Equivalent;

/// Account and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamName {
    pub(super) account: Arc<str>,
    pub(super) name: Arc<str>,
}

/// The same, borrowed.
#[derive(Clone, Copy)]
pub(super) struct NameRef<'a> {
    pub(super) account: &'a str,
    pub(super) name: &'a str,
}

impl Hash for StreamName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NameRef { account: &self.account, name: &self.name }.hash(state);
    }
}

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.account.hash(state);
        self.name.hash(state);
    }
}

impl Equivalent<StreamName> for NameRef<'_> {
    fn equivalent(&self, key: &StreamName) -> bool {
        *self.account == *key.account && *self.name == *key.name
    }
}
