//! What was demanded, what was measured, and whether it holds.

use std::fmt::Display;

/// The rows of the table, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    demanded: String,
    measured: String,
    holds: bool,
}

impl Report {
    /// Adds a row.
    pub(crate) fn row(&mut self, demanded: impl Display, measured: impl Display, holds: bool) {
        self.rows.push(Row { demanded: demanded.to_string(), measured: measured.to_string(), holds });
    }

    /// Adds a row about cases, of which each has to hold; those that do not are told.
    pub(crate) fn cases(&mut self, demanded: impl Display, cases: &Cases) {
        for wrong in &cases.wrong {
            println!("  MISS {demanded}: {wrong}");
        }
        let good = cases.count - cases.wrong.len();
        self.row(demanded, format!("{good} of {}", cases.count), cases.wrong.is_empty() && cases.count > 0);
    }

    /// Prints the table; whether everything holds.
    pub(crate) fn print(&self) -> bool {
        let width = |column: fn(&Row) -> &str| self.rows.iter().map(|row| column(row).chars().count()).max();
        let demanded = width(|row| &row.demanded).unwrap_or(0).max("demanded".len());
        let measured = width(|row| &row.measured).unwrap_or(0).max("measured".len());
        println!("\n{:demanded$}  {:measured$}  ", "demanded", "measured");
        for row in &self.rows {
            let verdict = if row.holds { "ok" } else { "MISS" };
            println!("{:demanded$}  {:measured$}  {verdict}", row.demanded, row.measured);
        }
        let missed = self.rows.iter().filter(|row| !row.holds).count();
        println!("\n{} demands, {missed} missed", self.rows.len());
        missed == 0 && !self.rows.is_empty()
    }
}

/// Cases of one demand.
#[derive(Default)]
pub(crate) struct Cases {
    count: usize,
    wrong: Vec<String>,
}

impl Cases {
    /// Counts a case; `wrong` says what was seen, if it is not what it has to be.
    pub(crate) fn case(&mut self, name: impl Display, holds: bool, seen: impl Display) {
        self.count += 1;
        if !holds {
            self.wrong.push(format!("{name}: {seen}"));
        }
    }
}
