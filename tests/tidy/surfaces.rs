//! How one source becomes two surfaces.

use super::files::{read, report, rust, sources};

const SURFACES: [&str; 2] = ["src/checkpointstoreblob_aio.rs", "src/checkpointstoreblob.rs"];

/// A file of only one surface would be missed by the other without any test failing.
#[test]
fn both_surfaces_mount_the_dual_code_once() {
    for surface in SURFACES {
        let mounts = read(surface).matches("#[path = \"dual/").count();
        assert_eq!(mounts, 1, "{surface} mounts `dual/mod.rs` and nothing else of it");
        assert!(read(surface).contains("#[path = \"dual/mod.rs\"]\n"), "{surface}");
    }
    let deeper = rust()
        .into_iter()
        .filter(|file| file.path.starts_with("src/dual/") && file.text.contains("#[path"));
    report("A dual file is mounted by the one above it.", deeper.map(|file| file.path).collect());
}

/// `maybe_async`, `sync_impl`, `async_impl` and `test` obey `maybe-async/is_sync`, which any crate of a build may switch on.
#[test]
fn nothing_obeys_the_global_switch_of_maybe_async() {
    const SWITCHED: &[&str] = &[
        "maybe_async::maybe_async",
        "maybe_async::sync_impl",
        "maybe_async::async_impl",
        "maybe_async::test",
        "#[sync_impl",
        "#[async_impl",
        "is_sync",
    ];
    let mut faults = Vec::new();
    // The helper package of `processes/maybe_async_switch.rs` shows that the switch is on, and this file names it.
    let exempt = |path: &str| {
        path.starts_with("tests/is_sync/")
            || matches!(path, "tests/processes/maybe_async_switch.rs" | "tests/tidy/surfaces.rs")
    };
    for file in rust().iter().filter(|file| !exempt(&file.path)) {
        for (number, line) in file.code() {
            if SWITCHED.iter().any(|name| line.contains(name)) {
                faults.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    report(
        "Only `must_be_sync` and `must_be_async` are independent of `maybe-async/is_sync`.",
        faults,
    );
}

#[test]
fn each_surface_binds_the_attribute_once() {
    let mut faults = Vec::new();
    for file in sources().into_iter().filter(|file| file.path.ends_with(".rs")) {
        for (number, line) in file.code() {
            let expected = match file.path.as_str() {
                "src/checkpointstoreblob.rs" => "use maybe_async::must_be_sync as maybe_async;",
                "src/checkpointstoreblob_aio.rs" => {
                    "use maybe_async::must_be_async as maybe_async;"
                }
                _ => "",
            };
            if line.contains("maybe_async::") && line != expected {
                faults.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    report(
        "The attribute gets its meaning in the two surfaces; all else says `use super::maybe_async`.",
        faults,
    );
}

/// The attribute removes `async` and `.await`; what it does not look into stays async in the blocking surface, too.
#[test]
fn dual_code_uses_only_what_is_rewritten() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| file.path.starts_with("src/dual/")) {
        for (number, line) in file.code() {
            let never =
                ["AsyncFn", "async |", "async move |", ".boxed()", "poll_fn", "Pin<Box<dyn Future"];
            if never.iter().any(|name| line.contains(name)) {
                faults.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    report(
        "Dual code has no async closures, `AsyncFn` bounds or futures by hand: they are not rewritten.",
        faults,
    );
}

/// A provided method that is not passed on would fall back to its default behind an `Arc`.
#[test]
fn pointers_pass_on_every_method_of_a_trait() {
    let mut faults = Vec::new();
    let mut lists = 0;
    for file in sources().iter().filter(|file| file.path.starts_with("src/dual/")) {
        for list in file.text.split("\npointers!(").skip(1) {
            let (name, list) = list.split_once(" {").unwrap();
            let list = list.split("\n});").next().unwrap();
            lists += 1;
            let passed_on: Vec<_> = methods(list.lines()).collect();
            let code: Vec<_> = file.code().map(|(_, line)| line).collect();
            let begin = code.iter().position(|line| line.starts_with(&format!("pub trait {name}")));
            let code = &code[begin.expect("the trait stands in the same file")..];
            let declared: Vec<_> =
                methods(code.iter().copied().take_while(|line| *line != "}")).collect();
            assert!(!declared.is_empty());
            if passed_on != declared {
                faults.push(format!("{}: {passed_on:?}, but `{name}` has {declared:?}", file.path));
            }
        }
    }
    assert_eq!(lists, 4);
    report("`pointers!` lists the methods of a trait in their order.", faults);
}

fn methods<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    lines.filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        let name = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
        name.split(['(', '<']).next()
    })
}
