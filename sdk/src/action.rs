//! What a transform does with a message.

use std::fmt::Display;

/// What becomes of a message.
///
/// ```
/// use forebay_sdk::Action;
///
/// let action = Action::subject("eu.orders.7").header("X-Routed-By", "by-region");
/// let several = Action::emit([Action::pass(), Action::subject("audit.orders.7").payload("seen")]);
/// # let _ = (action, several);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on unchanged.
    Pass,
    /// These go on in its place, in order. The first keeps its reply subject and message id.
    Replace(Vec<Emit>),
    /// It is swallowed; the publisher is told that it was accepted.
    Drop,
    /// It is refused; the publisher is told this reason.
    Reject(String),
    /// The plugin cannot judge it, and why: the operator's policy decides (`on_error`).
    Fail(String),
}

/// One message that goes on. What is `None` stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emit {
    /// The new subject.
    pub subject: Option<String>,
    /// The new payload.
    pub payload: Option<Vec<u8>>,
    /// Edits of the headers, in order.
    pub headers: Vec<HeaderEdit>,
}

/// One edit of the headers. `Nats-*` and `Forebay-*` are the server's: touching them fails the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// This name has this value and no other.
    Set(String, String),
    /// This name is gone.
    Remove(String),
    /// This name has one more value.
    Add(String, String),
}

impl Action {
    /// It goes on unchanged; the start of `.header(…)` and `.payload(…)` without a new subject.
    pub fn pass() -> Self {
        Self::Pass
    }

    /// It goes on under another subject.
    pub fn subject(subject: impl Into<String>) -> Self {
        Self::Replace(vec![Emit { subject: Some(subject.into()), ..Emit::default() }])
    }

    /// It is refused with this reason.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(reason.into())
    }

    /// The plugin cannot judge it.
    pub fn fail(reason: impl Into<String>) -> Self {
        Self::Fail(reason.into())
    }

    /// Several messages go on in its place, each told as an action that passes or replaces; a drop among them is left
    /// out, and the first reject or failure is the whole's.
    pub fn emit(actions: impl IntoIterator<Item = Self>) -> Self {
        let mut emits = Vec::new();
        for action in actions {
            match action {
                Self::Pass => emits.push(Emit::default()),
                Self::Replace(more) => emits.extend(more),
                Self::Drop => {}
                Self::Reject(_) | Self::Fail(_) => return action,
            }
        }
        if emits.is_empty() { Self::Drop } else { Self::Replace(emits) }
    }

    /// With another payload.
    #[must_use]
    pub fn payload(self, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        self.with(|emit| emit.payload = Some(payload))
    }

    /// With this header, and no other of its name.
    #[must_use]
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let edit = HeaderEdit::Set(name.into(), value.into());
        self.with(|emit| emit.headers.push(edit))
    }

    /// With one more header of this name.
    #[must_use]
    pub fn add_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let edit = HeaderEdit::Add(name.into(), value.into());
        self.with(|emit| emit.headers.push(edit))
    }

    /// Without any header of this name.
    #[must_use]
    pub fn remove_header(self, name: impl Into<String>) -> Self {
        let edit = HeaderEdit::Remove(name.into());
        self.with(|emit| emit.headers.push(edit))
    }

    /// Changes the last message that goes on; nothing if none does.
    fn with(self, change: impl FnOnce(&mut Emit)) -> Self {
        let mut emits = match self {
            Self::Pass => vec![Emit::default()],
            Self::Replace(emits) => emits,
            other => return other,
        };
        if let Some(last) = emits.last_mut() {
            change(last);
        }
        Self::Replace(emits)
    }
}

/// What a `#[transform]` function may return: [`Action`], `String` (the new subject), `Option<String>` (the new subject,
/// or none to pass), or a `Result` of one of them, whose error rejects the message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a #[transform] can return",
    note = "return Action, String (the new subject), Option<String>, or a Result of one of them where E: Display"
)]
pub trait IntoAction {
    /// The action it means.
    fn into_action(self) -> Action;
}

impl IntoAction for Action {
    fn into_action(self) -> Action {
        self
    }
}

impl IntoAction for String {
    fn into_action(self) -> Action {
        Action::subject(self)
    }
}

impl IntoAction for Option<String> {
    fn into_action(self) -> Action {
        self.map_or(Action::Pass, Action::subject)
    }
}

impl<T: IntoAction, E: Display> IntoAction for Result<T, E> {
    fn into_action(self) -> Action {
        match self {
            Ok(action) => action.into_action(),
            Err(error) => Action::Reject(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_come_from_plain_values() {
        assert_eq!(None::<String>.into_action(), Action::Pass);
        assert_eq!(Ok::<_, &str>("a.b".to_string()).into_action(), Action::subject("a.b"));
        assert_eq!(Err::<Action, _>("no").into_action(), Action::reject("no"));
    }

    #[test]
    fn changes_are_made_to_the_last_emit() {
        let action = Action::pass().header("A", "1").payload("x").remove_header("B");
        let Action::Replace(emits) = action else { panic!("replaced") };
        assert_eq!(emits[0].payload.as_deref(), Some(&b"x"[..]));
        assert_eq!(emits[0].headers, [HeaderEdit::Set("A".into(), "1".into()), HeaderEdit::Remove("B".into())]);
        assert_eq!(Action::Drop.header("A", "1"), Action::Drop);
    }

    #[test]
    fn several_actions_become_one() {
        let action = Action::emit([Action::pass(), Action::Drop, Action::subject("x").payload("p")]);
        let Action::Replace(emits) = action else { panic!("replaced") };
        assert_eq!((emits.len(), emits[1].subject.as_deref()), (2, Some("x")));
        assert_eq!(Action::emit([Action::Drop]), Action::Drop);
        assert_eq!(Action::emit([Action::pass(), Action::reject("no")]), Action::reject("no"));
    }
}
