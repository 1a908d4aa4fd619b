//! The generated code in `src/event/pb/` is up to date with `proto/`.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Contents of the generated files in `directory` by name, without the spaces, line breaks and
/// trailing commas that rustfmt changes.
fn generated(directory: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        if name != "mod.rs" {
            files.insert(name, text.split(|c: char| c.is_whitespace() || c == ',').collect());
        }
    }
    files
}

#[test]
fn generated_messages_are_those_of_proto() {
    let Some(fresh) = option_env!("TBX_GENERATED").map(Path::new) else {
        println!("skipped: generated messages: the feature `regenerate` is off");
        return;
    };
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/event/pb");
    if std::env::var_os("TBX_UPDATE_MESSAGES").is_some() {
        for name in generated(fresh).keys() {
            let path = committed.join(name);
            fs::copy(fresh.join(name), &path).unwrap();
            let done = Command::new("rustfmt").args(["--edition", "2024"]).arg(path).status();
            assert!(done.unwrap().success(), "{name}");
        }
    }
    let (fresh, committed) = (generated(fresh), generated(&committed));
    assert_eq!(fresh.keys().collect::<Vec<_>>(), committed.keys().collect::<Vec<_>>());
    for (name, text) in &fresh {
        assert!(
            text == &committed[name],
            "src/event/pb/{name} is not what proto/ says: generate it again with \
             TBX_UPDATE_MESSAGES=1 cargo test --features regenerate --test messages"
        );
    }
}
