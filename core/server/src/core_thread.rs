//! One thread per core: a current_thread runtime that owns its connections, reads, and writes to anybody's.
//!
//! A connection is given to a core once, by load, and stays. Everything a core keeps is in [`Core`], which never
//! leaves its thread.

use crate::clock::Clock;
use crate::listen::owner::Owner;
use crate::listen::tcp;
use forebay_broker::limits::STALL_MS;
use forebay_broker::{Broker, CloseReason, ThreadState, Wake};
use forebay_jetstream::run::Delivery;
use forebay_links::RouteStart;
use std::cell::{Cell, RefCell, RefMut};
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// Bytes of a core's read buffer: 16 KiB cost three times the CPU at payloads of 4 KiB (hot-paths.md).
const READ_BUFFER: usize = 64 << 10;
/// Connections that may wait to be taken over by a core.
const ACCEPTED_MAX: usize = 4096;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often JetStream's timers are looked at, and positions logged (DESIGN §4.3: coalesced within 5 ms).
const JETSTREAM_TICK: Duration = Duration::from_millis(5);
/// How long a publisher to a congested connection waits before it looks again.
pub(crate) const STALL_PAUSE: Duration = Duration::from_millis(STALL_MS);

/// A connection that was accepted, or made.
enum Accepted {
    Client(TcpStream, SocketAddr),
    Route(TcpStream, Box<RouteStart>),
}

/// What a core keeps. Single-threaded: borrowed for the length of one synchronous call.
pub(crate) struct Core {
    state: RefCell<ThreadState>,
    buffer: RefCell<Box<[u8]>>,
    clock: Clock,
    turn: Notify,
    timers: RefCell<Vec<Timer>>,
    write_deadline: Duration,
    broker: Arc<Broker>,
    /// What clients were told of the cluster last.
    cluster_generation: Cell<u64>,
}

/// A connection's deadlines, as its core watches them.
#[derive(Clone)]
pub(crate) struct Timer(Rc<TimerState>);

struct TimerState {
    deadline: Cell<Instant>,
    /// Since when the owner waits for the socket to take something, and how much waited then.
    blocked_since: Cell<Option<Instant>>,
    overdue: Cell<bool>,
    owner: Arc<Owner>,
}

impl Timer {
    pub(crate) fn set(&self, deadline: Instant) {
        self.0.deadline.set(deadline);
    }

    /// True if the socket took nothing for as long as the write deadline.
    pub(crate) fn write_overdue(&self) -> bool {
        self.0.overdue.get()
    }

    /// Tells when the owner began to wait for its socket.
    pub(crate) fn set_blocked(&self, since: Option<Instant>) {
        self.0.blocked_since.set(since);
        self.0.overdue.set(false);
    }
}

impl Core {
    /// Runs `act` with the thread's state, at the time of now.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut ThreadState) -> R) -> R {
        let mut state = self.state.borrow_mut();
        state.set_now(self.clock.now(), self.clock.wall_nanos());
        act(&mut state)
    }

    /// The buffer that all connections of the core read into, one at a time.
    pub(crate) fn read_buffer(&self) -> RefMut<'_, Box<[u8]>> {
        self.buffer.borrow_mut()
    }

    /// The clock, for what needs the time without the state.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// What internal subscribers gathered goes on its way when the other ready tasks have had their turn.
    pub(crate) fn end_turn_soon(&self) {
        self.turn.notify_one();
    }

    /// Watches a connection's deadlines.
    pub(crate) fn register(&self, owner: Arc<Owner>, deadline: Instant) -> Timer {
        let timer = Timer(Rc::new(TimerState {
            deadline: Cell::new(deadline),
            blocked_since: Cell::new(None),
            overdue: Cell::new(false),
            owner,
        }));
        self.timers.borrow_mut().push(timer.clone());
        timer
    }

    /// Ends the watch.
    pub(crate) fn unregister(&self, timer: &Timer) {
        let mut timers = self.timers.borrow_mut();
        if let Some(at) = timers.iter().position(|known| Rc::ptr_eq(&known.0, &timer.0)) {
            timers.swap_remove(at);
        }
    }

    fn tick(&self) {
        let now = self.clock.now();
        let generation = self.broker.cluster_generation();
        if self.cluster_generation.replace(generation) != generation {
            self.timers.borrow().iter().for_each(|timer| timer.0.owner.inform());
        }
        for timer in self.timers.borrow().iter() {
            let state = &timer.0;
            let overdue = state.blocked_since.get().is_some_and(|since| now - since >= self.write_deadline);
            state.overdue.set(overdue);
            if overdue || state.deadline.get() <= now {
                state.owner.time_out();
            }
        }
    }

    fn close_all(&self) {
        for timer in self.timers.borrow().iter() {
            timer.0.owner.wake(Wake::Close(CloseReason::ServerShutdown));
        }
    }
}

/// Where a core thread is given connections.
#[derive(Clone)]
pub(crate) struct CoreHandle {
    accepted: mpsc::Sender<Accepted>,
    load: Arc<AtomicUsize>,
}

impl CoreHandle {
    /// Connections it owns.
    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Gives it a client's connection; without room for it, it is closed.
    pub(crate) fn give(&self, stream: TcpStream, peer: SocketAddr) {
        self.give_any(Accepted::Client(stream, peer));
    }

    /// Gives it a route; without room for it, it is closed.
    pub(crate) fn give_route(&self, stream: TcpStream, route: RouteStart) {
        self.give_any(Accepted::Route(stream, Box::new(route)));
    }

    fn give_any(&self, accepted: Accepted) {
        self.load.fetch_add(1, Ordering::Relaxed);
        if self.accepted.try_send(accepted).is_err() {
            self.load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A core thread as others see it.
pub(crate) struct CoreThread {
    handle: CoreHandle,
    stop: Arc<Stop>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    asked: AtomicBool,
    notify: Notify,
}

/// What a core starts with.
pub(crate) struct CoreStart {
    pub(crate) state: ThreadState,
    /// JetStream's deliveries on this core.
    pub(crate) delivery: Option<Delivery>,
    /// This core looks after what is due in all shards.
    pub(crate) ticks: bool,
}

/// Makes what a core starts with, on its own thread.
pub(crate) type MakeCore = Box<dyn FnOnce() -> CoreStart + Send>;

impl CoreThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread or no event queue.
    pub(crate) fn start(number: usize, clock: Clock, make: MakeCore) -> io::Result<Self> {
        let (accepted, incoming) = mpsc::channel(ACCEPTED_MAX);
        let load = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(Stop::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (thread_load, thread_stop) = (load.clone(), stop.clone());
        let thread = std::thread::Builder::new().name(format!("core-{number}")).spawn(move || {
            let CoreStart { state, delivery, ticks } = make();
            let core = Rc::new(Core {
                write_deadline: state.broker().config().write_deadline,
                cluster_generation: Cell::new(state.broker().cluster_generation()),
                broker: state.broker().clone(),
                state: RefCell::new(state),
                buffer: RefCell::new(vec![0; READ_BUFFER].into_boxed_slice()),
                clock,
                turn: Notify::new(),
                timers: RefCell::default(),
            });
            let local = tokio::task::LocalSet::new();
            if let Some(delivery) = delivery {
                local.spawn_local(deliver(core.clone(), delivery, ticks));
            }
            local.block_on(&runtime, run(core, incoming, thread_load, thread_stop));
        })?;
        Ok(Self { handle: CoreHandle { accepted, load }, stop, thread: Some(thread) })
    }

    /// Where it is given connections.
    pub(crate) fn handle(&self) -> &CoreHandle {
        &self.handle
    }

    /// Asks it to end all connections and return.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.asked.store(true, Ordering::Release);
        self.stop.notify.notify_one();
    }

    /// Waits until it has returned.
    pub(crate) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic on the thread was reported by it.
            let _ = thread.join();
        }
    }
}

/// Delivers for consumers, and on one core keeps an eye on what is due.
async fn deliver(core: Rc<Core>, delivery: Delivery, ticks: bool) {
    let delivery = Rc::new(RefCell::new(delivery));
    if ticks {
        let (core, delivery) = (core.clone(), delivery.clone());
        tokio::task::spawn_local(async move {
            let mut interval = tokio::time::interval(JETSTREAM_TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                core.with(|thread| {
                    delivery.borrow_mut().tick(thread);
                    thread.flush();
                });
            }
        });
    }
    loop {
        poll_fn(|cx| delivery.borrow().poll_work(cx)).await;
        core.with(|thread| {
            delivery.borrow_mut().step(thread);
            if thread.has_ingress_work() {
                core.end_turn_soon();
            }
            thread.flush();
        });
        tokio::task::yield_now().await;
    }
}

async fn run(core: Rc<Core>, mut incoming: mpsc::Receiver<Accepted>, load: Arc<AtomicUsize>, stop: Arc<Stop>) {
    let turns = core.clone();
    tokio::task::spawn_local(async move {
        loop {
            turns.turn.notified().await;
            turns.with(|thread| {
                thread.end_turn();
                thread.flush();
            });
        }
    });
    let ticks = core.clone();
    tokio::task::spawn_local(async move {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            ticks.tick();
        }
    });
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.notify.notified() => break,
            accepted = incoming.recv() => match accepted {
                Some(accepted) => accepted,
                None => break,
            },
        };
        let (core, load) = (core.clone(), load.clone());
        tokio::task::spawn_local(async move {
            // A descriptor that the event queue does not take closes.
            match accepted {
                Accepted::Client(stream, peer) => {
                    if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                        tcp::serve(core, stream, peer).await;
                    }
                }
                Accepted::Route(stream, route) => {
                    if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                        tcp::serve_route(core, stream, *route).await;
                    }
                }
            }
            load.fetch_sub(1, Ordering::Relaxed);
        });
    }
    core.close_all();
    let deadline = core.now() + Duration::from_secs(2);
    while load.load(Ordering::Relaxed) > 0 && core.now() < deadline {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
