//! Packs runs into compressed files, and removes old artifacts.
//!
//! [`Rules`] select the artifacts to remove; artifacts in the [registry](crate::registry) are never
//! removed. [`Pack`] puts whole run directories into a `.tar.zst`, and [`Restore`] restores them
//! byte for byte. `tar --zstd -x` unpacks such a file, too.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let (root, dir) = (dir.path().join("runs"), dir.path());
//! # std::fs::create_dir_all(root.join("first/artifacts"))?;
//! # std::fs::write(root.join("first/tbx.json"), r#"{"schema": "tbx.run/1"}"#)?;
//! # std::fs::write(root.join("first/artifacts/model.bin"), b"weights")?;
//! use std::time::Duration;
//! use tbx_runs::archive::{Pack, Restore, Rules};
//!
//! let packed = Pack::find(&root)?.run(&dir.join("runs.tar.zst"))?;
//! assert_eq!(packed.files, 2);
//!
//! let month = Duration::from_secs(30 * 24 * 3600);
//! let old = Rules::new().older_than(month).find(&root)?;
//! assert!(old.files.is_empty()); // else: old.remove()
//!
//! let restored = Restore::new(dir.join("runs.tar.zst")).run(&dir.join("again"))?;
//! assert_eq!(restored.files, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod append;
mod entries;
mod gc;
mod held;
mod pack;
mod paths;
mod remove;
mod restore;
mod runs;

use std::io;

pub use self::entries::Entry;
pub use self::gc::{Candidate, Candidates, Rules};
pub use self::pack::{Pack, Packed};
pub use self::restore::{Restore, Restored};
pub use self::runs::RunDir;
use tbx::meta::ARTIFACTS;

/// The error for an archive with wrong content.
fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
