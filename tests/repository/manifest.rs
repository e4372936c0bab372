//! The promises of Cargo.toml, compared with the manifests of the dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const PACKAGE: &str = env!("CARGO_PKG_NAME");

/// A dependency that needs a newer compiler would break the build of a user who trusts our `rust-version`. Cargo prefers
/// versions that fit, and takes one that does not where there is no other.
#[test]
fn no_dependency_needs_a_newer_compiler() {
    let metadata = metadata();
    let needed: BTreeMap<Version, String> =
        shipped(&metadata).into_iter().filter_map(rust_version).collect();
    assert!(needed.len() > 5, "few dependencies say what they need: {needed:?}");
    let (highest, who) = needed.last_key_value().unwrap();
    let (ours, _) = packages(&metadata)
        .find_map(|package| {
            (package["name"] == PACKAGE).then(|| rust_version(package).expect("a rust-version"))
        })
        .unwrap();
    assert!(ours >= *highest, "rust-version is {ours:?}, but {who} needs {highest:?}");
}

/// The packages that are built for users on any platform: no dev-dependencies of ours, and none of theirs.
fn shipped(metadata: &Value) -> Vec<&Value> {
    let nodes: BTreeMap<_, _> = array(&metadata["resolve"]["nodes"])
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let mut reached = BTreeSet::new();
    let mut next = vec![metadata["resolve"]["root"].as_str().unwrap()];
    while let Some(id) = next.pop() {
        if reached.insert(id) {
            let dependencies = array(&nodes[id]["deps"]);
            let shipped = dependencies.filter(|dependency| {
                array(&dependency["dep_kinds"]).any(|kind| kind["kind"] != "dev")
            });
            next.extend(shipped.map(|dependency| dependency["pkg"].as_str().unwrap()));
        }
    }
    packages(metadata)
        .filter(|package| {
            package["name"] != PACKAGE && reached.contains(package["id"].as_str().unwrap())
        })
        .collect()
}

type Version = (u64, u64);

fn rust_version(package: &Value) -> Option<(Version, String)> {
    let mut numbers =
        package["rust_version"].as_str()?.split('.').map(|part| part.parse().unwrap());
    let version = (numbers.next().unwrap(), numbers.next().unwrap_or(0));
    Some((version, format!("{} {}", package["name"], package["version"])))
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--quiet", "--all-features", "--format-version", "1"])
        .envs(clean_environment::proxies())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata is JSON")
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    array(&metadata["packages"])
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}
