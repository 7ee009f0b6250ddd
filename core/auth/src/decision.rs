//! The one judgement: may these credentials in, and as whom.

use std::sync::Arc;

use crate::limits::GLOBAL_ACCOUNT;
use crate::permission::Permissions;
use crate::user::{AuthConfig, Credentials, Method};

/// The verdict on one CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Come in.
    Allowed(Allowed),
    /// Stay out.
    Denied(Denied),
}

/// Who came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The user's name; `None` for a token, and where nobody is asked.
    pub user: Option<String>,
    /// The account that the connection belongs to.
    pub account: Arc<str>,
    /// What it may do there.
    pub permissions: Arc<Permissions>,
}

/// Why somebody stayed out. Clients learn only nats-server's `Authorization Violation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// No method accepted the credentials.
    #[error("authorization violation")]
    Violation,
}

/// Judges credentials by the configuration (nats-server `auth.go`, `processClientOrLeafAuthentication`):
/// each method is asked in its order, the first that accepts decides, and where no method is
/// configured everybody comes in.
///
/// May run bcrypt, see [`AuthConfig::is_expensive_for`].
pub fn authenticate(config: &AuthConfig, offered: &Credentials) -> Decision {
    if !config.is_required() {
        return allowed(offered.user.clone(), Arc::default());
    }
    for method in config.chain() {
        match method {
            Method::Users(users) => {
                let named = users.iter().find(|user| offered.user.as_deref() == Some(user.name.as_str()));
                if let Some(user) = named
                    && user.password.matches(offered.password.as_deref().unwrap_or_default())
                {
                    return allowed(Some(user.name.clone()), Arc::clone(&user.permissions));
                }
            }
            Method::Token(token) => {
                if token.matches(offered.token.as_deref().unwrap_or_default()) {
                    return allowed(None, Arc::default());
                }
            }
            Method::Single { user, password } => {
                if offered.user.as_deref() == Some(user.as_str())
                    && password.matches(offered.password.as_deref().unwrap_or_default())
                {
                    return allowed(Some(user.clone()), Arc::default());
                }
            }
        }
    }
    Decision::Denied(Denied::Violation)
}

fn allowed(user: Option<String>, permissions: Arc<Permissions>) -> Decision {
    Decision::Allowed(Allowed { user, account: Arc::from(GLOBAL_ACCOUNT), permissions })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, User};

    fn offer(user: Option<&str>, password: Option<&str>, token: Option<&str>) -> Credentials {
        Credentials { user: user.map(Into::into), password: password.map(Into::into), token: token.map(Into::into) }
    }

    fn is_allowed(config: &AuthConfig, offered: &Credentials) -> bool {
        matches!(authenticate(config, offered), Decision::Allowed(_))
    }

    #[test]
    fn without_a_method_everybody_comes_in_under_the_name_they_gave() {
        let Decision::Allowed(who) = authenticate(&AuthConfig::default(), &offer(Some("x"), Some("y"), None)) else {
            panic!("denied");
        };
        assert_eq!((who.user.as_deref(), &*who.account), (Some("x"), "$G"));
    }

    #[test]
    fn a_token_is_asked_of_everybody() {
        let config = AuthConfig::new(vec![Method::Token(Secret::new("t"))]).unwrap();
        assert!(is_allowed(&config, &offer(None, None, Some("t"))));
        for wrong in [offer(None, None, None), offer(None, None, Some("u")), offer(Some("t"), Some("t"), None)] {
            assert!(!is_allowed(&config, &wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_single_user_needs_both_words() {
        let config = AuthConfig::new(vec![Method::Single { user: "a".into(), password: Secret::new("b") }]).unwrap();
        assert!(is_allowed(&config, &offer(Some("a"), Some("b"), None)));
        for wrong in [offer(Some("a"), None, None), offer(Some("b"), Some("b"), None), Credentials::default()] {
            assert!(!is_allowed(&config, &wrong), "{wrong:?}");
        }
    }

    #[test]
    fn users_are_told_apart_and_their_permissions_come_along() {
        let limited = Permissions {
            publish: crate::SubjectPermission { allow: Some(vec!["a.>".into()]), deny: vec![] },
            ..Permissions::default()
        };
        let users = vec![
            User { name: "a".into(), password: Secret::new("1"), permissions: Arc::new(limited.clone()) },
            User { name: "b".into(), password: Secret::new("2"), permissions: Arc::default() },
        ];
        let config = AuthConfig::new(vec![Method::Users(users)]).unwrap();
        let Decision::Allowed(who) = authenticate(&config, &offer(Some("a"), Some("1"), None)) else {
            panic!("denied");
        };
        assert_eq!(*who.permissions, limited);
        assert!(!is_allowed(&config, &offer(Some("a"), Some("2"), None)));
        assert!(!is_allowed(&config, &offer(Some("c"), Some("1"), None)));
    }

    #[test]
    fn a_chain_asks_one_method_after_the_other() {
        let users = vec![User { name: "a".into(), password: Secret::new("1"), permissions: Arc::default() }];
        let config = AuthConfig::new(vec![Method::Users(users), Method::Token(Secret::new("t"))]).unwrap();
        assert!(is_allowed(&config, &offer(Some("a"), Some("1"), None)));
        assert!(is_allowed(&config, &offer(None, None, Some("t"))));
        assert!(!is_allowed(&config, &offer(Some("a"), Some("t"), None)));
    }

    #[test]
    fn the_denial_says_what_nats_server_says() {
        assert_eq!(Denied::Violation.to_string(), "authorization violation");
    }
}
