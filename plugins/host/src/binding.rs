//! Which plugins a subject or a consumer has.
//!
//! A binding's number is given when its plugin, account and subjects (or consumer) are first heard of, and means them
//! for the life of the host: a match cache may hold it over any reload. What may change under it is the plugin's
//! generation, the policy and the stamp.

use std::collections::HashMap;
use std::sync::Arc;

use forebay_subject::filter_matches;
use forebay_subject::token::first_token;
use smallvec::SmallVec;

use crate::breaker::BreakerCell;
use crate::manifest::{FilterBinding, TransformBinding};
use crate::policy::{FilterPolicy, TransformPolicy};

/// What makes a binding the same one after a reload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BindingKey {
    Transform { plugin: String, account: String, subjects: Vec<String> },
    Filter { plugin: String, account: String, stream: String, consumer: String },
}

impl BindingKey {
    pub(crate) fn of_transform(binding: &TransformBinding) -> Self {
        Self::Transform {
            plugin: binding.plugin.clone(),
            account: binding.account.clone(),
            subjects: binding.subjects.clone(),
        }
    }

    pub(crate) fn of_filter(binding: &FilterBinding) -> Self {
        Self::Filter {
            plugin: binding.plugin.clone(),
            account: binding.account.clone(),
            stream: binding.stream.clone(),
            consumer: binding.consumer.clone(),
        }
    }

    pub(crate) fn plugin(&self) -> &str {
        match self {
            Self::Transform { plugin, .. } | Self::Filter { plugin, .. } => plugin,
        }
    }
}

/// What a call through a binding needs to know.
#[derive(Clone, Debug)]
pub(crate) struct BindingSlot {
    /// The plugin's number.
    pub(crate) plugin: usize,
    pub(crate) policy: Policy,
    pub(crate) stamp: bool,
    pub(crate) breaker: Arc<BreakerCell>,
}

/// The policy, by the binding's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Transform(TransformPolicy),
    Filter(FilterPolicy),
}

/// The published bindings: answers which numbers a subject or a consumer has. Asked when a match-cache entry or a
/// consumer is made, not for each message.
#[derive(Debug, Default)]
pub struct Bindings {
    generation: u64,
    transforms: HashMap<String, Vec<Transform>>,
    filters: HashMap<(String, String, String), u32>,
}

#[derive(Debug)]
struct Transform {
    number: u32,
    plugin: String,
    subjects: Vec<String>,
}

impl Bindings {
    pub(crate) fn new(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    pub(crate) fn add_transform(&mut self, number: u32, binding: &TransformBinding) {
        let of_account = self.transforms.entry(binding.account.clone()).or_default();
        of_account.push(Transform { number, plugin: binding.plugin.clone(), subjects: binding.subjects.clone() });
    }

    pub(crate) fn add_filter(&mut self, number: u32, binding: &FilterBinding) {
        let key = (binding.account.clone(), binding.stream.clone(), binding.consumer.clone());
        self.filters.insert(key, number);
    }

    /// Which publication these are; compare it with [`crate::Host::generation`].
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// True if nothing is bound at all.
    pub fn is_empty(&self) -> bool {
        self.transforms.is_empty() && self.filters.is_empty()
    }

    /// The transforms of a subject as it was published, in file order, each plugin at most once.
    pub fn transforms_for(&self, account: &str, subject: &[u8]) -> SmallVec<[u32; 2]> {
        let mut numbers = SmallVec::new();
        let mut plugins: SmallVec<[&str; 4]> = SmallVec::new();
        for transform in self.transforms.get(account).into_iter().flatten() {
            let applies = transform.subjects.iter().any(|filter| applies(filter.as_bytes(), subject));
            if applies && !plugins.contains(&transform.plugin.as_str()) {
                plugins.push(&transform.plugin);
                numbers.push(transform.number);
            }
        }
        numbers
    }

    /// The filter of a consumer, whoever created it.
    pub fn filter_for(&self, account: &str, stream: &str, consumer: &str) -> Option<u32> {
        if self.filters.is_empty() {
            return None;
        }
        self.filters.get(&(account.to_string(), stream.to_string(), consumer.to_string())).copied()
    }
}

/// True if the filter means the subject. `$`-subjects (the API, acks, `$KV.`, `$O.` and the like) and inboxes are meant
/// only by a filter that names their first token.
fn applies(filter: &[u8], subject: &[u8]) -> bool {
    let first = first_token(subject);
    let exempt = first.starts_with(b"$") || first == b"_INBOX";
    (!exempt || first_token(filter) == first) && filter_matches(filter, subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bindings(transforms: &[(&str, &[&str])]) -> Bindings {
        let mut bindings = Bindings::new(1);
        for (number, (plugin, subjects)) in transforms.iter().enumerate() {
            bindings.add_transform(number as u32, &TransformBinding::new(*plugin, subjects));
        }
        bindings
    }

    #[test]
    fn transforms_come_in_file_order_each_plugin_once() {
        let bindings = bindings(&[("b", &["x.>"]), ("a", &["*.y", "z"]), ("b", &["x.y"]), ("c", &["x.z"])]);
        assert_eq!(bindings.transforms_for("$G", b"x.y").as_slice(), [0, 1]);
        assert_eq!(bindings.transforms_for("$G", b"z").as_slice(), [1]);
        assert!(bindings.transforms_for("$G", b"q").is_empty());
        assert!(bindings.transforms_for("OTHER", b"x.y").is_empty());
    }

    #[test]
    fn the_servers_subjects_are_exempt_unless_named() {
        let all = bindings(&[("a", &[">", "*.x"])]);
        for exempt in ["$JS.API.INFO", "$KV.b.k", "$x", "$O.b.C.1", "_INBOX.abc.1", "$SYS.x"] {
            assert!(all.transforms_for("$G", exempt.as_bytes()).is_empty(), "{exempt}");
        }
        assert_eq!(all.transforms_for("$G", b"_INBOXES.x").as_slice(), [0]);
        let named = bindings(&[("a", &["$KV.b.>", "_INBOX.>"])]);
        assert_eq!(named.transforms_for("$G", b"$KV.b.k").as_slice(), [0]);
        assert_eq!(named.transforms_for("$G", b"_INBOX.abc").as_slice(), [0]);
    }

    #[test]
    fn a_filter_belongs_to_one_consumer_of_one_stream_of_one_account() {
        let mut bindings = Bindings::new(1);
        bindings.add_filter(7, &FilterBinding::new("json-filter", "STRIKES", "damaged"));
        assert_eq!(bindings.filter_for("$G", "STRIKES", "damaged"), Some(7));
        assert_eq!(bindings.filter_for("$G", "STRIKES", "other"), None);
        assert_eq!(bindings.filter_for("A", "STRIKES", "damaged"), None);
    }
}
