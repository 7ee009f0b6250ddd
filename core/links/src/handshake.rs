//! Whether two servers belong together: what each says of itself, how each proves that it knows the secret, and who is
//! told what where they do not.
//!
//! The one who dialed says hello, the other one answers; the dialer proves itself first, so that a stranger gets no
//! proof to try secrets on. A proof is HMAC-SHA256 over the role, the lane, both nonces and both servers: it fits one
//! connection only.

use crate::config::{LinksConfig, Standing};
use forebay_protocol::route::frame::HEADER_BYTES;
use forebay_protocol::route::hello::{MAGIC, NONCE_BYTES, VERSION_MAX, VERSION_MIN};
use forebay_protocol::route::proof::PROOF_BYTES;
use forebay_protocol::route::refuse::Reason;
use forebay_protocol::route::{Hello, Lane};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Who made the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It dialed.
    Dialer,
    /// It was dialed.
    Acceptor,
}

/// Why a connection is not wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As a number.
    pub reason: Reason,
    /// In words, for the other server's log.
    pub text: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }
}

/// What this server says of itself on a new connection.
pub fn hello(
    config: &LinksConfig,
    standing: &Standing,
    lane: Lane,
    nonce: [u8; NONCE_BYTES],
    peer_lanes: bool,
) -> Hello {
    Hello {
        magic: MAGIC.to_owned(),
        version_min: VERSION_MIN,
        version_max: VERSION_MAX,
        lane,
        node: config.node,
        server_id: config.server_id.clone(),
        server_name: config.server_name.clone(),
        server_version: config.server_version.clone(),
        cluster: config.cluster.clone(),
        size: config.size,
        nonce,
        route_address: config.route_address.clone(),
        client_urls: if config.no_advertise { Vec::new() } else { config.client_urls.clone() },
        max_payload: config.max_payload as u64,
        cluster_id: standing.cluster_id.clone(),
        empty: standing.empty,
        peer_lanes,
    }
}

/// Holds the other server's hello against ours.
///
/// # Errors
/// What the other one is told.
pub fn judge(ours: &Hello, theirs: &Hello) -> Result<(), Refusal> {
    if !ours.speaks_with(theirs) {
        let text = format!(
            "{} speaks versions {} to {} of the routes' frames, {} speaks {} to {}",
            ours.server_name,
            ours.version_min,
            ours.version_max,
            theirs.server_name,
            theirs.version_min,
            theirs.version_max
        );
        return Err(Refusal::new(Reason::Version, text));
    }
    if ours.node == theirs.node {
        return Err(Refusal::new(Reason::Itself, "the server is connected to itself"));
    }
    if ours.cluster != theirs.cluster {
        let text = format!("cluster name \"{}\" is not \"{}\"", theirs.cluster, ours.cluster);
        return Err(Refusal::new(Reason::Cluster, text));
    }
    if let (Some(our_id), Some(their_id)) = (&ours.cluster_id, &theirs.cluster_id)
        && our_id != their_id
    {
        let text = format!("cluster \"{}\" has the id {their_id} there and {our_id} here: they are two", ours.cluster);
        return Err(Refusal::new(Reason::Cluster, text));
    }
    if ours.server_name == theirs.server_name {
        return Err(duplicate_name(&theirs.server_name));
    }
    if ours.lane != theirs.lane {
        return Err(Refusal::new(Reason::Other, "the two sides want different lanes"));
    }
    if ours.lane != Lane::Route && !(ours.peer_lanes && theirs.peer_lanes) {
        return Err(Refusal::new(Reason::Lane, format!("the {} lane is not served", ours.lane.name())));
    }
    Ok(())
}

/// Two servers have one name.
pub(crate) fn duplicate_name(name: &str) -> Refusal {
    Refusal::new(Reason::Name, format!("another server of the cluster has the name \"{name}\""))
}

/// What a server proves itself with, in its role on this connection.
pub fn proof(secret: &[u8], role: Role, dialer: &Hello, acceptor: &Hello) -> [u8; PROOF_BYTES] {
    mac(secret, role, dialer, acceptor).map_or([0; PROOF_BYTES], |mac| mac.finalize().into_bytes().into())
}

/// True if the other server's proof is right. Takes as long for any wrong one.
pub fn is_proof(secret: &[u8], role: Role, dialer: &Hello, acceptor: &Hello, proof: &[u8; PROOF_BYTES]) -> bool {
    mac(secret, role, dialer, acceptor).is_some_and(|mac| mac.verify_slice(proof).is_ok())
}

/// Every key has a length that HMAC takes, so there always is one.
fn mac(secret: &[u8], role: Role, dialer: &Hello, acceptor: &Hello) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(match role {
        Role::Dialer => b"forebay-route dialer",
        Role::Acceptor => b"forebay-route acceptor",
    });
    mac.update(&[dialer.lane.number()]);
    for hello in [dialer, acceptor] {
        mac.update(&hello.nonce);
        mac.update(&hello.node.to_le_bytes());
        for text in [&hello.server_id, &hello.server_name, &hello.cluster, &hello.route_address] {
            mac.update(&(text.len() as u64).to_le_bytes());
            mac.update(text.as_bytes());
        }
    }
    Some(mac)
}

/// Who has spoken, if its first bytes are no frame of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// A NATS server, or a client's port of one.
    NatsServer,
    /// A NATS client.
    NatsClient,
    /// Somebody else.
    Other,
}

impl Stranger {
    /// Who begins to speak so.
    pub fn of(first: [u8; HEADER_BYTES]) -> Self {
        let text = first.to_ascii_uppercase();
        let begins = |words: &[&[u8]]| words.iter().any(|word| text.starts_with(word));
        if begins(&[b"INFO ", b"INFO\t"]) {
            Self::NatsServer
        } else if begins(&[b"CONNECT", b"PING\r", b"SUB ", b"PUB ", b"HPUB "]) {
            Self::NatsClient
        } else {
            Self::Other
        }
    }

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::NatsServer => "a nats-server, which this server has no routes with",
            Self::NatsClient => "a NATS client",
            Self::Other => "no server of this cluster",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(node: u64, name: &str) -> LinksConfig {
        LinksConfig { node, server_name: name.into(), cluster: "C".into(), ..LinksConfig::default() }
    }

    fn pair() -> (Hello, Hello) {
        let standing = Standing::default();
        let one = hello(&config(1, "a"), &standing, Lane::Route, [1; NONCE_BYTES], false);
        (one, hello(&config(2, "b"), &standing, Lane::Route, [2; NONCE_BYTES], false))
    }

    #[test]
    fn who_belongs_together_is_let_in() {
        let (one, two) = pair();
        assert_eq!((judge(&one, &two), judge(&two, &one)), (Ok(()), Ok(())));
    }

    #[test]
    fn who_does_not_belong_is_told_why() {
        let (one, two) = pair();
        let born = |hello: &Hello, id: &str| Hello { cluster_id: Some(id.into()), ..hello.clone() };
        let reason = |ours: &Hello, theirs: &Hello| judge(ours, theirs).unwrap_err().reason;
        assert_eq!(reason(&one, &Hello { cluster: "D".into(), ..two.clone() }), Reason::Cluster);
        assert_eq!(reason(&one, &Hello { server_name: "a".into(), ..two.clone() }), Reason::Name);
        assert_eq!(reason(&one, &one), Reason::Itself);
        assert_eq!(reason(&one, &Hello { version_min: 9, version_max: 9, ..two.clone() }), Reason::Version);
        assert_eq!(reason(&born(&one, "x"), &born(&two, "y")), Reason::Cluster);
        assert_eq!(judge(&born(&one, "x"), &two), Ok(()));
        let bulk = |hello: &Hello, served| Hello { lane: Lane::Bulk, peer_lanes: served, ..hello.clone() };
        assert_eq!(reason(&bulk(&one, true), &bulk(&two, false)), Reason::Lane);
        assert_eq!(judge(&bulk(&one, true), &bulk(&two, true)), Ok(()));
    }

    #[test]
    fn a_proof_fits_its_secret_role_connection_and_lane_only() {
        let (one, two) = pair();
        let right = proof(b"s", Role::Dialer, &one, &two);
        assert!(is_proof(b"s", Role::Dialer, &one, &two, &right));
        assert!(!is_proof(b"t", Role::Dialer, &one, &two, &right));
        assert!(!is_proof(b"s", Role::Acceptor, &one, &two, &right));
        assert!(!is_proof(b"s", Role::Dialer, &two, &one, &right));
        let later = Hello { nonce: [3; NONCE_BYTES], ..two.clone() };
        assert!(!is_proof(b"s", Role::Dialer, &one, &later, &right));
        let other_lane = Hello { lane: Lane::Append, ..one.clone() };
        assert!(!is_proof(b"s", Role::Dialer, &other_lane, &two, &right));
        assert!(!is_proof(b"s", Role::Dialer, &one, &Hello { node: 7, ..two }, &right));
    }

    #[test]
    fn strangers_are_told_apart_by_their_first_words() {
        for (first, who) in [
            (b"INFO {\"s", Stranger::NatsServer),
            (b"CONNECT ", Stranger::NatsClient),
            (b"connect ", Stranger::NatsClient),
            (b"PING\r\nPI", Stranger::NatsClient),
            (b"GET / HT", Stranger::Other),
            (&[0xff; 8], Stranger::Other),
        ] {
            assert_eq!(Stranger::of(*first), who);
        }
    }
}
