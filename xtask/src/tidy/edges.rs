//! The edge table (STYLE §2.3, docs/ARCHITECTURE.md §6): which crate may use which, and where the heavy strangers live.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::tidy::Inspection;

/// A crate of the house: its package, and the packages of the house that it may use.
struct Edge {
    package: &'static str,
    uses: &'static [&'static str],
}

/// Lowest first. A line in a Cargo.toml that is not here fails; a new one needs an ADR.
const EDGES: &[Edge] = &[
    Edge { package: "forebay-protocol", uses: &[] },
    Edge { package: "forebay-subject", uses: &[] },
    Edge { package: "forebay-conf", uses: &[] },
    Edge { package: "forebay-api", uses: &["forebay-subject"] },
    Edge { package: "forebay-auth", uses: &["forebay-subject"] },
    Edge { package: "forebay-store", uses: &["forebay-subject"] },
    Edge { package: "forebay-broker", uses: &["forebay-protocol", "forebay-subject", "forebay-auth", "forebay-api"] },
    Edge { package: "forebay-links", uses: &["forebay-broker", "forebay-protocol", "forebay-subject"] },
    Edge {
        package: "forebay-jetstream",
        uses: &["forebay-broker", "forebay-store", "forebay-api", "forebay-subject", "forebay-protocol"],
    },
    Edge { package: "forebay-plugin-host", uses: &["forebay-broker", "forebay-api", "forebay-subject"] },
    Edge { package: "forebay-cluster", uses: &["forebay-jetstream", "forebay-store", "forebay-broker", "forebay-api"] },
    Edge { package: "forebay-mqtt", uses: &["forebay-jetstream", "forebay-broker", "forebay-protocol", "forebay-api"] },
    Edge {
        package: "forebay",
        uses: &[
            "forebay-protocol",
            "forebay-subject",
            "forebay-conf",
            "forebay-api",
            "forebay-auth",
            "forebay-store",
            "forebay-broker",
            "forebay-links",
            "forebay-jetstream",
            "forebay-plugin-host",
            "forebay-cluster",
            "forebay-mqtt",
        ],
    },
    Edge { package: "forebay-sdk", uses: &["forebay-sdk-macros"] },
    Edge { package: "forebay-sdk-macros", uses: &[] },
];

/// Packages that may look at anything, and that nothing of the house may look at.
const OUTSIDE: &[&str] = &["forebay-conformance", "forebay-client-stories", "xtask", "first-program", "replay"];

/// Strangers that live in few rooms, and these rooms.
const STRANGERS: &[(&str, &[&str])] = &[
    ("wasmtime", &["forebay-plugin-host"]),
    ("openraft", &["forebay-cluster"]),
    ("sled", &["forebay-store"]),
    ("rustls", &["forebay"]),
    ("axum", &["forebay"]),
    ("notify", &["forebay"]),
    ("rustix", &["forebay", "forebay-store", "forebay-plugin-host"]),
    ("tokio", &["forebay", "forebay-broker", "forebay-links", "forebay-jetstream", "forebay-cluster", "forebay-mqtt"]),
    ("async-nats", &[]),
    ("anyhow", &["forebay"]),
];

/// A dependency as cargo knows it.
struct Dependency {
    name: String,
    is_dev: bool,
}

pub(super) fn check(inspection: &mut Inspection) -> Result<()> {
    let packages = packages(inspection)?;
    for (package, dependencies) in &packages {
        if OUTSIDE.contains(&package.as_str()) {
            continue;
        }
        let Some(edge) = EDGES.iter().find(|edge| edge.package == package) else {
            inspection.find(package, "a package that is not in the edge table (xtask/src/tidy/edges.rs)");
            continue;
        };
        for dependency in dependencies {
            if let Some(what) = judge(edge, dependency, packages.contains_key(&dependency.name)) {
                inspection.find(package, what);
            }
        }
    }
    Ok(())
}

fn judge(edge: &Edge, dependency: &Dependency, is_ours: bool) -> Option<String> {
    let name = dependency.name.as_str();
    if is_ours {
        let allowed = edge.uses.contains(&name) || (dependency.is_dev && name == edge.package);
        return (!allowed).then(|| format!("may not use {name}: the edge table has no such arrow"));
    }
    if dependency.is_dev {
        return None;
    }
    let (_, rooms) = STRANGERS.iter().find(|(stranger, _)| *stranger == name)?;
    (!rooms.contains(&edge.package)).then(|| format!("may not use {name}: it lives in {rooms:?} only"))
}

/// The workspace's packages and what their Cargo.toml name, read from the manifests (cargo may be busy).
fn packages(inspection: &Inspection) -> Result<BTreeMap<String, Vec<Dependency>>> {
    let mut packages = BTreeMap::new();
    for folder in ["core", "plugins/host", "sdk", "tests", "examples", "xtask"] {
        for path in inspection.checkout.files(folder, "Cargo.toml")? {
            let text = std::fs::read_to_string(&path)?;
            let table: toml::Table = text.parse().with_context(|| format!("in {}", path.display()))?;
            let Some(name) =
                table.get("package").and_then(|package| package.get("name")).and_then(|name| name.as_str())
            else {
                continue;
            };
            packages.insert(name.to_string(), dependencies(&table));
        }
    }
    Ok(packages)
}

fn dependencies(manifest: &toml::Table) -> Vec<Dependency> {
    let mut all = Vec::new();
    for (section, is_dev) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
        let names = manifest.get(section).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
        all.extend(names.map(|name| Dependency { name: name.clone(), is_dev }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(package: &str) -> &'static Edge {
        EDGES.iter().find(|edge| edge.package == package).expect("in the table")
    }

    fn uses(package: &str, name: &str, is_dev: bool, is_ours: bool) -> bool {
        judge(edge(package), &Dependency { name: name.into(), is_dev }, is_ours).is_none()
    }

    #[test]
    fn an_arrow_of_the_table_is_fine_and_its_reverse_is_not() {
        assert!(uses("forebay-jetstream", "forebay-store", false, true));
        assert!(!uses("forebay-store", "forebay-jetstream", false, true));
        assert!(!uses("forebay-broker", "forebay", true, true));
    }

    #[test]
    fn heavy_strangers_stay_in_their_rooms() {
        assert!(uses("forebay-plugin-host", "wasmtime", false, false));
        assert!(!uses("forebay", "wasmtime", false, false));
        assert!(!uses("forebay-protocol", "tokio", false, false));
        assert!(uses("forebay-api", "async-nats", true, false));
    }

    #[test]
    fn the_table_points_down_only() {
        for (index, edge) in EDGES.iter().enumerate().filter(|(_, edge)| !edge.package.contains("sdk")) {
            for used in edge.uses {
                assert!(EDGES[..index].iter().any(|lower| lower.package == *used), "{} -> {used}", edge.package);
            }
        }
    }
}
