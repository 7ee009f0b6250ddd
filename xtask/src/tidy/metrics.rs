//! Every metric that a dashboard asks for exists in the code, by name.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::tidy::Inspection;

/// What histograms add to the name of their metric.
const HISTOGRAM_ENDINGS: &[&str] = &["_bucket", "_sum", "_count"];
/// What all our metrics begin with.
const PREFIX: &str = "forebay_";
/// Where `/metrics` is written; before it exists no dashboard can be right or wrong.
const EXPORTER: &str = "core/server/src/monitor/metrics";

pub(super) fn check(inspection: &mut Inspection) -> Result<()> {
    let Some(known) = known(inspection) else { return Ok(()) };
    let mut found = Vec::new();
    for path in inspection.checkout.files("dashboards", ".json")? {
        let name = inspection.checkout.name(&path);
        for metric in names(&std::fs::read_to_string(&path)?) {
            let base = HISTOGRAM_ENDINGS.iter().find_map(|ending| metric.strip_suffix(ending));
            if !known.contains(&metric) && !base.is_some_and(|base| known.contains(base)) {
                found.push((name.clone(), format!("{metric}: no room emits such a metric")));
            }
        }
    }
    for (place, what) in found {
        inspection.find(&place, what);
    }
    Ok(())
}

/// The names in the code; `None` as long as nothing is exported.
fn known(inspection: &Inspection) -> Option<BTreeSet<String>> {
    if !inspection.sources.iter().any(|source| source.name.starts_with(EXPORTER)) {
        return None;
    }
    let mut known = BTreeSet::new();
    let rooms = inspection.sources.iter().filter(|source| {
        (source.name.starts_with("core/") || source.name.starts_with("plugins/host/"))
            && source.name.contains("metrics")
    });
    for source in rooms {
        known.extend(names(&source.lines.join("\n")));
    }
    Some(known)
}

fn names(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices(PREFIX).map(|(at, _)| at);
    let name = |at: usize| -> String {
        text[at..].chars().take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_').collect()
    };
    starts.map(name).filter(|name| name.len() > PREFIX.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_out_of_queries() {
        let found = names("rate(forebay_stream_published_total{stream=~\"$s\"}[1m]) + forebay_store_failed");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["forebay_store_failed", "forebay_stream_published_total"]);
    }
}
