//! The cluster that this server belongs to.

use super::listen::{AddressError, ListenAddress};
use super::table::{Reload, Row, Set};
use super::{Options, OptionsError};

/// The name of a cluster to which nobody gave one.
pub const DEFAULT_CLUSTER: &str = "forebay";

/// Most explicit routes.
const ROUTES_MAX: usize = 256;

/// The cluster that this server belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterOptions {
    /// Its name; all its servers have the same.
    pub name: String,
    /// How many servers it is to have; 0 if nobody said.
    pub size: u32,
    /// Where other servers connect. Without it this is a server alone.
    pub listen: Option<ListenAddress>,
    /// Where other servers are: `host:port`.
    pub routes: Vec<String>,
    /// What only servers of the cluster know; may be empty.
    pub secret: String,
    /// How often a server that nobody knows any more is dialed before it is forgotten.
    pub connect_retries: u32,
    /// Where others reach this server, if not where it listens.
    pub advertise: Option<String>,
    /// Clients are not told of the cluster's other servers.
    pub no_advertise: bool,
}

impl Default for ClusterOptions {
    fn default() -> ClusterOptions {
        ClusterOptions {
            name: DEFAULT_CLUSTER.to_owned(),
            size: 0,
            listen: None,
            routes: Vec::new(),
            secret: String::new(),
            connect_retries: 0,
            advertise: None,
            no_advertise: false,
        }
    }
}

impl ClusterOptions {
    /// True if this server belongs to a cluster.
    pub fn is_on(&self) -> bool {
        self.listen.is_some()
    }

    /// Where other servers are told to reach this one, given the port that was taken.
    pub fn route_address(&self, port: u16) -> String {
        match (&self.advertise, &self.listen) {
            (Some(advertise), _) if advertise.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => {
                advertise.clone()
            }
            (Some(host), _) => format!("{host}:{port}"),
            (None, Some(listen)) => ListenAddress { host: listen.host.clone(), port }.to_string(),
            (None, None) => String::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), OptionsError> {
        if self.listen.is_none() && !self.routes.is_empty() {
            return Err(OptionsError::RoutesWithoutCluster);
        }
        if self.name.contains(' ') || self.name.is_empty() {
            return Err(OptionsError::ClusterName);
        }
        Ok(())
    }

    /// Anybody who reaches the port may call itself a server of the cluster.
    pub(super) fn is_open(&self) -> bool {
        let loopback =
            |host: &str| host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        self.secret.is_empty() && self.listen.as_ref().is_some_and(|listen| !loopback(&listen.host))
    }

    /// Takes the user and password of a URL, as nats-server's flags give them, for the secret.
    fn take_user(&mut self, user: Option<String>) -> Result<(), String> {
        match user {
            Some(user) if self.secret.is_empty() || self.secret == user => self.secret = user,
            Some(_) => return Err("the users of the cluster's and the routes' URLs must be the same".to_owned()),
            None => {}
        }
        Ok(())
    }

    /// Takes `--cluster nats://host:port`; an empty text switches the cluster off.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take_listen_url(&mut self, url: &str) -> Result<(), String> {
        if url.is_empty() {
            self.listen = None;
            return Ok(());
        }
        let (address, user) = split_url(url)?;
        self.listen = Some(address.parse().map_err(|error: AddressError| error.to_string())?);
        self.take_user(user)
    }

    /// Takes `--routes nats://host:port,nats://host:port`.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn take_route_urls(&mut self, urls: &str) -> Result<(), String> {
        self.take_routes(urls.split(',').map(str::trim).filter(|url| !url.is_empty()))
    }

    fn take_routes<'a>(&mut self, urls: impl Iterator<Item = &'a str>) -> Result<(), String> {
        self.routes.clear();
        for url in urls {
            let (address, user) = split_url(url)?;
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()).unwrap_or(0);
            let host = address.rsplit_once(':').map_or("", |(host, _)| host);
            if port == 0 || host.is_empty() || host.contains(['/', ' ']) {
                return Err(format!("\"{url}\" is not a route, such as \"10.0.0.7:6222\""));
            }
            if self.routes.len() == ROUTES_MAX {
                return Err(format!("more than {ROUTES_MAX} routes"));
            }
            self.take_user(user)?;
            if !self.routes.contains(&address) {
                self.routes.push(address);
            }
        }
        Ok(())
    }
}

/// `nats://user:password@host:port` in its address and its user; the scheme and the user may be left out.
fn split_url(url: &str) -> Result<(String, Option<String>), String> {
    let rest = match url.split_once("://") {
        Some(("nats" | "nats-route", rest)) => rest,
        Some((scheme, _)) => return Err(format!("\"{scheme}\" is not the scheme of a route: write nats://host:port")),
        None => url,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    Ok(match rest.rsplit_once('@') {
        Some((user, address)) => (address.to_owned(), Some(user.to_owned())),
        None => (rest.to_owned(), None),
    })
}

const fn row(key: &'static str, default: &'static str, text: &'static str, set: Set<Options>) -> Row<Options> {
    Row { key, default, unit: "", reload: Reload::Restart, since: "0.1.0", text, set }
}

pub(crate) static ROWS: &[Row<Options>] = &[
    row(
        "cluster.name",
        "\"forebay\"",
        "The cluster's name, the same on all its servers, without spaces.",
        Set::Text(|o, name| o.cluster.name = name),
    ),
    row(
        "cluster.listen",
        "",
        "Where the cluster's other servers connect, 6222 by convention. Without it the server is alone.",
        Set::Address(|o, address| o.cluster.listen = Some(address)),
    ),
    row(
        "cluster.routes",
        "",
        "Other servers of the cluster: \"host:port\", or nats-server's \"nats://host:port\". One that is connected already is enough, the servers tell each other of the rest.",
        Set::Texts(|o, routes| o.cluster.take_routes(routes.iter().map(String::as_str))),
    ),
    row(
        "cluster.secret",
        "",
        "What only servers of the cluster know. Without it, whoever reaches the port is let in.",
        Set::Text(|o, secret| o.cluster.secret = secret),
    ),
    row(
        "cluster.size",
        "0",
        "How many servers the cluster is to have. 0 counts the routes and the server itself.",
        Set::Count { min: 0, max: 512, set: |o, size| o.cluster.size = u32::try_from(size).unwrap_or_default() },
    ),
    row(
        "cluster.connect_retries",
        "0",
        "How often a server that was only heard of is dialed once no connected server knows it any more. Those in cluster.routes are dialed for ever.",
        Set::Count {
            min: 0,
            max: 1_000_000,
            set: |o, count| o.cluster.connect_retries = u32::try_from(count).unwrap_or_default(),
        },
    ),
    row(
        "cluster.advertise",
        "",
        "The host, or host and port, at which the other servers reach this one, if it is not where it listens.",
        Set::Text(|o, host| o.cluster.advertise = Some(host)),
    ),
    row(
        "cluster.no_advertise",
        "false",
        "Whether clients are not told of the cluster's other servers, and theirs not of this one.",
        Set::Flag(|o, flag| o.cluster.no_advertise = flag),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_routes_are_read_in_every_form_that_nats_server_reads() {
        let mut cluster = ClusterOptions::default();
        cluster.take_route_urls("nats://a:1, nats-route://b:2/ ,c:3,nats://[::1]:4,c:3").unwrap();
        assert_eq!(cluster.routes, ["a:1", "b:2", "c:3", "[::1]:4"]);
        for url in ["http://a:1", "nats://a", "nats://:1", "a:0", "a:x", "nats://a:1/path"] {
            assert!(cluster.take_route_urls(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_user_of_a_url_is_the_secret() {
        let mut cluster = ClusterOptions::default();
        cluster.take_listen_url("nats://ruser:T0p@127.0.0.1:-1").unwrap();
        assert_eq!((cluster.secret.as_str(), cluster.listen.clone().unwrap().port), ("ruser:T0p", 0));
        cluster.take_route_urls("nats://ruser:T0p@a:1,nats://b:2").unwrap();
        assert!(cluster.take_route_urls("nats://other:x@a:1").is_err());
    }

    #[test]
    fn the_advertised_address_has_the_port_that_was_taken() {
        let mut cluster = ClusterOptions::default();
        cluster.take_listen_url("nats://0.0.0.0:-1").unwrap();
        assert_eq!(cluster.route_address(7), "0.0.0.0:7");
        cluster.advertise = Some("host".into());
        assert_eq!(cluster.route_address(7), "host:7");
        cluster.advertise = Some("host:9".into());
        assert_eq!(cluster.route_address(7), "host:9");
    }

    #[test]
    fn a_port_open_to_all_is_warned_of() {
        let mut cluster = ClusterOptions::default();
        assert!(!cluster.is_open());
        cluster.take_listen_url("nats://0.0.0.0:6222").unwrap();
        assert!(cluster.is_open());
        cluster.secret = "s".into();
        assert!(!cluster.is_open());
        let mut local = ClusterOptions::default();
        local.take_listen_url("nats://127.0.0.1:6222").unwrap();
        assert!(!local.is_open());
    }

    #[test]
    fn routes_alone_make_no_cluster() {
        let mut cluster = ClusterOptions::default();
        cluster.take_route_urls("a:1").unwrap();
        assert_eq!(cluster.check(), Err(OptionsError::RoutesWithoutCluster));
    }
}
