//! The rules that every name and every stored text must keep.

use crate::error::{Error, Result};

/// Together with the slashes and `checkpoint`, names of this length fit into the 1,024 characters of a blob name.
pub(super) const MAX_NAME: usize = 256;
const MAX_PARTITION_ID: usize = 128;
/// The metadata of a blob may have 8 KiB in total.
const MAX_HEADER_TEXT: usize = 4096;

/// Refuses a text that cannot be one segment of a blob name.
///
/// `.` and `..` are removed by URL libraries, so a request would reach another blob.
pub(super) fn check_name_part(what: &str, value: &str, max: usize) -> Result<()> {
    // One pass for the usual names, above all the partition ids of a list.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=max).contains(&value.len()) && value.bytes().all(is_plain) {
        return Ok(());
    }
    let fault = if value.is_empty() {
        "it must not be empty"
    } else if value == "." || value == ".." {
        "it must not be '.' or '..', because URLs drop such segments"
    } else if value.contains(['/', '\\']) {
        "it must not contain '/' or '\\'"
    } else if value.chars().any(char::is_control) {
        "it must not contain control characters"
    } else if value.chars().count() > max {
        return Err(Error::invalid_input(format!(
            "{what}{} is longer than {max} characters",
            shown(value)
        )));
    } else {
        return Ok(());
    };
    Err(Error::invalid_input(format!("{what}{}: {fault}", shown(value))))
}

/// Returns whether a request can send the text as one segment of a blob name.
pub(crate) fn is_name_part(value: &str) -> bool {
    check_name_part("name", value, MAX_NAME).is_ok()
}

/// Quotes a value for an error message, or returns nothing if it may be a secret in the wrong place.
pub(crate) fn shown(value: &str) -> String {
    if may_be_secret(value) { String::new() } else { format!(" {value:?}") }
}

/// Returns whether a text may be a connection string, a SAS, a token or an account key. None of them is ever shown.
pub(crate) fn may_be_secret(value: &str) -> bool {
    // A Base64 key and the signature of a JWT are at least this long; names rarely are.
    const LONG: usize = 32;
    let is_of_a_key = |letter: char| letter.is_ascii_alphanumeric() || letter == '+';
    let is_mixed = |run: &str| {
        run.len() >= LONG
            && run.bytes().any(|byte| byte.is_ascii_uppercase())
            && run.bytes().any(|byte| byte.is_ascii_lowercase())
            && run.bytes().any(|byte| byte.is_ascii_digit())
    };
    value.contains('=')
        || value.starts_with("eyJ")
        || value.split(|letter| !is_of_a_key(letter)).any(is_mixed)
}

/// The first character that no header can carry, described without the text around it, which may be a secret.
pub(crate) fn unprintable(text: &str) -> Option<String> {
    let (at, found) = text.char_indices().find(|(_, letter)| !(' '..='~').contains(letter))?;
    Some(match (at, found) {
        (0, '\u{feff}') => {
            "it begins with a byte order mark (U+FEFF); save the file without one".to_owned()
        }
        (at, found) => format!("it contains the character U+{:04X} at byte {at}", u32::from(found)),
    })
}

/// Returns whether a character is invisible, such as the byte order mark of a file or the zero-width space of a web page.
pub(crate) fn is_invisible(letter: char) -> bool {
    let marks = matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    marks || matches!(letter, '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Refuses a text that cannot be the name of a namespace, an event hub or a consumer group.
pub(super) fn check_group_name(what: &str, value: &str) -> Result<()> {
    check_name_part(what, value, MAX_NAME)?;
    let fault = if value.trim() != value {
        "it must not begin or end with a blank"
    } else if value.contains(is_invisible) {
        "it contains an invisible character, such as a byte order mark; remove it"
    } else {
        return Ok(());
    };
    Err(Error::invalid_input(format!("{what}{}: {fault}", shown(value))))
}

/// The name of an event hub may have slashes, as `messages/events` of an IoT hub has.
pub(super) fn check_eventhub_name(name: &str) -> Result<()> {
    const WHAT: &str = "event hub name";
    if name.contains('\\') || name.chars().count() > MAX_NAME {
        return check_group_name(WHAT, name);
    }
    for segment in name.split('/') {
        if segment.is_empty() && !name.is_empty() {
            return Err(Error::invalid_input(format!(
                "{WHAT}{}: every '/' must be between two parts of the name",
                shown(name)
            )));
        }
        check_group_name(WHAT, segment)?;
    }
    Ok(())
}

pub(crate) fn check_partition_id(partition_id: &str) -> Result<()> {
    check_name_part("partition id", partition_id, MAX_PARTITION_ID)
}

/// Refuses a text that a metadata header cannot carry unchanged: HTTP trims blanks at the ends, and the
/// service accepts [ASCII](https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources) only.
pub(crate) fn check_header_text(what: &str, value: &str) -> Result<()> {
    let fault = if let Some(found) = unprintable(value) {
        return Err(Error::invalid_input(format!(
            "{what}: only printable ASCII can be stored, but {found}"
        )));
    } else if value.starts_with(' ') || value.ends_with(' ') {
        "it must not begin or end with a blank, because HTTP trims blanks"
    } else if value.len() > MAX_HEADER_TEXT {
        return Err(Error::invalid_input(format!(
            "{what} has {} bytes, more than the {MAX_HEADER_TEXT} that are allowed",
            value.len()
        )));
    } else {
        return Ok(());
    };
    Err(Error::invalid_input(format!("{what}{}: {fault}", shown(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_reach_another_blob_are_refused() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\nb", &"x".repeat(257)] {
            let error = check_name_part("hub", name, MAX_NAME).expect_err(name);
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
        }
        let error = check_name_part("hub", "Endpoint=sb://a/;SharedAccessKey=secret", MAX_NAME);
        let error = error.expect_err("a connection string is no name").to_string();
        assert!(!error.contains("secret"), "{error}");
        for name in ["$Default", "a.b-c_d", "...", "ns.servicebus.windows.net:5671", "ünï"] {
            assert!(check_name_part("hub", name, MAX_NAME).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn possible_secrets_are_never_shown() {
        for secret in [
            "AccountName=a;AccountKey=b",
            "sv=1&sig=abc",
            "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.x",
            "S0VZLXRoYXQtbm9ib2R5LW1heS1zZWU=",
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",
        ] {
            assert_eq!(shown(secret), "", "{secret}");
            for error in [
                check_group_name("group", &format!("{secret}\n")).unwrap_err(),
                check_group_name("group", &format!("{secret} ")).unwrap_err(),
                check_eventhub_name(&format!("/{secret}")).unwrap_err(),
                check_header_text("owner id", &format!("{secret} ")).unwrap_err(),
                check_header_text("owner id", &format!("\u{feff}{secret}é")).unwrap_err(),
            ] {
                assert!(!format!("{error} {error:?}").contains(secret), "{error}");
            }
        }
        for name in [
            "contoso.servicebus.windows.net",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            "consumer-7d9f8b6c5d-x2x4z.telemetry-production-westeurope",
        ] {
            assert_eq!(shown(name), format!(" {name:?}"));
        }
    }

    #[test]
    fn names_with_invisible_characters_are_refused() {
        for name in [" a", "a ", "a\u{a0}", "\u{feff}a", "a\u{200b}b", "\u{2060}"] {
            assert!(check_group_name("group", name).is_err(), "{name:?}");
            assert!(check_eventhub_name(name).is_err(), "{name:?}");
        }
        assert!(check_group_name("group", "a b").is_ok());
    }

    #[test]
    fn event_hubs_may_have_slashes_in_their_names() {
        for name in ["messages/events", "a/b/c", "hub"] {
            assert!(check_eventhub_name(name).is_ok(), "{name}");
        }
        for name in
            ["", "/", "/a", "a/", "a//b", "a/../b", "./a", "a\\b", "a/ b", &"x/".repeat(129)]
        {
            assert!(check_eventhub_name(name).is_err(), "{name:?}");
        }
        assert!(check_group_name("group", "a/b").is_err());
    }

    #[test]
    fn texts_that_a_header_would_change_are_refused() {
        for text in ["a\r\nb", "a\0", " a", "a ", "é", "\t", &"x".repeat(4097)] {
            let error = check_header_text("owner id", text).expect_err(text);
            assert!(error.to_string().contains("owner id"), "{error}");
        }
        for text in ["", "a b", "2:-1:-1", "no offset", "~!@#$%^&*()"] {
            assert!(check_header_text("owner id", text).is_ok(), "{text:?}");
        }
    }
}
