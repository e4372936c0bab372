//! The variables of the machine that a test can see.

use super::files::{File, report, rust};

/// Takes the caller's Azure and proxy variables out of the process before `main`.
const CLEAN: &str = "clean_environment";

#[test]
fn no_test_sees_the_accounts_and_proxies_of_the_caller() {
    let files = rust();
    let roots: Vec<_> = files.iter().filter(|file| is_root(&file.path)).collect();
    assert!(roots.len() > 15, "only {} roots of tests and benches", roots.len());
    let mut faults = Vec::new();
    for root in roots {
        let links = |file: &&File| file.text.contains(CLEAN);
        let mut supports = files.iter().filter(|file| is_support_of(&file.path, root));
        if !links(&root) && !supports.any(|file| links(&file)) {
            faults.push(format!("{}: `use clean_environment as _;` is missing", root.path));
        }
    }
    report(
        "Every root of tests and benches links `clean_environment`, if only through `support`.",
        faults,
    );
}

/// A variable that a test reads from the caller has a name of its own, or is read with `clean_environment::taken`.
#[test]
fn no_test_reads_a_variable_of_azure_or_a_proxy() {
    let mut faults = Vec::new();
    let is_of_tests = |path: &str| path.contains("tests/") || path.contains("benches/");
    for file in rust().iter().filter(|file| is_of_tests(&file.path)) {
        for (number, line) in file.code() {
            for read in ["env::var(\"", "env::var_os(\""] {
                let name = line.split(read).nth(1).and_then(|rest| rest.split('"').next());
                if name.is_some_and(clean_environment::is_foreign) {
                    faults.push(format!("{}:{number}: {}", file.path, line.trim()));
                }
            }
        }
    }
    report("A test is told nothing by the caller's variables of Azure and proxies.", faults);
}

/// `tests/aio.rs`, `tests/tidy/main.rs`, and the same below a package.
fn is_root(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        [.., folder, _] if matches!(*folder, "tests" | "benches") => true,
        [.., "tests", _, file] => *file == "main.rs",
        _ => false,
    }
}

/// The module `support` that a root mounts: beside it, or the one of the repository by its path.
fn is_support_of(path: &str, root: &File) -> bool {
    let Some(folder) = path.strip_suffix("/support/mod.rs") else { return false };
    let is_mounted = root.text.contains("mod support;");
    let by_path = root.text.contains("support/mod.rs\"]") && folder == "tests";
    is_mounted && (by_path || root.path.starts_with(&format!("{folder}/")))
}
