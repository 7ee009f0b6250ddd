//! The documents that the rows write: `config/full.toml` and the JSON schema of the file.

use serde_json::{Map, Value, json};

use super::file::{Built, GROUPS};
use super::table::{Kind, RowDoc};

const HEAD: &str = "\
# Every option of forebay, with its default. An option without a default is commented out.
# Written by the rows in core/server/src/options; a test keeps it fresh (BLESS=1 writes it anew).
# Paths are relative to this file's folder. Sizes are bytes or texts such as \"64MiB\"; durations are
# texts such as \"250ms\", \"5s\", \"1h30m\". In brackets: the type, what a change will need once reloading is
# built (until then it is a restart), and the version that brought the option.
";

/// Comments are wrapped to this many characters.
const WIDTH: usize = 110;

/// The text of `config/full.toml`.
pub fn full_toml() -> String {
    let mut text = HEAD.to_owned();
    for group in GROUPS {
        let docs: Vec<RowDoc> = group.iter().map(|row| row.doc()).collect();
        let mut table = None;
        for doc in &docs {
            let (name, key) = doc.key.rsplit_once('.').unwrap_or(("", &doc.key));
            if let Kind::Tables { named, rows } = &doc.kind {
                sub_table(&mut text, doc, *named, rows);
                continue;
            }
            let live = is_built(&doc.key) && docs.iter().any(|other| !other.default.is_empty());
            if table != Some(name) {
                table = Some(name);
                text.push('\n');
                if !is_built(&doc.key) {
                    text.push_str("# Not built yet.\n");
                }
                if !name.is_empty() {
                    text.push_str(&format!("{}[{name}]\n", if live { "" } else { "# " }));
                }
            }
            line(&mut text, doc, key, !live || doc.default.is_empty(), "");
        }
    }
    text
}

fn is_built(key: &str) -> bool {
    match key.split('.').next() {
        Some("jetstream" | "streams") => Built::NOW.jetstream,
        Some("plugins" | "transforms" | "filters") => Built::NOW.plugins,
        _ => true,
    }
}

/// A `[[table]]` or `[table.NAME]`, all of it commented out: there is none by default.
fn sub_table(text: &mut String, doc: &RowDoc, named: bool, rows: &[RowDoc]) {
    let not_built = if is_built(&doc.key) { "" } else { " Not built yet." };
    text.push_str(&format!("\n# {}{not_built}\n", doc.text));
    if named {
        text.push_str(&format!("# [{}.NAME]\n", doc.key));
    } else {
        text.push_str(&format!("# [[{}]]\n", doc.key));
    }
    for row in rows {
        line(text, row, &row.key, true, "  ");
    }
}

fn line(text: &mut String, doc: &RowDoc, key: &str, commented: bool, indent: &str) {
    let unit = if doc.unit.is_empty() { String::new() } else { format!(" in {}", doc.unit) };
    let about = format!("[{}{unit} · {} · {}]", doc.kind.words(), doc.reload.as_str(), doc.since);
    let example = doc.kind.example();
    let value = if doc.default.is_empty() { &example } else { doc.default };
    let mark = if commented { "# " } else { "" };
    wrap(text, indent, doc.text.split(' ').chain([about.as_str()]));
    text.push_str(&format!("{mark}{indent}{key} = {value}\n"));
}

/// A comment, in lines that fit a screen.
fn wrap<'a>(text: &mut String, indent: &str, words: impl Iterator<Item = &'a str>) {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
            text.push_str(&format!("# {indent}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    text.push_str(&format!("# {indent}{line}\n"));
}

impl Kind {
    fn words(&self) -> String {
        match self {
            Kind::Flag => "true or false".to_owned(),
            Kind::Count(min, i64::MAX) => format!("a number from {min}"),
            Kind::Count(min, max) => format!("a number from {min} to {max}"),
            Kind::Size | Kind::SignedSize => "a size".to_owned(),
            Kind::Duration | Kind::Nanos => "a duration".to_owned(),
            Kind::Text => "a text".to_owned(),
            Kind::Choice(of) => format!("one of {}", of.join(", ")),
            Kind::Path => "a path".to_owned(),
            Kind::Address => "an address".to_owned(),
            Kind::Texts => "a list of texts".to_owned(),
            Kind::Json => "a value".to_owned(),
            Kind::Tables { .. } => "tables".to_owned(),
        }
    }

    fn example(&self) -> String {
        match self {
            Kind::Flag => "false".to_owned(),
            Kind::Count(min, _) => min.to_string(),
            Kind::Size | Kind::SignedSize => "\"1GiB\"".to_owned(),
            Kind::Duration | Kind::Nanos => "\"5s\"".to_owned(),
            Kind::Text => "\"\"".to_owned(),
            Kind::Choice(of) => format!("\"{}\"", of.first().copied().unwrap_or_default()),
            Kind::Path => "\"path/to/file\"".to_owned(),
            Kind::Address => "\"127.0.0.1:8222\"".to_owned(),
            Kind::Texts | Kind::Tables { .. } => "[]".to_owned(),
            Kind::Json => "{}".to_owned(),
        }
    }

    fn schema(&self) -> Value {
        match self {
            Kind::Flag => json!({"type": "boolean"}),
            Kind::Count(min, i64::MAX) => json!({"type": "integer", "minimum": min}),
            Kind::Count(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
            Kind::Size | Kind::SignedSize | Kind::Nanos | Kind::Address => json!({"type": ["integer", "string"]}),
            Kind::Duration | Kind::Text | Kind::Path => json!({"type": "string"}),
            Kind::Choice(of) => json!({"type": "string", "enum": of}),
            Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
            Kind::Json => json!({}),
            Kind::Tables { named, rows } => {
                let mut properties = Map::new();
                for row in rows {
                    place(&mut properties, row);
                }
                let table = json!({"type": "object", "properties": properties, "additionalProperties": false});
                if *named {
                    json!({"type": "object", "additionalProperties": table})
                } else {
                    json!({"type": "array", "items": table})
                }
            }
        }
    }
}

/// Puts a row at its dotted key.
fn place(properties: &mut Map<String, Value>, doc: &RowDoc) {
    let mut map = properties;
    let mut rest = doc.key.as_str();
    while let Some((table, inner)) = rest.split_once('.') {
        let slot = map
            .entry(table)
            .or_insert_with(|| json!({"type": "object", "properties": {}, "additionalProperties": false}));
        let Some(Value::Object(next)) = slot.get_mut("properties") else { return };
        map = next;
        rest = inner;
    }
    let mut schema = doc.kind.schema();
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), Value::from(doc.text));
    }
    map.insert(rest.to_owned(), schema);
}

/// The JSON schema of the file, for editors.
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    for row in GROUPS.iter().flat_map(|group| group.iter()) {
        place(&mut properties, &row.doc());
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "forebay's configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": false
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::options::Options;

    fn config_folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
    }

    #[test]
    fn full_toml_is_fresh() {
        let path = config_folder().join("full.toml");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, full_toml()).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(stored == full_toml(), "{} is stale: run the test with BLESS=1", path.display());
    }

    #[test]
    fn the_defaults_of_the_rows_are_the_defaults_of_the_options() {
        let mut options = Options::parse(Path::new("full.toml"), &full_toml(), Built::ALL).unwrap();
        options.jetstream.enabled = false;
        options.jetstream.store_dir = None;
        assert_eq!(options, Options::default());
    }

    #[test]
    fn every_commented_example_reads_once_it_is_uncommented() {
        for row in GROUPS.iter().flat_map(|group| group.iter()) {
            let doc = row.doc();
            if matches!(doc.kind, Kind::Tables { .. }) {
                continue;
            }
            let example = doc.kind.example();
            let value = if doc.default.is_empty() { &example } else { doc.default };
            let text = format!("{} = {value}", doc.key);
            let told = Options::parse(Path::new("a.toml"), &text, Built::ALL).err().map(|error| error.to_string());
            // Whatever is told is about the option's company, never about its type.
            let fine = told.as_deref().is_none_or(|told| {
                ["empty", "go together", "needs a", "at least one"].iter().any(|word| told.contains(word))
            });
            assert!(fine, "{text}: {told:?}");
        }
    }

    #[test]
    fn every_row_has_a_text_and_a_version_and_a_key_of_its_own() {
        let mut keys = std::collections::BTreeSet::new();
        for row in GROUPS.iter().flat_map(|group| group.iter()) {
            assert!(row.text.ends_with('.') && row.since == "0.1.0", "{}", row.key);
            assert!(keys.insert(row.key), "{} stands there twice", row.key);
        }
    }

    #[test]
    fn every_file_in_config_parses() {
        let mut count = 0;
        for entry in std::fs::read_dir(config_folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let mut options = Options::load(&path, Built::ALL).unwrap_or_else(|error| panic!("{error}"));
                options.finish().unwrap();
                count += 1;
            }
        }
        assert!(count >= 3, "{count}");
    }

    #[test]
    fn the_schema_knows_nested_keys() {
        let schema = json_schema();
        assert_eq!(schema["properties"]["limits"]["properties"]["ping_max"]["minimum"], 1);
        assert_eq!(schema["properties"]["streams"]["items"]["properties"]["name"]["type"], "string");
        let plugin = &schema["properties"]["plugins"]["additionalProperties"];
        assert_eq!(plugin["properties"]["timeout"]["type"], "string");
    }
}
