//! Where clients connect, and the other options of the whole server.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::Options;
use super::table::{Reload, Row, Set};

/// Every address of the machine, as nats-server's default.
pub const DEFAULT_HOST: &str = "0.0.0.0";

/// The port of NATS clients.
pub const DEFAULT_PORT: u16 = 4222;

/// A host and a port to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an address, as the user wrote it, without brackets.
    pub host: String,
    /// The port; 0 takes a free one (nats-server's `-1`).
    pub port: u16,
}

impl Default for ListenAddress {
    fn default() -> ListenAddress {
        ListenAddress { host: DEFAULT_HOST.to_owned(), port: DEFAULT_PORT }
    }
}

impl ListenAddress {
    /// A port as flags and files give it: -1 is any free one.
    ///
    /// # Errors
    /// A number that no port has.
    pub fn port_from(number: i64) -> Result<u16, AddressError> {
        match number {
            -1 => Ok(0),
            number => u16::try_from(number).map_err(|_| AddressError::Port(number.to_string())),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A text that is no address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The port is none.
    #[error("\"{0}\" is not a port: 1 to 65535, or -1 for any free one")]
    Port(String),
    /// The host is none.
    #[error("\"{0}\" is not an address, such as \"127.0.0.1:4222\", \"[::1]:4222\" or 4222")]
    Form(String),
}

impl FromStr for ListenAddress {
    type Err = AddressError;

    /// `HOST:PORT`, `[IPV6]:PORT`, `:PORT`, `PORT`, or `HOST` with the port of clients.
    fn from_str(text: &str) -> Result<ListenAddress, AddressError> {
        let form = || AddressError::Form(text.to_owned());
        let port = |port: &str| {
            let number = port.parse::<i64>().map_err(|_| AddressError::Port(port.to_owned()))?;
            ListenAddress::port_from(number)
        };
        if let Some(bracketed) = text.strip_prefix('[') {
            let (host, rest) = bracketed.split_once(']').ok_or_else(form)?;
            host.parse::<Ipv6Addr>().map_err(|_| form())?;
            let port = match rest.strip_prefix(':') {
                Some(digits) => port(digits)?,
                None if rest.is_empty() => DEFAULT_PORT,
                None => return Err(form()),
            };
            return Ok(ListenAddress { host: host.to_owned(), port });
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(ListenAddress { host: text.to_owned(), port: DEFAULT_PORT });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, digits)) => (host, port(digits)?),
            None if text.parse::<i64>().is_ok() => ("", port(text)?),
            None => (text, DEFAULT_PORT),
        };
        if host.contains([':', '/', ' ']) || text.is_empty() {
            return Err(form());
        }
        let host = if host.is_empty() { DEFAULT_HOST } else { host };
        Ok(ListenAddress { host: host.to_owned(), port })
    }
}

pub(crate) static ROWS: &[Row<Options>] = &[
    Row {
        key: "server_name",
        default: "",
        unit: "",
        reload: Reload::Restart,
        since: "0.1.0",
        text: "The server's name in INFO and in the log, without spaces. By default its id.",
        set: Set::Text(|options, name| options.server_name = Some(name)),
    },
    Row {
        key: "listen",
        default: "\"0.0.0.0:4222\"",
        unit: "",
        reload: Reload::Restart,
        since: "0.1.0",
        text: "Where clients connect: a host and a port, or only a port. The port -1 takes a free one.",
        set: Set::Address(|options, address| options.listen = address),
    },
    Row {
        key: "core_threads",
        default: "0",
        unit: "",
        reload: Reload::Restart,
        since: "0.1.0",
        text: "How many threads serve connections. 0 is one per core.",
        set: Set::Count { min: 0, max: 1024, set: |options, count| options.core_threads = super::table::index(count) },
    },
    Row {
        key: "pid_file",
        default: "",
        unit: "",
        reload: Reload::Live,
        since: "0.1.0",
        text: "A file that gets the process's id: its digits, nothing else.",
        set: Set::Path(|options, path| options.pid_file = Some(path)),
    },
    Row {
        key: "ports_file_dir",
        default: "",
        unit: "",
        reload: Reload::Live,
        since: "0.1.0",
        text: "A folder that gets the file <program>_<pid>.ports: the addresses in use, as JSON.",
        set: Set::Path(|options, path| options.ports_file_dir = Some(path)),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form_that_nats_server_reads() {
        for (text, host, port) in [
            ("127.0.0.1:4333", "127.0.0.1", 4333),
            ("localhost:-1", "localhost", 0),
            ("[::1]:99", "::1", 99),
            ("[::]", "::", 4222),
            ("::1", "::1", 4222),
            (":4444", "0.0.0.0", 4444),
            ("4444", "0.0.0.0", 4444),
            ("myhost", "myhost", 4222),
        ] {
            assert_eq!(text.parse(), Ok(ListenAddress { host: host.into(), port }), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "a:b", "host:70000", "host:-2", "[::1", "[x]:1", "nats://host:1", "a b:1"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_shows_ipv6_in_brackets() {
        assert_eq!(ListenAddress::default().to_string(), "0.0.0.0:4222");
        assert_eq!(ListenAddress { host: "::".into(), port: 1 }.to_string(), "[::]:1");
    }
}
