//! Why a call failed.

/// The reason, as the label `reason` of `forebay_plugin_errors_total` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum ErrorReason {
    /// It used up its CPU time.
    Timeout,
    /// It wanted more memory than it may have.
    Memory,
    /// Its stack was exhausted.
    Stack,
    /// It panicked, and said so.
    Panic,
    /// It reached outside of its memory or tables.
    OutOfBounds,
    /// Any other trap.
    Trap,
    /// What it answered cannot be: a pointer, a length, a subject, a header.
    Result,
    /// It said that it cannot judge this message.
    Failed,
    /// No instance could be made.
    Instance,
    /// The message is too large for it.
    Oversize,
    /// The breaker is open: it was not called.
    Breaker,
    /// It was not called: its consumer is one of a work queue, where its skips would ack and may not.
    WorkQueue,
}

impl ErrorReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Timeout,
        Self::Memory,
        Self::Stack,
        Self::Panic,
        Self::OutOfBounds,
        Self::Trap,
        Self::Result,
        Self::Failed,
        Self::Instance,
        Self::Oversize,
        Self::Breaker,
        Self::WorkQueue,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Panic => "panic",
            Self::OutOfBounds => "out_of_bounds",
            Self::Trap => "trap",
            Self::Result => "result",
            Self::Failed => "failed",
            Self::Instance => "instance",
            Self::Oversize => "oversize",
            Self::Breaker => "breaker",
            Self::WorkQueue => "work_queue",
        }
    }

    /// True if the call ended at one of its limits, and so took long.
    pub fn is_limit(self) -> bool {
        matches!(self, Self::Timeout | Self::Memory | Self::Stack)
    }

    /// True if the guest misbehaved: its instance is thrown away, and the breaker counts it.
    pub fn is_misbehaviour(self) -> bool {
        !matches!(self, Self::Failed | Self::Oversize | Self::Breaker | Self::WorkQueue)
    }
}

/// One failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CallError {
    /// Which kind of failure.
    pub reason: ErrorReason,
    /// It in words, with the guest's own text where it gave one.
    pub text: String,
}

impl CallError {
    pub(crate) fn new(reason: ErrorReason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_numbered_as_listed() {
        for (at, reason) in ErrorReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, at);
        }
    }
}
