//! `--help`, written by the table.

use std::fmt::Write as _;

use super::table::FLAGS;
use super::{Flag, Group, Takes};

/// The column at which descriptions begin; nats-server's.
const TEXT_COLUMN: usize = 37;

/// The column at which "not built" lists wrap.
const WIDTH: usize = 96;

/// What `--help` prints.
pub fn help(program: &str) -> String {
    // Writing into a String cannot fail, in this whole function.
    let mut text = format!("Usage: {program} [options]\n       {program} config check <file>\n");
    for (group, title) in [
        (Group::Server, "Server Options"),
        (Group::Logging, "Logging Options"),
        (Group::JetStream, "JetStream Options"),
        (Group::Authorization, "Authorization Options"),
        (Group::Cluster, "Cluster Options"),
        (Group::Common, "Common Options"),
    ] {
        let not_built = group == Group::JetStream && !crate::options::BUILT_JETSTREAM;
        let _ = writeln!(text, "\n{title}{}:", if not_built { " (not built yet)" } else { "" });
        for flag in FLAGS.iter().filter(|flag| flag.group == group) {
            let left = left(flag);
            if left.len() < TEXT_COLUMN {
                let _ = writeln!(text, "{left:TEXT_COLUMN$}{}", flag.text);
            } else {
                let _ = writeln!(text, "{left}\n{:TEXT_COLUMN$}{}", "", flag.text);
            }
        }
    }
    text.push_str("\nCommands:\n");
    for (command, about) in [
        ("config check <file>", "Say what is wrong in a configuration file, all of it"),
        ("config show", "Print every option with its default"),
        ("config schema", "Print the configuration file's JSON schema"),
    ] {
        let _ = writeln!(text, "    {command:width$}{about}", width = TEXT_COLUMN - 4);
    }
    text.push_str("\nOptions of nats-server that are not built yet and refused:\n");
    let mut line = String::new();
    for flag in FLAGS.iter().filter(|flag| matches!(flag.takes, Takes::Refused { .. })) {
        let Some(name) = flag.names.last() else { continue };
        if line.len() + name.len() + 3 > WIDTH {
            let _ = writeln!(text, "   {line}");
            line.clear();
        }
        let _ = write!(line, " --{name}");
    }
    let _ = writeln!(text, "   {line}");
    text
}

/// `    -a, --addr, --net <host>`
fn left(flag: &Flag) -> String {
    let shown: Vec<String> = flag.names.iter().map(|name| dashed(name)).collect();
    let is_short = shown.first().is_some_and(|name| !name.starts_with("--"));
    let indent = if is_short { "    " } else { "        " };
    let value = match &flag.takes {
        Takes::Text { shown, .. } | Takes::Number { shown, .. } | Takes::Checked { shown, .. } => format!(" <{shown}>"),
        Takes::Switch(_) | Takes::Refused { .. } => String::new(),
    };
    format!("{indent}{}{value}", shown.join(", "))
}

fn dashed(name: &str) -> String {
    let short = name.len() <= 2 || name.chars().all(|c| c.is_ascii_uppercase());
    if short { format!("-{name}") } else { format!("--{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_in_the_help_with_its_text() {
        let text = help("forebay");
        for flag in FLAGS {
            let Some(name) = flag.names.last() else { panic!("a flag without a name") };
            if flag.group == Group::NotBuilt && !matches!(flag.takes, Takes::Refused { .. }) {
                continue;
            }
            assert!(text.contains(name) && text.contains(flag.text), "{name}");
        }
        assert!(text.lines().all(|line| line.len() <= 110), "{text}");
        assert!(text.contains("    -a, --addr, --net <host>         Bind to host address"), "{text}");
    }
}
