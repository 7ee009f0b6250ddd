//! The query of a URL, read as Go reads it.

/// The pairs of a query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Query {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Query(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// The first value of a name; an empty one is none.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// A switch; missing or empty is off.
    ///
    /// # Errors
    /// nats-server's text about anything else than Go's words.
    pub(super) fn switch(&self, name: &str) -> Result<bool, String> {
        match self.text(name) {
            None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
            Some(other) => Err(format!(
                "Error decoding boolean for '{name}': strconv.ParseBool: parsing {other:?}: invalid syntax"
            )),
        }
    }
}

/// Undoes `+` and `%xx`; what is no such escape stays.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    rest = after;
                }
                _ => decoded.push(b'%'),
            },
            (byte, _) => decoded.push(*byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let query = Query::parse(Some("account=A%20b&stream=x+y&details&bad=%zz&last=%2"));
        assert_eq!(query.text("account"), Some("A b"));
        assert_eq!(query.text("stream"), Some("x y"));
        assert_eq!((query.text("details"), query.text("none")), (None, None));
        assert_eq!((query.text("bad"), query.text("last")), (Some("%zz"), Some("%2")));
    }

    #[test]
    fn a_switch_takes_gos_words() {
        let query = Query::parse(Some("a=true&b=0&c=&d=x"));
        assert_eq!(["a", "b", "c", "none"].map(|name| query.switch(name).unwrap()), [true, false, false, false]);
        assert_eq!(
            query.switch("d").unwrap_err(),
            "Error decoding boolean for 'd': strconv.ParseBool: parsing \"x\": invalid syntax"
        );
    }
}
