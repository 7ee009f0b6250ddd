//! Writes the generated sources and reference pages, or tells which are stale.

use anyhow::Result;

use crate::checkout::Checkout;
use crate::process::{cargo, succeeds};
use crate::test::{SELECTION, TEST_FEATURES};

/// Tests whose name holds this compare what is generated with what lies there; with `BLESS` set they write it.
const FRESHNESS: &str = "fresh";

/// Runs the generators; with `check` nothing is changed, and what is stale fails.
pub(crate) fn run(checkout: &Checkout, check: bool) -> Result<bool> {
    if !check {
        // The error table makes a source file that the tests are compiled with, so it comes first.
        let mut table = cargo(&checkout.root);
        table.args(["run", "--quiet", "--package", "forebay-api", "--example", "codegen"]);
        if !succeeds(table)? {
            return Ok(false);
        }
    }
    let mut test = cargo(&checkout.root);
    test.arg("test").args(SELECTION).args(["--quiet", "--lib", "--features", TEST_FEATURES, FRESHNESS]);
    if !check {
        test.env("BLESS", "1");
    }
    succeeds(test)
}
