//! Which options of two files differ, by the names that a person knows them under.

use super::Options;

/// One option of the file's first level, or one table: its name, and whether it is the same.
type Named = (&'static str, fn(&Options, &Options) -> bool);

/// All but what a file says of itself, and what a reload puts into effect.
const NAMED: &[Named] = &[
    ("server_name", |a, b| a.server_name == b.server_name),
    ("listen", |a, b| a.listen == b.listen),
    ("core_threads", |a, b| a.core_threads == b.core_threads),
    ("pid_file", |a, b| a.pid_file == b.pid_file),
    ("ports_file_dir", |a, b| a.ports_file_dir == b.ports_file_dir),
    ("[http]", |a, b| a.http == b.http),
    ("[metrics]", |a, b| a.metrics == b.metrics),
    ("[log]", |a, b| a.log == b.log),
    ("[limits]", |a, b| a.limits == b.limits),
    ("[auth]", |a, b| a.auth == b.auth),
    ("[jetstream]", |a, b| a.jetstream == b.jetstream),
    ("[[streams]]", |a, b| a.streams == b.streams),
];

impl Options {
    /// The names of what differs and needs a restart.
    pub(crate) fn differing(&self, other: &Options) -> Vec<&'static str> {
        NAMED.iter().filter(|(_, same)| !same(self, other)).map(|(name, _)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Built;
    use std::path::Path;

    #[test]
    fn each_field_has_a_name() {
        // Without `..`: a new field asks here for its row above.
        let Options {
            program: _,
            config: _,
            plugins: _,
            server_name: _,
            listen: _,
            http: _,
            metrics: _,
            core_threads: _,
            limits: _,
            auth: _,
            jetstream: _,
            streams: _,
            log: _,
            pid_file: _,
            ports_file_dir: _,
        } = Options::default();
        assert_eq!(NAMED.len(), 15 - 3);
    }

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        let read = |text: &str| Options::parse(Path::new("a.toml"), text, Built::ALL).expect("a good file");
        let one = read("listen = 4222\n[jetstream]\nstore_dir = \"x\"\n[[streams]]\nname = \"S\"");
        let two =
            read("listen = 4223\n[http]\nlisten = 8222\n[jetstream]\nstore_dir = \"x\"\n[[streams]]\nname = \"T\"");
        assert_eq!(one.differing(&two), ["listen", "[http]", "[[streams]]"]);
        assert!(one.differing(&one.clone()).is_empty());
    }
}
