//! A push consumer's leader state: whether anybody listens, its flow control window, its idle heartbeat.
//!
//! The window is nats-server's (`consumer.go` `needFlowControl`, `processFlowControl`): it starts at a sixteenth of
//! the largest, doubles with each answer, a question goes out when half of it is used, and delivery stops when it is.

use std::sync::Arc;

use super::rules::Rules;
use super::status::StatusKind;
use crate::id::Position;
use crate::limits::{FLOW_CONTROL_START_DIVISOR, FLOW_CONTROL_WINDOW_MAX};

/// Leader state of a push consumer.
#[derive(Debug)]
pub(crate) struct Push {
    /// The deliver subject.
    pub(crate) subject: Arc<[u8]>,
    /// Somebody listens there.
    pub(crate) active: bool,
    flow: Option<Flow>,
    heartbeat: i64,
    /// When a heartbeat is due if nothing is sent before; `i64::MAX` for never.
    next_heartbeat: i64,
}

#[derive(Debug)]
struct Flow {
    /// `$JS.FC.<stream>.<consumer>.`
    prefix: Box<[u8]>,
    window: u64,
    /// Sent and not yet covered by an answer.
    outstanding: u64,
    /// The open question and what it covers.
    open: Option<(Box<[u8]>, u64)>,
    asked: u64,
}

impl Push {
    pub(crate) fn new(rules: &Rules, subject: &str, stream: &str, consumer: &str) -> Self {
        let flow = rules.flow_control.then(|| Flow {
            prefix: format!("$JS.FC.{stream}.{consumer}.").into_bytes().into(),
            window: FLOW_CONTROL_WINDOW_MAX / FLOW_CONTROL_START_DIVISOR,
            outstanding: 0,
            open: None,
            asked: 0,
        });
        Self {
            subject: Arc::from(subject.as_bytes()),
            active: false,
            flow,
            heartbeat: rules.idle_heartbeat,
            next_heartbeat: i64::MAX,
        }
    }

    /// True if a message may be sent now.
    pub(crate) fn is_open(&self) -> bool {
        self.active && self.flow.as_ref().is_none_or(|flow| flow.outstanding <= flow.window)
    }

    /// True if a window is kept: sizes matter.
    pub(crate) fn counts_bytes(&self) -> bool {
        self.flow.is_some()
    }

    pub(crate) fn set_active(&mut self, now: i64, active: bool) {
        self.active = active;
        self.next_heartbeat = if active && self.heartbeat > 0 { now.saturating_add(self.heartbeat) } else { i64::MAX };
        if !active && let Some(flow) = &mut self.flow {
            // The next listener begins with an empty window.
            (flow.outstanding, flow.open) = (0, None);
        }
    }

    /// Takes note of a sent message; the status goes out after it.
    pub(crate) fn sent(&mut self, now: i64, size: u64) -> Option<StatusKind> {
        if self.heartbeat > 0 {
            self.next_heartbeat = now.saturating_add(self.heartbeat);
        }
        let flow = self.flow.as_mut()?;
        flow.outstanding = flow.outstanding.saturating_add(size);
        if let Some((_, covered)) = &mut flow.open {
            if flow.outstanding.saturating_sub(*covered) >= flow.window {
                *covered += size;
            }
            return None;
        }
        (flow.outstanding > flow.window / 2).then(|| flow.ask())
    }

    /// The client answered. True if delivery may go on.
    pub(crate) fn answered(&mut self, subject: &[u8]) -> bool {
        let Some(flow) = &mut self.flow else { return false };
        let Some((_, covered)) = flow.open.take_if(|(open, _)| **open == *subject) else { return false };
        flow.window = (flow.window * 2).min(FLOW_CONTROL_WINDOW_MAX);
        flow.outstanding = flow.outstanding.saturating_sub(covered);
        true
    }

    pub(crate) fn poll_timeout(&self) -> Option<i64> {
        Some(self.next_heartbeat).filter(|at| self.active && *at != i64::MAX)
    }

    pub(crate) fn handle_timeout(&mut self, now: i64, last: Position) -> Option<StatusKind> {
        if !self.active || self.next_heartbeat > now {
            return None;
        }
        self.next_heartbeat = now.saturating_add(self.heartbeat);
        let stalled = self.flow.as_ref().and_then(|flow| flow.open.as_ref()).map(|(subject, _)| subject.clone());
        Some(StatusKind::IdleHeartbeat { last, stalled })
    }
}

impl Flow {
    fn ask(&mut self) -> StatusKind {
        self.asked += 1;
        let mut reply = self.prefix.to_vec();
        reply.extend_from_slice(self.asked.to_string().as_bytes());
        let reply: Box<[u8]> = reply.into();
        self.open = Some((reply.clone(), self.outstanding));
        StatusKind::FlowControl { reply }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push() -> Push {
        let rules = Rules { flow_control: true, idle_heartbeat: 100, ..Rules::default() };
        let mut push = Push::new(&rules, "deliver", "S", "C");
        push.set_active(0, true);
        push
    }

    #[test]
    fn the_window_closes_and_an_answer_opens_it() {
        let mut push = push();
        assert_eq!(push.sent(1, 1 << 20), None);
        let Some(StatusKind::FlowControl { reply }) = push.sent(1, 1) else { panic!("a question") };
        assert_eq!(&*reply, b"$JS.FC.S.C.1");
        assert!(push.is_open());
        assert_eq!(push.sent(1, 1 << 20), None);
        assert!(!push.is_open());
        assert!(!push.answered(b"$JS.FC.S.C.9"));
        assert!(push.answered(b"$JS.FC.S.C.1"));
        assert!(push.is_open());
    }

    #[test]
    fn heartbeats_come_in_silence_and_name_the_open_question() {
        let mut push = push();
        assert_eq!(push.poll_timeout(), Some(100));
        push.sent(50, 3 << 20);
        assert_eq!(push.poll_timeout(), Some(150));
        let last = Position { cseq: 1, sseq: 1 };
        assert_eq!(push.handle_timeout(149, last), None);
        let stalled = Some(b"$JS.FC.S.C.1"[..].into());
        assert_eq!(push.handle_timeout(150, last), Some(StatusKind::IdleHeartbeat { last, stalled }));
        push.set_active(160, false);
        assert_eq!(push.poll_timeout(), None);
    }
}
