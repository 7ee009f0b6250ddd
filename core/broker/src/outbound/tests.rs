//! The way out with a socket that takes a little, nothing, or breaks.

use super::*;
use std::sync::Arc;

#[derive(Default)]
struct Wire {
    taken: Mutex<Vec<u8>>,
    room: AtomicUsize,
    broken: AtomicBool,
    wakes: Mutex<Vec<Wake>>,
}

struct End(Arc<Wire>);

impl Sink for End {
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.broken.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let room = self.0.room.load(Ordering::Relaxed).min(bytes.len());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.room.fetch_sub(room, Ordering::Relaxed);
        self.0.taken.lock().extend_from_slice(&bytes[..room]);
        Ok(room)
    }

    fn wake_owner(&self, why: Wake) {
        self.0.wakes.lock().push(why);
    }
}

fn pair(room: usize, pending_max: usize) -> (Arc<Wire>, Outbound) {
    let wire = Arc::new(Wire::default());
    wire.room.store(room, Ordering::Relaxed);
    (wire.clone(), Outbound::new(1, Box::new(End(wire)), pending_max))
}

#[test]
fn what_the_socket_does_not_take_waits_for_the_owner_in_order() {
    let (wire, outbound) = pair(4, 100);
    outbound.send(b"abcdef");
    outbound.send(b"ghi");
    assert_eq!(*wire.wakes.lock(), [Wake::Write]);
    assert_eq!(outbound.waiting_bytes(), 5);
    wire.room.store(3, Ordering::Relaxed);
    assert_eq!(outbound.drain(), Drained::Blocked);
    outbound.send(b"j");
    wire.room.store(100, Ordering::Relaxed);
    assert_eq!(outbound.drain(), Drained::All);
    outbound.send(b"k");
    assert_eq!(*wire.taken.lock(), b"abcdefghijk");
    assert_eq!(outbound.waiting_bytes(), 0);
}

#[test]
fn too_much_waiting_cuts_the_slow_consumer() {
    let (wire, outbound) = pair(0, 8);
    outbound.send(b"1234567");
    assert!(outbound.is_congested());
    outbound.send(b"89");
    assert!(outbound.is_closed());
    assert_eq!(wire.wakes.lock().last(), Some(&Wake::Close(CloseReason::SlowConsumerPendingBytes)));
    assert_eq!(outbound.drain(), Drained::Closed);
}

#[test]
fn a_broken_socket_ends_the_connection_once() {
    let (wire, outbound) = pair(0, 100);
    wire.broken.store(true, Ordering::Relaxed);
    outbound.send(b"x");
    outbound.send(b"y");
    assert_eq!(*wire.wakes.lock(), [Wake::Close(CloseReason::WriteError)]);
}

#[test]
fn many_writers_lose_nothing_and_tear_nothing() {
    let (wire, outbound) = pair(usize::MAX, usize::MAX);
    let outbound = Arc::new(outbound);
    std::thread::scope(|scope| {
        for writer in 0..4u8 {
            let outbound = outbound.clone();
            scope.spawn(move || {
                for number in 0..1000u32 {
                    outbound.send(format!("{writer}:{number:04}\n").as_bytes());
                    if writer == 0 {
                        outbound.drain();
                    }
                }
            });
        }
    });
    while outbound.drain() != Drained::All {}
    let taken = String::from_utf8(wire.taken.lock().clone()).expect("text");
    let mut next = [0u32; 4];
    for line in taken.lines() {
        let (writer, number) = line.split_once(':').expect("a whole line");
        let writer: usize = writer.parse().expect("writer");
        assert_eq!(number.parse::<u32>().expect("number"), next[writer]);
        next[writer] += 1;
    }
    assert_eq!(next, [1000; 4]);
}
