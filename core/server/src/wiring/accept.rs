//! Accepts connections on a thread of its own and gives each to the core with the fewest.

use crate::core_thread::CoreThread;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long to wait when the system has no descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// The accepting thread, and the core threads it feeds.
pub(super) struct Acceptor {
    stop: Arc<AtomicBool>,
    /// Closing it wakes the accepting thread.
    waker: OwnedFd,
    thread: std::thread::JoinHandle<Vec<CoreThread>>,
}

impl Acceptor {
    /// Starts accepting.
    ///
    /// # Errors
    /// The system gives no thread or no pipe.
    pub(super) fn start(listener: TcpListener, threads: Vec<CoreThread>) -> io::Result<Self> {
        let (reader, waker) = rustix::pipe::pipe()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("accept".into()).spawn(move || {
            accept_all(&listener, &reader, &threads, &stopped);
            threads
        })?;
        Ok(Self { stop, waker, thread })
    }

    /// Stops accepting, ends all connections, and waits for the core threads.
    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        drop(self.waker);
        let Ok(mut threads) = self.thread.join() else { return };
        for thread in &threads {
            thread.ask_to_stop();
        }
        for thread in &mut threads {
            thread.join();
        }
    }
}

fn accept_all(listener: &TcpListener, waker: &OwnedFd, threads: &[CoreThread], stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        match accept_with(listener.as_fd(), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => hand_over(TcpStream::from(socket), threads),
            Err(Errno::AGAIN) => {
                let mut waiting = [PollFd::new(listener, PollFlags::IN), PollFd::new(waker, PollFlags::IN)];
                // An interrupted wait is looked at again by the loop.
                let _ = poll(&mut waiting, None);
            }
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => {
                tracing::error!("temporary client accept error: no more descriptors or memory, sleeping");
                std::thread::sleep(EXHAUSTED_PAUSE);
            }
            // The client went away before it was accepted.
            Err(_) => {}
        }
    }
}

fn hand_over(stream: TcpStream, threads: &[CoreThread]) {
    let Ok(peer) = stream.peer_addr() else { return };
    let peer: SocketAddr = peer;
    if let Some(core) = threads.iter().map(CoreThread::handle).min_by_key(|core| core.load()) {
        core.give(stream, peer);
    }
}
