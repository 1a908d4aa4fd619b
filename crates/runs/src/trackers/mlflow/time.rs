//! Times of MLflow: milliseconds since the Unix epoch.

/// MLflow's milliseconds to seconds.
#[expect(clippy::as_conversions, reason = "exact for 285,000 years")]
pub(crate) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1e3
}

/// Seconds to MLflow's milliseconds, which are not negative.
pub(crate) fn milliseconds(seconds: f64) -> i64 {
    let milliseconds = (seconds * 1e3).round();
    #[expect(clippy::as_conversions, reason = "what is out of range becomes the nearest")]
    (milliseconds as i64).max(0)
}
