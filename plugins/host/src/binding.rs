//! Which plugins a subject or a consumer has.
//!
//! A binding's number is given when its plugin, account and subjects (or consumer) are first heard of, and means them
//! for the life of the host: a match cache may hold it over any reload. What may change under it is the plugin's
//! generation, the policy and the stamp.

use std::collections::HashMap;
use std::sync::Arc;

use forebay_broker::hooks::{BoundFilter, BoundTransforms};
use forebay_subject::filter_matches;
use forebay_subject::token::{FULL_WILDCARD, WILDCARD, first_token, tokens};
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
    /// Whether the set has it. Otherwise only a match that was cached before the reload still names it.
    pub(crate) in_set: bool,
}

/// The policy, by the binding's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Transform(TransformPolicy),
    Filter(FilterPolicy),
}

/// The published bindings: answers which numbers a subject or a consumer has. Asked when a match-cache entry or a
/// consumer is made, and for subjects that are seen the first time.
#[derive(Default)]
pub struct Bindings {
    generation: u64,
    /// Few: one for each account with transforms.
    accounts: Vec<OfAccount>,
    filters: HashMap<(String, String, String), BoundFilter>,
}

/// The transforms of one account's messages.
struct OfAccount {
    account: String,
    /// In file order.
    transforms: Vec<Transform>,
    /// Some subject of theirs names one that is exempt otherwise.
    names_exempt: bool,
}

struct Transform {
    number: u32,
    plugin: String,
    subjects: Vec<Subject>,
}

/// One subject of a transform, as a filter.
struct Subject {
    filter: Box<[u8]>,
    /// The filter's length up to its first wildcard: almost all subjects that it does not mean differ there.
    literal: usize,
}

impl Subject {
    fn new(filter: &str) -> Self {
        let mut literal = 0;
        for token in tokens(filter.as_bytes()).take_while(|token| *token != WILDCARD && *token != FULL_WILDCARD) {
            literal += token.len() + 1;
        }
        Self { literal: literal.min(filter.len()), filter: filter.as_bytes().into() }
    }

    #[inline]
    fn means(&self, subject: &[u8], exempt: bool) -> bool {
        let literal = self.filter.get(..self.literal).unwrap_or_default();
        subject.starts_with(literal) && !(exempt && literal.is_empty()) && filter_matches(&self.filter, subject)
    }
}

impl Bindings {
    pub(crate) fn new(generation: u64) -> Self {
        Self { generation, ..Self::default() }
    }

    pub(crate) fn add_transform(&mut self, number: u32, binding: &TransformBinding) {
        let known = self.accounts.iter().position(|of| of.account == binding.account);
        let at = known.unwrap_or(self.accounts.len());
        if known.is_none() {
            let account = binding.account.clone();
            self.accounts.push(OfAccount { account, transforms: Vec::new(), names_exempt: false });
        }
        let Some(of) = self.accounts.get_mut(at) else { return };
        let subjects: Vec<_> = binding.subjects.iter().map(|subject| Subject::new(subject)).collect();
        of.names_exempt |= subjects.iter().any(|subject| is_exempt(&subject.filter));
        of.transforms.push(Transform { number, plugin: binding.plugin.clone(), subjects });
    }

    pub(crate) fn add_filter(&mut self, number: u32, binding: &FilterBinding) {
        let key = (binding.account.clone(), binding.stream.clone(), binding.consumer.clone());
        self.filters.insert(key, BoundFilter { number, skip_acks: binding.skip_acks });
    }

    /// Which publication these are; compare it with [`crate::Host::generation`].
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// True if nothing is bound at all.
    pub fn is_empty(&self) -> bool {
        self.is_without_transforms() && self.filters.is_empty()
    }

    /// True if no message goes through a plugin on its way in.
    #[inline]
    pub fn is_without_transforms(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The transforms of a subject as it was published, in file order, each plugin at most once.
    pub fn transforms_for(&self, account: &str, subject: &[u8]) -> BoundTransforms {
        let mut numbers = BoundTransforms::new();
        let Some(of) = self.accounts.iter().find(|of| of.account == account) else { return numbers };
        let exempt = is_exempt(subject);
        if exempt && !of.names_exempt {
            return numbers;
        }
        let mut plugins: SmallVec<[&str; 4]> = SmallVec::new();
        for transform in &of.transforms {
            let applies = transform.subjects.iter().any(|named| named.means(subject, exempt));
            if applies && !plugins.contains(&transform.plugin.as_str()) {
                plugins.push(&transform.plugin);
                numbers.push(transform.number);
            }
        }
        numbers
    }

    /// The filter of a consumer, whoever created it.
    pub fn filter_for(&self, account: &str, stream: &str, consumer: &str) -> Option<BoundFilter> {
        if self.filters.is_empty() {
            return None;
        }
        self.filters.get(&(account.to_string(), stream.to_string(), consumer.to_string())).copied()
    }

    /// A consumer of this stream that has a filter whose skips do not ack; the first by name.
    pub fn without_skip_acks(&self, account: &str, stream: &str) -> Option<&str> {
        let of_stream = self.filters.iter().filter(|((of, name, _), _)| of == account && name == stream);
        of_stream.filter(|(_, filter)| !filter.skip_acks).map(|((_, _, consumer), _)| consumer.as_str()).min()
    }
}

/// `$`-subjects (the API, acks, `$KV.`, `$O.` and the like) and inboxes are meant only by a filter that names their first
/// token.
#[inline]
fn is_exempt(subject: &[u8]) -> bool {
    match subject.first() {
        Some(b'$') => true,
        Some(b'_') => first_token(subject) == b"_INBOX",
        _ => false,
    }
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
    fn a_subject_is_told_from_others_by_its_literal_part_and_by_the_rest() {
        for (filter, literal) in [("a.b", 3), ("a.*", 2), ("a.b.>", 4), ("*", 0), (">", 0), ("a.*.b", 2), ("a*.b", 4)] {
            assert_eq!(Subject::new(filter).literal, literal, "{filter}");
        }
        let bindings = bindings(&[("a", &["a.b"]), ("b", &["a.*"]), ("c", &["a.b.>"]), ("d", &["*.b"]), ("e", &[">"])]);
        for (subject, numbers) in [
            ("a.b", &[0, 1, 3, 4][..]),
            ("a.bc", &[1, 4]),
            ("a.b.c", &[2, 4]),
            ("a", &[4]),
            ("ab.b", &[3, 4]),
            ("a.b.c.d", &[2, 4]),
        ] {
            assert_eq!(bindings.transforms_for("$G", subject.as_bytes()).as_slice(), numbers, "{subject}");
        }
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
        assert!(named.transforms_for("$G", b"$JS.API.INFO").is_empty());
        let both = bindings(&[("a", &["$KV.b.>", ">"])]);
        assert!(both.transforms_for("$G", b"$JS.API.INFO").is_empty(), "a wildcard names nothing");
    }

    #[test]
    fn a_filter_belongs_to_one_consumer_of_one_stream_of_one_account() {
        let mut bindings = Bindings::new(1);
        bindings.add_filter(7, &FilterBinding::new("json-filter", "STRIKES", "damaged"));
        let bound = BoundFilter { number: 7, skip_acks: false };
        assert_eq!(bindings.filter_for("$G", "STRIKES", "damaged"), Some(bound));
        assert_eq!(bindings.filter_for("$G", "STRIKES", "other"), None);
        assert_eq!(bindings.filter_for("A", "STRIKES", "damaged"), None);
    }
    #[test]
    fn a_stream_tells_whose_skips_do_not_ack() {
        let mut bindings = Bindings::new(1);
        let filter = |consumer: &str, skip_acks| FilterBinding { skip_acks, ..FilterBinding::new("f", "S", consumer) };
        bindings.add_filter(1, &filter("acks", true));
        assert_eq!(bindings.without_skip_acks("$G", "S"), None);
        bindings.add_filter(2, &filter("z", false));
        bindings.add_filter(3, &filter("b", false));
        assert_eq!(bindings.without_skip_acks("$G", "S"), Some("b"));
        assert_eq!(bindings.without_skip_acks("$G", "T"), None);
        assert_eq!(bindings.without_skip_acks("A", "S"), None);
    }
}
