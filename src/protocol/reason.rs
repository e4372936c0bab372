//! The service's explanation of a refusal, prepared for errors and logs: one line, bounded, without signatures.

use crate::protocol::xml::XmlCursor;

const ROOT: &str = "Error";
/// A longer body does not come from the service.
const MAX_BODY: usize = 64 * 1024;
/// The longest part that is shown. A part may be the whole string-to-sign.
const MAX_PART: usize = 400;
const MAX_PARTS: usize = 6;
const REDACTED: &str = "REDACTED";

/// Returns the `Code` of an error body.
pub(super) fn code(body: &[u8]) -> Option<String> {
    let mut code = None;
    each_part(body, |name, text| {
        if name == "Code" && code.is_none() {
            let plain = text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            code = Some(text).filter(|text| plain && !text.is_empty()).map(str::to_owned);
        }
    });
    code
}

/// Returns the rest of an error body: the `Message`, then details such as `HeaderName: x-ms-version`.
pub(super) fn reason(body: &[u8]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut is_secret = false;
    each_part(body, |name, text| {
        let text = match name {
            "Code" => return,
            // The name precedes its value.
            "HeaderValue" | "QueryParameterValue" if is_secret => REDACTED.to_owned(),
            _ => fit(text),
        };
        is_secret = matches!(name, "HeaderName" | "QueryParameterName") && names_a_secret(&text);
        if !text.is_empty() && parts.len() < MAX_PARTS {
            let is_message = name == "Message";
            parts.push(if is_message { text } else { format!("{}: {text}", fit(name)) });
        }
    });
    parts.join("; ")
}

fn names_a_secret(name: &str) -> bool {
    ["authorization", "sig", "x-ms-copy-source", "x-ms-encryption-key"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// Calls back with the name and the text of each child of the root, as far as the body is readable.
fn each_part(body: &[u8], mut show: impl FnMut(&str, &str)) {
    let Some(text) = std::str::from_utf8(body).ok().filter(|text| text.len() <= MAX_BODY) else {
        return;
    };
    let mut cursor = XmlCursor::over(text);
    if cursor.enter(ROOT).is_err() {
        return;
    }
    while let Ok(Some(element)) = cursor.next_child(ROOT) {
        match cursor.text(&element) {
            Ok(text) => show(element.name(), &text),
            Err(_) => return,
        }
    }
}

/// Returns the text as one line, truncated and without secrets.
fn fit(text: &str) -> String {
    // The request id is shown separately, and the time is of no use.
    let text = text.split("RequestId:").next().unwrap_or_default();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut line = redacted(&line);
    if let Some((end, _)) = line.char_indices().nth(MAX_PART) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// Redacts signatures, keys and tokens: the value of `sig=`, and every word that looks like one of them.
fn redacted(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| !is_of_base64(c)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(length.max(first.len_utf8()));
        rest = behind;
        if is_secret(run) {
            shown.push_str(REDACTED);
        } else {
            shown.push_str(run);
            if run.eq_ignore_ascii_case("sig") && rest.starts_with('=') {
                shown.push('=');
                shown.push_str(REDACTED);
                let value = |c: char| is_of_base64(c) || matches!(c, '%' | '=');
                rest = &rest[rest.find(|c| !value(c)).unwrap_or(rest.len())..];
            }
        }
    }
    shown
}

/// A character of keys, signatures or tokens.
fn is_of_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')
}

/// A signature has 43 characters without its padding. Names are shorter, or have a single case. A token begins with `eyJ`.
fn is_secret(run: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| run.as_bytes().iter().any(kind);
    let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    (run.len() >= 40 && is_mixed) || (run.len() >= 16 && run.starts_with("eyJ"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIGNATURE: &str = "8HxWpJQXzZAaXXNyCYRzRKlYVfIAhJYAhaYkGTvPTnM";

    #[test]
    fn an_expired_sas_says_when() {
        let body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>AuthenticationFailed</Code><Message>Server \
                    failed to authenticate the request. Make sure the value of Authorization header is formed \
                    correctly including the signature.\nRequestId:1e9d0a5f-001e-0000-0000-000000000000\n\
                    Time:2026-11-28T10:00:00.0000000Z</Message><AuthenticationErrorDetail>Signature not valid in the \
                    specified time frame: Start [Fri, 27 Nov 2026 10:00:00 GMT] - Expiry [Sat, 28 Nov 2026 09:00:00 \
                    GMT] - Current [Sat, 28 Nov 2026 10:00:00 GMT]</AuthenticationErrorDetail></Error>";
        let reason = reason(body.as_bytes());
        assert!(reason.starts_with("Server failed to authenticate the request."), "{reason}");
        assert!(
            reason.contains("including the signature.; AuthenticationErrorDetail: Signature not"),
            "{reason}"
        );
        assert!(reason.ends_with("Current [Sat, 28 Nov 2026 10:00:00 GMT]"), "{reason}");
        assert!(!reason.contains("RequestId"), "{reason}");
        assert_eq!(code(body.as_bytes()).as_deref(), Some("AuthenticationFailed"));
    }

    #[test]
    fn signatures_keys_and_tokens_are_redacted() {
        let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.Pm9-x_y";
        for (text, secret) in [
            (
                format!(
                    "The MAC signature found in the HTTP request '{SIGNATURE}=' is not the same"
                ),
                SIGNATURE,
            ),
            (format!("SharedKey acct:{SIGNATURE}="), SIGNATURE),
            ("https://a/b?sv=1&sig=a%2Bb%3D&se=2".to_owned(), "a%2Bb"),
            ("SIG=short".to_owned(), "short"),
            (format!("key {key} x"), "1OUzFT50"),
            (format!("Bearer {token}"), "eyJzdWIi"),
        ] {
            for body in [
                format!("<Error><Message>{}</Message></Error>", text.replace('&', "&amp;")),
                format!("<Error><Reason><![CDATA[{text}]]></Reason></Error>"),
            ] {
                let reason = reason(body.as_bytes());
                assert!(!reason.contains(secret) && reason.contains(REDACTED), "{reason}");
            }
        }
        let named = "<Error><QueryParameterName>sig</QueryParameterName><QueryParameterValue>abc\
                     </QueryParameterValue><Reason>Not base64</Reason></Error>";
        let expected = "QueryParameterName: sig; QueryParameterValue: REDACTED; Reason: Not base64";
        assert_eq!(reason(named.as_bytes()), expected);
    }

    #[test]
    fn text_without_secrets_is_shown() {
        let body = "<Error><Message>The value for one of the HTTP headers is not in the correct format.</Message>\
                    <HeaderName>x-ms-version</HeaderName><HeaderValue>2099-01-01</HeaderValue><X>\
                    /contoso/checkpoints/contoso.servicebus.windows.net/telemetry/$default/ownership/0</X></Error>";
        assert_eq!(
            reason(body.as_bytes()),
            "The value for one of the HTTP headers is not in the correct format.; HeaderName: x-ms-version; \
             HeaderValue: 2099-01-01; X: /contoso/checkpoints/contoso.servicebus.windows.net/telemetry/$default/ownership/0"
        );
    }

    #[test]
    fn an_unusable_body_gives_no_reason() {
        let long = format!("<Error><Message>{}</Message></Error>", "x ".repeat(MAX_BODY));
        for body in ["", "<html><p>no</p></html>", "{\"error\":1}", "<Error>", "\u{0}", &long] {
            assert_eq!(
                (reason(body.as_bytes()).as_str(), code(body.as_bytes())),
                ("", None),
                "{body:.20}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_reason_is_one_bounded_line(text in "[ a-zA-Z0-9/+=%\n\r\t\u{7f}é'<&;:.]{0,2000}", count in 0..20_usize) {
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            let body = format!("<Error>{}</Error>", format!("<Detail>{text}</Detail>").repeat(count));
            let reason = reason(body.as_bytes());
            prop_assert!(!reason.chars().any(char::is_control));
            prop_assert!(reason.chars().count() <= MAX_PARTS * (MAX_PART + 20), "{}", reason);
        }
    }
}
