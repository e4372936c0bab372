//! Names that a room never uses, beyond those of the other rooms.

use super::files::{File, report, sources};

struct Rule {
    sentence: &'static str,
    /// Folders and files, from `src/`.
    rooms: &'static [&'static str],
    never: &'static [&'static str],
}

const CLOCKS_AND_CHANCE: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "fastrand::f64(",
    "fastrand::u64(",
    "fastrand::u128(",
    "Rng::new(",
];
const SYSTEM: &[&str] = &["std::net", "std::thread", "std::fs", "std::env", "std::process"];
const CLIENTS: &[&str] = &["ureq::", "reqwest::", "tokio::", "rustls::", "native_tls::"];

const RULES: &[Rule] = &[
    Rule {
        sentence: "Plain data and what is decided from it know no HTTP, so that they serve without a client.",
        rooms: &[
            "error",
            "model",
            "ownership",
            "records/checkpoint",
            "records/naming",
            "records/ownership",
        ],
        never: &["http::", "bytes::", "quick_xml::"],
    },
    Rule {
        sentence: "What is sans-IO knows no socket, thread, file or client.",
        rooms: &["error", "model", "container", "records", "protocol", "ownership", "processing"],
        never: SYSTEM,
    },
    Rule {
        sentence: "What is sans-IO knows no client.",
        rooms: &["error", "model", "container", "records", "protocol", "ownership", "processing"],
        never: CLIENTS,
    },
    Rule {
        sentence: "Time and randomness are arguments of what decides, so that a test can replay it.",
        rooms: &[
            "error",
            "model",
            "container/call",
            "container/requests",
            "records/checkpoint",
            "records/fenced_update",
            "records/naming",
            "records/ownership",
            "records/stored",
            "protocol",
            "ownership",
            "processing",
        ],
        never: CLOCKS_AND_CHANCE,
    },
    Rule {
        sentence: "The protocol moves blobs and knows nothing of Event Hubs.",
        rooms: &["protocol"],
        never: &[
            "Checkpoint",
            "Claims",
            "ClaimOutcome",
            "ConsumerGroup",
            "Ownership",
            "ownerid",
            "sequencenumber",
            "offset\"",
        ],
    },
    Rule {
        sentence: "A container moves blobs and knows nothing of checkpoints.",
        rooms: &["container", "dual/container"],
        never: &["Checkpoint", "ConsumerGroup", "Ownership", "ownerid", "sequencenumber"],
    },
    Rule {
        sentence: "The store works over any container and knows no HTTP.",
        rooms: &["dual/store", "dual/ownership_manager"],
        never: &["http::", "StatusCode", "x-ms-"],
    },
    Rule {
        sentence: "A transport sends what it is given: no signing, retrying or judging of statuses.",
        rooms: &["transport"],
        never: &[
            "x-ms-",
            "SharedKey",
            "AUTHORIZATION",
            "RetryOptions",
            "is_server_error",
            "is_client_error",
        ],
    },
    Rule {
        sentence: "What a caller gave and could not be parsed may be a secret: an error shows it through `model::shown`.",
        rooms: &["amqp", "protocol"],
        never: &["{text:?}", "{url:?}", "{value:?}", "{key:?}", "{asked:?}", "{own:?}"],
    },
    Rule {
        sentence: "Dual code is written for both surfaces: what differs by nature comes from `super::runtime`.",
        rooms: &["dual"],
        never: &[
            "tokio::",
            "ureq::",
            "reqwest::",
            "futures_util::",
            "std::thread",
            "thread::sleep",
            "block_on",
            "spawn(",
        ],
    },
];

#[test]
fn no_room_names_what_it_must_not_know() {
    let sources = sources();
    let mut faults = Vec::new();
    for rule in RULES {
        for room in rule.rooms {
            let files: Vec<_> = sources.iter().filter(|file| is_in(file, room)).collect();
            assert!(
                !files.is_empty(),
                "`{room}` is gone: take it out of the rule \"{}\"",
                rule.sentence
            );
            for file in files {
                faults.extend(named(rule, file));
            }
        }
    }
    report("A room names what it must not know.", faults);
}

fn is_in(file: &File, room: &str) -> bool {
    let path = file.path.trim_start_matches("src/");
    path.strip_prefix(room).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn named(rule: &Rule, file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in file.shipped_code() {
        for name in rule.never.iter().filter(|name| names(line, name)) {
            faults.push(format!("{}:{number} names `{name}`. {}", file.path, rule.sentence));
        }
    }
    faults
}

/// Whether the name stands in the line, not as the end of a longer one.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}
