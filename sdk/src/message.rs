//! A message as a plugin sees it.

use crate::{Headers, Json};

/// A message. A function that takes `&Message` gets all of its parts; take single parts instead where they are enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a> {
    pub(crate) subject: &'a str,
    pub(crate) reply: &'a str,
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) sequence: u64,
    pub(crate) time_ns: i64,
}

impl<'a> Message<'a> {
    /// A message for a test.
    pub fn new(subject: &'a str, payload: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { subject, payload: payload.as_ref(), ..Self::default() }
    }

    /// With a reply subject, for a test.
    #[must_use]
    pub fn with_reply(self, reply: &'a str) -> Self {
        Self { reply, ..self }
    }

    /// With a raw header block, for a test.
    #[must_use]
    pub fn with_headers(self, block: &'a [u8]) -> Self {
        Self { headers: block, ..self }
    }

    /// The subject.
    pub fn subject(&self) -> &'a str {
        self.subject
    }

    /// The tokens of the subject.
    pub fn tokens(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.subject.split('.')
    }

    /// The reply subject.
    pub fn reply(&self) -> Option<&'a str> {
        Some(self.reply).filter(|reply| !reply.is_empty())
    }

    /// The headers.
    pub fn headers(&self) -> Headers<'a> {
        Headers::new(self.headers)
    }

    /// The payload.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The payload as JSON.
    pub fn json<T: serde::Deserialize<'a>>(&self) -> Result<T, String> {
        Json::read(self.payload).map(|Json(value)| value)
    }

    /// The stream sequence, once the message is in a stream.
    pub fn sequence(&self) -> Option<u64> {
        Some(self.sequence).filter(|sequence| *sequence != 0)
    }

    /// When the server took the message in: nanoseconds since 1970. The only clock of a plugin.
    pub fn time_ns(&self) -> i64 {
        self.time_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_parts_are_none() {
        let message = Message::new("a.b", "{\"n\":1}");
        assert_eq!(message.tokens().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((message.reply(), message.sequence()), (None, None));
        assert!(message.headers().is_empty());
        assert_eq!(message.with_reply("r").reply(), Some("r"));
        assert_eq!(message.json::<serde_json::Value>().unwrap()["n"], 1);
        assert!(message.json::<String>().unwrap_err().contains("not the JSON"));
    }
}
