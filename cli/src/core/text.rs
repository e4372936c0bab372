//! Numbers, durations and times as people read and write them.

use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp, Unit};

/// `1203551` as `1,203,551`.
pub fn grouped(number: impl Into<i128>) -> String {
    let number = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 partition`, `2 partitions`.
pub fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// The two largest units: `8s`, `3m 20s`, `2h 11m`, `9d`, `1d 4h`.
pub fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let pair = |large: u64, unit: char, small: u64, small_unit: char| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit} {small}{small_unit}")
        }
    };
    if days > 0 {
        pair(days, 'd', hours, 'h')
    } else if hours > 0 {
        pair(hours, 'h', minutes, 'm')
    } else if minutes > 0 {
        pair(minutes, 'm', seconds % 60, 's')
    } else {
        format!("{seconds}s")
    }
}

/// `8s ago`.
pub fn ago(age: Duration) -> String {
    format!("{} ago", rough(age))
}

/// How long before `now` a moment was; zero if it was later.
pub fn age(moment: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(moment).unwrap_or_default()
}

/// Reads `90s`, `2m`, `1h 30m`, `9d` or `PT5M`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is not a duration: write it as 90s, 2m, 1h30m or 9d");
    let span: jiff::Span = text.parse().map_err(|_| refused())?;
    if span.is_negative() {
        return Err(format!("{text:?}: a duration must not be negative"));
    }
    let seconds =
        span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).map_err(|_| refused())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| refused())
}

/// RFC 3339 in UTC, to the second.
pub fn rfc3339(moment: SystemTime) -> String {
    let Ok(timestamp) = Timestamp::try_from(moment) else {
        return "-".to_owned();
    };
    timestamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-11-28 21:04:11Z`, or with the offset of the given zone.
pub fn moment(moment: SystemTime, zone: Option<&TimeZone>) -> String {
    let Ok(timestamp) = Timestamp::try_from(moment) else {
        return "-".to_owned();
    };
    match zone {
        Some(zone) => timestamp.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string(),
        None => timestamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    }
}

/// Reads RFC 3339.
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [
            (0, "0"),
            (12, "12"),
            (999, "999"),
            (1_000, "1,000"),
            (41_298, "41,298"),
            (1_203_551, "1,203,551"),
            (-1, "-1"),
            (-1_000, "-1,000"),
            (i64::MIN, "-9,223,372,036,854,775,808"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn one_is_singular() {
        let texts = [0, 1, 2].map(|count| counted(count, "owner"));
        assert_eq!(texts, ["0 owners", "1 owner", "2 owners"]);
    }

    #[test]
    fn ages_have_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (8, "8s"),
            (60, "1m"),
            (200, "3m 20s"),
            (7_860, "2h 11m"),
            (7_919, "2h 11m"),
            (9 * 86_400, "9d"),
            (9 * 86_400 + 59 * 60, "9d"),
            (86_400 + 4 * 3_600, "1d 4h"),
        ] {
            assert_eq!(rough(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("2m", 120),
            ("1h 30m", 5_400),
            ("1h30m", 5_400),
            ("9d", 777_600),
            ("PT5M", 300),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "5", "-5m", "five minutes", "1y", "2 fortnights"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn moments_are_written_and_read() {
        let moment_ = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_899_851);
        assert_eq!(rfc3339(moment_), "2026-11-28T21:04:11Z");
        assert_eq!(moment(moment_, None), "2026-11-28 21:04:11Z");
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(moment(moment_, Some(&zone)), "2026-11-28 22:04:11+01:00");
        assert_eq!(parse_rfc3339("2026-11-28T21:04:11Z"), Some(moment_));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
