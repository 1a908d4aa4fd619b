//! Records the version of the compiler, for the metadata of runs. With the feature `regenerate`, also
//! generates the messages in `src/event/pb/` from `proto/` into the output directory;
//! `tests/suite/messages.rs` compares the two and copies them on request.

use std::env;
use std::error::Error;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(version) = rustc_version() {
        println!("cargo::rustc-env=TBX_RUSTC_VERSION={version}");
    }
    #[cfg(feature = "regenerate")]
    messages::generate()?;
    Ok(())
}

/// Output of `rustc --version`; none if it cannot be run.
fn rustc_version() -> Option<String> {
    let done = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    Some(String::from_utf8(done.stdout).ok()?.trim().to_owned())
}

/// Compiles `proto/` to Rust. protox needs no installed `protoc`.
#[cfg(feature = "regenerate")]
mod messages {
    use std::env;
    use std::error::Error;
    use std::path::{Path, PathBuf};

    pub(crate) fn generate() -> Result<(), Box<dyn Error>> {
        println!("cargo::rerun-if-changed=proto");
        let mut files = Vec::new();
        list(Path::new("proto"), &mut files)?;
        files.sort();
        let descriptors = protox::compile(&files, ["proto"])?;
        prost_build::Config::new()
            .bytes(["."]) // payloads stay slices of their file
            .btree_map(["."]) // equal messages have equal bytes
            .compile_well_known_types() // no prost-types at run time
            .compile_fds(descriptors)?;
        println!("cargo::rustc-env=TBX_GENERATED={}", env::var("OUT_DIR")?);
        Ok(())
    }

    fn list(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
        for entry in directory.read_dir()? {
            let path = entry?.path();
            if path.is_dir() {
                list(&path, files)?;
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                files.push(path);
            }
        }
        Ok(())
    }
}
