//! The structure of the source: the layers of the modules, no circles of files, the one file with `unsafe`, and
//! the number of crates that a training loop has to build.

mod circles;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::repository;

/// A package: where its source is, the name of its library, and its layers from bottom to top. A module
/// uses itself and the layers below its own, and any module of a package before its own.
struct Package {
    source: &'static str,
    library: &'static str,
    layers: &'static [&'static [&'static str]],
}

const PACKAGES: [Package; 4] = [
    Package {
        source: "src",
        library: "tbx",
        layers: &[
            &["budget", "decimal", "digest", "file_names", "redact"],
            &["error", "safe_name", "store"],
            &["record", "replace", "yaml"],
            &["tree"],
            &["event", "meta"],
            &["summary", "artifacts"],
            &["wandb"],
            &["writer", "logdir"],
            &["track"],
            // The root: the list of what is public.
            &["lib"],
        ],
    },
    Package {
        source: "crates/runs/src",
        library: "tbx_runs",
        layers: &[
            &["printable", "progress", "work"],
            &["table", "registry", "artifacts"],
            &["export", "edit", "verify", "archive"],
            &["trackers"],
            &["import", "mirror"],
            &["lib"],
        ],
    },
    Package {
        source: "crates/serve/src",
        library: "tbx_serve",
        layers: &[
            &["state"],
            &["http"],
            &["page"],
            &["app", "grpc"],
            &["routes"],
            &["export"],
            &["data_server", "server"],
            &["generated"],
            &["lib"],
        ],
    },
    Package { source: "crates/cli/src", library: "", layers: &[] },
];

/// How many crates may be built besides the library, at most, counting those of build scripts:
/// without features, and with those for images and arrays.
const MAX_CRATES: [(&str, usize); 2] = [("", 30), ("image,ndarray", 62)];

impl Package {
    fn layer(&self, module: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.contains(&module))
    }
}

/// A source file: the path of its module from the crate's root, and its code without comments.
struct Source {
    package: usize,
    path: PathBuf,
    module: Vec<String>,
    code: String,
}

fn sources() -> Vec<Source> {
    (0..PACKAGES.len()).flat_map(sources_of).collect()
}

fn sources_of(package: usize) -> Vec<Source> {
    let mut files = Vec::new();
    let mut directories = vec![repository(PACKAGES[package].source)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files.into_iter().map(|path| source(package, path)).collect()
}

fn source(package: usize, path: PathBuf) -> Source {
    let path_in_src =
        path.strip_prefix(repository(PACKAGES[package].source)).unwrap().with_extension("");
    let names = path_in_src.iter().map(|name| name.to_str().unwrap().to_owned());
    let module = names.filter(|name| name != "mod").collect();
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join("\n");
    Source { package, path, module, code }
}

impl Source {
    /// The names directly below the crate's root that the code uses.
    fn uses(&self) -> BTreeSet<String> {
        let from_root = format!("{}::", vec!["super"; self.module.len()].join("::"));
        let paths = after_word(&self.code, "crate::").into_iter().flat_map(first_names);
        let climbs = after_word(&self.code, &from_root).into_iter().flat_map(first_names);
        // In a module inside the file, `super` stays below the root.
        let climbs = climbs.filter(|name| PACKAGES[self.package].layer(name).is_some());
        paths.chain(climbs).collect()
    }
}

/// The text after each `word` that is not the end of a longer word.
fn after_word<'a>(code: &'a str, word: &str) -> Vec<&'a str> {
    let found = code.match_indices(word).filter(|(at, _)| {
        !code[..*at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | ':'))
    });
    found.map(|(at, _)| &code[at + word.len()..]).collect()
}

/// The first name of a path, or of each path in braces.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| {
        text.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned()
    };
    let Some(list) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut depth = 1;
    let mut names = vec![name(list)];
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(&list[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn modules_use_only_the_layers_below_their_own() {
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.display();
        for later in &PACKAGES[source.package + 1..] {
            if !later.library.is_empty()
                && !after_word(&source.code, &format!("{}::", later.library)).is_empty()
            {
                wrong.push(format!("{path}: uses the package {} above its own", later.library));
            }
        }
        let package = &PACKAGES[source.package];
        if package.layers.is_empty() {
            continue;
        }
        let own = source.module[0].as_str();
        let Some(from) = package.layer(own) else {
            wrong.push(format!("{path}: module {own} is in no layer"));
            continue;
        };
        for used in source.uses() {
            match package.layer(&used) {
                _ if used == own => {}
                Some(to) if to < from => {}
                Some(to) if to == from => {
                    wrong.push(format!("{path}: {own} uses {used}, which is in the same layer"))
                }
                Some(_) => wrong.push(format!("{path}: {own} uses {used}, which is above it")),
                // Names of the root are for users; inside, each has its module.
                None if own == "lib" => {}
                None => wrong.push(format!("{path}: {own} uses crate::{used}, not its module")),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_files_need_each_other() {
    let mut found = Vec::new();
    for (index, package) in PACKAGES.iter().enumerate() {
        let root = repository(package.source);
        let files = sources_of(index).into_iter().map(|source| circles::File {
            name: source.path.strip_prefix(&root).unwrap().display().to_string(),
            module: source
                .module
                .into_iter()
                .filter(|name| name != "lib" && name != "main")
                .collect(),
            code: fs::read_to_string(&source.path).unwrap().parse().unwrap(),
        });
        let circles = circles::circles(files.collect());
        found.extend(circles.iter().map(|circle| format!("{}:\n{circle}", root.display())));
    }
    assert!(found.is_empty(), "files that need each other, in\n{}", found.join("\n"));
}

#[test]
fn paths_are_found_in_every_form() {
    let code = "use crate::a::{b, c};\nuse crate::{d, e::{f, g}, h as i};\n\
                pub(in crate::j) fn k(l: &crate::m::N) { super::super::record::n(); not_crate::o }";
    let module = vec!["x".to_owned(), "y".to_owned()];
    let source = Source { package: 0, path: PathBuf::new(), module, code: code.into() };
    let expected = ["a", "d", "e", "h", "j", "m", "record"];
    assert_eq!(source.uses().iter().collect::<Vec<_>>(), expected);
}

#[test]
fn unsafe_code_stands_in_one_file_only() {
    let is_unsafe = |source: &Source| {
        let found = after_word(&source.code, "unsafe");
        // `unsafe-eval` is a word of content policies.
        let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        found.iter().any(|rest| !rest.starts_with(goes_on))
    };
    let found: Vec<_> = sources().into_iter().filter(is_unsafe).map(|source| source.path).collect();
    assert_eq!(found, [repository("src/record/machine.rs")]);
}

#[test]
fn a_training_loop_builds_few_crates() {
    for (features, most) in MAX_CRATES {
        let tree = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "-p",
                "tensorboard-tbx",
                "-e",
                "normal,build",
                "--prefix",
                "none",
            ])
            .args(["--no-default-features", "--features", features])
            .arg("--manifest-path")
            .arg(repository("Cargo.toml"))
            .output()
            .unwrap();
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8(tree.stdout).unwrap();
        // A crate that occurs again is marked with a star. The first line is this package.
        let crates: BTreeSet<&str> =
            tree.lines().skip(1).map(|line| line.trim_end_matches(" (*)")).collect();
        assert!(crates.len() <= most, "{features}: {} crates: {crates:#?}", crates.len());
    }
}
