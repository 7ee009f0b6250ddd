//! Who may connect.

use std::sync::Arc;
use std::time::Duration;

use forebay_auth::{AuthConfig, AuthConfigError, Method, Permissions, Secret, User};

use super::Options;
use super::problem::Problem;
use super::table::{Decoder, Node, Reload, Row, Set};

/// nats-server's `AUTH_TIMEOUT`.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Who may connect.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthOptions {
    /// What a CONNECT is judged by; built by [`Options::finish`].
    pub config: AuthConfig,
    /// How long a client may take to send its CONNECT.
    pub timeout: Duration,
    pub(crate) draft: Draft,
}

impl Default for AuthOptions {
    fn default() -> AuthOptions {
        AuthOptions { config: AuthConfig::default(), timeout: TIMEOUT, draft: Draft::default() }
    }
}

/// What the file and the flags said, before it becomes an [`AuthConfig`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Draft {
    pub(crate) token: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) users: Vec<User>,
    pub(crate) chain: Option<Vec<Link>>,
}

/// A method that a chain may name and that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Users,
    Token,
}

impl AuthOptions {
    /// A token from the flags. It replaces what the file says.
    pub(crate) fn take_token(&mut self, token: String) {
        self.draft = Draft { token: Some(token), ..Draft::default() };
    }

    /// A single user from the flags. It replaces what the file says; a token from the flags goes
    /// before it, as in nats-server.
    pub(crate) fn take_user(&mut self, user: Option<String>, password: Option<String>) {
        self.draft = Draft { user, password, ..Draft::default() };
    }

    /// Builds [`AuthOptions::config`].
    pub(crate) fn finish(&mut self) -> Result<(), AuthConfigError> {
        let draft = &self.draft;
        let mut by_users = Vec::new();
        if !draft.users.is_empty() {
            by_users.push(Method::Users(draft.users.clone()));
        }
        if let Some(user) = draft.user.as_ref().filter(|user| !user.is_empty()) {
            let password = Secret::new(draft.password.clone().unwrap_or_default());
            by_users.push(Method::Single { user: user.clone(), password });
        }
        let by_token =
            draft.token.as_ref().filter(|token| !token.is_empty()).map(|token| Method::Token(Secret::new(token)));
        let mut chain = Vec::new();
        match &draft.chain {
            Some(links) => {
                for link in links {
                    match link {
                        Link::Users => chain.append(&mut by_users),
                        Link::Token => chain.extend(by_token.clone()),
                    }
                }
            }
            // nats-server's order: the list of users, the token, the single user; a token leaves a
            // single user unasked.
            None => {
                let single = by_users.iter().position(|method| matches!(method, Method::Single { .. }));
                let single = single.map(|at| by_users.remove(at));
                chain.append(&mut by_users);
                chain.extend(by_token.or(single));
            }
        }
        self.config = AuthConfig::new(chain)?;
        Ok(())
    }

    /// What the file may not say at once (the first three as nats-server, opts.go `parseAuthorization`),
    /// and what would let everybody in though it looks like a lock.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let Draft { token, user, password, users, chain } = &self.draft;
        if [token, user, password].into_iter().flatten().any(String::is_empty) {
            return Some("a token, a user and a password must not be empty".to_owned());
        }
        if user.is_some() != password.is_some() {
            return Some("user and password go together".to_owned());
        }
        let one_or_many_users = user.is_some() || !users.is_empty();
        if user.is_some() && !users.is_empty() {
            return Some("can not have a single user/pass and a users array".to_owned());
        }
        let Some(links) = chain else {
            return match (token.is_some(), user.is_some(), !users.is_empty()) {
                (true, true, _) => Some("cannot have a user/pass and token".to_owned()),
                (true, _, true) => Some("can not have a token and a users array without a chain".to_owned()),
                _ => None,
            };
        };
        for (link, name, given) in [(Link::Users, "users", one_or_many_users), (Link::Token, "token", token.is_some())]
        {
            match (links.contains(&link), given) {
                (true, false) => return Some(format!("the chain names \"{name}\", and none is given")),
                (false, true) => return Some(format!("{name} given, and the chain does not name \"{name}\"")),
                _ => {}
            }
        }
        None
    }
}

fn chain(options: &mut Options, names: Vec<String>) -> Result<(), String> {
    let mut links = Vec::new();
    for name in names {
        let link = match name.as_str() {
            "users" => Link::Users,
            "token" => Link::Token,
            "jwt" | "nkeys" | "callout" => return Err(format!("\"{name}\" is not built yet")),
            plugin if plugin.starts_with("plugin:") => return Err(format!("\"{name}\" is not built yet")),
            _ => return Err(format!("\"{name}\" is none of jwt, nkeys, users, token, callout, plugin:NAME")),
        };
        if links.contains(&link) {
            return Err(format!("\"{name}\" stands there twice"));
        }
        links.push(link);
    }
    if links.is_empty() {
        return Err("must name at least one method".to_owned());
    }
    options.auth.draft.chain = Some(links);
    Ok(())
}

const fn row(key: &'static str, default: &'static str, text: &'static str, set: Set<Options>) -> Row<Options> {
    Row { key, default, unit: "", reload: Reload::NewConnections, since: "0.1.0", text, set }
}

pub(crate) static ROWS: &[Row<Options>] = &[
    row(
        "auth.timeout",
        "\"2s\"",
        "How long a client may take to say who it is.",
        Set::Duration {
            min: Duration::from_millis(1),
            max: Duration::from_secs(3_600),
            set: |o, time| o.auth.timeout = time,
        },
    ),
    row(
        "auth.token",
        "",
        "One token for everybody, plain or as a bcrypt hash.",
        Set::Text(|o, token| o.auth.draft.token = Some(token)),
    ),
    row("auth.user", "", "One user name for everybody.", Set::Text(|o, user| o.auth.draft.user = Some(user))),
    row(
        "auth.password",
        "",
        "The password that goes with auth.user, plain or as a bcrypt hash.",
        Set::Text(|o, password| o.auth.draft.password = Some(password)),
    ),
    row(
        "auth.chain",
        "",
        "Which methods are asked, in which order; the first that accepts decides. By default nats-server's order: users, token.",
        Set::Texts(chain),
    ),
    row(
        "auth.users",
        "",
        "A list of users.",
        Set::Tables { named: false, rows: || USER_ROWS.iter().map(Row::doc).collect(), set: users },
    ),
];

#[derive(Default)]
struct UserDraft {
    user: String,
    password: Option<String>,
}

static USER_ROWS: &[Row<UserDraft>] = &[
    Row {
        key: "user",
        default: "",
        unit: "",
        reload: Reload::NewConnections,
        since: "0.1.0",
        text: "The name that the client sends.",
        set: Set::Text(|user, name| user.user = name),
    },
    Row {
        key: "password",
        default: "",
        unit: "",
        reload: Reload::NewConnections,
        since: "0.1.0",
        text: "The password, plain or as a bcrypt hash.",
        set: Set::Text(|user, password| user.password = Some(password)),
    },
];

static USER_REFUSED: &[super::refused::Refused] = &[
    super::refused::Refused { key: "permissions", hint: "every user may publish and subscribe everywhere" },
    super::refused::Refused { key: "nkey", hint: "" },
    super::refused::Refused { key: "allowed_connection_types", hint: "" },
];

fn users(options: &mut Options, node: &Node<'_, '_>, problems: &mut Vec<Problem>) {
    for (node, table) in node.array_of_tables(problems) {
        let shown = format!("{}.", node.key);
        let mut draft = UserDraft::default();
        let decoder = Decoder { source: node.source, groups: &[USER_ROWS], refused: USER_REFUSED, shown: &shown };
        let before = problems.len();
        decoder.decode(table, &mut draft, problems);
        if problems.len() > before {
            continue;
        }
        match draft {
            UserDraft { user, .. } if user.is_empty() => problems.push(node.problem("needs a \"user\"")),
            UserDraft { password: None, .. } => problems.push(node.problem("needs a \"password\"")),
            UserDraft { user, password: Some(password) } => options.auth.draft.users.push(User {
                name: user,
                password: Secret::new(password),
                permissions: Arc::new(Permissions::default()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use forebay_auth::{Credentials, Decision, authenticate};

    use super::*;

    fn allowed(auth: &AuthOptions, user: Option<&str>, password: Option<&str>, token: Option<&str>) -> bool {
        let offered = Credentials {
            user: user.map(Into::into),
            password: password.map(Into::into),
            token: token.map(Into::into),
        };
        matches!(authenticate(&auth.config, &offered), Decision::Allowed(_))
    }

    #[test]
    fn a_token_of_the_flags_goes_before_a_user_of_the_flags() {
        let mut auth = AuthOptions::default();
        auth.take_user(Some("a".into()), Some("b".into()));
        auth.draft.token = Some("t".into());
        auth.finish().unwrap();
        assert!(allowed(&auth, None, None, Some("t")));
        assert!(!allowed(&auth, Some("a"), Some("b"), None));
    }

    #[test]
    fn an_empty_user_asks_nobody_as_in_nats_server() {
        let mut auth = AuthOptions::default();
        auth.take_user(Some(String::new()), None);
        auth.finish().unwrap();
        assert!(!auth.config.is_required());
    }

    #[test]
    fn flags_replace_the_users_of_the_file() {
        let mut auth = AuthOptions::default();
        auth.draft.users.push(User { name: "x".into(), password: Secret::new("y"), permissions: Arc::default() });
        auth.take_token("t".into());
        auth.finish().unwrap();
        assert!(!allowed(&auth, Some("x"), Some("y"), None) && allowed(&auth, None, None, Some("t")));
    }
}
