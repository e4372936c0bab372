//! The form of every connection string of Azure's: pairs `Name=Value` with a semicolon between them.

use crate::model::is_invisible;

/// One pair, without the blanks around its name and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a> {
    /// Its place, from 1. An error names it by this: a part may be a piece of a key, and is never shown.
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

/// The advice for a name that is of a variable.
pub(super) const ENV_FILE: &str = "it looks like a line NAME=… of an .env file or a shell; give only the text after its first '='";

/// The fault of a name that is not of letters only, as all of Azure's are.
pub(crate) fn fault_of_letters(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it has no name before '='");
    }
    if key.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    Some(match key.chars().next() {
        Some('"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’') => {
            "it begins with a quote; give the text without quotes"
        }
        Some('{' | '[') => "it looks like JSON; give only the connection string in it",
        _ if key.contains(is_invisible) => {
            "its name has an invisible character, such as the byte order mark of a file; remove it"
        }
        _ if key.contains(['_', ' ', '$']) => ENV_FILE,
        _ => "its name has other characters than letters",
    })
}
