//! The house rules that a machine can check: sizes, edges, names, documents. `tidy_allow.toml` may only shrink.

mod allow;
mod documents;
mod edges;
mod furniture;
mod metrics;
mod size;
mod source;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::tidy::allow::Allowed;
use crate::tidy::source::Source;

/// Where our Rust code lies.
const FOLDERS: &[&str] = &["core", "plugins", "sdk", "tests", "examples", "xtask", "fuzz"];

/// What the checks look at, and what they found.
pub(crate) struct Inspection {
    pub(crate) checkout: Checkout,
    pub(crate) sources: Vec<Source>,
    pub(crate) allowed: Allowed,
    found: Vec<String>,
}

impl Inspection {
    /// Notes a finding: where, and what to do.
    pub(crate) fn find(&mut self, place: &str, what: impl AsRef<str>) {
        self.found.push(format!("{place}: {}", what.as_ref()));
    }
}

/// Checks everything; whether nothing was found.
pub(crate) fn run(checkout: &Checkout) -> Result<bool> {
    let findings = inspect(checkout)?;
    for finding in &findings {
        println!("tidy: {finding}");
    }
    match findings.len() {
        0 => println!("tidy: nothing to say"),
        count => println!("tidy: {count} findings"),
    }
    Ok(findings.is_empty())
}

/// Everything that tidy has to say about this checkout.
pub(crate) fn inspect(checkout: &Checkout) -> Result<Vec<String>> {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        for path in checkout.files(folder, ".rs")? {
            sources.push(Source::read(checkout, &path)?);
        }
    }
    let allowed = Allowed::read(checkout)?;
    let mut inspection = Inspection { checkout: checkout.clone(), sources, allowed, found: Vec::new() };
    size::check(&mut inspection);
    furniture::check(&mut inspection)?;
    edges::check(&mut inspection)?;
    documents::check(&mut inspection)?;
    metrics::check(&mut inspection)?;
    inspection.found.sort();
    Ok(inspection.found)
}

#[cfg(test)]
mod tests {
    use crate::checkout::Checkout;

    #[test]
    fn this_checkout_is_tidy() {
        let checkout = Checkout::find().expect("a checkout");
        let findings = super::inspect(&checkout).expect("readable");
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
