//! `/`: a page with links to the endpoints.

use super::Facts;
use crate::limits::{FOREBAY_VERSION, NATS_VERSION, PROGRAM};

const LINKS: &[(&str, &str)] =
    &[("./varz", "General"), ("./routez", "Route"), ("./healthz", "Health Probe"), ("./metrics", "For Prometheus")];

/// The page. The server's name is the only text on it that somebody chose.
pub(super) fn page(facts: &Facts) -> String {
    let links: String = LINKS
        .iter()
        .map(|(path, name)| format!("    <li><a href=\"{path}\">{name}</a> <code>{}</code></li>\n", &path[1..]))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{PROGRAM}</title></head>\n<body>\n  \
         <h1>{PROGRAM} v{FOREBAY_VERSION}</h1>\n  <p>{}, compatible with nats-server v{NATS_VERSION}</p>\n  \
         <ul>\n{links}  </ul>\n</body>\n</html>\n",
        escape(&facts.identity.server_name)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_and_not_obeyed() {
        assert_eq!(escape("<b>&\""), "&lt;b&gt;&amp;&quot;");
    }
}
