//! A record as the machines see it, wherever its bytes lie.

use forebay_store::RecordRef;

/// One command of the log.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The command's number.
    pub number: u16,
    /// The stream.
    pub uid: u64,
    /// The leader's time in ns.
    pub time: i64,
    /// Of a publish.
    pub subject: &'a [u8],
    /// Of a publish: the raw header block.
    pub headers: &'a [u8],
    /// Of a publish, or the command's body.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// A command without a subject.
    #[must_use]
    pub fn command(number: u16, uid: u64, time: i64, body: &'a [u8]) -> Self {
        Self { number, uid, time, subject: &[], headers: &[], payload: body }
    }
}

impl<'a> From<&RecordRef<'a>> for Record<'a> {
    fn from(record: &RecordRef<'a>) -> Self {
        Self {
            number: record.number,
            uid: record.uid,
            time: record.time,
            subject: record.subject,
            headers: record.headers,
            payload: record.payload,
        }
    }
}
