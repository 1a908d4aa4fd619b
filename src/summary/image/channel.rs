//! Elements of images.

/// An element of an image: `u8` from 0 to 255, or a float from 0 to 1.
pub trait Channel: Copy {
    /// Converts to an 8-bit sample. Floats are multiplied by 255, clamped and rounded down, as in PyTorch
    /// (`torch/utils/tensorboard/summary.py`, `_calc_scale_factor`). NaN becomes 0.
    fn to_sample(self) -> u8;
}

impl Channel for u8 {
    fn to_sample(self) -> u8 {
        self
    }
}

impl Channel for f32 {
    #[expect(clippy::as_conversions, reason = "saturates, and takes NaN to 0")]
    fn to_sample(self) -> u8 {
        (self * 255.0) as u8
    }
}

impl Channel for f64 {
    #[expect(clippy::as_conversions, reason = "saturates, and takes NaN to 0")]
    fn to_sample(self) -> u8 {
        (self * 255.0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_scaled_and_cut_off_as_in_pytorch() {
        let samples = [0.0f32, 0.5, 0.999, 1.0, 1.5, -0.5, f32::NAN].map(Channel::to_sample);
        assert_eq!(samples, [0, 127, 254, 255, 255, 0, 0]);
        assert_eq!([0.5f64, 2.0].map(Channel::to_sample), [127, 255]);
    }
}
