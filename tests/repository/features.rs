//! features.md says what Cargo.toml does: every feature, none invented, and exactly the crates that each one brings.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

const FEATURES_MD: &str = include_str!("../../features.md");
const CARGO_TOML: &str = include_str!("../../Cargo.toml");

type Names = BTreeSet<String>;

/// The description of a feature, in the document or in the manifest.
#[derive(Debug, Default, PartialEq, Eq)]
struct Feature {
    is_default: bool,
    switches_on: Names,
    crates: Names,
}

#[test]
fn every_feature_is_documented_as_it_is() {
    assert_eq!(documented(FEATURES_MD), declared(&manifest()));
}

#[test]
fn mandatory_dependencies_are_documented() {
    let paragraph =
        FEATURES_MD.split("\n\n").find(|text| text.contains("These are always present:"));
    let list = paragraph.unwrap().split_once("These are always present:").unwrap().1;
    let dependencies = manifest()["dependencies"].as_table().unwrap().clone();
    let mandatory = dependencies.into_iter().filter(|(_, dependency)| !is_optional(dependency));
    assert_eq!(in_backticks(list), mandatory.map(|(name, _)| name).collect::<Names>());
}

/// A wrong table must not pass: the parser reads what it claims to.
#[test]
fn a_wrong_table_is_noticed() {
    let wrong = [
        ("| `serde` | yes |", "| `serde` | no |"),
        ("| `serde` | yes |", "| `serd` | yes |"),
        ("| `blocking` | `ipnet`, `maybe-async`,", "| | `ipnet`, `maybe-async`,"),
        ("| `blocking` | `ipnet`, `maybe-async`,", "| `blocking` | `maybe-async`,"),
    ];
    for (right, wrong) in wrong {
        assert_eq!(FEATURES_MD.matches(right).count(), 1, "{right}");
        let text = FEATURES_MD.replace(right, wrong);
        assert_ne!(documented(&text), declared(&manifest()), "{wrong}");
    }
}

fn manifest() -> Table {
    CARGO_TOML.parse().unwrap()
}

/// The rows `| feature | default | adds | switches on | crates |`.
fn documented(text: &str) -> BTreeMap<String, Feature> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, default, adds, switches_on, crates] = cells[..] else {
            panic!("not five cells: {row}")
        };
        assert!(!adds.is_empty(), "{row}");
        let is_default = match default {
            "yes" => true,
            "no" => false,
            other => panic!("{other:?} in {row}"),
        };
        let feature = Feature {
            is_default,
            switches_on: in_backticks(switches_on),
            crates: in_backticks(crates),
        };
        (name.trim_matches('`').to_owned(), feature)
    })
    .collect()
}

fn in_backticks(text: &str) -> Names {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The features for users: those that begin with `_` are parts of them.
fn declared(manifest: &Table) -> BTreeMap<String, Feature> {
    let features = manifest["features"].as_table().unwrap();
    let defaults = entries(features, "default");
    let mut declared = BTreeMap::new();
    for name in features.keys().filter(|name| *name != "default" && !name.starts_with('_')) {
        let mut feature =
            Feature { is_default: defaults.contains(&name.as_str()), ..Feature::default() };
        follow(features, name, &mut feature);
        declared.insert(name.clone(), feature);
    }
    for name in defaults {
        assert!(declared.contains_key(name), "the default feature {name} is not one for users");
    }
    declared
}

/// Adds what a feature brings, directly and through the features that it switches on.
fn follow(features: &Table, name: &str, found: &mut Feature) {
    for entry in entries(features, name) {
        if let Some(dependency) = entry.strip_prefix("dep:") {
            found.crates.insert(dependency.to_owned());
        } else if let Some((dependency, _)) = entry.split_once('/') {
            // With `?` it only counts if something else brings the crate.
            if !dependency.ends_with('?') {
                found.crates.insert(dependency.to_owned());
            }
        } else {
            if !entry.starts_with('_') {
                found.switches_on.insert(entry.to_owned());
            }
            follow(features, entry, found);
        }
    }
}

fn entries<'a>(features: &'a Table, name: &str) -> Vec<&'a str> {
    let entries = features[name].as_array().unwrap();
    entries.iter().map(|entry| entry.as_str().unwrap()).collect()
}

fn is_optional(dependency: &Value) -> bool {
    dependency.get("optional").and_then(Value::as_bool).unwrap_or_default()
}
