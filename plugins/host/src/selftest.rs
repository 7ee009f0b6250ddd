//! The cases that a config gives for its plugin: a new generation passes them or is not published.

use forebay_broker::hooks::MessageRef;

use crate::error::CallError;
use crate::instance::{Instance, Transformed};
use crate::manifest::{Expect, Selftest};

/// A case that did not end as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("selftest {number} (subject \"{subject}\") expects {expected} and got {got}")]
pub struct SelftestError {
    /// Which case, from 1.
    pub number: usize,
    /// Its subject.
    pub subject: String,
    /// What was expected.
    pub expected: String,
    /// What it got instead.
    pub got: String,
}

/// Runs the cases, until one fails.
pub(crate) fn run(instance: &mut Instance, cases: &[Selftest]) -> Result<(), SelftestError> {
    for (at, case) in cases.iter().enumerate() {
        let message = MessageRef { subject: case.subject.as_bytes(), payload: &case.payload, ..MessageRef::default() };
        let got = match case.expect {
            Expect::Deliver | Expect::Skip => filtered(instance, &message),
            _ => instance.transform(&message, None).map(|made| replaced(made, &case.expect)),
        };
        let got = got.unwrap_or_else(|error| Err(format!("an error: {error}")));
        let failed = |got: String| SelftestError {
            number: at + 1,
            subject: case.subject.clone(),
            expected: format!("{:?}", case.expect),
            got,
        };
        match got {
            Ok(have) if have == case.expect => {}
            Ok(have) => return Err(failed(format!("{have:?}"))),
            Err(text) => return Err(failed(text)),
        }
    }
    Ok(())
}

fn filtered(instance: &mut Instance, message: &MessageRef<'_>) -> Result<Result<Expect, String>, CallError> {
    let answer = instance.filter(std::slice::from_ref(message))?;
    Ok(match answer {
        answer if answer.undecided != 0 => Err(format!("undecided: {}", answer.why_undecided.unwrap_or_default())),
        answer if answer.deliver != 0 => Ok(Expect::Deliver),
        _ => Ok(Expect::Skip),
    })
}

/// What came out, told in the parts that `expect` asks about.
fn replaced(made: Transformed, expect: &Expect) -> Result<Expect, String> {
    let emits = match made {
        Transformed::Pass => return Ok(Expect::Pass),
        Transformed::Drop => return Ok(Expect::Drop),
        Transformed::Reject(_) => return Ok(Expect::Reject),
        Transformed::Emits(emits) => emits,
    };
    let [emit] = emits.as_slice() else { return Err(format!("{} messages", emits.len())) };
    let Expect::Replace { subject, payload } = expect else {
        return Err(format!("another message: {}", shown(emit.subject.as_deref().unwrap_or_default())));
    };
    Ok(Expect::Replace {
        subject: subject.as_ref().and(emit.subject.as_ref()).map(|bytes| shown(bytes)),
        payload: payload.as_ref().and(emit.payload.clone()),
    })
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
