//! The HTTP server of the endpoints: routes, headers, and how many may ask at once.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Sleep;

use super::process::ProcessUsage;
use super::query::Query;
use super::{Facts, healthz, index, metrics, routez, varz};
use crate::limits::{MONITOR_CONNECTIONS_MAX, MONITOR_IDLE_MAX, MONITOR_STOP_WAIT};

/// Endpoints of nats-server that are not built: said so, and not only "not found".
const NOT_BUILT: &[&str] = &[
    "/connz",
    "/gatewayz",
    "/leafz",
    "/subsz",
    "/subscriptionsz",
    "/accountz",
    "/accstatz",
    "/jsz",
    "/ipqueuesz",
    "/raftz",
    "/stacksz",
    "/debug/vars",
];

/// How long to wait after an accept that failed for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Endpoints {
    pub(super) facts: Facts,
    pub(super) usage: ProcessUsage,
    pub(super) requests: Mutex<BTreeMap<String, u64>>,
}

impl Endpoints {
    fn count(&self, path: &str) {
        *self.requests.lock().entry(path.to_owned()).or_default() += 1;
    }
}

/// The monitor's thread.
pub(super) fn serve(runtime: Runtime, listener: TcpListener, facts: Facts, stopped: oneshot::Receiver<()>) {
    let usage = ProcessUsage::new(facts.clock);
    let endpoints = Arc::new(Endpoints { facts, usage, requests: Mutex::default() });
    let listener = Bounded { listener, free: Arc::new(Semaphore::new(MONITOR_CONNECTIONS_MAX)) };
    runtime.block_on(async {
        let server = async { axum::serve(listener, routes(endpoints)).await };
        tokio::select! {
            ended = server => {
                if let Err(error) = ended {
                    tracing::error!(error = %error, "The monitor ended");
                }
            }
            _ = stopped => {}
        }
    });
    runtime.shutdown_timeout(MONITOR_STOP_WAIT);
}

fn routes(endpoints: Arc<Endpoints>) -> Router {
    let mut router = Router::new()
        .route("/", any(get_index))
        .route("/varz", any(get_varz))
        .route("/healthz", any(get_healthz))
        .route("/routez", any(get_routez));
    if endpoints.facts.options.metrics {
        router = router.route("/metrics", any(get_metrics));
    }
    for path in NOT_BUILT {
        router = router.route(path, any(not_built));
    }
    router.fallback(not_found).with_state(endpoints)
}

async fn get_index(State(endpoints): State<Arc<Endpoints>>) -> Response {
    endpoints.count("/");
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], index::page(&endpoints.facts)).into_response()
}

async fn get_varz(State(endpoints): State<Arc<Endpoints>>) -> Response {
    endpoints.count("/varz");
    let body = serde_json::to_string_pretty(&varz::varz(&endpoints));
    match body {
        Ok(body) => json(StatusCode::OK, body),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn get_healthz(State(endpoints): State<Arc<Endpoints>>, RawQuery(query): RawQuery) -> Response {
    endpoints.count("/healthz");
    match healthz::answer(endpoints.facts.source.as_ref(), &Query::parse(query.as_deref())) {
        Ok((status, body)) => json(status, body),
        Err(what) => plain(StatusCode::BAD_REQUEST, what),
    }
}

async fn get_routez(State(endpoints): State<Arc<Endpoints>>) -> Response {
    endpoints.count("/routez");
    match serde_json::to_string_pretty(&routez::routez(&endpoints.facts)) {
        Ok(body) => json(StatusCode::OK, body),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn get_metrics(State(endpoints): State<Arc<Endpoints>>) -> Response {
    endpoints.count("/metrics");
    match metrics::text(&endpoints.facts.source.measure()) {
        Ok(body) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], body).into_response(),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn not_built(uri: Uri) -> Response {
    missing(format!("404 {} is not built yet\n", uri.path()))
}

async fn not_found() -> Response {
    missing("404 page not found\n".to_owned())
}

fn json(status: StatusCode, body: String) -> Response {
    let headers = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"), (header::CONTENT_TYPE, "application/json")];
    (status, headers, body).into_response()
}

fn plain(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

/// With the header that Go's server adds to what it does not find.
fn missing(body: String) -> Response {
    ([(header::X_CONTENT_TYPE_OPTIONS, "nosniff")], plain(StatusCode::NOT_FOUND, body)).into_response()
}

/// A listener that accepts no more while so many connections are open.
struct Bounded {
    listener: TcpListener,
    free: Arc<Semaphore>,
}

impl axum::serve::Listener for Bounded {
    type Io = Counted;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Counted, SocketAddr) {
        loop {
            let Ok(permit) = Arc::clone(&self.free).acquire_owned().await else {
                // The semaphore is never closed.
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    let idle = Box::pin(tokio::time::sleep(MONITOR_IDLE_MAX));
                    return (Counted { stream, idle, _permit: permit }, from);
                }
                Err(error) => {
                    tracing::debug!(error = %error, "The monitor cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that gives its place back when it ends, and that ends when it has been silent for long.
struct Counted {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Counted {
    /// What `poll` means, given that nothing may happen for only so long.
    fn unless_idle<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.idle = Box::pin(tokio::time::sleep(MONITOR_IDLE_MAX));
            return poll;
        }
        self.idle.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.unless_idle(cx, poll)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.unless_idle(cx, poll)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
