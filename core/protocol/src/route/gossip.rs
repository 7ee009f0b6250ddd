//! Gossip: all servers that the sender is connected to now, and what became of the sender since its hello.

use super::Frame;
use super::error::RouteError;
use super::frame::{Fields, Kind, begin, finish, put_text};
use crate::limits::ROUTE_GOSSIP_PEERS_MAX;

const EMPTY: u8 = 1;
const BORN: u8 = 2;

/// A server that the sender is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its incarnation.
    pub node: u64,
    /// Where other servers reach it.
    pub address: String,
}

/// What a server tells of itself and of others. A later one replaces an earlier one whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gossip {
    /// The id of the sender's cluster, if it was born.
    pub cluster_id: Option<String>,
    /// The sender keeps nothing that a cluster could have written.
    pub empty: bool,
    /// The servers that the sender is connected to.
    pub peers: Vec<Known>,
}

impl Gossip {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut flags = if self.empty { EMPTY } else { 0 };
        flags |= if self.cluster_id.is_some() { BORN } else { 0 };
        let start = begin(out, Kind::Gossip, flags);
        put_text(out, self.cluster_id.as_deref().unwrap_or_default().as_bytes());
        for peer in self.peers.iter().take(ROUTE_GOSSIP_PEERS_MAX) {
            out.extend_from_slice(&peer.node.to_le_bytes());
            put_text(out, peer.address.as_bytes());
        }
        finish(out, start);
    }

    /// Reads the frame.
    ///
    /// # Errors
    /// A body that is none, or names more servers than a cluster may have.
    pub fn decode(frame: &Frame<'_>) -> Result<Self, RouteError> {
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| RouteError::Body("gossip with a text that is none"))
        };
        let mut fields = Fields(frame.body);
        let cluster_id = text(fields.text()?)?;
        let mut peers = Vec::new();
        while !fields.0.is_empty() {
            if peers.len() == ROUTE_GOSSIP_PEERS_MAX {
                return Err(RouteError::Body("gossip of more servers than a cluster may have"));
            }
            peers.push(Known { node: fields.u64()?, address: text(fields.text()?)? });
        }
        let cluster_id = (frame.flags & BORN != 0).then_some(cluster_id);
        Ok(Self { cluster_id, empty: frame.flags & EMPTY != 0, peers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(gossip: &Gossip) -> Result<Gossip, RouteError> {
        let mut out = Vec::new();
        gossip.encode(&mut out);
        Gossip::decode(&Frame { kind: Kind::Gossip, flags: out[5], body: &out[8..] })
    }

    #[test]
    fn gossip_has_its_golden_bytes() {
        let mut out = Vec::new();
        let peers = vec![Known { node: 5, address: "h:1".into() }];
        Gossip { cluster_id: Some("C".into()), empty: true, peers }.encode(&mut out);
        let body = [1, 0, b'C', 5, 0, 0, 0, 0, 0, 0, 0, 3, 0, b'h', b':', b'1'];
        assert_eq!(out, [&[16, 0, 0, 0, 6, 3, 0, 0][..], &body].concat());
    }

    #[test]
    fn more_servers_than_a_cluster_may_have_are_refused() {
        let mut out = Vec::new();
        put_text(&mut out, b"");
        for _ in 0..=ROUTE_GOSSIP_PEERS_MAX {
            out.extend_from_slice(&[0; 10]);
        }
        assert!(Gossip::decode(&Frame { kind: Kind::Gossip, flags: 0, body: &out }).is_err());
    }

    proptest! {
        #[test]
        fn gossip_goes_there_and_back(
            id in proptest::option::of("[a-z]{0,9}"),
            empty: bool,
            peers in proptest::collection::vec((0u64.., "[a-z:0-9]{0,30}"), 0..9),
        ) {
            let peers = peers.into_iter().map(|(node, address)| Known { node, address }).collect();
            let gossip = Gossip { cluster_id: id, empty, peers };
            prop_assert_eq!(there_and_back(&gossip), Ok(gossip));
        }

        #[test]
        fn any_body_decodes_without_a_panic(body: Vec<u8>, flags: u8) {
            let _ = Gossip::decode(&Frame { kind: Kind::Gossip, flags, body: &body });
        }
    }
}
