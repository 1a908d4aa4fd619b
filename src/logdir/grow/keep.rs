//! Payloads that outlive the record that held them.

use bytes::Bytes;

/// Where kept payloads go.
pub(in crate::logdir) enum Keep {
    /// Slices of the mapped file.
    Slice(Bytes),
    /// Copies.
    Copy,
}

impl Keep {
    pub(in crate::logdir) fn keep(&self, payload: &[u8]) -> Bytes {
        if let Self::Slice(map) = self {
            let offset = payload.as_ptr().addr().checked_sub(map.as_ptr().addr());
            let range = offset.and_then(|from| Some(from..from.checked_add(payload.len())?));
            if let Some(range) = range.filter(|range| range.end <= map.len()) {
                return map.slice(range);
            }
        }
        Bytes::copy_from_slice(payload)
    }
}
