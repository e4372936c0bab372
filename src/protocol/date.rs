//! Dates of the service. A list has one for each blob, so parsing them is on the hot path.

use std::time::{Duration, SystemTime};

/// Formats an HTTP date; `None` before 1970 and after 9999, which the format cannot express.
pub(super) fn format_date(time: SystemTime) -> Option<String> {
    const END: u64 = 253_402_300_800;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    // The crate panics outside of this range.
    (since.as_secs() < END).then(|| httpdate::fmt_http_date(time))
}

/// Parses an HTTP date. The form that all servers send takes a fast path without a general parser.
pub(super) fn parse_date(text: &str) -> Option<SystemTime> {
    usual_form(text.as_bytes()).or_else(|| other_form(text.trim()))
}

#[cold]
fn other_form(text: &str) -> Option<SystemTime> {
    usual_form(text.as_bytes()).or_else(|| httpdate::parse_http_date(text).ok())
}

/// `Sun, 22 Nov 2026 10:05:07 GMT`. The name of the day is ignored, because it adds no information.
fn usual_form(text: &[u8]) -> Option<SystemTime> {
    let [
        _,
        _,
        _,
        b',',
        b' ',
        d1,
        d0,
        b' ',
        m0,
        m1,
        m2,
        b' ',
        y3,
        y2,
        y1,
        y0,
        b' ',
        h1,
        h0,
        b':',
        n1,
        n0,
        b':',
        s1,
        s0,
        b' ',
        b'G',
        b'M',
        b'T',
    ] = text
    else {
        return None;
    };
    let month = month([*m0, *m1, *m2])?;
    let (day, year) = (number(*d1, *d0)?, number(*y3, *y2)? * 100 + number(*y1, *y0)?);
    let (hour, minute, second) = (number(*h1, *h0)?, number(*n1, *n0)?, number(*s1, *s0)?);
    // The general parser handles leap seconds, days that a month does not have, and times before the epoch.
    if !(1..=28).contains(&day) || year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_since_epoch(year, month, day);
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Parses a time in a SAS: `2026-11-22`, optionally with `T10:05Z`, `T10:05:07Z` or a fraction of a second, in UTC.
pub(super) fn parse_iso8601(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00Z"));
    let [year, month, day] = numbers(date, '-')?;
    let time = time.strip_suffix('Z')?;
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let [hour, minute, second] = numbers(time, ':').or_else(|| {
        let [hour, minute] = numbers(time, ':')?;
        Some([hour, minute, 0])
    })?;
    let is_date =
        (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_since_epoch(year, month - 1, day);
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn numbers<const N: usize>(text: &str, separator: char) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for number in &mut numbers {
        let part = parts.next()?;
        if part.is_empty() || part.len() > 4 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn number(tens: u8, ones: u8) -> Option<u64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u64::from(tens * 10 + ones))
}

/// January is 0.
fn month(name: [u8; 3]) -> Option<u64> {
    Some(match &name {
        b"Jan" => 0,
        b"Feb" => 1,
        b"Mar" => 2,
        b"Apr" => 3,
        b"May" => 4,
        b"Jun" => 5,
        b"Jul" => 6,
        b"Aug" => 7,
        b"Sep" => 8,
        b"Oct" => 9,
        b"Nov" => 10,
        b"Dec" => 11,
        _ => return None,
    })
}

/// Years begin in March here, so that the leap day comes last ([days from
/// civil](https://howardhinnant.github.io/date_algorithms.html#days_from_civil)). January is month 0.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let year = if month < 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_second_until_the_year_9999_is_read_as_it_was_written(seconds in 0_u64..253_402_300_800) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let text = httpdate::fmt_http_date(time);
            prop_assert_eq!(parse_date(&text), Some(time), "{}", text);
            let day_29 = text[5..7].parse::<u64>().unwrap() > 28;
            prop_assert!(day_29 || usual_form(text.as_bytes()) == Some(time), "{}", text);
        }

        #[test]
        fn invalid_dates_are_none(
            text in "[A-Z][a-z]{2}, [0-9]{2} (Nov|Nox) [0-9]{3}[0-9x] [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|UTC)"
        ) {
            let (ours, other) = (usual_form(text.as_bytes()), httpdate::parse_http_date(&text).ok());
            // The general parser also checks the name of the day.
            prop_assert!(ours.is_none() || other.is_none() || ours == other, "{}", text);
            // An `x` in the name of the day is not an error.
            if text.contains("UTC") || text[5..].contains('x') {
                prop_assert_eq!(parse_date(&text), None);
            }
        }
    }

    #[test]
    fn times_of_a_sas() {
        let at = |text| parse_date(text).unwrap();
        for (text, expected) in [
            ("2026-11-22", "Sun, 22 Nov 2026 00:00:00 GMT"),
            ("2026-11-22T10:05Z", "Sun, 22 Nov 2026 10:05:00 GMT"),
            ("2026-11-22T10:05:07Z", "Sun, 22 Nov 2026 10:05:07 GMT"),
            ("2026-11-22T10:05:07.1234567Z", "Sun, 22 Nov 2026 10:05:07 GMT"),
            ("2024-02-29T23:59:59Z", "Thu, 29 Feb 2024 23:59:59 GMT"),
        ] {
            assert_eq!(parse_iso8601(text), Some(at(expected)), "{text}");
        }
        for text in
            ["", "T", "2026-13-01", "2026-11-22T10:05", "2026-11-22T1x:05Z", "1-1", "99999-01-01"]
        {
            assert_eq!(parse_iso8601(text), None, "{text}");
        }
    }

    #[test]
    fn dates_outside_the_range_of_http_are_none() {
        let epoch = SystemTime::UNIX_EPOCH;
        let last = epoch + Duration::from_secs(253_402_300_799);
        assert!(format_date(epoch).is_some() && format_date(last).is_some());
        for time in [epoch - Duration::from_nanos(1), last + Duration::from_secs(1)] {
            assert_eq!(format_date(time), None, "{time:?}");
        }
    }

    #[test]
    fn other_forms_of_http_are_read() {
        let expected = parse_date("Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(expected.is_some());
        for text in [
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(parse_date(text), expected, "{text}");
        }
        for text in ["", "now", "Sun, 31 Feb 2026 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
