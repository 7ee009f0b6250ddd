//! The configured identities, and what a client offers to be taken for one of them.

use std::fmt;
use std::sync::Arc;

use crate::permission::Permissions;
use crate::secret::Secret;

/// One user of a list of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name that the client sends as `user`.
    pub name: String,
    /// What the client must send as `pass`.
    pub password: Secret,
    /// What this user may do once inside.
    pub permissions: Arc<Permissions>,
}

/// One way to prove who one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// A list of users, each with a password.
    Users(Vec<User>),
    /// One token for everybody (`auth_token`).
    Token(Secret),
    /// One name and password for everybody.
    Single {
        /// The name that the client sends as `user`.
        user: String,
        /// What the client must send as `pass`.
        password: Secret,
    },
}

/// What the configuration demands of a client. The default lets everybody in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthConfig {
    chain: Vec<Method>,
}

/// Why a set of users cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthConfigError {
    /// Two entries of a list have one name; nats-server refuses this too.
    #[error("duplicate user \"{0}\" detected")]
    DuplicateUser(String),
}

impl AuthConfig {
    /// The methods in the order in which they are asked; the first that accepts decides.
    ///
    /// # Errors
    /// [`AuthConfigError::DuplicateUser`].
    pub fn new(chain: Vec<Method>) -> Result<AuthConfig, AuthConfigError> {
        for method in &chain {
            let Method::Users(users) = method else { continue };
            let mut names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
            names.sort_unstable();
            if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
                let name = twice.first().copied().unwrap_or_default();
                return Err(AuthConfigError::DuplicateUser(name.to_owned()));
            }
        }
        Ok(AuthConfig { chain })
    }

    /// Whether a client must prove anything: the `auth_required` of INFO.
    pub fn is_required(&self) -> bool {
        !self.chain.is_empty()
    }

    /// The methods in their order.
    pub fn chain(&self) -> &[Method] {
        &self.chain
    }

    /// Whether judging these credentials may run bcrypt. The caller then keeps
    /// [`authenticate`](crate::authenticate) away from threads that serve connections.
    pub fn is_expensive_for(&self, offered: &Credentials) -> bool {
        self.chain.iter().any(|method| match method {
            Method::Users(users) => users
                .iter()
                .any(|user| offered.user.as_deref() == Some(user.name.as_str()) && user.password.is_hashed()),
            Method::Token(token) => token.is_hashed() && offered.token.is_some(),
            Method::Single { user, password } => password.is_hashed() && offered.user.as_deref() == Some(user.as_str()),
        })
    }

    /// Whether a password stands in the configuration as it is, which nats-server warns about at start
    /// (tokens and single users included).
    pub fn has_plain_text(&self) -> bool {
        self.chain.iter().any(|method| match method {
            Method::Users(users) => users.iter().any(|user| user.password.is_plain_text()),
            Method::Token(secret) | Method::Single { password: secret, .. } => secret.is_plain_text(),
        })
    }
}

/// What a CONNECT offered. Never shown by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `user`
    pub user: Option<String>,
    /// `pass`
    pub password: Option<String>,
    /// `auth_token`
    pub token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "[hidden]"))
            .field("token", &self.token.as_ref().map(|_| "[hidden]"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> User {
        User { name: name.into(), password: Secret::new(password), permissions: Arc::default() }
    }

    #[test]
    fn two_users_of_one_name_are_refused() {
        let error = AuthConfig::new(vec![Method::Users(vec![user("a", "1"), user("b", "2"), user("a", "3")])]);
        assert_eq!(error.unwrap_err().to_string(), "duplicate user \"a\" detected");
    }

    #[test]
    fn only_the_users_own_hash_is_expensive() {
        let hash = "$2a$04$abcdefghijklmnopqrstuv";
        let config = AuthConfig::new(vec![Method::Users(vec![user("plain", "1"), user("hashed", hash)])]).unwrap();
        let offer = |name: &str| Credentials { user: Some(name.into()), ..Credentials::default() };
        assert!(config.is_expensive_for(&offer("hashed")));
        assert!(!config.is_expensive_for(&offer("plain")) && !config.is_expensive_for(&Credentials::default()));
        assert!(config.has_plain_text());
    }

    #[test]
    fn debug_hides_what_was_offered() {
        let offered = Credentials { password: Some("p4ss".into()), token: Some("t0ken".into()), user: None };
        let shown = format!("{offered:?}");
        assert!(!shown.contains("p4ss") && !shown.contains("t0ken"), "{shown}");
    }
}
