//! The form of all Azure connection strings: `Name=Value` pairs, separated by semicolons.

use crate::model::is_invisible;

/// One pair, without the blanks around its name and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a> {
    /// Its number, from 1. Errors show only the number, because the part itself may contain a piece of a key.
    pub(crate) part: usize,
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

/// The pairs of a text, without empty parts. A value is all that follows the first `=`.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = Result<Pair<'_>, String>> {
    let is_blank = text.trim().is_empty();
    let blank = is_blank.then(|| Err("it is blank".to_owned()));
    let parts = text.split(';').map(str::trim).enumerate().filter(|(_, pair)| !pair.is_empty());
    blank.into_iter().chain(parts.map(|(index, pair)| {
        let part = index + 1;
        match pair.split_once('=') {
            Some((key, value)) => Ok(Pair { part, key: key.trim(), value: value.trim() }),
            None => Err(format!("part {part} is not of the form Name=Value")),
        }
    }))
}

/// The advice for a name that looks like an environment variable.
pub(super) const ENV_FILE: &str = "it looks like a NAME=… line of an .env file or a shell; pass only the text after the first '='";

/// Returns the fault of a name with characters other than letters. All of Azure's names consist of letters.
pub(crate) fn fault_of_letters(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it has no name before '='");
    }
    if key.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    Some(match key.chars().next() {
        Some('"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’') => {
            "it begins with a quote; pass the text without quotes"
        }
        Some('{' | '[') => "it looks like JSON; pass only the connection string in it",
        _ if key.contains(is_invisible) => {
            "its name contains an invisible character, such as the byte order mark of a file; remove it"
        }
        _ if key.contains(['_', ' ', '$']) => ENV_FILE,
        _ => "its name contains characters other than letters",
    })
}
