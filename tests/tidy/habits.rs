//! Style rules for all files.

use super::files::{all, read, report, rust, sources};

/// Beyond it a file has more than one idea.
const MAX_LINES: usize = 450;

#[test]
fn files_of_the_library_are_short() {
    let faults = sources()
        .iter()
        .map(|file| (&file.path, file.shipped_lines()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{path}: {lines} lines"))
        .collect();
    report(
        &format!(
            "A file of src has at most {MAX_LINES} lines without its tests: split it by its ideas."
        ),
        faults,
    );
}

#[test]
fn files_of_the_library_say_what_they_are() {
    let mut faults = Vec::new();
    for file in sources() {
        if file.path.ends_with(".rs") && !file.text.starts_with("//! ") {
            faults.push(file.path);
        }
    }
    report("Every file of src begins with `//!` and a sentence that says what it holds.", faults);
}

/// armel, mips and 32-bit powerpc have none of 64 bits.
#[test]
fn the_library_builds_where_atomics_have_32_bits() {
    let mut faults = Vec::new();
    for file in sources() {
        for (number, line) in file.lines() {
            if ["AtomicU64", "AtomicI64"].iter().any(|name| line.contains(name)) {
                faults.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    report("A count is an `AtomicUsize`, or stands behind a lock.", faults);
}

#[test]
fn nothing_is_left_half_done() {
    let never: Vec<String> = [
        ["to", "do!("],
        ["unimple", "mented!("],
        ["db", "g!("],
        ["#[ig", "nore"],
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X:"],
        ["#[cfg_attr(any(), te", "st"],
    ]
    .iter()
    .map(|halves| halves.concat())
    .collect();
    let mut faults = Vec::new();
    for file in rust() {
        for (number, line) in file.lines() {
            if never.iter().any(|name| line.contains(name)) {
                faults.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    report("Nothing is left for later, and no test is switched off.", faults);
}

/// Paths and hosts of the machine on which somebody works say nothing to anybody else. The names are put together here,
/// for this file is read as well.
#[test]
fn no_file_names_a_machine_path_or_a_registry() {
    let folders = ["home", "root", "tmp", "work", "Users"].map(|folder| format!("/{folder}/"));
    let hosts = [
        ["crates", "io"],
        ["pypi", "org"],
        ["pythonhosted", "org"],
        ["npmjs", "org"],
        ["npmjs", "com"],
        ["debian", "org"],
    ]
    .map(|parts| parts.join("."));
    let mut faults = Vec::new();
    // What a fuzzer has found is not written by anybody.
    for file in all().iter().filter(|file| !file.path.starts_with("fuzz/corpus/")) {
        for (number, line) in file.lines() {
            if folders.iter().chain(&hosts).any(|name| line.contains(name.as_str())) {
                faults.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    report("No file names a path of somebody's machine or the host of a registry.", faults);
}

/// A topic that no room has is looked for in vain, and written twice.
#[test]
fn the_map_of_the_tests_names_every_file_of_the_suite() {
    let map = read("tests/README.md");
    let table = map.split("## Which room is tested where").nth(1).expect("the table");
    let table = table.split("\n## ").next().unwrap_or_default();
    let mut named: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| line.split('|').nth(2))
        .flat_map(|files| files.split('`').skip(1).step_by(2))
        .filter(|name| *name != "surface/")
        .map(str::to_owned)
        .collect();
    named.sort();
    let files = rust();
    let topics: Vec<_> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("tests/surface/")?.strip_suffix(".rs"))
        .filter(|topic| !topic.contains('/') && *topic != "mod")
        .collect();
    assert_eq!(named, topics, "named in tests/README.md, and there");
}
