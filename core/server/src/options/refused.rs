//! Tables and keys that belong to the plan and are not built yet: refused in words, never ignored.

/// A key at the root that is known and not built.
pub(crate) struct Refused {
    pub(crate) key: &'static str,
    pub(crate) hint: &'static str,
}

impl Refused {
    pub(crate) fn what(&self) -> String {
        if self.hint.is_empty() { "is not built yet".to_owned() } else { format!("is not built yet: {}", self.hint) }
    }
}

const fn refused(key: &'static str, hint: &'static str) -> Refused {
    Refused { key, hint }
}

pub(crate) static REFUSED: &[Refused] = &[
    refused("tls", "put a TLS proxy before the server meanwhile"),
    refused("accounts", "everybody is in the account $G"),
    refused("system_account", "everybody is in the account $G"),
    refused("no_auth_user", ""),
    refused("gateway", "this version knows one cluster"),
    refused("leafnodes", "this version knows one cluster"),
    refused("websocket", ""),
    refused("mqtt", ""),
    refused("lame_duck", ""),
    refused("operator", ""),
    refused("resolver", ""),
    refused("mappings", ""),
    refused("auth.callout", ""),
    refused("cluster.tls", ""),
    refused("cluster.permissions", ""),
    refused("auth.no_auth_user", ""),
    refused("auth.default_permissions", ""),
    refused("http.tls", ""),
    refused("jetstream.domain", ""),
    refused("jetstream.key", ""),
    refused("jetstream.cipher", ""),
    refused("log.size_limit", ""),
    refused("log.syslog", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_that_it_is_not_built() {
        assert!(REFUSED.iter().all(|refused| refused.what().starts_with("is not built yet")));
    }
}
