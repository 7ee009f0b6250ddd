//! A running server, for the binary and for whoever embeds one.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::bind::{self, BindError, Reserved};
use crate::clock::Clock;
use crate::error::{StartError, io_text};
use crate::identity::Identity;
use crate::log;
use crate::monitor::{Facts, Monitor};
use crate::options::{ListenAddress, Options};
use crate::pid::{self, PortsFile};
use crate::wiring::{Prepared, Running};

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
    /// [`StartError`], one line. Nothing is left running then, and nobody could connect meanwhile.
    pub fn start(mut options: Options) -> Result<Server, StartError> {
        options.finish()?;
        let clock = Clock::new();
        let identity = Arc::new(Identity::new(options.server_name.as_deref(), clock)?);
        let options = Arc::new(options);
        log::start_facts(&options, &identity);
        // An address that another has is told before the store is touched.
        let http = options.http.as_ref().map(bind::reserve).transpose().map_err(StartError::Monitor)?;
        let clients = bind::reserve(&options.listen).map_err(|source| listen_error(&options, source))?;
        let client_address = clients.address();
        let prepared = Prepared::new(&options, &identity, clock, client_address)?;
        let facts = |http_address| Facts {
            options: Arc::clone(&options),
            identity: Arc::clone(&identity),
            clock,
            client_port: client_address.port(),
            http_address,
            source: prepared.monitor_source(),
        };
        let monitor_address = http.as_ref().map(Reserved::address);
        let opened = write_pid_file(&options).and_then(|()| open(&options, http, clients, facts));
        let (monitor, listener) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                prepared.stop();
                return Err(error);
            }
        };
        let running = prepared.accept(listener)?;
        if let (Some(address), Some(bound)) = (&options.http, monitor_address) {
            tracing::info!("Starting http monitor on {}", shown(address, bound.port()));
        }
        tracing::info!("Listening for client connections on {}", shown(&options.listen, client_address.port()));
        tracing::info!("Server is ready");
        let clients = vec![client_address];
        let ports_file = ports_file(&options, &clients, monitor_address);
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

    /// Reads the configuration and the plugins anew; the log says what came of it.
    pub fn reload(&self) {
        let asked = self.parts.lock().as_ref().is_some_and(|parts| parts.running.reload());
        if !asked {
            tracing::error!(
                "Failed to reload server configuration: can only reload config when a file is provided using -c or --config"
            );
        }
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

fn listen_error(options: &Options, source: BindError) -> StartError {
    StartError::Listen { address: options.listen.to_string(), source }
}

fn write_pid_file(options: &Options) -> Result<(), StartError> {
    options.pid_file.as_deref().map_or(Ok(()), pid::write_pid_file)
}

/// Opens the reserved addresses. The pid file is written by then, and goes if an address was lost after all.
fn open(
    options: &Options,
    http: Option<Reserved>,
    clients: Reserved,
    facts: impl Fn(SocketAddr) -> Facts,
) -> Result<(Option<Monitor>, TcpListener), StartError> {
    let listen = || {
        let http = http.map(|http| Ok((http.address(), http.listen()?))).transpose().map_err(StartError::Monitor)?;
        let listener = clients.listen().map_err(|source| listen_error(options, source))?;
        let monitor = http.map(|(address, listener)| Monitor::start(listener, facts(address))).transpose()?;
        Ok((monitor, listener))
    };
    listen().inspect_err(|_| {
        // What matters is why the server does not start.
        let _ = options.pid_file.as_deref().map(std::fs::remove_file);
    })
}

/// The address as the options have it, with the port that was really taken.
fn shown(address: &ListenAddress, port: u16) -> ListenAddress {
    ListenAddress { host: address.host.clone(), port }
}

/// A ports file that cannot be written is an error in the log and no more, as in nats-server.
fn ports_file(options: &Options, clients: &[SocketAddr], monitor: Option<SocketAddr>) -> Option<PortsFile> {
    let folder = options.ports_file_dir.as_deref()?;
    let path = PortsFile::path_in(folder, &options.program);
    match PortsFile::write(&path, clients, monitor) {
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
