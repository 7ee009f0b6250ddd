//! Plain TCP: the sink that any thread writes through, and the task that owns the connection.

use super::owner::{Owner, Signals};
use super::speaker::Speaker;
use crate::core_thread::{Core, STALL_PAUSE, Timer};
use forebay_broker::{CloseReason, Drained, Handled, Outbound, Session, Sink, ThreadState, Wake};
use forebay_links::{RouteSession, RouteStart};
use parking_lot::RwLock;
use rustix::net::{SendFlags, Shutdown, send, shutdown};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A tail up to this size is put in front of the next read; a longer one is read into its own buffer.
const TAIL_COPY_MAX: usize = 16 << 10;

/// The socket as the broker writes to it. The descriptor stays open while anybody sends.
struct TcpSink {
    socket: Arc<Socket>,
    owner: Arc<Owner>,
}

struct Socket {
    half: RwLock<Option<OwnedWriteHalf>>,
}

impl Socket {
    fn close(&self) {
        if let Some(half) = self.half.write().take() {
            // The peer may be gone already; there is nobody to tell.
            let _ = shutdown(half.as_ref(), Shutdown::Both);
            half.forget();
        }
    }

    /// Lets the owner send what waits; pending while the socket takes no more.
    fn drain(&self, outbound: &Outbound, cx: &mut Context<'_>) -> Poll<Drained> {
        let half = self.half.read();
        let Some(half) = half.as_ref() else { return Poll::Ready(Drained::Closed) };
        let stream: &TcpStream = half.as_ref();
        loop {
            match stream.poll_write_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Drained::Closed),
                Poll::Ready(Ok(())) => {}
            }
            // Inside `try_io`, so that a readiness that comes meanwhile is not cleared.
            let result = stream.try_io(Interest::WRITABLE, || match outbound.drain() {
                Drained::Blocked => Err(io::ErrorKind::WouldBlock.into()),
                other => Ok(other),
            });
            if let Ok(drained) = result {
                return Poll::Ready(drained);
            }
        }
    }
}

impl Sink for TcpSink {
    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        let half = self.socket.half.read();
        let Some(half) = half.as_ref() else { return Err(io::ErrorKind::NotConnected.into()) };
        Ok(send(half.as_ref(), bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    fn wake_owner(&self, why: Wake) {
        self.owner.wake(why);
    }
}

/// What was read and is not a whole operation yet.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    /// How much of `bytes` has been read; the rest is room.
    filled: usize,
}

impl Tail {
    fn is_large(&self) -> bool {
        self.bytes.len() > TAIL_COPY_MAX
    }

    /// Keeps `rest`, with room for an operation of `need` bytes if that is a large one.
    fn keep(&mut self, rest: &[u8], need: usize) {
        self.bytes.clear();
        self.bytes.extend_from_slice(rest);
        self.filled = rest.len();
        if need > TAIL_COPY_MAX {
            self.bytes.resize(need.max(rest.len()), 0);
        } else if rest.is_empty() && self.bytes.capacity() != 0 {
            // An idle connection holds no buffer.
            self.bytes = Vec::new();
        }
    }
}

/// Why a connection's task goes on.
enum Event {
    Read(io::Result<usize>),
    Signals(Signals),
}

/// A connection with its task's state.
struct Connection<S> {
    core: Rc<Core>,
    session: S,
    socket: Arc<Socket>,
    owner: Arc<Owner>,
    reader: OwnedReadHalf,
    tail: Tail,
    timer: Timer,
    /// What waited when the socket last took nothing; `None` while nothing waits for it.
    blocked: Option<usize>,
}

/// Owns one client's connection until it ends.
pub(crate) async fn serve(core: Rc<Core>, stream: TcpStream, peer: SocketAddr) {
    own(core, stream, |thread, sink| {
        let (id, room) = thread.broker().connection_opened();
        let outbound = Arc::new(Outbound::new(id, sink, thread.broker().config().pending_max));
        let mut session = Session::new(thread, outbound, peer.ip().to_canonical());
        let opened = session.handle_open(thread, room);
        (session, opened)
    })
    .await;
}

/// Owns one route until it ends.
pub(crate) async fn serve_route(core: Rc<Core>, stream: TcpStream, start: RouteStart) {
    own(core, stream, |thread, sink| {
        let id = thread.broker().next_connection();
        let outbound = Arc::new(Outbound::for_route(id, sink, start.message_max()));
        (RouteSession::open(start, thread, outbound), Ok(()))
    })
    .await;
}

async fn own<S: Speaker>(
    core: Rc<Core>,
    stream: TcpStream,
    open: impl FnOnce(&mut ThreadState, Box<dyn Sink>) -> (S, Result<(), CloseReason>),
) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let socket = Arc::new(Socket { half: RwLock::new(Some(writer)) });
    let owner = Arc::new(Owner::default());
    let sink = TcpSink { socket: socket.clone(), owner: owner.clone() };
    let (session, opened) = core.with(|thread| {
        let opened = open(thread, Box::new(sink));
        thread.flush();
        opened
    });
    let timer = core.register(owner.clone(), session.poll_timeout());
    let tail = Tail::default();
    let mut connection = Connection { core, session, socket, owner, reader, tail, timer, blocked: None };
    let reason = match opened {
        Ok(()) => connection.run().await,
        Err(reason) => reason,
    };
    connection.end(reason);
    connection.core.unregister(&connection.timer);
}

impl<S: Speaker> Connection<S> {
    async fn run(&mut self) -> CloseReason {
        loop {
            let event = poll_fn(|cx| self.poll(cx)).await;
            let result = match event {
                Event::Read(Ok(0)) => Err(CloseReason::ClientClosed),
                Event::Read(Ok(count)) => self.handle_read(count).await,
                Event::Read(Err(_)) => Err(CloseReason::ReadError),
                Event::Signals(signals) => self.handle_signals(signals),
            };
            if let Err(reason) = result {
                return reason;
            }
            self.timer.set(self.session.poll_timeout());
            // One read a turn: what other connections have to say comes in between.
            tokio::task::yield_now().await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let signals = self.owner.take(cx.waker());
        if signals.write && self.blocked.is_none() {
            self.blocked = Some(usize::MAX);
        }
        if signals.close.is_some() || signals.timeout || signals.info {
            return Poll::Ready(Event::Signals(signals));
        }
        if let Some(waited) = self.blocked
            && self.drain(cx, waited) == Poll::Ready(Drained::Closed)
        {
            let close = Some(CloseReason::WriteError);
            return Poll::Ready(Event::Signals(Signals { close, ..Signals::default() }));
        }
        self.poll_read(cx).map(Event::Read)
    }

    /// Sends what waits; while nothing of it moves, the write deadline runs.
    fn drain(&mut self, cx: &mut Context<'_>, waited: usize) -> Poll<Drained> {
        let drained = self.socket.drain(self.session.outbound(), cx);
        if drained.is_ready() {
            self.blocked = None;
            self.timer.set_blocked(None);
            return drained;
        }
        let waiting = self.session.outbound().waiting_bytes();
        if waiting < waited {
            self.timer.set_blocked(Some(self.core.now()));
        }
        self.blocked = Some(waiting);
        drained
    }

    /// Reads once, behind what is left over.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.tail.is_large() {
            return poll_into(&mut self.reader, cx, &mut self.tail.bytes[self.tail.filled..]);
        }
        let mut shared = self.core.read_buffer();
        let (front, room) = shared.split_at_mut(self.tail.filled);
        front.copy_from_slice(&self.tail.bytes[..self.tail.filled]);
        // What is read stays in the buffer until `handle_read`: there is no await in between.
        poll_into(&mut self.reader, cx, room)
    }

    /// Hands what was read to the session, and sends what it caused.
    async fn handle_read(&mut self, count: usize) -> Result<(), CloseReason> {
        let core = self.core.clone();
        let mut authenticate = None;
        let mut go_on = false;
        let congested = core.with(|thread| {
            let handled = if self.tail.is_large() {
                self.tail.filled += count;
                if self.tail.filled < self.tail.bytes.len() {
                    return Ok(None);
                }
                let bytes = std::mem::take(&mut self.tail.bytes);
                let handled = self.session.handle_bytes(thread, &bytes);
                self.keep_rest(&bytes, &handled);
                handled
            } else {
                let shared = core.read_buffer();
                let bytes = &shared[..self.tail.filled + count];
                let handled = self.session.handle_bytes(thread, bytes);
                self.keep_rest(bytes, &handled);
                handled
            };
            match handled {
                Handled::Consumed { .. } => {}
                Handled::Yield { .. } => go_on = true,
                Handled::Authenticate { credentials, .. } => authenticate = Some(credentials),
                Handled::Close(reason) => return Err(reason),
            }
            if thread.has_ingress_work() {
                core.end_turn_soon();
            }
            Ok(thread.flush())
        })?;
        if let Some(credentials) = authenticate {
            self.authenticate(credentials).await?;
        }
        while go_on {
            tokio::task::yield_now().await;
            go_on = self.handle_rest()?;
        }
        match congested {
            Some(congested) if S::IS_CLIENT && congested.id != self.session.outbound().id => {
                self.hold_back(&congested).await;
            }
            _ => {}
        }
        Ok(())
    }

    fn keep_rest(&mut self, bytes: &[u8], handled: &Handled) {
        let (done, need) = match handled {
            Handled::Consumed { bytes, need } => (*bytes, *need),
            Handled::Yield { bytes } | Handled::Authenticate { bytes, .. } => (*bytes, 0),
            Handled::Close(_) => (bytes.len(), 0),
        };
        self.tail.keep(bytes.get(done..).unwrap_or_default(), need);
    }

    /// Checks credentials away from the core thread, then goes on with what waits.
    async fn authenticate(&mut self, credentials: forebay_auth::Credentials) -> Result<(), CloseReason> {
        let auth = self.core.with(|thread| thread.broker().config().auth.clone());
        let check = tokio::task::spawn_blocking(move || forebay_auth::authenticate(&auth, &credentials));
        let Ok(decision) = check.await else { return Err(CloseReason::AuthenticationFailure) };
        let core = self.core.clone();
        core.with(|thread| {
            self.session.handle_decision(thread, decision)?;
            Ok::<(), CloseReason>(())
        })?;
        while self.handle_rest()? {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Goes on with what was read before and could not be handled then; true if some of it must wait once more.
    fn handle_rest(&mut self) -> Result<bool, CloseReason> {
        let core = self.core.clone();
        core.with(|thread| {
            let mut waiting = std::mem::take(&mut self.tail.bytes);
            waiting.truncate(self.tail.filled);
            let handled = self.session.handle_bytes(thread, &waiting);
            self.keep_rest(&waiting, &handled);
            if thread.has_ingress_work() {
                core.end_turn_soon();
            }
            thread.flush();
            match handled {
                Handled::Consumed { .. } => Ok(false),
                Handled::Yield { .. } => Ok(true),
                // A connection that is open is not asked for credentials again.
                Handled::Authenticate { .. } => Err(CloseReason::AuthenticationFailure),
                Handled::Close(reason) => Err(reason),
            }
        })
    }

    /// A receiver is far behind: its publisher waits a little (nats-server stalls fast producers alike).
    async fn hold_back(&self, congested: &Outbound) {
        self.core.with(|thread| thread.broker().count_stall());
        for _ in 0..congested.stall_turns() {
            if !congested.is_congested() {
                return;
            }
            tokio::time::sleep(STALL_PAUSE).await;
        }
    }

    fn handle_signals(&mut self, signals: Signals) -> Result<(), CloseReason> {
        if let Some(reason) = signals.close {
            return Err(reason);
        }
        if S::IS_CLIENT && self.timer.write_overdue() {
            return Err(CloseReason::SlowConsumerWriteDeadline);
        }
        let core = self.core.clone();
        core.with(|thread| {
            if signals.info {
                self.session.handle_info_changed(thread);
            }
            let result = self.session.handle_timeout(thread);
            thread.flush();
            result
        })
    }

    /// Sends the last words as far as the socket takes them, and closes.
    fn end(&mut self, reason: CloseReason) {
        let core = self.core.clone();
        core.with(|thread| {
            thread.flush();
            self.session.handle_close(thread, reason);
            thread.flush();
        });
        self.socket.close();
    }
}

fn poll_into(reader: &mut OwnedReadHalf, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(room);
    match Pin::new(reader).poll_read(cx, &mut buffer) {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(buffer.filled().len())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    }
}
