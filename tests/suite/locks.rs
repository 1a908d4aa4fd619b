//! Many processes update shared files, and some of them are killed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use tbx::meta::RunMeta;
use tbx_runs::registry::{Registry, VersionName};

/// Environment variable with the number of a child, which marks this process as a child.
const CHILD: &str = "TBX_TEST_CHILD";
const DIR: &str = "TBX_TEST_DIR";
const CHILDREN: usize = 24;
const UPDATES: usize = 75;
/// Every third child is killed after it has reported this number of updates.
const KILLED_AFTER: usize = 10;

/// Runs a child, which reports each successful update.
fn update(child: &str, dir: &Path) {
    let version = "clf/1".parse::<VersionName>().unwrap();
    let mut out = std::io::stdout().lock();
    for i in 0..UPDATES {
        let name = format!("{child}-{i}");
        let done = match i % 5 {
            0 => Registry::open(dir).tag(&version, &name, "x"),
            _ => RunMeta::update(dir, |meta| drop(meta.tags.insert(name.clone(), "x".into()))),
        };
        if done.is_ok() {
            writeln!(out, "done {name}").unwrap();
            out.flush().unwrap();
        }
    }
}

fn child(number: usize, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "locks::no_update_is_lost_whoever_is_killed", "--nocapture"])
        .env(CHILD, number.to_string())
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn no_update_is_lost_whoever_is_killed() {
    if let Some((child, dir)) = std::env::var(CHILD).ok().zip(std::env::var_os(DIR)) {
        return update(&child, dir.as_ref());
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("artifacts")).unwrap();
    fs::write(dir.join("artifacts/m.bin"), "abc").unwrap();
    fs::write(dir.join("tbx.json"), r#"{"schema": "tbx.run/1"}"#).unwrap();
    Registry::open(dir).register("clf", ".", "m.bin").unwrap();
    // Files left by processes that were killed.
    for name in [".tbx~lock-tbx.json", ".tbx~lock-tbx.registry.json", ".tbx~1-1"] {
        File::create(dir.join(name)).unwrap();
    }
    let done: Vec<String> = thread::scope(|scope| {
        let one = |number: usize| {
            scope.spawn(move || {
                let mut child = child(number, dir);
                let lines = BufReader::new(child.stdout.take().unwrap()).lines();
                let mut done = Vec::new();
                for line in lines.map_while(Result::ok) {
                    // The test runner writes to the same line.
                    if let Some((_, name)) = line.split_once("done ") {
                        done.push(name.to_owned());
                    }
                    if number.is_multiple_of(3) && done.len() == KILLED_AFTER {
                        child.kill().unwrap();
                    }
                }
                child.wait().unwrap();
                done
            })
        };
        let children: Vec<_> = (0..CHILDREN).map(one).collect();
        children.into_iter().flat_map(|child| child.join().unwrap()).collect()
    });
    let whole = CHILDREN - CHILDREN.div_ceil(3);
    assert!(done.len() >= whole * UPDATES, "{} of {}", done.len(), whole * UPDATES);
    let mut there = RunMeta::read(dir).unwrap().unwrap().tags;
    there.extend(Registry::open(dir).models().unwrap()["clf"].versions[0].tags.clone());
    let lost: Vec<_> = done.iter().filter(|name| !there.contains_key(*name)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), done.len());
    // The next call removes everything that killed processes left.
    RunMeta::update(dir, |_| {}).unwrap();
    Registry::open(dir).describe_model("clf", "x").unwrap();
    RunMeta::update(dir, |meta| meta.name = Some("x".into())).unwrap();
}
