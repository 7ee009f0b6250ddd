//! What plugins implement: the traits through which code that is not the broker's judges or changes a message.
//!
//! The broker and JetStream know plugins only by these traits; the plugin host implements them, and the server wires
//! both together. Bindings are numbers: which ones a subject or a consumer has is the host's question, asked once when
//! a match-cache entry or a consumer is made. A number keeps its meaning over reloads and is never used for another
//! binding; one whose plugin is gone passes everything.

use smallvec::SmallVec;

/// The bindings of one subject, in the order in which they run.
pub type BoundTransforms = SmallVec<[u32; 2]>;

/// Most messages that one published message may become, over all its transforms.
pub const EMITS_MAX: usize = 64;
/// Most messages of one filter call: the verdict is a `u64`.
pub const FILTER_BATCH_MAX: usize = 64;

/// A message as a hook sees it. Parts that do not exist are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageRef<'a> {
    /// The subject, without wildcards.
    pub subject: &'a [u8],
    /// The reply subject; empty if there is none.
    pub reply: &'a [u8],
    /// The raw header block (`NATS/1.0\r\n…\r\n\r\n`); empty if there is none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// The stream sequence; 0 where the message is not (yet) in a stream.
    pub sequence: u64,
    /// Nanoseconds since the epoch: the server's ingest time.
    pub time_ns: i64,
}

/// One message that a transform emits. `None` keeps what the original had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emit {
    /// The new subject: valid and literal.
    pub subject: Option<Vec<u8>>,
    /// The new raw header block, whole; empty takes all headers away.
    pub headers: Option<Vec<u8>>,
    /// The new payload.
    pub payload: Option<Vec<u8>>,
}

impl Emit {
    /// True if the original goes on as it was.
    pub fn is_unchanged(&self) -> bool {
        self.subject.is_none() && self.headers.is_none() && self.payload.is_none()
    }

    /// The message as the next one in line sees it. Only the `first` emit keeps the original's reply.
    pub fn as_message<'a>(&'a self, original: &MessageRef<'a>, first: bool) -> MessageRef<'a> {
        MessageRef {
            subject: self.subject.as_deref().unwrap_or(original.subject),
            reply: if first { original.reply } else { b"" },
            headers: self.headers.as_deref().unwrap_or(original.headers),
            payload: self.payload.as_deref().unwrap_or(original.payload),
            ..*original
        }
    }

    /// `later`, made from this emit, told relative to the same original as this one.
    fn then(&self, later: Emit) -> Emit {
        Emit {
            subject: later.subject.or_else(|| self.subject.clone()),
            headers: later.headers.or_else(|| self.headers.clone()),
            payload: later.payload.or_else(|| self.payload.clone()),
        }
    }
}

/// What a transform decided about one message, after the binding's error policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransformVerdict {
    /// The message goes on unchanged.
    Pass,
    /// The message is replaced by these, in order; never empty. The first keeps the reply.
    Replace(Vec<Emit>),
    /// The message is swallowed.
    Drop,
    /// The publisher is told this reason.
    Reject(String),
}

/// Runs the transforms of one thread. Made once per thread; never shared.
pub trait TransformHook {
    /// Judges one message by the binding with this number.
    fn transform(&mut self, binding: u32, message: &MessageRef<'_>) -> TransformVerdict;

    /// Takes one message through `bindings` in order: each sees what the one before it made. A reject by any of them
    /// rejects the whole message. An implementation numbers the message ids of several emits: the first keeps its
    /// `Nats-Msg-Id`, the n-th has `<id>/<n>`.
    fn transform_all(&mut self, bindings: &[u32], message: &MessageRef<'_>) -> TransformVerdict {
        chain(self, bindings, message)
    }

    /// True if a call since the last question ended at one of its limits (time, memory, stack). The caller ends its turn
    /// then, so that others on the thread wait for at most one such call.
    fn take_limit_hit(&mut self) -> bool {
        false
    }
}

/// The transforms of one thread, with the question which of them a subject has. Kept in the thread's state.
pub trait Transforms: TransformHook + Send {
    /// The bindings of a subject as it was published; empty for most. Asked when a match is looked up, not for each
    /// message.
    fn transforms_for(&mut self, account: &str, subject: &[u8]) -> BoundTransforms;

    /// True if no subject has any: nothing else is asked then until the next publication.
    fn is_empty(&self) -> bool;

    /// Takes over what was published last, and says which publication that is; what was cached under another one is
    /// stale. Until it is asked again, the bindings and the plugins of that one publication answer everything: asked
    /// at the begin of a read batch, a reload is between two batches, whole. One atomic load.
    fn refresh(&mut self) -> u64;
}

/// The walk behind [`TransformHook::transform_all`]: no numbering, only the order of things.
pub fn chain<H: TransformHook + ?Sized>(hook: &mut H, bindings: &[u32], message: &MessageRef<'_>) -> TransformVerdict {
    if let [only] = bindings {
        return hook.transform(*only, message);
    }
    let mut emits = vec![Emit::default()];
    for binding in bindings {
        let mut next = Vec::with_capacity(emits.len());
        for (at, emit) in emits.iter().enumerate() {
            match hook.transform(*binding, &emit.as_message(message, at == 0)) {
                TransformVerdict::Pass => next.push(emit.clone()),
                TransformVerdict::Replace(made) => next.extend(made.into_iter().map(|later| emit.then(later))),
                TransformVerdict::Drop => {}
                TransformVerdict::Reject(reason) => return TransformVerdict::Reject(reason),
            }
        }
        if next.is_empty() {
            return TransformVerdict::Drop;
        }
        if next.len() > EMITS_MAX {
            return TransformVerdict::Reject(format!("transforms made more than {EMITS_MAX} messages of one"));
        }
        emits = next;
    }
    match emits.as_slice() {
        [only] if only.is_unchanged() => TransformVerdict::Pass,
        _ => TransformVerdict::Replace(emits),
    }
}

/// What a filter decided about a batch, after the binding's error policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterVerdict {
    /// Bit `i` says whether message `i` is delivered.
    Deliver(u64),
    /// The consumer waits: nothing of the batch is decided (policy `pause`).
    Pause,
}

/// What a filter decided about the first `judged` messages of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterOutcome {
    /// How many messages the verdict is about, from the first on. The caller offers the rest again in its next turn,
    /// or, with [`FilterVerdict::Pause`], after a while. It may be zero after a call that ended at a limit.
    pub judged: usize,
    /// The verdict; bits from `judged` on are zero.
    pub verdict: FilterVerdict,
}

/// Runs the filters of one thread. Made once per thread; never shared.
pub trait FilterHook {
    /// Judges up to [`FILTER_BATCH_MAX`] messages by the binding with this number, all of them, however long it takes.
    /// A delivery loop calls [`FilterHook::filter_batch`] instead.
    fn filter(&mut self, binding: u32, messages: &[MessageRef<'_>]) -> FilterVerdict;

    /// Judges as many of the messages as one turn may: it stops after a call that ended at one of its limits.
    fn filter_batch(&mut self, binding: u32, messages: &[MessageRef<'_>]) -> FilterOutcome {
        let verdict = self.filter(binding, messages);
        let judged = if verdict == FilterVerdict::Pause { 0 } else { messages.len() };
        FilterOutcome { judged, verdict }
    }

    /// Like [`TransformHook::take_limit_hit`].
    fn take_limit_hit(&mut self) -> bool {
        false
    }
}

/// The filter of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundFilter {
    /// The binding's number.
    pub number: u32,
    /// On a work queue a message that is not let through counts as acked: it is removed.
    pub skip_acks: bool,
}

/// The filters of one thread, with the question which consumer has one.
pub trait Filters: FilterHook {
    /// The binding of a consumer, whoever created it; `None` for most.
    fn filter_for(&mut self, account: &str, stream: &str, consumer: &str) -> Option<BoundFilter>;

    /// Like [`Transforms::refresh`], asked at the begin of a step.
    fn refresh(&mut self) -> u64;

    /// Counts that this binding was not asked, because its consumer is one of a work queue and its skips do not ack.
    fn count_refused(&mut self, binding: u32);
}

/// What is bound, for all threads: asked when streams and consumers are made and shown, not for messages.
pub trait FilterTable: Send + Sync {
    /// The binding of a consumer, whoever created it.
    fn filter_for(&self, account: &str, stream: &str, consumer: &str) -> Option<BoundFilter>;

    /// A consumer of this stream that has a filter whose skips do not ack: the stream cannot be a work queue.
    fn without_skip_acks(&self, account: &str, stream: &str) -> Option<String>;
}

/// Nothing is bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFilters;

impl FilterTable for NoFilters {
    fn filter_for(&self, _: &str, _: &str, _: &str) -> Option<BoundFilter> {
        None
    }

    fn without_skip_acks(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Binding 0 passes, 1 appends `.x` to the subject, 2 doubles, 3 drops `a.x`, 4 rejects.
    struct Fake;

    impl TransformHook for Fake {
        fn transform(&mut self, binding: u32, message: &MessageRef<'_>) -> TransformVerdict {
            let renamed = [message.subject, b".x"].concat();
            match binding {
                1 => TransformVerdict::Replace(vec![Emit { subject: Some(renamed), ..Emit::default() }]),
                2 => TransformVerdict::Replace(vec![
                    Emit::default(),
                    Emit { subject: Some(renamed), payload: Some(message.reply.to_vec()), ..Emit::default() },
                ]),
                3 if message.subject == b"a.x" => TransformVerdict::Drop,
                4 => TransformVerdict::Reject("no".into()),
                _ => TransformVerdict::Pass,
            }
        }
    }

    fn run(bindings: &[u32]) -> TransformVerdict {
        Fake.transform_all(bindings, &MessageRef { subject: b"a", reply: b"r", ..MessageRef::default() })
    }

    #[test]
    fn each_transform_sees_what_the_one_before_made() {
        assert_eq!(run(&[]), TransformVerdict::Pass);
        assert_eq!(run(&[0, 0]), TransformVerdict::Pass);
        let TransformVerdict::Replace(emits) = run(&[1, 0, 1]) else { panic!("replaced") };
        assert_eq!(emits, [Emit { subject: Some(b"a.x.x".to_vec()), ..Emit::default() }]);
    }

    #[test]
    fn only_the_first_of_several_emits_keeps_the_reply() {
        let TransformVerdict::Replace(emits) = run(&[2, 2]) else { panic!("replaced") };
        let subjects: Vec<_> = emits.iter().map(|e| e.subject.clone().unwrap_or_default()).collect();
        assert_eq!(subjects, [&b""[..], b"a.x", b"a.x", b"a.x.x"]);
        assert_eq!(emits[1].payload.as_deref(), Some(&b"r"[..]));
        assert_eq!(emits[3].payload.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_drop_takes_one_emit_away_and_a_reject_all() {
        let TransformVerdict::Replace(emits) = run(&[2, 3, 1]) else { panic!("replaced") };
        assert_eq!(emits.len(), 1);
        assert_eq!(run(&[1, 3]), TransformVerdict::Drop);
        assert_eq!(run(&[2, 4]), TransformVerdict::Reject("no".into()));
    }

    #[test]
    fn a_message_cannot_multiply_without_end() {
        assert!(matches!(run(&[2; 7]), TransformVerdict::Reject(_)));
    }
}
