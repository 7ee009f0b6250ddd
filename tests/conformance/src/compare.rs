//! Holds two transcripts against each other and writes the difference so that a person can read it.

use crate::transcript::Transcript;

/// How many equal lines are shown around a difference.
const CONTEXT_LINES: usize = 3;

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Row {
    Same(String),
    Left(String),
    Right(String),
}

/// The difference of two transcripts; `None` if there is none.
pub fn difference(expected: &Transcript, got: &Transcript, expected_label: &str, got_label: &str) -> Option<String> {
    let (left, right) = (expected.lines(), got.lines());
    if left == right {
        return None;
    }
    let rows = rows(&left, &right);
    let mut out = format!("    - {expected_label}\n    + {got_label}\n");
    let mut skipped = false;
    for (index, row) in rows.iter().enumerate() {
        let text = match row {
            Row::Left(text) => format!("    - {text}\n"),
            Row::Right(text) => format!("    + {text}\n"),
            Row::Same(text) if is_near_difference(&rows, index) => format!("      {text}\n"),
            Row::Same(_) => {
                skipped = true;
                continue;
            }
        };
        if skipped {
            out.push_str("      …\n");
            skipped = false;
        }
        out.push_str(&text);
    }
    Some(out)
}

fn is_near_difference(rows: &[Row], index: usize) -> bool {
    let from = index.saturating_sub(CONTEXT_LINES);
    let to = (index + CONTEXT_LINES + 1).min(rows.len());
    rows[from..to].iter().any(|row| !matches!(row, Row::Same(_)))
}

/// The longest common subsequence decides which lines belong together. Transcripts are short, so a table will do.
fn rows(left: &[String], right: &[String]) -> Vec<Row> {
    let width = right.len() + 1;
    let mut common = vec![0usize; (left.len() + 1) * width];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i * width + j] = if left[i] == right[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut rows = Vec::new();
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            rows.push(Row::Same(left[i].clone()));
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || (i < left.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            rows.push(Row::Left(left[i].clone()));
            i += 1;
        } else {
            rows.push(Row::Right(right[j].clone()));
            j += 1;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(lines: &[&str]) -> Transcript {
        let mut transcript = Transcript::default();
        for line in lines {
            transcript.note("a", 0, *line);
        }
        transcript
    }

    #[test]
    fn equal_transcripts_have_no_difference() {
        assert_eq!(difference(&transcript(&["PONG"]), &transcript(&["PONG"]), "x", "y"), None);
    }

    #[test]
    fn a_difference_shows_both_sides_and_the_lines_around() {
        let text = difference(&transcript(&["+OK", "PONG"]), &transcript(&["+OK", "-ERR"]), "real", "ours");
        let text = text.expect("they differ");
        assert!(text.contains("- real") && text.contains("+ ours"));
        assert!(text.contains("      ") && text.contains("a < +OK"));
        assert!(text.contains("-  0 a < PONG") && text.contains("+  0 a < -ERR"), "{text}");
    }
}
