//! The archives that are published have what their own tests and documentation read. `.ci/package` builds
//! and tests them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::repository;

/// The packages: name, and directory in the repository.
const PACKAGES: [(&str, &str); 4] = [
    ("tensorboard-tbx", "."),
    ("tbx-runs", "crates/runs"),
    ("tbx-serve", "crates/serve"),
    ("tbx-cli", "crates/cli"),
];

/// The paths of all files in the archive of a package.
fn packed(name: &str) -> BTreeSet<String> {
    let list = Command::new(env!("CARGO"))
        .args(["package", "--list", "--offline", "--allow-dirty", "--package", name])
        .current_dir(repository("."))
        .output()
        .unwrap();
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    let list = String::from_utf8(list.stdout).unwrap();
    list.lines().map(|line| line.replace('\\', "/")).collect()
}

/// The source files below `directory`.
fn sources(directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(directory.join("src")) {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|extension| extension == "rs") {
            let path = entry.path().strip_prefix(directory).unwrap();
            files
                .push(path.iter().map(|name| name.to_str().unwrap()).collect::<Vec<_>>().join("/"));
        }
    }
    files
}

/// The paths that a source file reads: those that it includes, relative to it, and fixtures.
fn read_by(file: &str, code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for include in ["include!(\"", "include_bytes!(\"", "include_str!(\""] {
        for (at, _) in code.match_indices(include) {
            let path = code[at + include.len()..].split('"').next().unwrap();
            let mut parts: Vec<&str> = file.split('/').collect();
            parts.pop();
            for part in path.split('/') {
                if part == ".." {
                    parts.pop().expect("a path inside the package");
                } else {
                    parts.push(part);
                }
            }
            paths.push(parts.join("/"));
        }
    }
    for (at, _) in code.match_indices("fixtures/") {
        let is_in_path = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
        let end = code[at..].find(|c| !is_in_path(c)).map_or(code.len(), |len| at + len);
        paths.push(code[at..end].trim_end_matches(['.', '/']).to_owned());
    }
    paths
}

#[test]
fn archives_have_the_source_and_the_files_that_it_reads() {
    let mut missing = Vec::new();
    let mut read = 0;
    for (name, directory) in PACKAGES {
        let packed = packed(name);
        let has = |path: &str| {
            let below = format!("{path}/");
            packed.contains(path) || packed.iter().any(|packed| packed.starts_with(&below))
        };
        let directory = repository(directory);
        for file in sources(&directory) {
            let code = fs::read_to_string(directory.join(&file)).unwrap();
            for path in read_by(&file, &code) {
                read += 1;
                if !has(&path) {
                    missing.push(format!("{name}: {path}, which {file} reads"));
                }
            }
            if !packed.contains(&file) {
                missing.push(format!("{name}: {file}"));
            }
        }
        for file in ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
            if !packed.contains(file) {
                missing.push(format!("{name}: {file}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in the archive of\n{}", missing.join("\n"));
    assert!(read >= 20, "only {read} paths were found in the source");
}

#[test]
fn archives_have_nothing_else() {
    let known =
        ["Cargo.", ".cargo_vcs_info.json", "LICENSE-", "README.md", "build.rs", "proto/", "src/"];
    for (name, directory) in PACKAGES {
        let directory = repository(directory);
        let mut fixtures = BTreeSet::new();
        for file in sources(&directory) {
            let code = fs::read_to_string(directory.join(&file)).unwrap();
            fixtures.extend(read_by(&file, &code));
        }
        for path in packed(name) {
            // The directory of a fixture that is read may have more than what is read.
            let group = path.split('/').take(2).collect::<Vec<_>>().join("/");
            assert!(
                known.iter().any(|known| path.starts_with(known))
                    || fixtures.iter().any(|fixture| fixture.starts_with(&group)),
                "{name}: no test or document of the package reads {path}"
            );
        }
    }
}

/// Git creates text files instead of links on some systems, and they would be published.
#[test]
fn packages_have_the_licenses_of_the_repository() {
    for (name, directory) in PACKAGES {
        for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let own = fs::read(repository(directory).join(license)).unwrap();
            assert!(own == fs::read(repository(license)).unwrap(), "{name}: {license}");
        }
    }
}

#[test]
fn every_readme_names_the_oldest_compiler() {
    let manifest = fs::read_to_string(repository("Cargo.toml")).unwrap();
    let version = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    for (name, directory) in PACKAGES {
        let readme = fs::read_to_string(repository(directory).join("README.md")).unwrap();
        assert!(readme.contains(&format!("needs Rust {version} or later")), "{name}");
    }
}

#[test]
fn paths_are_found_in_includes_and_in_text() {
    let code = "include_str!(\"../README.md\"); /// open(\"fixtures/a/b.v2\")?; see fixtures/c.";
    let paths = read_by("src/lib.rs", code);
    assert_eq!(paths, ["README.md", "fixtures/a/b.v2", "fixtures/c"]);
}
