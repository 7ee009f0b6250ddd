//! The list of known gaps: scenarios in which we differ from nats-server, each with the reason.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A reason must say something.
const REASON_CHARS_MIN: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    gap: Vec<Row>,
    #[serde(default)]
    unbuilt: Vec<Unbuilt>,
}

/// One scenario that is known to differ.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    scenario: String,
    reason: String,
}

/// A whole topic that is not built yet: its scenarios are not played.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unbuilt {
    topic: String,
    reason: String,
}

/// The known gaps.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    rows: BTreeMap<String, String>,
    unbuilt: Vec<Unbuilt>,
}

impl Gaps {
    /// Reads the list, and refuses a row that names no scenario or gives no reason.
    pub fn read(path: &Path, scenarios: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text, scenarios).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str, scenarios: &[String]) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        let mut rows = BTreeMap::new();
        for Row { scenario, reason } in file.gap {
            if reason.trim().len() < REASON_CHARS_MIN {
                bail!("{scenario}: the reason says too little");
            }
            if !scenarios.contains(&scenario) {
                bail!("{scenario}: no such scenario");
            }
            if rows.insert(scenario.clone(), reason).is_some() {
                bail!("{scenario}: listed twice");
            }
        }
        for row in &file.unbuilt {
            if row.reason.trim().len() < REASON_CHARS_MIN || !scenarios.iter().any(|name| row.covers(name)) {
                bail!("{}: no such topic, or no reason", row.topic);
            }
        }
        Ok(Self { rows, unbuilt: file.unbuilt })
    }

    /// Why a scenario is known to differ, if it is.
    pub fn reason(&self, scenario: &str) -> Option<&str> {
        self.rows.get(scenario).map(String::as_str)
    }

    /// Why a scenario's topic is not built yet, if it is not.
    pub fn unbuilt(&self, scenario: &str) -> Option<&str> {
        self.unbuilt.iter().find(|row| row.covers(scenario)).map(|row| row.reason.as_str())
    }
}

impl Unbuilt {
    fn covers(&self, scenario: &str) -> bool {
        scenario.strip_prefix(self.topic.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "[[gap]]\nscenario = \"core/a\"\nreason = \"we answer in words where it closes\"\n";

    #[test]
    fn a_row_gives_its_reason() {
        let gaps = Gaps::parse(ROW, &["core/a".into()]).expect("valid");
        assert!(gaps.reason("core/a").is_some() && gaps.reason("core/b").is_none());
    }

    #[test]
    fn a_row_for_no_scenario_is_refused() {
        assert!(Gaps::parse(ROW, &["core/b".into()]).is_err());
    }

    #[test]
    fn a_row_without_a_reason_is_refused() {
        assert!(Gaps::parse("[[gap]]\nscenario = \"core/a\"\nreason = \"no\"\n", &["core/a".into()]).is_err());
    }

    #[test]
    fn an_unbuilt_topic_covers_its_scenarios_only() {
        let text = "[[unbuilt]]\ntopic = \"js\"\nreason = \"step B builds JetStream, this is A\"\n";
        let gaps = Gaps::parse(text, &["js/x".into()]).expect("valid");
        assert!(gaps.unbuilt("js/x").is_some() && gaps.unbuilt("jsx/x").is_none());
    }
}
