//! A running server, for the binary and for whoever embeds one.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::bind;
use crate::clock::Clock;
use crate::error::{StartError, io_text};
use crate::identity::Identity;
use crate::log;
use crate::monitor::{Facts, Monitor};
use crate::options::{ListenAddress, Options};
use crate::pid::{self, OtherPorts, PortsFile};
use crate::wiring::Running;

/// A running server. It stops when it is told to, or dropped.
pub struct Server {
    identity: Arc<Identity>,
    clients: Vec<SocketAddr>,
    monitor_address: Option<SocketAddr>,
    parts: Mutex<Option<Parts>>,
    stopped: Mutex<bool>,
    on_stopped: Condvar,
    notify_stopped: Notify,
}

/// What a stop takes apart, in this order.
struct Parts {
    ports_file: Option<PortsFile>,
    running: Running,
    monitor: Option<Monitor>,
}

impl Server {
    /// Starts a server: first all that can fail, then all that is seen.
    ///
    /// # Errors
    /// [`StartError`], one line. Nothing is left running then.
    pub fn start(mut options: Options) -> Result<Server, StartError> {
        options.finish()?;
        let clock = Clock::new();
        let identity = Arc::new(Identity::new(options.server_name.as_deref(), clock)?);
        let options = Arc::new(options);
        log::start_facts(&options, &identity);
        let http = match &options.http {
            Some(address) => Some((address, bind::listener(address).map_err(StartError::Monitor)?)),
            None => None,
        };
        let running = Running::start(&options, &identity, clock)?;
        let clients = running.client_addresses();
        let client_port = clients.first().map_or(options.listen.port, SocketAddr::port);
        let mut monitor_address = None;
        let mut monitor = None;
        if let Some((address, listener)) = http {
            let system = |source| StartError::System { what: "start the monitor", source };
            let bound = listener.local_addr().map_err(system)?;
            let facts = Facts {
                options: Arc::clone(&options),
                identity: Arc::clone(&identity),
                clock,
                client_port,
                http_address: bound,
                source: running.monitor_source(),
            };
            monitor = Some(Monitor::start(listener, facts)?);
            monitor_address = Some(bound);
            tracing::info!("Starting http monitor on {}", shown(address, bound.port()));
        }
        if let Some(path) = &options.pid_file {
            pid::write_pid_file(path)?;
        }
        tracing::info!("Listening for client connections on {}", shown(&options.listen, client_port));
        tracing::info!("Server is ready");
        let others = OtherPorts { monitor: monitor_address, cluster: running.route_address() };
        let ports_file = ports_file(&options, &clients, others);
        Ok(Server {
            identity,
            clients,
            monitor_address,
            parts: Mutex::new(Some(Parts { ports_file, running, monitor })),
            stopped: Mutex::new(false),
            on_stopped: Condvar::new(),
            notify_stopped: Notify::new(),
        })
    }

    /// Who this server is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where clients connect.
    pub fn client_addresses(&self) -> &[SocketAddr] {
        &self.clients
    }

    /// Where the monitoring endpoints are.
    pub fn monitor_address(&self) -> Option<SocketAddr> {
        self.monitor_address
    }

    /// Stops the server and returns when it has stopped. A second call waits for the first.
    pub fn stop(&self) {
        let mut parts = self.parts.lock();
        if let Some(Parts { ports_file, running, monitor }) = parts.take() {
            tracing::info!("Initiating Shutdown...");
            drop(ports_file);
            running.stop();
            drop(monitor);
            tracing::info!("Server Exiting..");
            *self.stopped.lock() = true;
            self.on_stopped.notify_all();
            self.notify_stopped.notify_waiters();
        }
    }

    /// Returns when the server has stopped.
    pub fn wait(&self) {
        let mut stopped = self.stopped.lock();
        while !*stopped {
            self.on_stopped.wait(&mut stopped);
        }
    }

    /// As [`Server::wait`], for a task.
    pub async fn stopped(&self) {
        let notified = self.notify_stopped.notified();
        if !*self.stopped.lock() {
            notified.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The address as the options have it, with the port that was really taken.
fn shown(address: &ListenAddress, port: u16) -> ListenAddress {
    ListenAddress { host: address.host.clone(), port }
}

/// A ports file that cannot be written is an error in the log and no more, as in nats-server.
fn ports_file(options: &Options, clients: &[SocketAddr], others: OtherPorts) -> Option<PortsFile> {
    let folder = options.ports_file_dir.as_deref()?;
    let path = PortsFile::path_in(folder, &options.program);
    match PortsFile::write(&path, clients, others) {
        Ok(file) => Some(file),
        Err(error) => {
            let path = path.display();
            tracing::error!("Error writing ports file ({path}): open {path}: {}", io_text(&error));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        let any = ListenAddress { host: "127.0.0.1".into(), port: 0 };
        Options { listen: any.clone(), http: Some(any), ..Options::default() }
    }

    #[test]
    fn a_server_starts_twice_in_one_process_and_stops() {
        let (one, two) = (Server::start(options()).unwrap(), Server::start(options()).unwrap());
        assert_ne!(one.client_addresses(), two.client_addresses());
        assert!(one.monitor_address().is_some_and(|address| address.port() != 0));
        one.stop();
        one.stop();
        one.wait();
        assert_eq!(one.identity().server_id.len(), 56);
    }

    #[test]
    fn a_start_that_fails_leaves_nothing_behind() {
        let taken = Server::start(options()).unwrap();
        let mut second = options();
        second.http = Some(ListenAddress { host: "127.0.0.1".into(), port: 0 });
        second.listen.port = taken.client_addresses()[0].port();
        let error = Server::start(second).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with("Error listening on port: 127.0.0.1:"), "{error}");
        assert!(error.ends_with("bind: address already in use\""), "{error}");
    }
}
