//! Who knows whom: the order of knowledge is `model → naming, metadata → protocol → transport → dual → surfaces`.

use super::files::{File, report, sources};

/// A room and the rooms that it knows; itself is understood. What stands above them may know everything.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("model", &["error"]),
    ("naming", &["error", "model"]),
    ("metadata", &["error", "model"]),
    ("balance", &["error", "model"]),
    ("request_options", &["error", "model"]),
    ("container", &["model", "request_options"]),
    ("transport", &["error"]),
    // A retry is decided from the kind of a transport's error.
    ("protocol", &["container", "error", "model", "transport"]),
    ("store_options", &["error", "model", "naming", "protocol", "transport"]),
    ("memory_container", &["container", "error", "model"]),
    ("listing_reader", &["container", "error", "metadata", "model", "naming"]),
    ("page_body", &["container", "error", "protocol", "transport"]),
    ("stored_checkpoint", &["container", "error", "listing_reader", "metadata", "model", "naming"]),
    ("fence", &["model", "stored_checkpoint"]),
    ("legacy", &["model"]),
    ("processing", &["error", "model", "ownership"]),
];

#[test]
fn every_room_knows_only_those_below_it() {
    let sources = sources();
    let mut faults = Vec::new();
    for (room, knows) in ROOMS {
        let files: Vec<_> = sources.iter().filter(|file| room_of(file) == *room).collect();
        assert!(!files.is_empty(), "`{room}` is gone: take it off the table");
        for file in files {
            let named = file
                .shipped_code()
                .flat_map(|(number, line)| rooms_named_in(line).map(move |named| (number, named)));
            for (number, named) in named.filter(|(_, named)| named != room) {
                if !knows.contains(&named) {
                    faults.push(format!(
                        "{}:{number} names `crate::{named}`; `{room}` knows {knows:?} only",
                        file.path
                    ));
                }
            }
        }
    }
    report("A room knows only those below it, so that each can be read and tested alone.", faults);
}

/// The re-exports at the root would hide which room is meant, and whether it may be known.
#[test]
fn rooms_name_each_other_by_module() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| ROOMS.iter().any(|(room, _)| room_of(file) == *room))
    {
        for (number, line) in file.shipped_code() {
            for (at, _) in line.match_indices("crate::") {
                if line[at + "crate::".len()..]
                    .starts_with(|first: char| first.is_ascii_uppercase() || first == '{')
                {
                    faults.push(format!("{}:{number}: {}", file.path, line.trim()));
                }
            }
        }
    }
    report("Inside the crate a type is named by its module, `crate::error::Error`.", faults);
}

/// `src/protocol/sign.rs` and `src/protocol.rs` are in `protocol`.
fn room_of(file: &File) -> &str {
    let path = file.path.trim_start_matches("src/");
    path.split_once('/').map_or_else(|| path.trim_end_matches(".rs"), |(room, _)| room)
}

fn rooms_named_in(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").filter_map(|(at, found)| {
        let rest = &line[at + found.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}
