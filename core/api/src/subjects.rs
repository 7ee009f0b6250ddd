//! JetStream's own subjects: API requests are taken apart here, the others are built.

use crate::routes::{API_PREFIX, ROUTES, Route};

/// The filter that all API requests match.
pub const API_FILTER: &str = "$JS.API.>";
/// The filter that all acks match.
pub const ACK_FILTER: &str = "$JS.ACK.>";
/// The filter that all answers to flow control match.
pub const FLOW_CONTROL_FILTER: &str = "$JS.FC.>";

/// An API request's subject, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiSubject<'a> {
    /// The endpoint's row.
    pub route: &'static Route,
    /// The first name in the subject: the stream, or an account; empty where the endpoint has none.
    pub stream: &'a str,
    /// The second name: the consumer; empty where the endpoint has none.
    pub consumer: &'a str,
    /// What `>` stands for: the filter of a consumer, the subject of a direct get.
    pub rest: &'a str,
}

impl<'a> ApiSubject<'a> {
    /// Finds the endpoint of a subject. Nothing for subjects outside the API and for those that are no endpoint.
    #[must_use]
    pub fn parse(subject: &'a [u8]) -> Option<Self> {
        let subject = std::str::from_utf8(subject).ok()?.strip_prefix(API_PREFIX)?;
        ROUTES.iter().find_map(|route| {
            let [stream, second, rest] = match_pattern(route.pattern, subject)?;
            // `CONSUMER.CREATE.<stream>.<consumer>.<filter>`: the consumer is the first token of the rest.
            let (consumer, rest) = match route.endpoint {
                crate::routes::Endpoint::ConsumerCreateNamed => rest.split_once('.').unwrap_or((rest, "")),
                _ => (second, rest),
            };
            Some(Self { route, stream, consumer, rest })
        })
    }
}

/// Matches a subject against a row's pattern and gives what the two `*` and the `>` stand for.
fn match_pattern<'a>(pattern: &str, subject: &'a str) -> Option<[&'a str; 3]> {
    let mut found = [""; 3];
    let mut names = 0;
    let mut rest = Some(subject);
    for token in pattern.split('.') {
        let remaining = rest?;
        if token == ">" {
            found[2] = remaining;
            return if remaining.is_empty() { None } else { Some(found) };
        }
        let (head, tail) = match remaining.split_once('.') {
            Some((head, tail)) => (head, Some(tail)),
            None => (remaining, None),
        };
        if token == "*" {
            if head.is_empty() {
                return None;
            }
            *found.get_mut(names)? = head;
            names += 1;
        } else if token != head {
            return None;
        }
        rest = tail;
    }
    if rest.is_some() { None } else { Some(found) }
}

/// The subject to which a push consumer's client answers flow control: `$JS.FC.<stream>.<consumer>.<token>`.
#[must_use]
pub fn flow_control(stream: &str, consumer: &str, token: &str) -> String {
    format!("$JS.FC.{stream}.{consumer}.{token}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::Endpoint;

    fn parse(subject: &str) -> Option<(Endpoint, &str, &str, &str)> {
        ApiSubject::parse(subject.as_bytes())
            .map(|found| (found.route.endpoint, found.stream, found.consumer, found.rest))
    }

    #[test]
    fn subjects_are_taken_apart() {
        assert_eq!(parse("$JS.API.INFO"), Some((Endpoint::AccountInfo, "", "", "")));
        assert_eq!(parse("$JS.API.STREAM.CREATE.S"), Some((Endpoint::StreamCreate, "S", "", "")));
        assert_eq!(parse("$JS.API.STREAM.MSG.GET.S"), Some((Endpoint::MessageGet, "S", "", "")));
        assert_eq!(parse("$JS.API.CONSUMER.MSG.NEXT.S.C"), Some((Endpoint::ConsumerNext, "S", "C", "")));
        assert_eq!(parse("$JS.API.CONSUMER.CREATE.S"), Some((Endpoint::ConsumerCreate, "S", "", "")));
        assert_eq!(parse("$JS.API.CONSUMER.CREATE.S.C"), Some((Endpoint::ConsumerCreateNamed, "S", "C", "")));
        assert_eq!(parse("$JS.API.CONSUMER.CREATE.S.C.a.>"), Some((Endpoint::ConsumerCreateNamed, "S", "C", "a.>")));
        assert_eq!(parse("$JS.API.CONSUMER.DURABLE.CREATE.S.D"), Some((Endpoint::ConsumerDurableCreate, "S", "D", "")));
        assert_eq!(
            parse("$JS.API.DIRECT.GET.KV_b.$KV.b.a.b"),
            Some((Endpoint::DirectGetLast, "KV_b", "", "$KV.b.a.b"))
        );
        assert_eq!(parse("$JS.API.DIRECT.GET.S"), Some((Endpoint::DirectGet, "S", "", "")));
        assert_eq!(parse("$JS.API.STREAM.NAMES"), Some((Endpoint::StreamNames, "", "", "")));
    }

    #[test]
    fn what_is_no_endpoint_is_not_found() {
        for subject in [
            "$JS.API.STREAM.FOO.S",
            "$JS.API.STREAM.INFO",
            "$JS.API.STREAM.INFO.",
            "$JS.API.STREAM.INFO.A.B",
            "$JS.API.",
            "$JS.API.CONSUMER.DURABLE.CREATE.S",
            "$JS.ACK.S.C.1.2.3.4.5",
            "foo",
        ] {
            assert_eq!(parse(subject), None, "{subject}");
        }
    }

    #[test]
    fn every_row_matches_its_own_pattern() {
        for route in ROUTES {
            let subject = format!("{API_PREFIX}{}", route.pattern.replace('*', "x").replace('>', "y.z"));
            assert_eq!(ApiSubject::parse(subject.as_bytes()).map(|found| found.route), Some(route), "{subject}");
        }
    }
}
