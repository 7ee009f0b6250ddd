//! Hello: who a server is. The one frame whose body is JSON, so that what versions add is passed over by older ones.

use super::error::RouteError;
use super::frame::{Kind, begin, finish};
use super::{Frame, Lane};
use crate::limits::ROUTE_HELLO_MAX;
use serde::{Deserialize, Serialize};

/// What every hello says first, so that nothing else is taken for one.
pub const MAGIC: &str = "forebay-route";
/// The oldest version of these frames that we speak.
pub const VERSION_MIN: u32 = 1;
/// The newest version of these frames that we speak.
pub const VERSION_MAX: u32 = 1;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 16;

/// Who a server is, and what it wants of this connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`MAGIC`].
    pub magic: String,
    /// The oldest version it speaks.
    pub version_min: u32,
    /// The newest version it speaks.
    pub version_max: u32,
    /// What the connection is for. Both sides say the same.
    pub lane: Lane,
    /// The server's incarnation; never 0.
    pub node: u64,
    /// The server's public nkey.
    pub server_id: String,
    /// Its name, unique in the cluster.
    pub server_name: String,
    /// Its program's version.
    pub server_version: String,
    /// The cluster's name.
    pub cluster: String,
    /// How many servers the cluster is to have; 0 if nobody said.
    #[serde(default)]
    pub size: u32,
    /// Random, new for each connection.
    pub nonce: [u8; NONCE_BYTES],
    /// Where other servers reach it: `host:port`; empty if it cannot be reached.
    #[serde(default)]
    pub route_address: String,
    /// Where clients reach it.
    #[serde(default)]
    pub client_urls: Vec<String>,
    /// The longest message it takes of its own clients.
    #[serde(default)]
    pub max_payload: u64,
    /// The cluster's id, if it was born.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// It keeps nothing that a cluster could have written.
    #[serde(default)]
    pub empty: bool,
    /// It takes connections on the lanes beside the route.
    #[serde(default)]
    pub peer_lanes: bool,
}

impl Hello {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = begin(out, Kind::Hello, 0);
        if let Ok(json) = serde_json::to_vec(self) {
            out.extend_from_slice(&json);
        }
        finish(out, start);
    }

    /// Reads the frame.
    ///
    /// # Errors
    /// A body that is no hello of ours.
    pub fn decode(frame: &Frame<'_>) -> Result<Self, RouteError> {
        if frame.body.len() > ROUTE_HELLO_MAX {
            return Err(RouteError::TooLong { length: frame.body.len(), most: ROUTE_HELLO_MAX });
        }
        let hello: Self =
            serde_json::from_slice(frame.body).map_err(|_| RouteError::Body("a hello that is not our JSON"))?;
        if hello.magic != MAGIC || hello.node == 0 || hello.server_name.is_empty() {
            return Err(RouteError::Body("a hello that does not say who it is"));
        }
        Ok(hello)
    }

    /// True if both sides speak a common version.
    pub fn speaks_with(&self, other: &Self) -> bool {
        self.version_min <= other.version_max && other.version_min <= self.version_max
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Decoded, decode};
    use super::*;
    use proptest::prelude::*;

    fn hello(name: String, node: u64, urls: Vec<String>) -> Hello {
        Hello {
            magic: MAGIC.into(),
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            lane: Lane::Route,
            node,
            server_id: "N".into(),
            server_name: name,
            server_version: "v".into(),
            cluster: "c".into(),
            size: 3,
            nonce: [1; NONCE_BYTES],
            route_address: "h:1".into(),
            client_urls: urls,
            max_payload: 7,
            cluster_id: None,
            empty: true,
            peer_lanes: false,
        }
    }

    fn there_and_back(hello: &Hello) -> Result<Hello, RouteError> {
        let mut out = Vec::new();
        hello.encode(&mut out);
        let Ok(Decoded::Frame(frame, taken)) = decode(&out, ROUTE_HELLO_MAX) else { panic!("a frame") };
        assert_eq!(taken, out.len());
        Hello::decode(&frame)
    }

    #[test]
    fn a_hello_has_its_golden_bytes() {
        let mut out = Vec::new();
        hello("a".into(), 9, vec!["u:1".into()]).encode(&mut out);
        let json = concat!(
            r#"{"magic":"forebay-route","version_min":1,"version_max":1,"lane":"route","node":9,"server_id":"N","#,
            r#""server_name":"a","server_version":"v","cluster":"c","size":3,"nonce":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"#,
            r#""route_address":"h:1","client_urls":["u:1"],"max_payload":7,"empty":true,"peer_lanes":false}"#
        );
        let head = [(json.len() % 256) as u8, (json.len() / 256) as u8, 0, 0, 1, 0, 0, 0];
        assert_eq!(out, [&head[..], json.as_bytes()].concat());
    }

    #[test]
    fn a_hello_that_says_nothing_of_itself_is_none() {
        assert!(there_and_back(&hello(String::new(), 1, vec![])).is_err());
        assert!(there_and_back(&hello("a".into(), 0, vec![])).is_err());
        assert!(there_and_back(&Hello { magic: "other".into(), ..hello("a".into(), 1, vec![]) }).is_err());
    }

    #[test]
    fn versions_meet_or_not() {
        let ours = hello("a".into(), 1, vec![]);
        assert!(ours.speaks_with(&ours));
        let newer = Hello { version_min: 2, version_max: 3, ..ours.clone() };
        assert!(!ours.speaks_with(&newer) && !newer.speaks_with(&ours));
    }

    proptest! {
        #[test]
        fn hellos_go_there_and_back(name in "[a-z]{1,20}", node in 1u64.., urls: Vec<String>) {
            let hello = hello(name, node, urls);
            prop_assert_eq!(there_and_back(&hello), Ok(hello));
        }

        #[test]
        fn any_body_decodes_without_a_panic(body: Vec<u8>) {
            let _ = Hello::decode(&Frame { kind: Kind::Hello, flags: 0, body: &body });
        }
    }
}
