//! One instance of one plugin on one thread: how it is born, called, and what its end says.

use std::sync::Arc;

use forebay_broker::hooks::{Emit, MessageRef};
use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Memory, ResourceLimiter, Store, Trap, TypedFunc, UpdateDeadline};

use crate::abi::frame;
use crate::abi::result::{self, Answer, ResultError};
use crate::abi::section::Needs;
use crate::engine::Runtime;
use crate::error::{CallError, ErrorReason};
use crate::generation::{Generation, Identity};
use crate::host::Clock;
use crate::limits::{BATCH_TIMEOUTS, CONFIGURE_BUDGET, MAILBOX_BYTES, RECYCLE_CALLS, TABLE_ELEMENTS_MAX};
use crate::metrics::CallCounters;

/// What the host keeps beside a guest.
pub(crate) struct GuestState {
    limiter: MemoryLimiter,
    budget: CpuBudget,
    pub(crate) answer: AnswerState,
    pub(crate) identity: Arc<Identity>,
    pub(crate) counters: Arc<CallCounters>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What a guest said by `forebay.fail` and `forebay.undecided` during this call.
#[derive(Default)]
pub(crate) struct AnswerState {
    pub(crate) fail_text: Option<String>,
    pub(crate) undecided: u64,
}

/// CPU time of a call. Reading the thread's clock costs ten calls, so it is read at ticks only: the first tick within
/// a call starts the measurement, a later one ends the call. A call therefore uses at most its budget and two ticks;
/// time in which the thread did not run does not count.
#[derive(Default)]
struct CpuBudget {
    ns: u64,
    started_ns: Option<u64>,
    used_up: bool,
}

impl CpuBudget {
    fn at_tick(&mut self) -> UpdateDeadline {
        let now_ns = thread_cpu_ns();
        let started_ns = *self.started_ns.get_or_insert(now_ns);
        if now_ns.saturating_sub(started_ns) >= self.ns {
            self.used_up = true;
            return UpdateDeadline::Interrupt;
        }
        UpdateDeadline::Continue(1)
    }
}

/// The CPU time that this thread has used.
fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}

/// Refuses growth beyond the plugin's limit, and remembers that it did: Rust's allocator aborts without a word.
struct MemoryLimiter {
    max_bytes: usize,
    bytes: usize,
    refused: bool,
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.max_bytes;
        if fits {
            self.bytes = desired;
        } else {
            self.refused = true;
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        2
    }
}

/// What a transform made of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Transformed {
    Pass,
    Drop,
    Reject(String),
    Emits(Vec<Emit>),
}

/// What a filter made of a batch: bits of messages to deliver, and of those it could not judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filtered {
    pub(crate) deliver: u64,
    pub(crate) undecided: u64,
    pub(crate) why_undecided: Option<String>,
}

/// A running guest.
pub(crate) struct Instance {
    guest: Guest,
    filter: Option<TypedFunc<i32, i64>>,
    transform: Option<TypedFunc<i32, i64>>,
    generation: Arc<Generation>,
    /// Memory size above which the instance is replaced.
    watermark_bytes: usize,
}

/// The guest itself and its mailbox.
struct Guest {
    store: Store<GuestState>,
    memory: Memory,
    buf: TypedFunc<i32, i32>,
    mailbox: Mailbox,
    calls: u64,
}

#[derive(Clone, Copy, Default)]
struct Mailbox {
    at: usize,
    bytes: usize,
}

impl Instance {
    /// Makes an instance, starts and configures it, all within [`CONFIGURE_BUDGET`].
    pub(crate) fn new(
        runtime: &Runtime,
        generation: &Arc<Generation>,
        counters: &Arc<CallCounters>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, CallError> {
        counters.instantiations.add(1);
        let max_bytes = generation.memory_max_bytes;
        let state = GuestState {
            limiter: MemoryLimiter { max_bytes, bytes: 0, refused: false },
            budget: CpuBudget::default(),
            answer: AnswerState::default(),
            identity: Arc::clone(&generation.identity),
            counters: Arc::clone(counters),
            clock: Arc::clone(clock),
        };
        let mut store = Store::new(&runtime.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().budget.at_tick()));
        begin(&mut store, CONFIGURE_BUDGET.as_nanos() as u64);
        let pre = &generation.artifact.pre;
        let instance = pre.instantiate(&mut store).map_err(|error| classify(&mut store, &error))?;
        let no_memory = || CallError::new(ErrorReason::Instance, "it has no memory");
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(no_memory)?;
        for start in ["_initialize", "forebay_start"] {
            if instance.get_func(&mut store, start).is_some() {
                let start = typed::<(), ()>(&instance, &mut store, start)?;
                start.call(&mut store, ()).map_err(|error| classify(&mut store, &error))?;
            }
        }
        let section = &generation.artifact.section;
        let buf = typed(&instance, &mut store, "forebay_buf")?;
        let function = |wanted: bool, name, store: &mut Store<GuestState>| {
            wanted.then(|| typed::<i32, i64>(&instance, store, name)).transpose()
        };
        let filter = function(section.filter.is_some(), "forebay_filter", &mut store)?;
        let transform = function(section.transform.is_some(), "forebay_transform", &mut store)?;
        let configure =
            section.init.then(|| typed::<i32, i32>(&instance, &mut store, "forebay_configure")).transpose()?;
        let mut guest = Guest { store, memory, buf, mailbox: Mailbox::default(), calls: 0 };
        guest.reserve(MAILBOX_BYTES)?;
        if let Some(configure) = configure {
            guest.configure(&configure, &generation.config_json)?;
        }
        let bytes = guest.store.data().limiter.bytes;
        let watermark_bytes = (max_bytes / 4 * 3).max(bytes + max_bytes.saturating_sub(bytes) / 2);
        Ok(Self { guest, filter, transform, generation: Arc::clone(generation), watermark_bytes })
    }

    /// True if another one should take its place: it is old, or its memory has grown.
    pub(crate) fn is_spent(&self) -> bool {
        self.guest.calls >= RECYCLE_CALLS || self.guest.store.data().limiter.bytes > self.watermark_bytes
    }

    /// The generation that it runs.
    pub(crate) fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// Judges a batch that [`frame::batch_len`] has cut.
    pub(crate) fn filter(&mut self, messages: &[MessageRef<'_>]) -> Result<Filtered, CallError> {
        let Some(filter) = &self.filter else { return Err(no_function("filter")) };
        let needs = self.generation.artifact.section.filter.unwrap_or_default();
        let timeouts = if messages.len() > 1 { BATCH_TIMEOUTS } else { 1 };
        let budget_ns = self.generation.timeout_ns.saturating_mul(timeouts);
        let answer = self.guest.call(filter, needs, messages, budget_ns)?;
        let mask = result::mask(messages.len());
        let said = &mut self.guest.store.data_mut().answer;
        let undecided = said.undecided & mask;
        let why_undecided = if undecided == 0 { None } else { said.fail_text.take() };
        Ok(Filtered { deliver: answer as u64 & mask & !undecided, undecided, why_undecided })
    }

    /// Takes one message through the transform.
    pub(crate) fn transform(
        &mut self,
        message: &MessageRef<'_>,
        stamp: Option<&[u8]>,
    ) -> Result<Transformed, CallError> {
        let Some(transform) = &self.transform else { return Err(no_function("transform")) };
        let needs = self.generation.artifact.section.transform.unwrap_or_default();
        let answer = self.guest.call(transform, needs, std::slice::from_ref(message), self.generation.timeout_ns)?;
        let wrong = |error: ResultError| CallError::new(ErrorReason::Result, error.to_string());
        match result::decode_answer(answer).map_err(wrong)? {
            Answer::Pass => Ok(Transformed::Pass),
            Answer::Drop => Ok(Transformed::Drop),
            Answer::Reject => Ok(Transformed::Reject(self.guest.reason("the plugin rejects this message"))),
            Answer::Failed => {
                Err(CallError::new(ErrorReason::Failed, self.guest.reason("it cannot judge this message")))
            }
            Answer::Record { address, len } => {
                let limits = self.generation.output;
                let memory = self.guest.memory.data(&self.guest.store);
                let record = memory.get(address as usize..).and_then(|rest| rest.get(..len as usize));
                let record = record.filter(|record| record.len() <= limits.record_bytes_max());
                let record = record.ok_or_else(|| wrong(ResultError::OutOfMemory))?;
                let emits = result::decode_record(record, message, stamp, limits).map_err(wrong)?;
                Ok(if emits.is_empty() { Transformed::Drop } else { Transformed::Emits(emits) })
            }
        }
    }
}

impl Guest {
    fn configure(&mut self, configure: &TypedFunc<i32, i32>, config: &[u8]) -> Result<(), CallError> {
        if config.len() > self.mailbox.bytes {
            self.reserve(config.len())?;
        }
        self.mailbox_mut(config.len())?.copy_from_slice(config);
        let answer = configure.call(&mut self.store, config.len() as i32);
        match answer.map_err(|error| classify(&mut self.store, &error))? {
            0 => Ok(()),
            code => {
                let text = self.reason(&format!("it answered {code} and no reason"));
                Err(CallError::new(ErrorReason::Instance, format!("its config is refused: {text}")))
            }
        }
    }

    fn reason(&mut self, otherwise: &str) -> String {
        let text = self.store.data_mut().answer.fail_text.take();
        text.filter(|text| !text.is_empty()).unwrap_or_else(|| otherwise.into())
    }

    /// One call: frame into the mailbox, function, answer.
    #[inline]
    fn call(
        &mut self,
        function: &TypedFunc<i32, i64>,
        needs: Needs,
        messages: &[MessageRef<'_>],
        budget_ns: u64,
    ) -> Result<i64, CallError> {
        let bytes = frame::frame_bytes(needs, messages).ok_or_else(oversize)?;
        begin(&mut self.store, budget_ns);
        if bytes > self.mailbox.bytes {
            self.reserve(bytes)?;
        }
        frame::write(needs, messages, self.mailbox_mut(bytes)?).ok_or_else(oversize)?;
        self.calls += 1;
        function.call(&mut self.store, messages.len() as i32).map_err(|error| classify(&mut self.store, &error))
    }

    /// Asks the guest for a mailbox of at least `bytes`.
    #[cold]
    fn reserve(&mut self, bytes: usize) -> Result<(), CallError> {
        let bytes = bytes.max(MAILBOX_BYTES).next_power_of_two();
        let asked = i32::try_from(bytes).map_err(|_| oversize())?;
        // The old mailbox is the guest's again, whether it has room for another one or not.
        self.mailbox = Mailbox::default();
        let at = self.buf.call(&mut self.store, asked).map_err(|error| classify(&mut self.store, &error))?;
        let at = at as u32 as usize;
        if at == 0 {
            return Err(oversize());
        }
        if at.saturating_add(bytes) > self.memory.data_size(&self.store) {
            return Err(CallError::new(ErrorReason::Result, "its mailbox is not in its memory"));
        }
        self.mailbox = Mailbox { at, bytes };
        Ok(())
    }

    #[inline]
    fn mailbox_mut(&mut self, bytes: usize) -> Result<&mut [u8], CallError> {
        let at = self.mailbox.at;
        let memory = self.memory.data_mut(&mut self.store);
        let mailbox = memory.get_mut(at..).and_then(|rest| rest.get_mut(..bytes));
        mailbox.ok_or_else(|| CallError::new(ErrorReason::Result, "its mailbox is not in its memory"))
    }
}

#[cold]
fn oversize() -> CallError {
    CallError::new(ErrorReason::Oversize, "it has no room for a message of this size")
}

/// A new call: its budget is whole, and nothing was said yet.
#[inline]
fn begin(store: &mut Store<GuestState>, budget_ns: u64) {
    store.set_epoch_deadline(1);
    let state = store.data_mut();
    state.budget = CpuBudget { ns: budget_ns, started_ns: None, used_up: false };
    state.limiter.refused = false;
    state.answer.undecided = 0;
    if state.answer.fail_text.is_some() {
        state.answer.fail_text = None;
    }
}

fn no_function(kind: &str) -> CallError {
    CallError::new(ErrorReason::Instance, format!("it has no {kind}"))
}

fn typed<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
    instance: &wasmtime::Instance,
    store: &mut Store<GuestState>,
    name: &str,
) -> Result<TypedFunc<P, R>, CallError> {
    instance.get_typed_func(store, name).map_err(|error| {
        CallError::new(ErrorReason::Instance, format!("its function \"{name}\" has another type: {error:#}"))
    })
}

/// What a trap means.
#[cold]
fn classify(store: &mut Store<GuestState>, error: &wasmtime::Error) -> CallError {
    let state = store.data_mut();
    if state.budget.used_up {
        let text = format!("it used up its {:?} of CPU time", std::time::Duration::from_nanos(state.budget.ns));
        return CallError::new(ErrorReason::Timeout, text);
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::StackOverflow) {
        return CallError::new(ErrorReason::Stack, "its stack is exhausted");
    }
    if state.limiter.refused {
        let text = format!("it wanted more than its {} KiB of memory", state.limiter.max_bytes >> 10);
        return CallError::new(ErrorReason::Memory, text);
    }
    match (trap, state.answer.fail_text.take()) {
        (Some(Trap::UnreachableCodeReached), Some(text)) => CallError::new(ErrorReason::Panic, text),
        (Some(Trap::MemoryOutOfBounds | Trap::TableOutOfBounds), _) => {
            CallError::new(ErrorReason::OutOfBounds, "it reached outside of its memory")
        }
        (Some(trap), _) => CallError::new(ErrorReason::Trap, trap.to_string()),
        (None, _) => CallError::new(ErrorReason::Instance, format!("{error:#}")),
    }
}
