//! One lane: calls of both sides over one connection, many under way, answered in any order.

use super::Ending;
use super::peers::{LaneHandle, PeerTable};
use crate::limits::{
    CALL_BYTES_MAX, CALLS_MAX, LANE_COPY_MAX, LANE_GATHER_MAX, LANE_PING, LANE_QUEUE, LANE_SILENCE_MAX,
};
use crate::peer::{Lane, PeerError, PeerId, PeerService};
use bytes::{Buf as _, Bytes, BytesMut};
use forebay_protocol::route::call::{self, HEAD_BYTES, Outcome};
use forebay_protocol::route::frame::{HEADER_BYTES, Header, Kind, header};
use forebay_protocol::route::{self, RouteError};
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// A frame on its way out.
pub(super) struct Frame {
    pub(super) head: [u8; HEAD_BYTES],
    pub(super) body: Bytes,
}

/// Why a lane ended.
#[derive(Debug, Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Stream(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] RouteError),
    #[error("nothing was heard for too long")]
    Silent,
    #[error("it is not wanted any more")]
    Unwanted,
}

type Answer = Result<Bytes, PeerError>;

#[derive(Default)]
struct Waiting {
    next: u64,
    /// `None` once the lane has ended.
    calls: Option<HashMap<u64, oneshot::Sender<Answer>>>,
}

/// The calls of this side that wait for their answers.
pub(super) struct Calls(Mutex<Waiting>);

/// One of them. Dropped, nobody waits for it any more.
pub(super) struct Call {
    pub(super) number: u64,
    answer: oneshot::Receiver<Answer>,
    calls: Arc<Calls>,
}

impl Calls {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Waiting { next: 1, calls: Some(HashMap::new()) })))
    }

    /// Makes room for an answer.
    pub(super) fn begin(self: &Arc<Self>) -> Result<Call, PeerError> {
        let mut waiting = self.0.lock();
        let number = waiting.next;
        waiting.next += 1;
        let calls = waiting.calls.as_mut().ok_or(PeerError::Disconnected)?;
        if calls.len() >= CALLS_MAX {
            return Err(PeerError::Busy);
        }
        let (sender, answer) = oneshot::channel();
        calls.insert(number, sender);
        Ok(Call { number, answer, calls: self.clone() })
    }

    fn answered(&self, number: u64, answer: Answer) {
        let waiting = self.0.lock().calls.as_mut().and_then(|calls| calls.remove(&number));
        if let Some(waiting) = waiting {
            // Whoever asked may have gone meanwhile.
            let _ = waiting.send(answer);
        }
    }

    /// The lane has ended: nobody is answered any more.
    fn end(&self) {
        let calls = self.0.lock().calls.take().unwrap_or_default();
        for (_, waiting) in calls {
            let _ = waiting.send(Err(PeerError::Disconnected));
        }
    }
}

impl Call {
    pub(super) async fn answer(mut self) -> Answer {
        (&mut self.answer).await.unwrap_or(Err(PeerError::Disconnected))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(calls) = &mut self.calls.0.lock().calls {
            calls.remove(&self.number);
        }
    }
}

/// Carries calls until the connection ends; says why it did.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Send + 'static>(
    stream: S,
    (peer, lane, number): (PeerId, Lane, u64),
    table: &PeerTable,
    service: Arc<dyn PeerService>,
    ending: Arc<Ending>,
) -> Ended {
    let (reader, writer) = tokio::io::split(stream);
    let (queue, frames) = mpsc::channel(LANE_QUEUE);
    let calls = Calls::new();
    table.lane_opened(peer, lane, LaneHandle { number, queue: queue.clone(), calls: calls.clone() });
    let reading = Reading {
        reader,
        buffer: BytesMut::new(),
        peer,
        lane,
        service,
        queue,
        calls: calls.clone(),
        running: Arc::new(Semaphore::new(CALLS_MAX)),
        bytes: Arc::new(Semaphore::new(CALL_BYTES_MAX)),
    };
    let ended = tokio::select! {
        ended = reading.run() => ended,
        ended = write_all(writer, frames) => ended,
        () = ending.0.notified() => Ended::Unwanted,
    };
    table.lane_closed(peer, lane, number);
    calls.end();
    ended
}

/// Writes what is queued, small frames together, and a ping when there is nothing to say.
async fn write_all<S: AsyncWrite>(mut writer: WriteHalf<S>, mut frames: mpsc::Receiver<Frame>) -> Ended {
    let mut gathered = Vec::new();
    let mut waiting = Vec::new();
    loop {
        match tokio::time::timeout(LANE_PING, frames.recv_many(&mut waiting, LANE_QUEUE)).await {
            Ok(0) => return Ended::Unwanted,
            Ok(_) => {}
            Err(_) => route::ping::encode(&mut gathered, Kind::Ping, 0),
        }
        if let Err(error) = write_frames(&mut writer, &mut gathered, &mut waiting).await {
            return error.into();
        }
    }
}

async fn write_frames<S: AsyncWrite>(
    writer: &mut WriteHalf<S>,
    gathered: &mut Vec<u8>,
    waiting: &mut Vec<Frame>,
) -> io::Result<()> {
    for frame in waiting.drain(..) {
        gathered.extend_from_slice(&frame.head);
        if frame.body.len() <= LANE_COPY_MAX {
            gathered.extend_from_slice(&frame.body);
            if gathered.len() > LANE_GATHER_MAX {
                write_out(writer, gathered).await?;
            }
        } else {
            write_out(writer, gathered).await?;
            writer.write_all(&frame.body).await?;
        }
    }
    write_out(writer, gathered).await
}

async fn write_out<S: AsyncWrite>(writer: &mut WriteHalf<S>, gathered: &mut Vec<u8>) -> io::Result<()> {
    let result = writer.write_all(gathered).await;
    gathered.clear();
    result
}

/// The reading side of a lane.
struct Reading<S> {
    reader: ReadHalf<S>,
    buffer: BytesMut,
    peer: PeerId,
    lane: Lane,
    service: Arc<dyn PeerService>,
    queue: mpsc::Sender<Frame>,
    calls: Arc<Calls>,
    running: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl<S: AsyncRead> Reading<S> {
    async fn run(mut self) -> Ended {
        loop {
            if let Err(ended) = self.step().await {
                return ended;
            }
        }
    }

    /// Reads and handles one frame.
    async fn step(&mut self) -> Result<(), Ended> {
        self.fill(HEADER_BYTES).await?;
        let mut head = [0; HEADER_BYTES];
        self.buffer.copy_to_slice(&mut head);
        let Header { length, kind, flags } = header(head, self.lane.frame_max())?;
        self.fill(length).await?;
        let body = self.buffer.split_to(length).freeze();
        match kind {
            Kind::Call | Kind::Answer => {
                let frame = route::Frame { kind, flags, body: &body };
                let (number, rest) = call::decode(&frame)?;
                let rest = body.slice_ref(rest);
                if kind == Kind::Call {
                    self.handle_call(number, flags, rest);
                } else {
                    self.calls.answered(number, answer_of(flags, rest));
                }
                Ok(())
            }
            Kind::Ping => {
                let mut pong = Vec::new();
                route::ping::encode(&mut pong, Kind::Pong, 0);
                // Whoever has that much to send is heard without it.
                if let Ok(head) = <[u8; HEAD_BYTES]>::try_from(pong.as_slice()) {
                    let _ = self.queue.try_send(Frame { head, body: Bytes::new() });
                }
                Ok(())
            }
            Kind::Pong => Ok(()),
            Kind::Refuse => Err(Ended::Unwanted),
            other => Err(RouteError::Kind(other as u8).into()),
        }
    }

    /// Reads until the buffer holds `count` bytes. Their number was held against the lane's bound before.
    async fn fill(&mut self, count: usize) -> Result<(), Ended> {
        if self.buffer.len() >= count {
            return Ok(());
        }
        self.buffer.reserve(count - self.buffer.len());
        while self.buffer.len() < count {
            match tokio::time::timeout(LANE_SILENCE_MAX, self.reader.read_buf(&mut self.buffer)).await {
                Ok(Ok(0)) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(Ended::Silent),
            }
        }
        Ok(())
    }

    /// Has a call answered, beside others. Who has too many under way is told so at once.
    fn handle_call(&self, number: u64, kind: u8, body: Bytes) {
        let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let running = self.running.clone().try_acquire_owned();
        let room = self.bytes.clone().try_acquire_many_owned(size);
        let (Ok(running), Ok(room)) = (running, room) else {
            let head = call::head(Kind::Answer, number, Outcome::Busy as u8, 0);
            // Without room even for this, the caller waits until its time is over.
            let _ = self.queue.try_send(Frame { head, body: Bytes::new() });
            return;
        };
        let work = self.service.handle(self.peer, self.lane, kind, body);
        let (queue, most) = (self.queue.clone(), self.lane.body_max());
        tokio::spawn(async move {
            let answer = work.await;
            drop((running, room));
            let (outcome, body) = match answer {
                Ok(body) if body.len() > most => (Outcome::Refused, Bytes::from_static(b"the answer is too long")),
                Ok(body) => (Outcome::Answered, body),
                Err(PeerError::Busy) => (Outcome::Busy, Bytes::new()),
                Err(error) => (Outcome::Refused, Bytes::from(error.to_string())),
            };
            let head = call::head(Kind::Answer, number, outcome as u8, body.len());
            // The lane may have ended meanwhile.
            let _ = queue.send(Frame { head, body }).await;
        });
    }
}

fn answer_of(flags: u8, body: Bytes) -> Answer {
    match Outcome::from_number(flags) {
        Outcome::Answered => Ok(body),
        Outcome::Busy => Err(PeerError::Busy),
        Outcome::Refused => Err(PeerError::Refused(String::from_utf8_lossy(&body).into_owned())),
    }
}
