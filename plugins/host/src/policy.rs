//! What an error does to a message: the binding's `on_error`.

use std::str::FromStr;

/// What happens to a message whose transform failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransformPolicy {
    /// The publisher gets an error; the message goes nowhere.
    #[default]
    Reject,
    /// The message goes on as it was.
    Pass,
    /// The message is swallowed.
    Drop,
}

/// What happens to a message that a filter could not judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterPolicy {
    /// It is delivered.
    #[default]
    Deliver,
    /// It is skipped. This can lose messages, so it has to be chosen.
    Skip,
    /// The consumer waits until the filter can judge again.
    Pause,
}

/// A policy word that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The word names a policy that this version does not have.
    #[error("on_error = \"{0}\" is not built yet; a transform takes reject, pass or drop")]
    NotBuilt(String),
    /// The word is unknown.
    #[error("on_error = \"{word}\" is unknown; a {kind} takes {allowed}")]
    Unknown {
        /// What was written.
        word: String,
        /// `transform` or `filter`.
        kind: &'static str,
        /// The words that are taken.
        allowed: &'static str,
    },
}

impl FromStr for TransformPolicy {
    type Err = PolicyError;

    fn from_str(word: &str) -> Result<Self, PolicyError> {
        match word {
            "reject" => Ok(Self::Reject),
            "pass" => Ok(Self::Pass),
            "drop" => Ok(Self::Drop),
            "dead_letter" => Err(PolicyError::NotBuilt(word.into())),
            _ => Err(PolicyError::Unknown {
                word: word.into(),
                kind: "transform",
                allowed: "reject (default), pass or drop",
            }),
        }
    }
}

impl FromStr for FilterPolicy {
    type Err = PolicyError;

    fn from_str(word: &str) -> Result<Self, PolicyError> {
        match word {
            "deliver" => Ok(Self::Deliver),
            "skip" => Ok(Self::Skip),
            "pause" => Ok(Self::Pause),
            _ => Err(PolicyError::Unknown {
                word: word.into(),
                kind: "filter",
                allowed: "deliver (default), skip or pause",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_others_refused_in_words() {
        assert_eq!("drop".parse(), Ok(TransformPolicy::Drop));
        assert_eq!("pause".parse(), Ok(FilterPolicy::Pause));
        let text = "dead_letter".parse::<TransformPolicy>().unwrap_err().to_string();
        assert!(text.contains("not built yet"), "{text}");
        assert!("pass".parse::<FilterPolicy>().unwrap_err().to_string().contains("deliver (default), skip or pause"));
    }
}
