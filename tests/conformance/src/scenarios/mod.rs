//! The scenarios, by what they are about.

pub mod core;
pub mod jetstream;

use crate::scenario::Scenario;

/// Every scenario, in the order of the report.
pub fn all() -> Vec<Scenario> {
    let mut all = core::all();
    all.extend(jetstream::all());
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let mut seen = BTreeSet::new();
        for scenario in super::all() {
            assert!(seen.insert(scenario.name.clone()), "{} twice", scenario.name);
        }
    }
}
