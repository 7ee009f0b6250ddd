//! What a route hears of changing interest.

use super::*;
use crate::outbound::{Sink, Wake};
use forebay_protocol::route::frame::{Decoded, decode};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl Sink for Wire {
    fn try_send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn wake_owner(&self, _: Wake) {}
}

impl Wire {
    fn hears(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock());
        let (mut rest, mut heard) = (&bytes[..], Vec::new());
        while let Ok(Decoded::Frame(frame, taken)) = decode(rest, 1 << 16) {
            let interest = Interest::decode(&frame).expect("interest");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let queue = interest.queue.map_or(String::new(), |queue| format!(" {}", text(queue)));
            heard.push(format!("{} {}{queue} {}", text(interest.account), text(interest.filter), interest.weight));
            rest = &rest[taken..];
        }
        assert!(rest.is_empty());
        heard
    }
}

fn route(id: u64) -> (Wire, Arc<Outbound>) {
    let wire = Wire::default();
    (wire.clone(), Arc::new(Outbound::for_route(id, Box::new(wire), 1 << 20)))
}

fn announcements() -> Announcements {
    let announcements = Announcements::default();
    announcements.account(0, "$G");
    announcements
}

#[test]
fn a_plain_filter_is_told_once_and_a_group_with_its_size() {
    let told = announcements();
    let (wire, outbound) = route(1);
    told.attach(&outbound);
    for _ in 0..2 {
        told.came(0, b"a", None);
        told.came(0, b"a", Some(b"q"));
        told.send();
    }
    assert_eq!(wire.hears(), ["$G a 1", "$G a q 1", "$G a q 2"]);
    told.went(0, b"a", None);
    told.went(0, b"a", Some(b"q"));
    told.send();
    assert_eq!(wire.hears(), ["$G a q 1"]);
    told.went(0, b"a", None);
    told.went(0, b"a", Some(b"q"));
    told.send();
    assert_eq!(wire.hears(), ["$G a 0", "$G a q 0"]);
    assert!(told.state.lock().accounts[0].counts.is_empty());
}

#[test]
fn what_comes_and_goes_in_one_turn_is_not_told() {
    let told = announcements();
    let (wire, outbound) = route(1);
    told.attach(&outbound);
    told.came(0, b"a", None);
    told.went(0, b"a", None);
    told.send();
    assert_eq!(wire.hears(), Vec::<String>::new());
    assert!(told.state.lock().accounts[0].counts.is_empty());
}

#[test]
fn a_new_route_hears_what_is_there_and_then_what_changes() {
    let told = announcements();
    told.came(0, b"a", None);
    told.came(0, b"b", None);
    told.went(0, b"b", None);
    let (wire, outbound) = route(1);
    told.attach(&outbound);
    assert_eq!(wire.hears(), ["$G a 1"]);
    told.went(0, b"a", None);
    let (late, late_outbound) = route(2);
    told.attach(&late_outbound);
    assert_eq!((wire.hears(), late.hears()), (vec!["$G a 0".to_string()], vec![]));
    told.detach(1);
    told.came(0, b"c", None);
    told.send();
    assert_eq!((wire.hears(), late.hears()), (vec![], vec!["$G c 1".to_string()]));
}

proptest! {
    /// Whatever comes and goes, and whenever it is sent: a route knows in the end what there is.
    #[test]
    fn a_route_knows_what_there_is(
        steps in proptest::collection::vec((0u8..5, 0usize..3, proptest::option::of(0usize..2)), 0..60),
        join in 0usize..60,
    ) {
        let told = announcements();
        let (wire, outbound) = route(1);
        let mut model: BTreeMap<(usize, Option<usize>), u32> = BTreeMap::new();
        let mut known: BTreeMap<String, u32> = BTreeMap::new();
        for (at, (what, filter, queue)) in steps.iter().enumerate() {
            if at == join {
                told.attach(&outbound);
            }
            let filters = [&b"a"[..], b"b.*", b"c.>"];
            let queues = [&b"p"[..], b"q"];
            let count = model.entry((*filter, *queue)).or_default();
            match what {
                0..=1 => {
                    *count += 1;
                    told.came(0, filters[*filter], queue.map(|queue| queues[queue]));
                }
                2..=3 if *count > 0 => {
                    *count -= 1;
                    told.went(0, filters[*filter], queue.map(|queue| queues[queue]));
                }
                _ => told.send(),
            }
        }
        if join >= steps.len() {
            told.attach(&outbound);
        }
        told.send();
        for line in wire.hears() {
            let (key, weight) = line.rsplit_once(' ').expect("a weight");
            known.insert(key.to_string(), weight.parse().expect("a number"));
        }
        known.retain(|_, weight| *weight != 0);
        let expected: BTreeMap<String, u32> = model.into_iter().filter(|(_, count)| *count > 0).map(|((filter, queue), count)| {
            let filter = ["a", "b.*", "c.>"][filter];
            match queue {
                Some(queue) => (format!("$G {filter} {}", ["p", "q"][queue]), count),
                None => (format!("$G {filter}"), 1),
            }
        }).collect();
        prop_assert_eq!(known, expected);
    }
}
