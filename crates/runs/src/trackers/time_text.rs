//! Times as text.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Seconds since the Unix epoch that no training reaches: the year 5138.
pub(crate) const END: f64 = 1e11;

/// Seconds since the Unix epoch of a time in ISO 8601. Without an offset it is in UTC.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let time: Timestamp = match text.parse() {
        Ok(time) => time,
        Err(_) => TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok()?,
    };
    Some(time.as_duration().as_secs_f64())
}

/// The seconds of a duration such as `01:23` or `1:02:03`.
pub(crate) fn duration(text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    let parts: Vec<_> = text.trim().split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    for part in parts {
        let part: f64 = part.parse().ok().filter(|part| *part >= 0.0 && f64::is_finite(*part))?;
        seconds = seconds * 60.0 + part;
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds() {
        let expected = 1_795_963_561.147_062;
        for text in [
            "2026-11-29T14:46:01.147062+00:00",
            "2026-11-29T15:46:01.147062+01:00",
            "2026-11-29 14:46:01.147062",
            " 2026-11-29T14:46:01.147062Z",
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        assert!(["", "x", "12", "2026-13-01T00:00:00"].map(seconds).iter().all(Option::is_none));
        assert_eq!(["01:23", "1:02:03"].map(duration), [Some(83.0), Some(3723.0)]);
        assert!(
            ["", "5", "a:b", "1:-2", "1:2:3:4", "inf:1"].map(duration).iter().all(Option::is_none)
        );
    }
}
