//! An account: a subject space of its own.

use crate::announce::Announcements;
use crate::interest::Interest;
use std::sync::Arc;

/// An account. Nothing said in one is heard in another.
pub struct Account {
    /// Its number, dense from 0: threads keep their caches by it.
    pub number: usize,
    /// Its name.
    pub name: Box<str>,
    /// Who is interested in what.
    pub interest: Interest,
}

impl Account {
    /// An account without subscriptions.
    pub fn new(number: usize, name: &str) -> Self {
        Self { number, name: name.into(), interest: Interest::default() }
    }

    /// An account whose interest other servers are told of.
    pub(crate) fn announced(number: usize, name: &str, announcements: &Arc<Announcements>) -> Self {
        announcements.account(number, name);
        Self { interest: Interest::announced(announcements.clone(), number), ..Self::new(number, name) }
    }
}
