//! Takes the caller's Azure and proxy variables out of the environment before `main`, so that no test, nor any child
//! process of one, can reach an account or a proxy that it was not given.
//!
//! A root of tests links it with `use clean_environment as _;`.

use std::env;
use std::ffi::OsString;
use std::sync::OnceLock;

/// A child that a test gives an argument sees the variables that the test gives it.
const ARGUMENT: &str = "CHECKPOINTSTORE_TEST_ARGUMENT";

const PREFIXES: [&str; 4] = ["AZURE_", "EVENTHUB", "EVENT_HUB", "BLOB_CONTAINER"];
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
/// Set by a server that runs CGI programs, which trust no `HTTP_PROXY`; and where managed identities are asked for.
const OTHERS: [&str; 5] =
    ["REQUEST_METHOD", "CONSUMER_GROUP", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT"];

static TAKEN: OnceLock<Vec<(OsString, OsString)>> = OnceLock::new();

/// Whether a variable, in whatever case, says where an account, a hub or a proxy is.
#[must_use]
pub fn is_foreign(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || PROXIES.contains(&name.as_str())
        || OTHERS.contains(&name.as_str())
}

/// The variables that were taken out. For a test that asks for an account of the caller, by a variable of its own, and
/// for what downloads: [`proxies`].
#[must_use]
pub fn taken() -> &'static [(OsString, OsString)] {
    TAKEN.get().map_or(&[], Vec::as_slice)
}

/// The caller's proxies, for installers and nothing else.
pub fn proxies() -> impl Iterator<Item = (OsString, OsString)> {
    let is_proxy = |name: &OsString| {
        let name = name.to_string_lossy().to_ascii_uppercase();
        PROXIES.contains(&name.as_str())
    };
    taken().iter().filter(move |(name, _)| is_proxy(name)).cloned()
}

#[ctor::ctor(unsafe)]
fn clean() {
    if env::var_os(ARGUMENT).is_some() {
        return;
    }
    let foreign: Vec<_> =
        env::vars_os().filter(|(name, _)| is_foreign(&name.to_string_lossy())).collect();
    for (name, _) in &foreign {
        // SAFETY: this is before `main`, so there is no other thread that could read the environment.
        unsafe { env::remove_var(name) };
    }
    let _ = TAKEN.set(foreign);
}
