//! What a filter says about one message.

use std::fmt::Display;

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The consumer gets it.
    Deliver,
    /// The consumer does not get it.
    Skip,
    /// The filter cannot say, and why: the operator's policy decides (`on_error`).
    Undecided(String),
}

/// What a `#[filter]` function may return: `bool` (true delivers), [`Verdict`], or a `Result` of either, whose error is
/// [`Verdict::Undecided`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a #[filter] can return",
    note = "return bool (true delivers), Verdict, or Result<bool, E> or Result<Verdict, E> where E: Display"
)]
pub trait IntoVerdict {
    /// The verdict it means.
    fn into_verdict(self) -> Verdict;
}

impl IntoVerdict for Verdict {
    fn into_verdict(self) -> Verdict {
        self
    }
}

impl IntoVerdict for bool {
    fn into_verdict(self) -> Verdict {
        if self { Verdict::Deliver } else { Verdict::Skip }
    }
}

impl<T: IntoVerdict, E: Display> IntoVerdict for Result<T, E> {
    fn into_verdict(self) -> Verdict {
        match self {
            Ok(verdict) => verdict.into_verdict(),
            Err(error) => Verdict::Undecided(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_come_from_plain_values() {
        assert_eq!(true.into_verdict(), Verdict::Deliver);
        assert_eq!(Ok::<_, String>(false).into_verdict(), Verdict::Skip);
        assert_eq!(Err::<bool, _>("why").into_verdict(), Verdict::Undecided("why".into()));
    }
}
