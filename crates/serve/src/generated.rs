//! The generated files are up to date with the `.proto` files of the repository. With `TBX_UPDATE_MESSAGES`, these
//! tests write them again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;

/// The directory of TensorBoard's messages; none in a published package.
fn proto() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    if !root.exists() {
        println!("skipped: generated files: there is no directory proto");
    }
    root.exists().then_some(root)
}

fn updates() -> bool {
    std::env::var_os("TBX_UPDATE_MESSAGES").is_some()
}

fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

const AGAIN: &str = "TBX_UPDATE_MESSAGES=1 cargo test -p tbx-serve generated writes it again";

#[test]
fn descriptors_of_graphs_are_those_of_proto() {
    let Some(proto) = proto() else { return };
    let mut set = protox::compile(["graph.proto", "run_metadata.proto"], [proto]).unwrap();
    for file in &mut set.file {
        file.source_code_info = None;
    }
    let fresh = set.encode_to_vec();
    let path = own("src/routes/graphs/descriptors.bin");
    if updates() {
        fs::write(&path, &fresh).unwrap();
    }
    assert!(fs::read(path).unwrap() == fresh, "{AGAIN}");
}

#[test]
fn messages_of_calls_are_those_of_proto() {
    let Some(proto) = proto() else { return };
    let own_proto = own("proto");
    let descriptors =
        protox::compile([own_proto.join("data_provider.proto")], [own_proto, proto]).unwrap();
    let out = tempfile::tempdir().unwrap();
    prost_build::Config::new()
        .bytes(["."])
        .extern_path(".tensorboard.SummaryMetadata", "::tbx::pb::SummaryMetadata")
        .extern_path(".tensorboard.TensorProto", "::tbx::pb::TensorProto")
        .out_dir(out.path())
        .compile_fds(descriptors)
        .unwrap();
    let name = "tensorboard.data.rs";
    let path = own("src/grpc/pb").join(name);
    if updates() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(out.path().join(name), &path).unwrap();
        let done = Command::new("rustfmt").args(["--edition", "2024"]).arg(&path).status();
        assert!(done.unwrap().success());
    }
    // rustfmt changes spaces, line breaks and trailing commas.
    let text = |path: &Path| -> String {
        let text = fs::read_to_string(path).unwrap();
        text.split(|c: char| c.is_whitespace() || c == ',').collect()
    };
    assert!(text(&path) == text(&out.path().join(name)), "{AGAIN}");
}
