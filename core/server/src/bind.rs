//! Listening sockets, set up as nats-server's are: first reserved, then opened to clients.

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

/// An address that is ours though nobody can connect yet: a start that fails later was never seen from outside.
#[derive(Debug)]
pub struct Reserved {
    socket: Socket,
    address: SocketAddr,
    named: String,
}

impl Reserved {
    /// The address with the port that was really taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets clients connect.
    ///
    /// # Errors
    /// [`BindError::Bind`]: somebody who reserved the same address was faster.
    pub fn listen(self) -> Result<TcpListener, BindError> {
        let Reserved { socket, named, .. } = self;
        socket.listen(LISTEN_BACKLOG).map_err(|source| BindError::Bind { address: named, source })?;
        Ok(socket.into())
    }
}

/// Takes an address: `SO_REUSEADDR`, non-blocking, not inherited.
///
/// As Go does it, "any address" of either family means both families, and a name with addresses of
/// both is listened on at its first IPv4 one.
///
/// # Errors
/// [`BindError`], whose text names the address.
pub fn reserve(address: &ListenAddress) -> Result<Reserved, BindError> {
    let found = resolve(address)?;
    let named = address.to_string();
    let bind_error = |source| BindError::Bind { address: named.clone(), source };
    let socket = socket(found).map_err(bind_error)?;
    let address = socket.local_addr().and_then(|address| address.as_socket().ok_or(io::ErrorKind::Unsupported.into()));
    let address = address.map_err(bind_error)?;
    Ok(Reserved { socket, address, named })
}

/// A socket that is bound to this address, or to any address of both families.
fn socket(found: SocketAddr) -> io::Result<Socket> {
    if found.ip().is_unspecified() {
        let both = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), found.port());
        match open(both, true) {
            // A machine without IPv6 has only the other family.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse && found.is_ipv4() => {}
            opened => return opened,
        }
    }
    open(found, false)
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

fn open(address: SocketAddr, both_families: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!both_families)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn address(host: &str, port: u16) -> ListenAddress {
        ListenAddress { host: host.into(), port }
    }

    fn listener(address: &ListenAddress) -> Result<TcpListener, BindError> {
        reserve(address)?.listen()
    }

    #[test]
    fn nobody_can_connect_to_a_reserved_address_and_nobody_else_gets_it_once_it_is_open() {
        let first = reserve(&address("127.0.0.1", 0)).unwrap();
        let taken = first.address();
        assert!(TcpStream::connect(taken).is_err());
        let second = reserve(&address("127.0.0.1", taken.port())).unwrap();
        let _open = first.listen().unwrap();
        assert!(TcpStream::connect(taken).is_ok());
        let late = format!("listen tcp {taken}: bind: address already in use");
        assert_eq!(second.listen().unwrap_err().to_string(), late);
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
