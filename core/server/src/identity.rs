//! Who this server is: made once at start.

use std::io;
use std::time::Instant;

use nkeys::{KeyPair, KeyPairType, XKey};
use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::entropy;
use crate::error::StartError;
use crate::limits::{GIT_COMMIT, SERVER_VERSION};

/// Who this server is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its public nkey: `N` and 55 more characters, new at each start.
    pub server_id: String,
    /// Its public curve key: `X` and 55 more characters, new at each start.
    pub xkey: String,
    /// The configured name, or the id.
    pub server_name: String,
    /// 8 characters made of the name, as nats-server names raft peers.
    pub node: String,
    /// What INFO says: `2.15.1-forebay.0.1.0`.
    pub version: &'static str,
    /// The commit that it was built from; may be empty.
    pub git_commit: &'static str,
    /// When it started, in nanoseconds since 1970.
    pub started_nanos: i64,
    /// When it started, for measuring.
    pub started: Instant,
}

impl Identity {
    /// Makes a new one.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn new(server_name: Option<&str>, clock: Clock) -> Result<Identity, StartError> {
        let system = |source: io::Error| StartError::System { what: "get randomness", source };
        let mut seed = [0; 32];
        entropy::check().map_err(system)?;
        entropy::fill(&mut seed);
        let pair = KeyPair::new_from_raw(KeyPairType::Server, seed)
            .map_err(|error| StartError::Other(format!("Can't make a server key: {error}")))?;
        let server_id = pair.public_key();
        entropy::fill(&mut seed);
        let xkey = XKey::new_from_raw(seed).public_key();
        let server_name = server_name.filter(|name| !name.is_empty()).unwrap_or(&server_id).to_owned();
        Ok(Identity {
            node: node(&server_name),
            server_id,
            xkey,
            server_name,
            version: SERVER_VERSION,
            git_commit: GIT_COMMIT,
            started_nanos: clock.wall_nanos(),
            started: clock.now(),
        })
    }
}

/// nats-server's `getHash`: the first bytes of the name's SHA-256, each as one of 62 characters.
fn node(name: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const NODE_CHARS: usize = 8;
    Sha256::digest(name.as_bytes())
        .iter()
        .take(NODE_CHARS)
        .filter_map(|byte| DIGITS.get(usize::from(byte % 62)))
        .map(|digit| char::from(*digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_servers_nkey_and_the_name_without_another() {
        let identity = Identity::new(None, Clock::new()).unwrap();
        assert!(identity.server_id.len() == 56 && identity.server_id.starts_with('N'));
        assert_eq!(identity.server_name, identity.server_id);
        assert!(KeyPair::from_public_key(&identity.server_id).is_ok());
        assert_eq!(Identity::new(Some("east"), Clock::new()).unwrap().server_name, "east");
    }

    /// Asked of nats-server 2.15.1: `-n foo -js` logs `Node:     icujg7CJ`.
    #[test]
    fn a_node_is_named_as_nats_server_names_it() {
        assert_eq!(node("foo"), "icujg7CJ");
    }
}
