//! The examples of the two surfaces: one text each, alike but for `async`, `.await` and the names of the surface.
//!
//! Write the async one in `src/docs/examples/aio`, with an empty file beside it in `blocking`; then
//! `UPDATE_EXAMPLES=1 cargo test --test tidy` fills that one in.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{all, report, sources};

const AIO: &str = "src/docs/examples/aio/";
const BLOCKING: &str = "src/docs/examples/blocking/";

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

#[test]
fn every_example_is_shown() {
    let code: String = sources()
        .into_iter()
        .filter(|file| file.path.ends_with(".rs"))
        .map(|file| file.text)
        .collect();
    let faults = texts(AIO)
        .into_keys()
        .filter(|name| !code.contains(&format!("example!(\"{}\")", name.trim_end_matches(".md"))))
        .collect();
    report(
        "Every example stands in the documentation of an item, by `#[doc = super::example!(…)]`.",
        faults,
    );
}
