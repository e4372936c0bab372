//! The examples of the two surfaces: one text each, alike but for `async`, `.await` and the names of the surface.
//!
//! Write the async one in `src/docs/examples/aio`, with an empty file beside it in `blocking`; then
//! `UPDATE_EXAMPLES=1 cargo test --test tidy` fills that one in.

use std::collections::BTreeMap;
use std::path::Path;

use super::api::{Method, docs_above, methods};
use super::files::{File, all, read, report, sources};

const AIO: &str = "src/docs/examples/aio/";
const BLOCKING: &str = "src/docs/examples/blocking/";
/// A file of one surface beside another one of the other surface, which shows the same examples.
const ONE_SURFACE: &str = "src/checkpointstoreblob_aio/";
/// Of types that both surfaces share.
const SHARED: &str = "src/docs/examples/shared/";

/// Examples whose surfaces differ by more than `.await`, so both are written by hand.
const BY_HAND: &[&str] = &[
    // A closure that returns a future; its captures are cloned for each.
    "client/event_hub_consumer_client.md",
    // The blocking credential is told its limit; the async one is interrupted.
    "credential/token_credential.md",
    // `select!` and a channel.
    "manager/ownership_manager.md",
    // Each sleeps in its own way.
    "transport/transport.md",
];

/// The blocking form of an async example.
fn blocking(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let code = line.trim_start().trim_start_matches("# ");
        let only_async = code.starts_with("#[tokio::main")
            || code.starts_with("#[async_trait")
            || code.trim() == ".await?;";
        if !only_async {
            lines.push(
                line.replace(".await", "")
                    .replace("async fn", "fn")
                    .replace("async move {", "{")
                    .replace(
                        "checkpointstoreblob_aio::{async_trait, ",
                        "checkpointstoreblob_aio::{",
                    )
                    .replace(", async_trait", "")
                    .replace("checkpointstoreblob_aio", "checkpointstoreblob"),
            );
        }
    }
    lines.join("\n") + "\n"
}

fn texts(folder: &str) -> BTreeMap<String, String> {
    all()
        .into_iter()
        .filter_map(|file| Some((file.path.strip_prefix(folder)?.to_owned(), file.text)))
        .collect()
}

#[test]
fn the_blocking_examples_are_the_async_ones_without_await() {
    let (aio, mut twins) = (texts(AIO), texts(BLOCKING));
    assert!(!aio.is_empty(), "{AIO} is gone");
    let update = std::env::var_os("UPDATE_EXAMPLES").is_some();
    let mut faults = Vec::new();
    for (name, text) in &aio {
        if BY_HAND.contains(&name.as_str()) {
            if twins.remove(name).is_none() {
                faults.push(format!("{BLOCKING}{name} is missing"));
            }
            continue;
        }
        let expected = blocking(text);
        if twins.remove(name).as_ref() != Some(&expected) {
            if update {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(BLOCKING).join(name);
                std::fs::write(path, &expected).expect("write the blocking twin");
            } else {
                faults.push(format!("{BLOCKING}{name} is not:\n{expected}"));
            }
        }
    }
    faults.extend(twins.into_keys().map(|name| format!("{AIO}{name} is missing")));
    report(
        "Both surfaces have the same examples; `UPDATE_EXAMPLES=1` writes the blocking ones.",
        faults,
    );
}

/// Shown in several places, an example is still compiled once: `#[cfg_attr(not(doctest), doc = example!(…))]` in the others.
#[test]
fn every_example_is_shown_and_tested_once() {
    let code: String = sources()
        .into_iter()
        .filter(|file| file.path.ends_with(".rs") && !file.path.starts_with(ONE_SURFACE))
        .map(|file| file.text)
        .collect();
    let of_surfaces = texts(AIO).into_keys().map(|name| ("example!", name));
    let of_both = texts(SHARED).into_keys().map(|name| ("shared_example!", name));
    let mut faults = Vec::new();
    for (macro_name, name) in of_surfaces.chain(of_both) {
        let shown = format!("#[doc = {macro_name}(\"{}\")]", name.trim_end_matches(".md"));
        let count = code.matches(&shown).count();
        if count != 1 {
            faults.push(format!("{shown} stands {count} times"));
        }
    }
    report("Every example is tested where it is shown first.", faults);
}

/// `pub` in modules that are private, so no user calls it.
const PRIVATE: &[&str] = &["src/adapters/event_processor", "src/adapters/eventhubs/", "src/amqp/"];

#[test]
fn every_public_method_and_function_has_an_example() {
    let examples = all_examples();
    let mut faults = Vec::new();
    let mut count = 0;
    for Method { at, owner, name, signature, docs } in public_methods() {
        count += 1;
        // A reader may be shown by the example of another method.
        let is_read = signature.contains("(&self)") || signature.contains("(self)");
        let is_called = is_read && examples.contains(&format!(".{name}()"));
        if is_called || docs.contains("```") || docs.contains("example!(\"") {
            continue;
        }
        faults.push(format!("{at}: `{owner}::{name}`"));
    }
    assert!(count > 300, "only {count} public methods");
    report(
        "A public method or function has an example: `#[doc = example!(…)]` or a fence.",
        faults,
    );
}

/// The methods that an implementer must write are in an example of the trait.
#[test]
fn every_trait_is_implemented_by_an_example() {
    let mut faults = Vec::new();
    for file in sources() {
        let lines: Vec<_> = file.shipped_code().collect();
        let mut of_trait = None;
        for (number, line) in &lines {
            if let Some(rest) = line.strip_prefix("pub trait ") {
                let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
                of_trait = Some((&rest[..end], expanded(&docs_above(&file, *number))));
            } else if *line == "}" {
                of_trait = None;
            }
            let Some((name, example)) = &of_trait else { continue };
            let Some(rest) = line.strip_prefix("    ") else { continue };
            let rest = rest.trim_start_matches("async ");
            let Some(method) = rest.strip_prefix("fn ") else { continue };
            let method = &method[..method.find(['(', '<']).unwrap_or(method.len())];
            let is_required = lines
                .iter()
                .skip_while(|(other, _)| other < number)
                .find(|(_, line)| line.ends_with([';', '{']) || line.ends_with("{}"))
                .is_some_and(|(_, line)| line.ends_with(';'));
            if is_required && !example.contains(&format!("fn {method}(")) {
                faults.push(format!("{}:{number}: `{name}::{method}`", file.path));
            }
        }
    }
    report("The example of a trait implements each of its required methods.", faults);
}

fn public_methods() -> Vec<Method> {
    let is_public = |file: &&File| !PRIVATE.iter().any(|path| file.path.starts_with(path));
    sources().iter().filter(is_public).flat_map(methods).collect()
}

/// All code in the docs of the library.
fn all_examples() -> String {
    let mut code: String = texts(AIO).into_values().chain(texts(SHARED).into_values()).collect();
    for file in sources().into_iter().filter(|file| file.path.ends_with(".rs")) {
        let mut in_example = false;
        for (_, line) in file.lines() {
            let Some(text) = line.trim_start().strip_prefix("///") else { continue };
            in_example ^= text.trim_start().starts_with("```");
            if in_example {
                code.push_str(text);
                code.push('\n');
            }
        }
    }
    code
}

/// The docs with the examples that they include.
fn expanded(docs: &str) -> String {
    let mut text = docs.to_owned();
    for (at, begin) in docs.match_indices("example!(\"") {
        let folder = if docs[..at].ends_with("shared_") { SHARED } else { AIO };
        let name = docs[at + begin.len()..].split('"').next().unwrap_or_default();
        text.push_str(&read(&format!("{folder}{name}.md")));
    }
    text
}
