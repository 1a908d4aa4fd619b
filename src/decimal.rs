//! Conversions between float32 and float64.

/// The float64 of the shortest decimal that rounds to this float32: 0.05 for `0.05f32`, which is
/// exactly 0.05000000074505806. For numbers that somebody chose, such as parameters; measured
/// values stay as they are.
pub fn as_written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value.into())
}

/// The nearest float32, which may be an infinity.
#[expect(clippy::as_conversions, reason = "rounds to the nearest float32, or to an infinity")]
pub fn to_f32(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stay_as_they_were_written() {
        for (value, expected) in [
            (0.05f32, 0.05),
            (1e-8, 1e-8),
            (-3.4e38, -3.4e38),
            (1e-45, 1e-45),
            (16_777_216.0, 16_777_216.0),
            (f32::INFINITY, f64::INFINITY),
        ] {
            assert_eq!(as_written(value), expected);
        }
        assert!(as_written(f32::NAN).is_nan());
        assert!(as_written(-0.0).is_sign_negative());
        // It is still the same float32.
        for bits in (0..=u32::MAX).step_by(100_003) {
            let value = f32::from_bits(bits);
            if value.is_finite() {
                assert_eq!((as_written(value) as f32).to_bits(), bits);
            }
        }
    }
}
