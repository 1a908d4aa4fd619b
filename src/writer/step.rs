//! Steps, as programs count them.

/// What can be a step: any integer of up to 64 bits, or `None` for the
/// [default](crate::SummaryWriter#steps).
///
/// Steps are signed on the wire. A `u64` or `usize` beyond `i64::MAX` is `i64::MAX`.
pub trait IntoStep {
    /// The step; none for the default.
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
