//! What the links need of the network: connections to other servers, and core threads that serve their routes.

use crate::clock::Clock;
use crate::core_thread::CoreHandle;
use crate::entropy;
use forebay_links::{Host, RouteStart};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::net::TcpStream;

/// The network as the links see it.
pub(crate) struct Network {
    clock: Clock,
    cores: Vec<CoreHandle>,
    next: AtomicUsize,
}

impl Network {
    /// Routes are served by these cores in turn.
    pub(crate) fn new(clock: Clock, cores: Vec<CoreHandle>) -> Self {
        Self { clock, cores, next: AtomicUsize::new(0) }
    }
}

impl Host for Network {
    type Stream = TcpStream;

    async fn dial(&self, address: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        // Small frames must not wait for large ones; without it the route is only slower.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn serve_route(&self, stream: TcpStream, route: RouteStart) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.cores.len().max(1);
        // Without a core the route is dropped, which closes it.
        if let (Ok(stream), Some(core)) = (stream.into_std(), self.cores.get(next)) {
            core.give_route(stream, route);
        }
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        entropy::fill(bytes);
    }
}
