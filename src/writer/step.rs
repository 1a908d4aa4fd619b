//! Conversions to steps.

/// A type that can be used as a step: any integer of up to 64 bits, or `None` for the
/// [default](crate::SummaryWriter#steps).
///
/// Steps are signed on the wire. A `u64` or `usize` above `i64::MAX` becomes `i64::MAX`.
pub trait IntoStep {
    /// Converts to a step; `None` for the default.
    fn into_step(self) -> Option<i64>;
}

impl IntoStep for Option<i64> {
    #[inline]
    fn into_step(self) -> Option<i64> {
        self
    }
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(impl IntoStep for $type {
            #[inline]
            fn into_step(self) -> Option<i64> {
                Some(i64::try_from(self).unwrap_or(i64::MAX))
            }
        })*
    };
}

integers!(i8 i16 i32 i64 u8 u16 u32 u64 usize);
