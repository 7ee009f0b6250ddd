//! The files that tell others about this process: its id, and its ports.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::StartError;

/// Writes the process's id: digits, nothing else, as some who read it do not trim.
///
/// # Errors
/// [`StartError::PidFile`].
pub(crate) fn write_pid_file(path: &Path) -> Result<(), StartError> {
    fs::write(path, std::process::id().to_string())
        .map_err(|source| StartError::PidFile { path: path.to_owned(), source })
}

/// The content of a ports file (nats-server `Ports`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Ports {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nats: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    monitoring: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cluster: Vec<String>,
}

/// The ports of a server beside its clients'.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OtherPorts {
    pub(crate) monitor: Option<SocketAddr>,
    pub(crate) cluster: Option<SocketAddr>,
}

/// The file that names this process's ports; gone when this is dropped.
#[derive(Debug)]
pub(crate) struct PortsFile {
    path: PathBuf,
}

impl PortsFile {
    /// Where `program` with this process's id has its file.
    pub(crate) fn path_in(folder: &Path, program: &str) -> PathBuf {
        folder.join(format!("{program}_{}.ports", std::process::id()))
    }

    /// Writes the file under another name first, so that nobody reads half of it.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn write(path: &Path, clients: &[SocketAddr], others: OtherPorts) -> io::Result<PortsFile> {
        let ports = Ports {
            nats: clients.iter().flat_map(|address| urls("nats", *address)).collect(),
            monitoring: others.monitor.iter().flat_map(|address| urls("http", *address)).collect(),
            cluster: others.cluster.iter().flat_map(|address| urls("nats", *address)).collect(),
        };
        let text = serde_json::to_string(&ports).map_err(io::Error::other)?;
        let unfinished = path.with_extension("ports.tmp");
        fs::write(&unfinished, text)?;
        fs::rename(&unfinished, path)?;
        Ok(PortsFile { path: path.to_owned() })
    }
}

impl Drop for PortsFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            let (path, error) = (self.path.display(), crate::error::io_text(&error));
            tracing::error!("Error cleaning up ports file {path}: remove {path}: {error}");
        }
    }
}

/// The URLs at which an address can be reached: for "any address", each of the machine's, its own
/// loopback first.
fn urls(scheme: &str, address: SocketAddr) -> Vec<String> {
    let ips = if address.ip().is_unspecified() { machine_addresses() } else { vec![address.ip()] };
    ips.into_iter().map(|ip| format!("{scheme}://{}", SocketAddr::new(ip, address.port()))).collect()
}

/// The machine's addresses, its own loopback first.
pub(crate) fn machine_addresses() -> Vec<IpAddr> {
    let mut found = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    // Without permission to ask, loopback is what is sure.
    for interface in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        let Some(address) = interface.address else { continue };
        let ip = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => IpAddr::V4(v4.ip()),
            (_, Some(v6)) => IpAddr::V6(v6.ip()),
            _ => continue,
        };
        if !found.contains(&ip) {
            found.push(ip);
        }
    }
    let rank = |ip: &IpAddr| match ip {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => 0,
        IpAddr::V6(Ipv6Addr::LOCALHOST) => 1,
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 3,
    };
    found.sort_by_key(rank);
    found
}

/// True for an address that others can reach without knowing by which interface (nats-server `getNonLocalIPsIfHostIsIPAny`).
pub(crate) fn is_reachable(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || link_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_holds_digits_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        write_pid_file(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
    }

    #[test]
    fn the_ports_file_has_nats_servers_form_and_goes_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = PortsFile::path_in(folder.path(), "nats-server");
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("nats-server_{}.ports", std::process::id()));
        let (monitor, cluster) = ("127.0.0.1:8222".parse().ok(), "127.0.0.1:6222".parse().ok());
        let others = OtherPorts { monitor, cluster };
        let clients = ["127.0.0.1:4333".parse().unwrap(), "[::1]:4334".parse().unwrap()];
        let file = PortsFile::write(&path, &clients, others).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            r#"{"nats":["nats://127.0.0.1:4333","nats://[::1]:4334"],"monitoring":["http://127.0.0.1:8222"],"cluster":["nats://127.0.0.1:6222"]}"#
        );
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn any_address_begins_with_loopback() {
        let urls = urls("nats", "0.0.0.0:1".parse().unwrap());
        assert_eq!(urls.first().map(String::as_str), Some("nats://127.0.0.1:1"));
    }
}
