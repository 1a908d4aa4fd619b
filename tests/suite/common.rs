//! What several tests need.

use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tbx::TimeSeries;

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The points of scalar series in one digest, as `fixtures/README.md` defines it.
pub(crate) fn digest<'a>(series: impl IntoIterator<Item = &'a TimeSeries>) -> String {
    let mut digest = Sha256::new();
    for series in series {
        let values = series.scalars().expect("a scalar series");
        for (i, value) in values.iter().enumerate() {
            digest.update(series.steps()[i].to_le_bytes());
            digest.update(series.wall_times()[i].to_le_bytes());
            let value = if value.is_nan() { f64::from_bits(0x7ff8 << 48) } else { value };
            digest.update(value.to_le_bytes());
        }
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
