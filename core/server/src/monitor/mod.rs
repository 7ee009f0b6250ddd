//! nats-server's monitoring endpoints over HTTP, on a thread of their own.
//!
//! What they say comes from a [`MonitorSource`], so that this folder knows nothing of sessions and
//! streams.

mod healthz;
mod http;
mod index;
mod metrics;
mod process;
mod query;
mod routez;
mod varz;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use forebay_api::monitor::healthz::HealthzError;
use forebay_api::monitor::varz::Varz;
use forebay_links::RouteReport;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::error::StartError;
use crate::identity::Identity;
use crate::options::Options;

pub use metrics::{Measured, StoreMeasured};

/// Who knows what the endpoints say.
pub trait MonitorSource: Send + Sync + 'static {
    /// Puts the counters into a document whose other facts are there already.
    fn fill_varz(&self, varz: &mut Varz);

    /// Whether what is asked about can do its work. Not asked where the question itself is wrong.
    fn health(&self, question: &HealthQuestion) -> Health;

    /// The routes to other servers.
    fn routes(&self) -> Vec<RouteReport> {
        Vec::new()
    }

    /// Everything that `/metrics` shows, at this moment.
    fn measure(&self) -> Measured {
        Measured::default()
    }
}

/// What `/healthz` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthQuestion {
    /// Only whether JetStream is on.
    pub js_enabled_only: bool,
    /// Not about streams and consumers.
    pub js_server_only: bool,
    /// Only about the meta group.
    pub js_meta_only: bool,
    /// Only about this account.
    pub account: Option<String>,
    /// Only about this stream.
    pub stream: Option<String>,
    /// Only about this consumer.
    pub consumer: Option<String>,
    /// Whether everything that is wrong is to be told, and not only the first thing.
    pub details: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Ok,
    /// Something is not.
    Failed {
        /// The HTTP status: 503 where the server cannot, 404 where what was asked about is not there.
        status_code: u16,
        /// What is wrong; the first is what a short answer tells.
        errors: Vec<HealthzError>,
    },
}

/// What the endpoints need to know.
pub(crate) struct Facts {
    pub(crate) options: Arc<Options>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Clock,
    pub(crate) client_port: u16,
    pub(crate) http_address: SocketAddr,
    pub(crate) source: Arc<dyn MonitorSource>,
}

/// The running endpoints.
pub(crate) struct Monitor {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Monitor {
    /// Serves on a listener that is open already.
    pub(crate) fn start(listener: TcpListener, facts: Facts) -> Result<Monitor, StartError> {
        let system = |source| StartError::System { what: "start the monitor", source };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(system)?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(system)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("forebay-monitor".to_owned())
            .spawn(move || http::serve(runtime, listener, facts, stopped))
            .map_err(system)?;
        Ok(Monitor { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Nobody listens any more where the thread has ended by itself.
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The monitor's thread panicked");
        }
    }
}
