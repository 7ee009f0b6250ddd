//! The headers of a message, read from the raw block when asked.

/// A header block; lines are looked through each time, nothing is copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// Of a raw block: `NATS/1.0\r\nName: value\r\n\r\n`, or nothing.
    pub fn new(block: &'a [u8]) -> Self {
        Self(block)
    }

    /// The raw block.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// True if there is no header.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Names and values, in order. Values need not be UTF-8.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let lines = self.0.split(|byte| *byte == b'\n').skip(1);
        lines.filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b':')?;
            Some((line[..at].trim_ascii_end(), line[at + 1..].trim_ascii()))
        })
    }

    /// The first value of this name, if it is UTF-8. Case counts, as everywhere in NATS.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.get_all(name).next()
    }

    /// All values of this name that are UTF-8, in order.
    pub fn get_all<'b>(&self, name: &'b str) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        let of_name = self.iter().filter(move |(have, _)| *have == name.as_bytes());
        of_name.filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found() {
        let headers = Headers::new(b"NATS/1.0\r\nA: 1\r\nB:2 \r\nA: 3\r\nraw: \xff\r\n\r\n");
        assert_eq!(headers.get("A"), Some("1"));
        assert_eq!(headers.get_all("A").collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(headers.get("B"), Some("2"));
        assert_eq!((headers.get("a"), headers.get("raw")), (None, None));
        assert_eq!(headers.iter().count(), 4);
    }

    #[test]
    fn no_block_has_no_headers() {
        assert!(Headers::new(b"").is_empty());
        assert!(Headers::new(b"NATS/1.0\r\n\r\n").is_empty());
    }
}
