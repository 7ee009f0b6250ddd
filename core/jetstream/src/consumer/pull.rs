//! Pull requests that wait: who is served next, and what the others are told. Leader state, never logged.
//!
//! Requests are served in turn, one message each, as nats-server's wait queue does. Times: a request ends at its
//! expiry, a heartbeat is due when nothing was sent to it for its interval.

use std::collections::VecDeque;
use std::sync::Arc;

use forebay_api::pull::PullRequest;

use super::rules::Rules;
use super::status::{Left, StatusKind};

/// One waiting request.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) reply: Arc<[u8]>,
    /// Messages it still asks for. nats-server takes what was asked as it is: none, or fewer than none, is one, and is
    /// told as what it was.
    left: i64,
    /// Bytes it still takes; 0 is no limit.
    bytes_left: u64,
    delivered: u64,
    /// When it ends; `i64::MAX` for never.
    deadline: i64,
    no_wait: bool,
    /// Interval in ns; 0 for none.
    heartbeat: i64,
    next_heartbeat: i64,
}

/// What the queue says about one candidate message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// It goes to this reply subject; the second part is to be said right after it.
    To(Arc<[u8]>, Option<StatusKind>),
    /// Nobody waits (any more).
    Nobody,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct WaitQueue {
    queue: VecDeque<Waiting>,
    /// No request ends or beats before; recomputed when it has passed.
    earliest: Option<i64>,
}

/// A status for one of the requests.
pub(crate) type Say<'a> = &'a mut dyn FnMut(&Arc<[u8]>, StatusKind);

impl WaitQueue {
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Messages that all requests together still ask for.
    pub(crate) fn wanted(&self) -> u64 {
        self.queue.iter().fold(0, |sum, request| sum.saturating_add(request.wanted()))
    }

    /// The reply subjects in the order in which they are served.
    pub(crate) fn replies(&self) -> impl Iterator<Item = &Arc<[u8]>> {
        self.queue.iter().map(|request| &request.reply)
    }

    /// Drops the requests with this reply subject: their owner is gone, so nothing is said.
    pub(crate) fn drop_reply(&mut self, reply: &[u8]) -> bool {
        let before = self.queue.len();
        self.queue.retain(|request| &*request.reply != reply);
        before != self.queue.len()
    }

    /// Takes a request in, or says why not (nats-server `processNextMsgRequest`). `available` is what could be
    /// delivered now, redeliveries included. True if it waits.
    pub(crate) fn request(
        &mut self,
        now: i64,
        rules: &Rules,
        available: u64,
        request: &PullRequest,
        reply: &Arc<[u8]>,
        say: Say<'_>,
    ) -> bool {
        if let Some(kind) = refuse(rules, request) {
            say(reply, kind);
            return false;
        }
        let expires = request.expires.ns();
        let deadline = if expires == 0 { i64::MAX } else { now.saturating_add(expires) };
        if self.queue.len() >= rules.max_waiting {
            self.handle_timeout(now, super::Position::default(), say);
        }
        if self.queue.len() >= rules.max_waiting {
            // Old clients answer a 409 by asking again at once; one with a heartbeat will notice the silence.
            if request.idle_heartbeat.ns() == 0 {
                say(reply, StatusKind::Exceeded { what: "MaxWaiting".into() });
            }
            return false;
        }
        if request.no_wait {
            if available == 0 && expires == 0 {
                say(reply, StatusKind::NoMessages);
                return false;
            }
            if available > 0 && available < self.wanted() {
                say(reply, StatusKind::RequestsPending);
                return false;
            }
        }
        let heartbeat = request.idle_heartbeat.ns().max(0);
        let waiting = Waiting {
            reply: Arc::clone(reply),
            left: request.batch,
            bytes_left: u64::try_from(request.max_bytes).unwrap_or(0),
            delivered: 0,
            deadline,
            no_wait: request.no_wait,
            heartbeat,
            next_heartbeat: if heartbeat > 0 { now.saturating_add(heartbeat) } else { i64::MAX },
        };
        self.earlier(waiting.deadline.min(waiting.next_heartbeat));
        self.queue.push_back(waiting);
        true
    }

    /// Gives a message of `size` bytes (subject, ack reply, headers and payload) to the next request that takes it.
    pub(crate) fn serve(&mut self, now: i64, size: u64, say: Say<'_>) -> Served {
        while let Some(mut request) = self.queue.pop_front() {
            if now > request.deadline {
                say(&request.reply, request.timeout());
                continue;
            }
            let mut last = false;
            if request.bytes_left > 0 {
                if size > request.bytes_left {
                    let kind = StatusKind::MessageTooLarge { left: request.left() };
                    say(&request.reply, kind);
                    continue;
                }
                request.bytes_left -= size;
                last = request.bytes_left == 0;
            }
            request.left = if last { 0 } else { request.left.saturating_sub(1) };
            request.delivered += 1;
            if request.left > 0 {
                request.next_heartbeat =
                    if request.heartbeat > 0 { now.saturating_add(request.heartbeat) } else { i64::MAX };
                let reply = Arc::clone(&request.reply);
                self.queue.push_back(request);
                return Served::To(reply, None);
            }
            let after = (request.bytes_left > 0).then(|| StatusKind::BatchCompleted { left: request.left() });
            return Served::To(request.reply, after);
        }
        Served::Nobody
    }

    /// The stream has nothing more for this consumer: one-shot requests end.
    pub(crate) fn end_of_stream(&mut self, say: Say<'_>) {
        if !self.queue.iter().any(|request| request.no_wait) {
            return;
        }
        self.queue.retain(|request| {
            if !request.no_wait {
                return true;
            }
            // Asked of nats-server 2.15.1: one that got something ends so too, whatever its expiry.
            if request.delivered > 0 || request.deadline == i64::MAX {
                say(&request.reply, StatusKind::NoMessages);
                return false;
            }
            true
        });
    }

    /// When [`WaitQueue::handle_timeout`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<i64> {
        self.earliest
    }

    /// Ends what has expired, and beats for those who wait in silence.
    pub(crate) fn handle_timeout(&mut self, now: i64, last: super::Position, say: Say<'_>) {
        if self.earliest.is_none_or(|at| at > now) {
            return;
        }
        let mut earliest = i64::MAX;
        self.queue.retain_mut(|request| {
            if request.deadline <= now {
                say(&request.reply, request.timeout());
                return false;
            }
            if request.next_heartbeat <= now {
                say(&request.reply, StatusKind::IdleHeartbeat { last, stalled: None });
                request.next_heartbeat = now.saturating_add(request.heartbeat);
            }
            earliest = earliest.min(request.deadline).min(request.next_heartbeat);
            true
        });
        self.earliest = Some(earliest).filter(|at| *at != i64::MAX);
    }

    /// Ends all, each with what `kind` makes of what it still asked for.
    pub(crate) fn end_all(&mut self, kind: impl Fn(Left) -> StatusKind, say: Say<'_>) {
        for request in self.queue.drain(..) {
            say(&request.reply, kind(request.left()));
        }
        self.earliest = None;
    }

    fn earlier(&mut self, at: i64) {
        if at != i64::MAX {
            self.earliest = Some(self.earliest.map_or(at, |earliest| earliest.min(at)));
        }
    }
}

impl Waiting {
    fn timeout(&self) -> StatusKind {
        StatusKind::RequestTimeout { left: self.left() }
    }

    /// What it still asks for, as it is told.
    fn left(&self) -> Left {
        Left { messages: self.left, bytes: self.bytes_left }
    }

    /// Messages that it will still take.
    fn wanted(&self) -> u64 {
        self.left.max(1).unsigned_abs()
    }
}

/// The highest priority of a request; 0 is served first.
const PRIORITY_MAX: i64 = 9;

/// The limits of the consumer's config, and what needs a priority policy: there are none yet.
fn refuse(rules: &Rules, request: &PullRequest) -> Option<StatusKind> {
    let exceeded = |what: String| Some(StatusKind::Exceeded { what: what.into() });
    if rules.max_batch > 0 && request.batch > rules.max_batch {
        return exceeded(format!("MaxRequestBatch of {}", rules.max_batch));
    }
    if rules.max_expires.ns() > 0 && request.expires.ns() > rules.max_expires.ns() {
        return exceeded(format!("MaxRequestExpires of {}", rules.max_expires));
    }
    if rules.max_bytes > 0 && request.max_bytes > rules.max_bytes {
        return exceeded(format!("MaxRequestMaxBytes of {}", rules.max_bytes));
    }
    let refused = |why: &str| Some(StatusKind::BadRequest { why: why.into() });
    if request.min_pending != 0 || request.min_ack_pending != 0 {
        return refused("Not a Overflow Priority consumer");
    }
    if !request.id.is_empty() {
        return refused("Not a Pinned Client Priority consumer");
    }
    if !(0..=PRIORITY_MAX).contains(&request.priority) {
        return refused("Priority must be between 0 and 9");
    }
    None
}

#[cfg(test)]
mod tests {
    use forebay_api::duration::Nanos;

    use super::*;

    fn ask(batch: i64, expires: i64) -> PullRequest {
        PullRequest { batch, expires: Nanos(expires), ..PullRequest::default() }
    }

    fn reply(text: &str) -> Arc<[u8]> {
        Arc::from(text.as_bytes())
    }

    #[derive(Default)]
    struct Said(Vec<(String, StatusKind)>);

    impl Said {
        fn with<R>(&mut self, call: impl FnOnce(Say<'_>) -> R) -> R {
            call(&mut |to, kind| self.0.push((String::from_utf8_lossy(to).into_owned(), kind)))
        }
    }

    #[test]
    fn requests_are_served_in_turn() {
        let (mut queue, mut said, rules) = (WaitQueue::default(), Said::default(), Rules::default());
        for name in ["a", "b"] {
            assert!(said.with(|say| queue.request(0, &rules, 0, &ask(2, 0), &reply(name), say)));
        }
        let order: Vec<_> = (0..5).map(|_| said.with(|say| queue.serve(1, 10, say))).collect();
        let to = |name| Served::To(reply(name), None);
        assert_eq!(order, [to("a"), to("b"), to("a"), to("b"), Served::Nobody]);
        assert!(said.0.is_empty());
    }

    #[test]
    fn an_expired_request_is_told_what_it_still_asked_for() {
        let (mut queue, mut said, rules) = (WaitQueue::default(), Said::default(), Rules::default());
        said.with(|say| queue.request(0, &rules, 0, &ask(3, 100), &reply("a"), say));
        said.with(|say| queue.serve(1, 10, say));
        assert_eq!(queue.poll_timeout(), Some(100));
        said.with(|say| queue.handle_timeout(100, super::super::Position::default(), say));
        let left = Left { messages: 2, bytes: 0 };
        assert_eq!(said.0, [("a".into(), StatusKind::RequestTimeout { left })]);
        assert!(queue.is_empty() && queue.poll_timeout().is_none());
    }

    #[test]
    fn no_wait_ends_when_nothing_is_there() {
        let (mut queue, mut said, rules) = (WaitQueue::default(), Said::default(), Rules::default());
        let no_wait = PullRequest { no_wait: true, ..ask(5, 0) };
        assert!(!said.with(|say| queue.request(0, &rules, 0, &no_wait, &reply("a"), say)));
        assert!(said.with(|say| queue.request(0, &rules, 2, &no_wait, &reply("b"), say)));
        assert!(!said.with(|say| queue.request(0, &rules, 2, &no_wait, &reply("c"), say)));
        said.with(|say| queue.serve(1, 10, say));
        said.with(|say| queue.end_of_stream(say));
        let want = [
            ("a".into(), StatusKind::NoMessages),
            ("c".into(), StatusKind::RequestsPending),
            ("b".into(), StatusKind::NoMessages),
        ];
        assert_eq!(said.0, want);
    }

    #[test]
    fn max_bytes_ends_a_request_before_the_message_that_does_not_fit() {
        let (mut queue, mut said, rules) = (WaitQueue::default(), Said::default(), Rules::default());
        let small = PullRequest { max_bytes: 100, ..ask(5, 0) };
        said.with(|say| queue.request(0, &rules, 9, &small, &reply("a"), say));
        assert_eq!(said.with(|say| queue.serve(1, 60, say)), Served::To(reply("a"), None));
        assert_eq!(said.with(|say| queue.serve(1, 60, say)), Served::Nobody);
        let left = Left { messages: 4, bytes: 40 };
        assert_eq!(said.0, [("a".into(), StatusKind::MessageTooLarge { left })]);
        let one = PullRequest { max_bytes: 100, ..ask(1, 0) };
        said.with(|say| queue.request(0, &rules, 9, &one, &reply("b"), say));
        let after = Some(StatusKind::BatchCompleted { left: Left { messages: 0, bytes: 40 } });
        assert_eq!(said.with(|say| queue.serve(1, 60, say)), Served::To(reply("b"), after));
    }

    #[test]
    fn a_request_for_none_is_for_one_and_is_told_what_it_asked() {
        let (mut queue, mut said, rules) = (WaitQueue::default(), Said::default(), Rules::default());
        said.with(|say| queue.request(0, &rules, 0, &ask(0, 100), &reply("a"), say));
        said.with(|say| queue.request(0, &rules, 0, &ask(-3, 0), &reply("b"), say));
        assert_eq!(queue.wanted(), 2);
        assert_eq!(said.with(|say| queue.serve(101, 10, say)), Served::To(reply("b"), None));
        assert_eq!(said.0, [("a".into(), StatusKind::RequestTimeout { left: Left::default() })]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_queue_is_silent_to_those_with_a_heartbeat() {
        let rules = Rules { max_waiting: 1, ..Rules::default() };
        let (mut queue, mut said) = (WaitQueue::default(), Said::default());
        assert!(said.with(|say| queue.request(0, &rules, 0, &ask(1, 0), &reply("a"), say)));
        assert!(!said.with(|say| queue.request(0, &rules, 0, &ask(1, 0), &reply("b"), say)));
        let beating = PullRequest { idle_heartbeat: Nanos(5), ..ask(1, 50) };
        assert!(!said.with(|say| queue.request(0, &rules, 0, &beating, &reply("c"), say)));
        assert_eq!(said.0, [("b".into(), StatusKind::Exceeded { what: "MaxWaiting".into() })]);
    }
}
