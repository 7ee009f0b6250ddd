//! Which subjects a consumer wants.

use forebay_api::consumer::ConsumerConfig;
use forebay_store::Matcher;
use forebay_subject::filter_matches;

/// A consumer's filters; none means every subject.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    list: Vec<Box<[u8]>>,
}

impl Filters {
    pub(crate) fn new(config: &ConsumerConfig) -> Self {
        let list: Vec<Box<[u8]>> = config.filters().map(|filter| filter.as_bytes().into()).collect();
        // `>` is no filter: the index then steps from message to message.
        if list.iter().any(|filter| **filter == *b">") { Self::default() } else { Self { list } }
    }

    #[inline]
    pub(crate) fn matches(&self, subject: &[u8]) -> bool {
        self.list.is_empty() || self.list.iter().any(|filter| filter_matches(filter, subject))
    }

    pub(crate) fn is_all(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.list.iter().map(|filter| &**filter)
    }

    pub(crate) fn matcher(&self) -> Matcher {
        Matcher::new(self.iter())
    }
}
