//! One thread's plugins: its instances, its counters, and the hooks that the broker and JetStream call.
//!
//! No lock, no allocation and no shared write on the way of a good call: the published table is this thread's own until
//! [`ThreadPlugins::refresh`] is asked for, an instance belongs to this thread alone, and counters are written by it alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use forebay_broker::hooks::{
    BoundFilter, BoundTransforms, Emit, FILTER_BATCH_MAX, FilterHook, FilterOutcome, FilterVerdict, Filters,
    MessageRef, TransformHook, TransformVerdict, Transforms, chain,
};

use crate::abi::frame;
use crate::abi::result::mask;
use crate::binding::{BindingSlot, Policy};
use crate::breaker::Admission;
use crate::error::{CallError, ErrorReason};
use crate::generation::Generation;
use crate::headers::{self, HeaderEdit};
use crate::host::{Shared, Table};
use crate::instance::{Filtered, Instance, Transformed};
use crate::limits::{BATCH_FRAME_BYTES_MAX, SAMPLE_EVERY};
use crate::metrics::{CallCounters, Outcome, PluginMetrics};
use crate::policy::{FilterPolicy, TransformPolicy};

/// Expectations about the stream's last message: they are the first emit's.
const EXPECTATIONS: [&[u8]; 4] = [
    b"Nats-Expected-Last-Sequence",
    b"Nats-Expected-Last-Msg-Id",
    b"Nats-Expected-Last-Subject-Sequence",
    b"Nats-Expected-Last-Subject-Sequence-Subject",
];
const MSG_ID: &[u8] = b"Nats-Msg-Id";

/// The plugins of one thread.
pub struct ThreadPlugins {
    table: Arc<Table>,
    caller: Caller,
    /// By the plugins' numbers.
    slots: Vec<Option<Slot>>,
    /// A binding that failed on the message at hand and has used up the turn: it is not called for what else became of
    /// that message.
    spent: Option<u32>,
}

/// One plugin on this thread.
struct Slot {
    instance: Option<Instance>,
    counters: Arc<CallCounters>,
    metrics: Arc<PluginMetrics>,
    /// After a batch failed, so many messages are judged one by one: the policy is for the message at fault only.
    singles_left: usize,
}

/// What each call needs besides its slot.
struct Caller {
    shared: Arc<Shared>,
    limit_hit: bool,
}

/// One call's circumstances.
struct Call<'a> {
    bound: &'a BindingSlot,
    generation: &'a Arc<Generation>,
    admission: Admission,
    /// Whether its duration is measured for certain.
    timed: bool,
}

impl ThreadPlugins {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let table = shared.table.load_full();
        Self { table, caller: Caller { shared, limit_hit: false }, slots: Vec::new(), spent: None }
    }

    /// Takes over the set that was published last; says which it is. Between two questions one set decides everything,
    /// bindings and code, so whoever asks at the begin of a batch has it judged by one set, whole. A thread that may
    /// not call for long asks, too, so that it does not keep what is gone.
    #[inline]
    pub fn refresh(&mut self) -> u64 {
        if self.caller.shared.generation.load(Ordering::Acquire) != self.table.generation {
            self.take_table();
        }
        self.table.generation
    }

    #[cold]
    fn take_table(&mut self) {
        self.table = self.caller.shared.table.load_full();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            let runs = self.table.plugin(number);
            // Instances of old generations go now, so that their code can be freed.
            let stays = |instance: &Instance| runs.is_some_and(|new| Arc::ptr_eq(new, instance.generation()));
            if !slot.instance.as_ref().is_some_and(stays) {
                slot.instance = None;
                slot.singles_left = 0;
            }
        }
    }
}

impl Drop for ThreadPlugins {
    fn drop(&mut self) {
        for slot in self.slots.iter().flatten() {
            slot.metrics.thread_gone(&slot.counters);
        }
    }
}

/// The slot of a plugin, made when it is first called on this thread.
#[inline]
fn slot<'a>(slots: &'a mut Vec<Option<Slot>>, number: usize, generation: &Generation) -> Option<&'a mut Slot> {
    if slots.len() <= number {
        slots.resize_with(number + 1, || None);
    }
    let place = slots.get_mut(number)?;
    Some(place.get_or_insert_with(|| Slot {
        instance: None,
        counters: generation.metrics.thread(),
        metrics: Arc::clone(&generation.metrics),
        singles_left: 0,
    }))
}

impl Caller {
    /// One call with everything around it: instance, duration, breaker, counters.
    #[inline]
    fn call<T>(
        &mut self,
        slot: &mut Slot,
        call: &Call<'_>,
        run: impl FnOnce(&mut Instance) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let timed = call.timed || slot.counters.invocations.get().is_multiple_of(SAMPLE_EVERY);
        slot.counters.invocations.add(1);
        let started_ns = timed.then(|| self.shared.clock.now_ns());
        let result = self.instance(slot, call.generation).and_then(run);
        if let Some(started_ns) = started_ns {
            slot.counters.took(self.shared.clock.now_ns().saturating_sub(started_ns));
        }
        if result.is_err() || call.admission == Admission::Probe {
            self.settle(slot, call, result.as_ref().err());
        }
        result
    }

    #[inline]
    fn transform(
        &mut self,
        slot: &mut Slot,
        bound: &BindingSlot,
        generation: &Arc<Generation>,
        message: &MessageRef<'_>,
        stamp: Option<&[u8]>,
    ) -> Result<Transformed, CallError> {
        let admission = bound.breaker.admit(|| self.shared.clock.now_ns());
        if admission == Admission::Refuse {
            slot.counters.error(ErrorReason::Breaker, 1);
            return Err(breaker_open());
        }
        let call = Call { bound, generation, admission, timed: false };
        self.call(slot, &call, |instance| instance.transform(message, stamp))
    }

    #[inline]
    fn instance<'a>(
        &mut self,
        slot: &'a mut Slot,
        generation: &Arc<Generation>,
    ) -> Result<&'a mut Instance, CallError> {
        let fits = |instance: &Instance| Arc::ptr_eq(instance.generation(), generation) && !instance.is_spent();
        if !slot.instance.as_ref().is_some_and(fits) {
            self.replace(slot, generation)?;
        }
        slot.instance.as_mut().ok_or_else(no_engine)
    }

    #[cold]
    fn replace(&mut self, slot: &mut Slot, generation: &Arc<Generation>) -> Result<(), CallError> {
        // The old one gives its place in the pool back first.
        slot.instance = None;
        let runtime = self.shared.runtime_made().ok_or_else(no_engine)?;
        let started_ns = self.shared.clock.now_ns();
        let instance = Instance::new(runtime, generation, &slot.counters, &self.shared.clock);
        // A start that takes longer than a call may take holds others up as a call at its limit does.
        self.limit_hit |= self.shared.clock.now_ns().saturating_sub(started_ns) > generation.timeout_ns;
        // Whatever goes wrong while a validated plugin starts again is told as what it is, except a refused config.
        slot.instance = Some(instance?);
        Ok(())
    }

    /// After a failed call or a probe: what becomes of the instance and the breaker.
    #[cold]
    fn settle(&mut self, slot: &mut Slot, call: &Call<'_>, error: Option<&CallError>) {
        let identity = &call.generation.identity;
        let (plugin, sha, generation) = (identity.name.as_str(), identity.sha8(), call.generation.number);
        let Some(error) = error else {
            if call.bound.breaker.record_success() {
                tracing::info!(target: "plugin", plugin, sha, generation, "breaker closed: the plugin answers again");
            }
            return;
        };
        let reason = error.reason.as_str();
        slot.counters.error(error.reason, 1);
        self.limit_hit |= error.reason.is_limit();
        if !error.reason.is_misbehaviour() {
            tracing::debug!(target: "plugin", plugin, sha, generation, reason, error = %error, "plugin call failed");
            if call.admission == Admission::Probe {
                call.bound.breaker.record_success();
            }
            return;
        }
        slot.instance = None;
        tracing::warn!(target: "plugin", plugin, sha, generation, reason, error = %error, "plugin call failed");
        if call.bound.breaker.record_failure(self.shared.clock.now_ns()) {
            tracing::warn!(target: "plugin", plugin, sha, generation, "breaker open: the policy decides without the plugin");
        }
    }
}

#[cold]
fn no_engine() -> CallError {
    CallError::new(ErrorReason::Instance, "the engine is not there")
}

#[cold]
fn breaker_open() -> CallError {
    CallError::new(ErrorReason::Breaker, "it failed too often and is not called for a while")
}

#[cold]
fn spent() -> CallError {
    CallError::new(ErrorReason::Breaker, "it hit its limit on another part of this message")
}

impl ThreadPlugins {
    fn transform_one(&mut self, binding: u32, message: &MessageRef<'_>) -> TransformVerdict {
        let Some(bound) = self.table.binding(binding) else { return TransformVerdict::Pass };
        let Policy::Transform(policy) = bound.policy else { return TransformVerdict::Pass };
        let Some(generation) = self.table.plugin(bound.plugin) else { return TransformVerdict::Pass };
        let Some(slot) = slot(&mut self.slots, bound.plugin, generation) else { return TransformVerdict::Pass };
        let stamp = bound.stamp.then_some(generation.stamp.as_slice());
        let made = if self.spent == Some(binding) {
            slot.counters.error(ErrorReason::Breaker, 1);
            Err(spent())
        } else {
            self.caller.transform(slot, bound, generation, message, stamp)
        };
        match made {
            Ok(made) => transformed(&slot.counters, made, message, stamp),
            Err(error) => {
                if self.caller.limit_hit {
                    self.spent = Some(binding);
                }
                slot.counters.outcome(Outcome::TransformError, 1);
                match policy {
                    TransformPolicy::Pass => TransformVerdict::Pass,
                    TransformPolicy::Drop => TransformVerdict::Drop,
                    TransformPolicy::Reject => {
                        TransformVerdict::Reject(format!("plugin {}: {error}", generation.identity.name))
                    }
                }
            }
        }
    }
}

impl TransformHook for ThreadPlugins {
    fn transform(&mut self, binding: u32, message: &MessageRef<'_>) -> TransformVerdict {
        self.spent = None;
        self.transform_one(binding, message)
    }

    fn transform_all(&mut self, bindings: &[u32], message: &MessageRef<'_>) -> TransformVerdict {
        self.spent = None;
        let mut verdict = chain(&mut OneMessage(self), bindings, message);
        if let TransformVerdict::Replace(emits) = &mut verdict {
            number(emits, message);
        }
        verdict
    }

    fn take_limit_hit(&mut self) -> bool {
        std::mem::take(&mut self.caller.limit_hit)
    }
}

/// All that becomes of one message: what hit its limit on one part of it is not called for another.
struct OneMessage<'a>(&'a mut ThreadPlugins);

impl TransformHook for OneMessage<'_> {
    #[inline]
    fn transform(&mut self, binding: u32, message: &MessageRef<'_>) -> TransformVerdict {
        self.0.transform_one(binding, message)
    }
}

impl Transforms for ThreadPlugins {
    #[inline]
    fn transforms_for(&mut self, account: &str, subject: &[u8]) -> BoundTransforms {
        self.table.bindings.transforms_for(account, subject)
    }

    fn is_empty(&self) -> bool {
        self.table.bindings.is_without_transforms()
    }

    #[inline]
    fn refresh(&mut self) -> u64 {
        ThreadPlugins::refresh(self)
    }
}

/// A transform's answer as the broker takes it. A stamping binding stamps what it lets pass, too.
#[inline]
fn transformed(
    counters: &CallCounters,
    made: Transformed,
    message: &MessageRef<'_>,
    stamp: Option<&[u8]>,
) -> TransformVerdict {
    let (outcome, verdict) = match (made, stamp) {
        (Transformed::Pass, None) => (Outcome::TransformPass, TransformVerdict::Pass),
        (Transformed::Pass, Some(stamp)) => {
            let headers = headers::edit(message.headers, &[HeaderEdit::Add(headers::STAMP, stamp)]);
            let emit = Emit { headers: Some(headers), ..Emit::default() };
            (Outcome::TransformPass, TransformVerdict::Replace(vec![emit]))
        }
        (Transformed::Drop, _) => (Outcome::TransformDrop, TransformVerdict::Drop),
        (Transformed::Reject(reason), _) => (Outcome::TransformReject, TransformVerdict::Reject(reason)),
        (Transformed::Emits(emits), _) => (Outcome::TransformReplace, TransformVerdict::Replace(emits)),
    };
    counters.outcome(outcome, 1);
    verdict
}

/// Of several emits the first is the message with its id and its expectations; the n-th has the id `<id>/<n>`.
fn number(emits: &mut [Emit], original: &MessageRef<'_>) {
    for (at, emit) in emits.iter_mut().enumerate().skip(1) {
        let block = emit.headers.as_deref().unwrap_or(original.headers);
        let id = headers::get(block, MSG_ID).map(|id| [id, format!("/{}", at + 1).as_bytes()].concat());
        let expects = EXPECTATIONS.iter().filter(|name| headers::get(block, name).is_some());
        let mut edits: Vec<_> = expects.map(|name| HeaderEdit::Remove(name)).collect();
        edits.extend(id.as_ref().map(|id| HeaderEdit::Set(MSG_ID, id)));
        if !edits.is_empty() {
            emit.headers = Some(headers::edit(block, &edits));
        }
    }
}

impl FilterHook for ThreadPlugins {
    fn filter(&mut self, binding: u32, messages: &[MessageRef<'_>]) -> FilterVerdict {
        let messages = messages.get(..FILTER_BATCH_MAX).unwrap_or(messages);
        let (mut judged, mut deliver) = (0, 0);
        while judged < messages.len() {
            let outcome = self.filter_batch(binding, messages.get(judged..).unwrap_or_default());
            match outcome.verdict {
                FilterVerdict::Pause => return FilterVerdict::Pause,
                FilterVerdict::Deliver(bits) => deliver |= bits << judged,
            }
            judged += outcome.judged;
        }
        FilterVerdict::Deliver(deliver)
    }

    fn filter_batch(&mut self, binding: u32, messages: &[MessageRef<'_>]) -> FilterOutcome {
        let messages = messages.get(..FILTER_BATCH_MAX).unwrap_or(messages);
        let everything =
            FilterOutcome { judged: messages.len(), verdict: FilterVerdict::Deliver(mask(messages.len())) };
        let Some(bound) = self.table.binding(binding) else { return everything };
        let Policy::Filter(policy) = bound.policy else { return everything };
        let Some(generation) = self.table.plugin(bound.plugin) else { return everything };
        let Some(slot) = slot(&mut self.slots, bound.plugin, generation) else { return everything };
        let mut turn = FilterTurn { caller: &mut self.caller, slot, bound, generation, policy, deliver: 0, judged: 0 };
        let earlier = std::mem::take(&mut turn.caller.limit_hit);
        let paused = turn.run(messages);
        turn.caller.limit_hit |= earlier;
        let FilterTurn { deliver, judged, .. } = turn;
        let verdict = if paused && judged == 0 { FilterVerdict::Pause } else { FilterVerdict::Deliver(deliver) };
        FilterOutcome { judged, verdict }
    }

    fn take_limit_hit(&mut self) -> bool {
        std::mem::take(&mut self.caller.limit_hit)
    }
}

impl Filters for ThreadPlugins {
    fn filter_for(&mut self, account: &str, stream: &str, consumer: &str) -> Option<BoundFilter> {
        self.table.bindings.filter_for(account, stream, consumer)
    }

    #[inline]
    fn refresh(&mut self) -> u64 {
        ThreadPlugins::refresh(self)
    }

    #[cold]
    fn count_refused(&mut self, binding: u32) {
        let Some(bound) = self.table.binding(binding) else { return };
        let Some(generation) = self.table.plugin(bound.plugin) else { return };
        if let Some(slot) = slot(&mut self.slots, bound.plugin, generation) {
            slot.counters.error(ErrorReason::WorkQueue, 1);
        }
    }
}

/// One call of [`FilterHook::filter_batch`]: usually one call of the guest, more around a failure.
struct FilterTurn<'a> {
    caller: &'a mut Caller,
    slot: &'a mut Slot,
    bound: &'a BindingSlot,
    generation: &'a Arc<Generation>,
    policy: FilterPolicy,
    deliver: u64,
    judged: usize,
}

impl FilterTurn<'_> {
    /// Judges until all are judged, a call ends at a limit, or the policy pauses (true).
    fn run(&mut self, messages: &[MessageRef<'_>]) -> bool {
        let needs = self.generation.artifact.section.filter.unwrap_or_default();
        while let Some(rest) = messages.get(self.judged..).filter(|rest| !rest.is_empty()) {
            let admission = self.bound.breaker.admit(|| self.caller.shared.clock.now_ns());
            if admission == Admission::Refuse {
                self.slot.counters.error(ErrorReason::Breaker, rest.len() as u64);
                return self.by_policy(rest.len());
            }
            let alone = self.slot.singles_left > 0 || admission == Admission::Probe;
            let count = if alone { 1 } else { frame::batch_len(needs, rest, BATCH_FRAME_BYTES_MAX) };
            let call = Call { bound: self.bound, generation: self.generation, admission, timed: count > 1 };
            let batch = rest.get(..count).unwrap_or(rest);
            let paused = match self.caller.call(self.slot, &call, |instance| instance.filter(batch)) {
                Ok(filtered) => self.take(count, &filtered),
                // Which message was at fault is not known: judge them one by one.
                Err(_) if count > 1 => {
                    self.slot.singles_left = count;
                    false
                }
                Err(_) => self.by_policy(1),
            };
            if paused || self.caller.limit_hit {
                return paused;
            }
        }
        false
    }

    /// The next `count` messages were not judged; true if the policy pauses.
    fn by_policy(&mut self, count: usize) -> bool {
        if self.policy == FilterPolicy::Pause {
            return true;
        }
        self.slot.counters.outcome(Outcome::FilterError, count as u64);
        if self.policy == FilterPolicy::Deliver {
            self.deliver |= mask(count) << self.judged;
        }
        self.advance(count);
        false
    }

    /// Takes the guest's verdicts; messages that it could not judge go by the policy. True if that pauses.
    fn take(&mut self, count: usize, filtered: &Filtered) -> bool {
        if filtered.undecided == 0 {
            self.count_bits(count, filtered.deliver);
            return false;
        }
        let undecided = u64::from(filtered.undecided.count_ones());
        self.slot.counters.error(ErrorReason::Failed, undecided);
        let why = filtered.why_undecided.as_deref().unwrap_or_default();
        let plugin = self.generation.identity.name.as_str();
        tracing::debug!(target: "plugin", plugin, messages = undecided, why, "plugin cannot judge");
        for at in 0..count {
            let bit = 1 << at;
            if filtered.undecided & bit == 0 {
                self.count_bits(1, u64::from(filtered.deliver & bit != 0));
            } else if self.by_policy(1) {
                return true;
            }
        }
        false
    }

    fn count_bits(&mut self, count: usize, deliver: u64) {
        let delivered = u64::from(deliver.count_ones());
        self.slot.counters.outcome(Outcome::FilterDeliver, delivered);
        self.slot.counters.outcome(Outcome::FilterSkip, count as u64 - delivered);
        self.deliver |= deliver << self.judged;
        self.advance(count);
    }

    fn advance(&mut self, count: usize) {
        self.judged += count;
        self.slot.singles_left = self.slot.singles_left.saturating_sub(count);
    }
}
