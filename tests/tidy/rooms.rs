//! Which room may refer to which: the order of knowledge, from the plain data to the surfaces.

use super::files::{File, report, sources};

/// A room and the rooms that it knows; itself is understood. The surfaces and `adapters` stand above and know everything.
/// The order is the order of knowledge: a room knows only rooms that stand before it, so there is no circle.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("clock", &[]),
    ("model", &["error"]),
    ("container", &["clock", "error", "model"]),
    ("records", &["container", "error", "model"]),
    ("transport", &["error"]),
    // A retry is decided from the kind of a transport's error, and a page is read while the transport hands it over.
    ("protocol", &["container", "error", "model", "transport"]),
    ("options", &["error", "model", "protocol", "records", "transport"]),
    ("ownership", &["error", "model"]),
    ("processing", &["error", "model", "ownership"]),
    ("memory", &["clock", "error", "model", "ownership", "processing"]),
    // An engine in tasks of its own: the surfaces know its channels, it knows no surface.
    ("amqp", &["error", "model", "ownership", "processing", "protocol", "transport"]),
];

/// The same inside `protocol`.
const PROTOCOL: &[(&str, &[&str])] = &[
    ("date", &[]),
    ("xml", &[]),
    ("headers", &[]),
    ("reason", &["xml"]),
    ("response", &["date"]),
    ("operation", &["response"]),
    ("auth", &["date", "operation"]),
    ("address", &["auth"]),
    ("request", &["address", "auth", "date", "headers", "operation"]),
    ("operations", &["headers", "operation", "response", "xml"]),
    ("list", &["date", "operation", "response", "xml"]),
    ("status", &["date", "reason", "response"]),
    ("retry", &["status", "xml"]),
];

/// The modules above the rooms, which mount them and know them all.
const ABOVE: &[&str] =
    &["adapters", "checkpointstoreblob", "checkpointstoreblob_aio", "dual", "lib"];

#[test]
fn every_room_knows_only_those_before_it() {
    let mut faults = Vec::new();
    for (table, folder, path) in
        [(ROOMS, "src/", "crate::"), (PROTOCOL, "src/protocol/", "crate::protocol::")]
    {
        for (index, (room, knows)) in table.iter().enumerate() {
            let before: Vec<_> = table[..index].iter().map(|(room, _)| *room).collect();
            for unknown in knows.iter().filter(|known| !before.contains(known)) {
                faults.push(format!(
                    "`{room}` cannot know `{unknown}`, which does not stand before it"
                ));
            }
            let sources = sources();
            let files: Vec<_> =
                sources.iter().filter(|file| room_below(file, folder) == Some(room)).collect();
            assert!(!files.is_empty(), "`{folder}{room}` is gone: take it off the table");
            for file in files {
                for (number, line) in file.shipped_code() {
                    for named in rooms_named_in(line, path).filter(|named| named != room) {
                        if !knows.contains(&named) {
                            faults.push(format!(
                                "{}:{number} names `{path}{named}`; `{room}` knows {knows:?} only",
                                file.path
                            ));
                        }
                    }
                }
            }
        }
    }
    report("A room knows only those before it, so that each can be read and tested alone.", faults);
}

#[test]
fn every_file_stands_in_a_room_of_the_tables() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| file.path.ends_with(".rs")) {
        let room = room_of(file);
        if !ABOVE.contains(&room) && !ROOMS.iter().any(|(known, _)| *known == room) {
            faults.push(format!("{} is in no room", file.path));
        }
        let inner = room_below(file, "src/protocol/").filter(|inner| *inner != "mod");
        if inner.is_some_and(|inner| !PROTOCOL.iter().any(|(known, _)| *known == inner)) {
            faults.push(format!("{} is in no room of `protocol`", file.path));
        }
    }
    report(
        "The tables name every room of src; a new one gets its place in the order of knowledge.",
        faults,
    );
}

/// A file alone at the top says nothing of where it belongs.
#[test]
fn only_the_crate_its_errors_its_options_and_its_surfaces_stand_at_the_top() {
    const TOP: [&str; 5] = [
        "checkpointstoreblob.rs",
        "checkpointstoreblob_aio.rs",
        "error.rs",
        "lib.rs",
        "options.rs",
    ];
    let faults: Vec<_> = sources()
        .into_iter()
        .map(|file| file.path)
        .filter(|path| path.matches('/').count() == 1 && !TOP.contains(&&path["src/".len()..]))
        .collect();
    report("A file of src stands in a room, which is a folder.", faults);
}

/// The re-exports at the root would hide which room is meant, and whether it may be known.
#[test]
fn rooms_name_each_other_by_module() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| ROOMS.iter().any(|(room, _)| room_of(file) == *room))
    {
        for (number, line) in file.shipped_code() {
            let mut paths = vec!["crate::"];
            if room_of(file) == "protocol" && !file.path.ends_with("/mod.rs") {
                paths.push("crate::protocol::");
            }
            for (path, (at, _)) in
                paths.iter().flat_map(|path| line.match_indices(path).map(move |at| (path, at)))
            {
                if line[at + path.len()..]
                    .starts_with(|first: char| first.is_ascii_uppercase() || first == '{')
                {
                    faults.push(format!("{}:{number}: {}", file.path, line.trim()));
                }
            }
        }
    }
    report("Inside the crate a type is named by its module, `crate::error::Error`.", faults);
}

/// A relative path out of a room would not be checked against the tables.
#[test]
fn no_room_is_left_by_super() {
    let mut faults = Vec::new();
    for (table, folder) in [(ROOMS, "src/"), (PROTOCOL, "src/protocol/")] {
        for file in sources().iter().filter(|file| {
            room_below(file, folder)
                .is_some_and(|room| table.iter().any(|(known, _)| *known == room))
        }) {
            let way_out = way_out(file, folder);
            for (number, line) in file.shipped_code() {
                if line.contains(&way_out) {
                    faults.push(format!("{}:{number}: {}", file.path, line.trim()));
                }
            }
        }
    }
    report("A path to another room begins with `crate::`.", faults);
}

/// `src/protocol/retry.rs` is in `protocol`.
fn room_of(file: &File) -> &str {
    room_below(file, "src/").unwrap_or_default()
}

/// The first folder or file below another folder.
fn room_below<'a>(file: &'a File, folder: &str) -> Option<&'a str> {
    let path = file.path.strip_prefix(folder)?;
    Some(path.split_once('/').map_or_else(|| path.trim_end_matches(".rs"), |(room, _)| room))
}

/// The relative path from a file to the module of the folder: `super::super::` from `auth/sign.rs` to `protocol`.
fn way_out(file: &File, folder: &str) -> String {
    let path =
        file.path.trim_start_matches(folder).trim_end_matches(".rs").trim_end_matches("/mod");
    "super::".repeat(path.split('/').count())
}

fn rooms_named_in<'a>(line: &'a str, path: &str) -> impl Iterator<Item = &'a str> {
    line.match_indices(path).filter_map(|(at, found)| {
        let rest = &line[at + found.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}
