//! Replaces prost-build 0.12 in the build script of the crate tboard.
//!
//! The original runs the program `protoc`, which a fresh machine does not have. This replacement
//! reads the `.proto` files with protox and passes the result to the original, so that the
//! generated Rust code is the same. It has only the one function that tboard calls.

use std::io;
use std::path::Path;

/// Compiles `.proto` files into Rust in Cargo's `OUT_DIR`.
///
/// # Errors
/// Returns the error of protox for invalid files, or an I/O error.
pub fn compile_protos(
    protos: &[impl AsRef<Path>],
    includes: &[impl AsRef<Path>],
) -> io::Result<()> {
    let files = protox::compile(protos, includes).map_err(io::Error::other)?;
    upstream::Config::new().compile_fds(files)
}
