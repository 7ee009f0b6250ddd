//! CONNECT: what a client says of itself (nats-server `client.go` ClientOpts).

use serde::Deserialize;

/// A client's options. Before CONNECT they are nats-server's defaults: verbose, pedantic and echo are on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    /// `+OK` after each accepted operation.
    pub verbose: bool,
    /// Publish subjects are checked.
    pub pedantic: bool,
    /// Own messages come back to own subscriptions.
    pub echo: bool,
    /// The client understands HMSG and may send HPUB.
    pub headers: bool,
    /// The client wants a 503 when nobody can answer its request.
    pub no_responders: bool,
    /// 1 or more: the client understands INFO at any time.
    pub protocol: i64,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Token.
    pub token: String,
    /// Public nkey.
    pub nkey: String,
    /// User JWT.
    pub jwt: String,
    /// Signature of the nonce.
    pub signature: String,
    /// The client's name for the connection.
    pub name: String,
    /// The client library's language.
    pub lang: String,
    /// The client library's version.
    pub version: String,
    /// A client must not name an account.
    pub account: String,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            verbose: true,
            pedantic: true,
            echo: true,
            headers: false,
            no_responders: false,
            protocol: 0,
            user: String::new(),
            password: String::new(),
            token: String::new(),
            nkey: String::new(),
            jwt: String::new(),
            signature: String::new(),
            name: String::new(),
            lang: String::new(),
            version: String::new(),
            account: String::new(),
        }
    }
}

/// The document as sent: what is absent or null keeps its value, as with Go's `json.Unmarshal`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    verbose: Option<bool>,
    pedantic: Option<bool>,
    echo: Option<bool>,
    headers: Option<bool>,
    no_responders: Option<bool>,
    protocol: Option<i64>,
    user: Option<String>,
    pass: Option<String>,
    auth_token: Option<String>,
    nkey: Option<String>,
    jwt: Option<String>,
    sig: Option<String>,
    name: Option<String>,
    lang: Option<String>,
    version: Option<String>,
    account: Option<String>,
}

impl ConnectOptions {
    /// Takes over what a CONNECT document says.
    ///
    /// # Errors
    /// A document that is not JSON, or has a field of the wrong type. nats-server closes such a connection in silence.
    pub fn merge(&mut self, json: &[u8]) -> Result<(), serde_json::Error> {
        // Go finds fields whatever their case, and takes an object or null, nothing else.
        let fields: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(json)?;
        let fields = fields.unwrap_or_default().into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let document: Document = serde_json::from_value(serde_json::Value::Object(fields.collect()))?;
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut self.verbose, document.verbose);
        set(&mut self.pedantic, document.pedantic);
        set(&mut self.echo, document.echo);
        set(&mut self.headers, document.headers);
        set(&mut self.no_responders, document.no_responders);
        set(&mut self.protocol, document.protocol);
        set(&mut self.user, document.user);
        set(&mut self.password, document.pass);
        set(&mut self.token, document.auth_token);
        set(&mut self.nkey, document.nkey);
        set(&mut self.jwt, document.jwt);
        set(&mut self.signature, document.sig);
        set(&mut self.name, document.name);
        set(&mut self.lang, document.lang);
        set(&mut self.version, document.version);
        set(&mut self.account, document.account);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_null_fields_keep_their_value() {
        let mut options = ConnectOptions::default();
        options.merge(br#"{"verbose":false,"echo":null,"name":"n","unknown":[1]}"#).expect("valid");
        assert!(!options.verbose && options.pedantic && options.echo);
        assert_eq!(options.name, "n");
    }

    #[test]
    fn a_wrong_type_is_refused() {
        assert!(ConnectOptions::default().merge(br#"{"verbose":"no"}"#).is_err());
        assert!(ConnectOptions::default().merge(b"{bad").is_err());
    }
}
