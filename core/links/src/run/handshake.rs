//! The handshake over a stream: of who dialed, and of who was dialed.

use super::{Ending, Host, Shared};
use crate::handshake::{Refusal, Role, Stranger, is_proof, judge, proof};
use crate::limits::{FIRST_WORD_MAX, HANDSHAKE_MAX};
use crate::mesh::Dial;
use crate::peer::{Lane, PeerId};
use forebay_protocol::limits::ROUTE_HELLO_MAX;
use forebay_protocol::route::frame::{HEADER_BYTES, Header, Kind, header};
use forebay_protocol::route::refuse::Reason;
use forebay_protocol::route::{self, Frame, Hello, RouteError, refuse};
use std::io;
use std::sync::Arc;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What a NATS client or server hears on the route port (nats-server's text).
const WRONG_PORT: &[u8] = b"-ERR 'attempted to connect to route port'\r\n";

/// Why a handshake came to nothing.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The stream.
    #[error("{0}")]
    Stream(#[from] io::Error),
    /// Nothing came in time.
    #[error("no answer in time")]
    Silent,
    /// Somebody else is there.
    #[error("the other side is {}", .0.text())]
    Stranger(Stranger),
    /// Frames that make no sense.
    #[error("{0}")]
    Frame(#[from] RouteError),
    /// The other server says no.
    #[error("refused: {1}")]
    Refused(Reason, String),
    /// We say no.
    #[error("{0}")]
    Unwanted(String),
    /// There is a connection with this server already.
    #[error("there is a connection already")]
    Duplicate(PeerId),
}

/// A frame that was read.
struct Owned {
    header: Header,
    body: Vec<u8>,
}

impl Owned {
    fn frame(&self) -> Frame<'_> {
        Frame { kind: self.header.kind, flags: self.header.flags, body: &self.body }
    }

    /// The frame, if it is of this kind; a refusal is one.
    fn of(&self, kind: Kind) -> Result<Frame<'_>, Failure> {
        let frame = self.frame();
        match frame.kind {
            same if same == kind => Ok(frame),
            Kind::Refuse => {
                let (reason, text) = refuse::decode(&frame)?;
                Err(Failure::Refused(reason, text))
            }
            other => Err(RouteError::Kind(other as u8).into()),
        }
    }
}

impl<H: Host> Shared<H> {
    /// The handshake of who dialed, and what follows it. Returns the server that was reached.
    pub(super) async fn greet(self: Arc<Self>, mut stream: H::Stream, dial: &Dial) -> Result<PeerId, Failure> {
        let ours = self.hello(dial.lane);
        let mut out = Vec::new();
        ours.encode(&mut out);
        stream.write_all(&out).await?;
        let first = read_first(&mut stream).await?;
        let mut theirs = Hello::decode(&read_rest(&mut stream, first).await?.of(Kind::Hello)?)?;
        let wanted = judge(&ours, &theirs).and_then(|()| self.mesh.lock().expect(&theirs));
        if let Err(refusal) = wanted {
            return Err(refuse_it(&mut stream, refusal, theirs.node).await);
        }
        let expected = Expected { shared: &self, peer: theirs.node, lane: theirs.lane };
        let proved = self.prove(&mut stream, &ours, &theirs).await;
        theirs.route_address = reachable(&theirs.route_address, &dial.address);
        let admitted = proved.map(|()| self.admit(&theirs, Some(&dial.address)));
        drop(expected);
        match admitted? {
            Ok(admitted) => {
                self.go_on(stream, &theirs, admitted, Some(&dial.address), dial.address.clone());
                Ok(theirs.node)
            }
            Err(refusal) => Err(refuse_it(&mut stream, refusal, theirs.node).await),
        }
    }

    async fn prove(&self, stream: &mut H::Stream, ours: &Hello, theirs: &Hello) -> Result<(), Failure> {
        let secret = &self.config.secret;
        let mut out = Vec::new();
        route::proof::encode(&mut out, &proof(secret, Role::Dialer, ours, theirs));
        stream.write_all(&out).await?;
        let answer = route::proof::decode(&read_frame(stream).await?.of(Kind::Proof)?)?;
        if is_proof(secret, Role::Acceptor, ours, theirs, &answer) {
            return Ok(());
        }
        let refusal = Refusal::new(Reason::Secret, "its secret is not the cluster's");
        Err(refuse_it(stream, refusal, theirs.node).await)
    }

    /// Whoever connected is let in, or told why not.
    pub(super) async fn answer(self: Arc<Self>, stream: H::Stream, address: String) {
        let handshake = self.clone().answer_within(stream, address.clone());
        let failure = match tokio::time::timeout(HANDSHAKE_MAX, handshake).await {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Silent,
        };
        match &failure {
            Failure::Stranger(who) => {
                tracing::error!(address, who = who.text(), "attempted to connect to route port");
            }
            failure if failure.is_worth_a_line() => {
                tracing::error!(address, why = %failure, "A server could not connect");
            }
            _ => {}
        }
    }

    async fn answer_within(self: Arc<Self>, mut stream: H::Stream, address: String) -> Result<(), Failure> {
        // Our own servers speak first; NATS clients and nats-servers wait to be spoken to.
        let first = match tokio::time::timeout(FIRST_WORD_MAX, read_first(&mut stream)).await {
            Ok(first) => first,
            Err(_) => Err(Failure::Stranger(Stranger::NatsClient)),
        };
        let first = match first {
            Ok(first) if first.kind == Kind::Hello => first,
            Ok(_) | Err(Failure::Frame(_)) => return turn_away(&mut stream, Stranger::Other).await,
            Err(Failure::Stranger(who)) => return turn_away(&mut stream, who).await,
            Err(failure) => return Err(failure),
        };
        let hello = read_rest(&mut stream, first).await?;
        let Ok(mut theirs) = Hello::decode(&hello.frame()) else {
            return turn_away(&mut stream, Stranger::Other).await;
        };
        let ours = self.hello(theirs.lane);
        if let Err(refusal) = judge(&ours, &theirs) {
            return Err(refuse_it(&mut stream, refusal, theirs.node).await);
        }
        let mut out = Vec::new();
        ours.encode(&mut out);
        stream.write_all(&out).await?;
        let shown = route::proof::decode(&read_frame(&mut stream).await?.of(Kind::Proof)?)?;
        if !is_proof(&self.config.secret, Role::Dialer, &theirs, &ours, &shown) {
            let refusal = Refusal::new(Reason::Secret, "the secret is not the cluster's");
            return Err(refuse_it(&mut stream, refusal, theirs.node).await);
        }
        // The proof was over what it said; what it meant by "any address" is where it comes from.
        let proof = proof(&self.config.secret, Role::Acceptor, &theirs, &ours);
        theirs.route_address = reachable(&theirs.route_address, &address);
        let admitted = match self.admit(&theirs, None) {
            Ok(admitted) => admitted,
            Err(refusal) => return Err(refuse_it(&mut stream, refusal, theirs.node).await),
        };
        out.clear();
        route::proof::encode(&mut out, &proof);
        stream.write_all(&out).await?;
        self.go_on(stream, &theirs, admitted, None, address);
        Ok(())
    }

    /// Lets a connection in.
    fn admit(self: &Arc<Self>, theirs: &Hello, dialed_at: Option<&str>) -> Result<Admitted<H>, Refusal> {
        let ending = Arc::new(Ending::default());
        let mut mesh = self.mesh.lock();
        let number = mesh.next_connection();
        mesh.admit(theirs, number, dialed_at, ending.clone())?;
        drop(mesh);
        Ok(Admitted { shared: self.clone(), peer: theirs.node, lane: theirs.lane, number, ending, served: false })
    }

    fn go_on(
        self: &Arc<Self>,
        stream: H::Stream,
        theirs: &Hello,
        mut admitted: Admitted<H>,
        dialed_at: Option<&str>,
        address: String,
    ) {
        let (number, ending) = (admitted.number, admitted.ending.clone());
        admitted.served = match Lane::of_the_wire(theirs.lane) {
            None => self.serve(stream, theirs, number, dialed_at.is_some(), address),
            Some(lane) => self.serve_lane(stream, theirs.node, lane, number, ending),
        };
    }
}

/// A handshake of ours that waits for the other side, until it is dropped.
struct Expected<'a, H: Host> {
    shared: &'a Shared<H>,
    peer: PeerId,
    lane: route::Lane,
}

impl<H: Host> Drop for Expected<'_, H> {
    fn drop(&mut self) {
        self.shared.mesh.lock().expected_no_more(self.peer, self.lane);
    }
}

/// A connection that was let in. Dropped before somebody serves it, it is over.
struct Admitted<H: Host> {
    shared: Arc<Shared<H>>,
    peer: PeerId,
    lane: route::Lane,
    number: u64,
    ending: Arc<Ending>,
    served: bool,
}

impl<H: Host> Drop for Admitted<H> {
    fn drop(&mut self) {
        if !self.served {
            self.shared.connection_closed(self.peer, self.lane, self.number);
        }
    }
}

/// Where a server is reached that says `told` of itself and was seen at `seen`: who listens on any address does not know
/// by which one it is reached.
pub(super) fn reachable(told: &str, seen: &str) -> String {
    let Some((host, port)) = told.rsplit_once(':') else { return String::new() };
    match host {
        "0.0.0.0" | "[::]" | "" => match seen.rsplit_once(':') {
            Some((seen, _)) => format!("{seen}:{port}"),
            None => String::new(),
        },
        _ => told.to_owned(),
    }
}

/// Tells the other server why it is not wanted.
async fn refuse_it<S: tokio::io::AsyncWrite + Unpin>(stream: &mut S, refusal: Refusal, peer: PeerId) -> Failure {
    let mut out = Vec::new();
    refuse::encode(&mut out, refusal.reason, &refusal.text);
    // It may be gone; there is nobody to tell then.
    let _ = stream.write_all(&out).await;
    let _ = stream.shutdown().await;
    match refusal.reason {
        Reason::Duplicate => Failure::Duplicate(peer),
        Reason::Itself => Failure::Refused(Reason::Itself, refusal.text),
        _ => Failure::Unwanted(refusal.text),
    }
}

/// One clear line for who is no server of ours.
async fn turn_away<S: tokio::io::AsyncWrite + Unpin>(stream: &mut S, who: Stranger) -> Result<(), Failure> {
    let _ = stream.write_all(WRONG_PORT).await;
    let _ = stream.shutdown().await;
    Err(Failure::Stranger(who))
}

/// The header of the first frame; who speaks another language is recognised by it.
async fn read_first<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> Result<Header, Failure> {
    let mut bytes = [0; HEADER_BYTES];
    let mut filled = 0;
    while filled < bytes.len() {
        let count = stream.read(bytes.get_mut(filled..).unwrap_or_default()).await?;
        filled += count;
        if count == 0 {
            let said_something = filled != 0;
            let who = Failure::Stranger(Stranger::of(bytes));
            return Err(if said_something { who } else { io::Error::from(io::ErrorKind::UnexpectedEof).into() });
        }
    }
    match Stranger::of(bytes) {
        Stranger::Other => Ok(header(bytes, ROUTE_HELLO_MAX)?),
        who => Err(Failure::Stranger(who)),
    }
}

async fn read_rest<S: tokio::io::AsyncRead + Unpin>(stream: &mut S, header: Header) -> Result<Owned, Failure> {
    let mut body = vec![0; header.length];
    stream.read_exact(&mut body).await?;
    Ok(Owned { header, body })
}

async fn read_frame<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> Result<Owned, Failure> {
    let mut bytes = [0; HEADER_BYTES];
    stream.read_exact(&mut bytes).await?;
    read_rest(stream, header(bytes, ROUTE_HELLO_MAX)?).await
}
