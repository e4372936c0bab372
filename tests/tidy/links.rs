//! The texts of the package point to files that the package holds.

use std::path::Path;

use super::files::{all, read, report};

/// The folders and files that Cargo.toml includes, from the root.
fn included() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let start = manifest.find("include = [").expect("Cargo.toml says what the package holds");
    let list = manifest[start..].split(']').next().unwrap_or_default();
    list.split('"').filter(|part| part.starts_with('/')).map(|part| part[1..].to_owned()).collect()
}

/// The targets of Markdown links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("](").map(|(at, _)| {
        let rest = &text[at + 2..];
        &rest[..rest.find(')').unwrap_or(rest.len())]
    })
}

#[test]
fn a_link_to_a_file_ends_in_the_package() {
    let included = included();
    let holds = |path: &str| {
        included.iter().any(|part| path == part || path.starts_with(&format!("{part}/")))
    };
    let mut faults = Vec::new();
    let mut count = 0;
    for file in all().iter().filter(|file| file.path.ends_with(".md") && holds(&file.path)) {
        for link in links(&file.text) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains("::") {
                continue;
            }
            count += 1;
            let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            let path = folder.join(target).to_string_lossy().into_owned();
            let exists = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists();
            if !exists || !holds(&path) {
                faults.push(format!("{} points to {link}", file.path));
            }
        }
    }
    assert!(count > 5, "only {count} links");
    report("A link in a text of the package leads to a file of the package.", faults);
}
