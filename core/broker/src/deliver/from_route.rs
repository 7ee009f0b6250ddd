//! Messages of another server: to subscribers here, and nowhere else.

use super::{Groups, Outgoing};
use crate::account::Account;
use crate::match_cache::{Lookup, Seen, SubjectKey};
use crate::subscription::Recipient;
use crate::thread_state::ThreadState;
use forebay_protocol::route::message::Message;
use smallvec::SmallVec;
use std::sync::Arc;

impl ThreadState {
    /// Delivers what came over the route with the number `from`: to those without a queue group if the message says so,
    /// and to one member each of the groups that it names. The other server has chosen; nobody is asked again.
    pub fn publish_from_route(&mut self, account: &Arc<Account>, message: &Message<'_>, from: u64) {
        self.in_messages += 1;
        self.in_bytes += (message.headers.len() + message.payload.len()) as u64;
        let outgoing = Outgoing {
            reply: message.reply,
            headers: message.headers,
            payload: message.payload,
            has_headers: message.has_headers,
            tail: message.tail,
            from,
            no_echo: false,
            untransformed: false,
        };
        let seen = Seen::now(&account.interest, message.to);
        let key = SubjectKey::new(message.to);
        let entry = match self.cache(account).take(&key, seen) {
            Lookup::Hit(entry) => entry,
            Lookup::Build => self.build_entry(account, &key, seen),
            Lookup::First => return self.deliver_here_uncached(account, message, seen, &outgoing),
        };
        let same = *message.to == *message.subject;
        if message.plain {
            for delivery in &entry.plain {
                if same {
                    self.stage_delivery(account, &entry, delivery, &outgoing);
                } else {
                    self.stage_slot(account, delivery.subscription, message.subject, &outgoing);
                }
            }
        }
        for queue in message.queues.iter() {
            if let Some(group) = entry.queues.iter().find(|group| *group.name == *queue) {
                self.stage_member(account, group, message.subject, &outgoing);
            }
        }
        if message.plain {
            for target in &entry.announced {
                self.deliver_internal(account, *target, message.subject, &outgoing);
            }
        }
        self.cache(account).put(entry);
    }

    #[inline(never)]
    fn deliver_here_uncached(
        &mut self,
        account: &Arc<Account>,
        message: &Message<'_>,
        seen: Seen,
        outgoing: &Outgoing<'_>,
    ) {
        let simple = message.plain && message.queues.is_empty();
        if simple && self.deliver_by_prefix(account, message.to, message.subject, seen, outgoing, false).is_some() {
            return;
        }
        let mut internal: SmallVec<[u64; 4]> = SmallVec::new();
        {
            let list = account.interest.read();
            let mut groups = Groups::new();
            list.matches(message.to, |matched| {
                for one in matched.plain().iter().filter(|_| message.plain) {
                    match &one.0.recipient {
                        Recipient::Internal(target) => internal.extend(one.0.is_announced().then_some(*target)),
                        Recipient::Connection(_) => {
                            let slot = self.staging.subscription(&one.0);
                            self.stage_slot(account, slot, message.subject, outgoing);
                        }
                        Recipient::Route(_) => {}
                    }
                }
                let is_named = |name: &[u8]| message.queues.iter().any(|queue| *queue == *name);
                groups.extend(matched.queues().iter().filter(|group| is_named(&group.name)));
            });
            self.stage_groups(account, &mut groups, message.subject, outgoing, &mut None);
        }
        for target in &internal {
            self.deliver_internal(account, *target, message.subject, outgoing);
        }
    }
}
