//! Listening sockets, set up as nats-server's are.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};

use socket2::{Domain, Protocol, Socket, Type};

use crate::error::io_text;
use crate::limits::LISTEN_BACKLOG;
use crate::options::ListenAddress;

/// Why nobody can be listened for. The texts are Go's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The host has no address.
    #[error("listen tcp: lookup {host}: {}", io_text(source))]
    Lookup {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be had: in use, not ours, not allowed.
    #[error("listen tcp {address}: bind: {}", io_text(source))]
    Bind {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
}

/// Opens a listening socket: `SO_REUSEADDR`, non-blocking, not inherited.
///
/// As Go does it, "any address" of either family means both families, and a name with addresses of
/// both is listened on at its first IPv4 one.
///
/// # Errors
/// [`BindError`], whose text names the address.
pub fn listener(address: &ListenAddress) -> Result<TcpListener, BindError> {
    let found = resolve(address)?;
    let bind_error = |source| BindError::Bind { address: address.to_string(), source };
    if found.ip().is_unspecified() {
        let both = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), found.port());
        match open(both, true) {
            // A machine without IPv6 has only the other family.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse && found.is_ipv4() => {}
            opened => return opened.map_err(bind_error),
        }
    }
    open(found, false).map_err(bind_error)
}

fn resolve(address: &ListenAddress) -> Result<SocketAddr, BindError> {
    let lookup = |source| BindError::Lookup { host: address.host.clone(), source };
    if let Ok(ip) = address.host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, address.port));
    }
    let no_such_host = || io::Error::new(io::ErrorKind::NotFound, "no such host");
    // The resolver's own texts speak of "name or service"; Go's, which is looked for, of a host.
    let found: Vec<SocketAddr> =
        (address.host.as_str(), address.port).to_socket_addrs().map_err(|_| lookup(no_such_host()))?.collect();
    let first = found.iter().find(|found| found.is_ipv4()).or_else(|| found.first());
    first.copied().ok_or_else(|| lookup(no_such_host()))
}

fn open(address: SocketAddr, both_families: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!both_families)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn address(host: &str, port: u16) -> ListenAddress {
        ListenAddress { host: host.into(), port }
    }

    #[test]
    fn any_address_takes_both_families() {
        let listener = listener(&address("0.0.0.0", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        if open("[::1]:0".parse().unwrap(), false).is_ok() {
            assert!(TcpStream::connect(("::1", port)).is_ok());
        }
    }

    #[test]
    fn a_port_in_use_is_named_as_go_names_it() {
        let taken = listener(&address("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listener(&address("127.0.0.1", port)).unwrap_err().to_string();
        assert_eq!(error, format!("listen tcp 127.0.0.1:{port}: bind: address already in use"));
        let any = listener(&address("0.0.0.0", 0)).unwrap();
        let port = any.local_addr().unwrap().port();
        let error = listener(&address("0.0.0.0", port)).unwrap_err().to_string();
        assert_eq!(error, format!("listen tcp 0.0.0.0:{port}: bind: address already in use"));
    }

    #[test]
    fn a_host_that_does_not_exist_is_named() {
        let error = listener(&address("999.1.1.1", 0)).unwrap_err().to_string();
        assert_eq!(error, "listen tcp: lookup 999.1.1.1: no such host");
    }

    #[test]
    fn an_address_that_is_not_ours_is_refused() {
        let error = listener(&address("192.0.2.77", 0)).unwrap_err().to_string();
        assert_eq!(error, "listen tcp 192.0.2.77:0: bind: cannot assign requested address");
    }
}
