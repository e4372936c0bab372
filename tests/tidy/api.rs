//! The names of public methods: setters are `with_x`, readers `x`, and only builders have bare setters.

use super::files::{File, report, sources};

/// A public method or function: its type or its file, its name, its signature on one line, and its docs.
pub struct Method {
    pub at: String,
    pub owner: String,
    pub name: String,
    pub signature: String,
    pub docs: String,
}

#[test]
fn setters_say_with_and_readers_do_not_say_get() {
    let methods: Vec<_> = sources().iter().flat_map(methods).collect();
    assert!(methods.len() > 150, "only {} methods", methods.len());
    let mut faults = Vec::new();
    for Method { at, owner, name, signature, .. } in methods {
        let sets = signature.contains("(mut self, ")
            && (signature.ends_with("-> Self") || signature.ends_with("-> Result<Self>"));
        let is_named = name.starts_with("with_") || name.starts_with("without_");
        if sets && !is_named && !owner.ends_with("Builder") {
            faults.push(format!("{at}: `{owner}::{name}` sets: call it `with_{name}`"));
        }
        // `get_checkpoint(&self, …)` asks the service; a reader asks nobody.
        let is_read = signature.contains("(&self)") && !signature.contains("async fn");
        if name.starts_with("get_") && is_read {
            let reader = name.trim_start_matches("get_");
            faults.push(format!("{at}: `{owner}::{name}` reads: call it `{reader}`"));
        }
        if name.starts_with("set_") && signature.contains("self, ") && !signature.contains("async")
        {
            faults.push(format!("{at}: `{owner}::{name}`: values are set by `with_x`"));
        }
    }
    report("Setters are `with_x` and readers `x`; only builders have bare setters.", faults);
}

pub fn methods(file: &File) -> Vec<Method> {
    let lines: Vec<_> = file.shipped_code().collect();
    let mut owner = String::new();
    let mut found = Vec::new();
    for (index, (number, line)) in lines.iter().enumerate() {
        if line.starts_with("impl") {
            owner = type_of(line);
        }
        let Some((_, rest)) = line.trim_start().split_once("pub ") else { continue };
        let rest = rest.trim_start_matches("const ").trim_start_matches("async ");
        let Some(rest) = rest.strip_prefix("fn ") else { continue };
        let is_free = line.starts_with("pub ");
        if !is_free && !line.starts_with("    pub ") {
            continue;
        }
        let name: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let mut signature = String::new();
        for (_, line) in &lines[index..] {
            let part = line.trim();
            let begins = signature.ends_with('(') || signature.is_empty();
            signature.push_str(if begins { "" } else { " " });
            signature.push_str(part.trim_end_matches('{').trim_end());
            if part.ends_with('{') || part.ends_with('}') || part.ends_with(';') {
                break;
            }
        }
        found.push(Method {
            at: format!("{}:{number}", file.path),
            owner: if is_free { file.path.clone() } else { owner.clone() },
            name,
            signature,
            docs: docs_above(file, *number),
        });
    }
    found
}

/// The comments and attributes of the item at a line.
pub fn docs_above(file: &File, number: usize) -> String {
    let lines: Vec<_> = file.text.lines().take(number - 1).map(str::trim).collect();
    let is_other = |line: &&str| line.is_empty() || line.ends_with(['{', '}', ';']);
    let begin = lines.iter().rposition(|line| !line.starts_with("//") && is_other(line));
    lines[begin.map_or(0, |at| at + 1)..].join("\n")
}

/// `Error` in `impl fmt::Debug for Error {` and in `impl<'a> Error<'a> {`.
fn type_of(line: &str) -> String {
    let named = match line.split_once(" for ") {
        Some((_, named)) => named,
        None => match line.strip_prefix("impl<") {
            Some(rest) => rest.split_once("> ").map_or(rest, |(_, named)| named),
            None => line.trim_start_matches("impl "),
        },
    };
    named.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}
