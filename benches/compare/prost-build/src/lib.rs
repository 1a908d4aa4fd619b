//! Stands in for prost-build 0.12 in the build script of the crate tboard.
//!
//! The original runs the program `protoc`, which a fresh machine does not have. This one lets
//! protox read the `.proto` files and hands the result to the original, so that the generated
//! Rust is the same. It has only the one function that tboard calls.

use std::io;
use std::path::Path;

/// Compiles `.proto` files into Rust in Cargo's `OUT_DIR`.
///
/// # Errors
/// Whatever protox says about the files, or an I/O error.
pub fn compile_protos(
    protos: &[impl AsRef<Path>],
    includes: &[impl AsRef<Path>],
) -> io::Result<()> {
    let files = protox::compile(protos, includes).map_err(io::Error::other)?;
    upstream::Config::new().compile_fds(files)
}
