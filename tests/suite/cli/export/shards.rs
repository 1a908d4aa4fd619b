//! `tbx export --shard`: several machines share the work.

use std::collections::BTreeSet;
use std::fs;

use super::super::Folder;
use super::names;

/// Runs that all have different parameters and tags.
fn many_runs() -> Folder {
    let folder = Folder::new();
    for i in 0..30 {
        let writer = folder.run(format!("logs/lr_{}/seed_{i}", i % 3));
        let hparams = tbx::Hparams::new().with(format!("p{}", i % 4), f64::from(i));
        writer.add_hparams(hparams, []).unwrap();
        writer.add_scalar(&format!("loss_{}", i % 5), 0.5, i64::from(i)).unwrap();
        writer.close().unwrap();
    }
    folder
}

#[test]
fn all_shards_together_are_the_whole() {
    let folder = many_runs();
    let export = |args: &str| folder.tbx(&format!("export logs --to csv --out - {args}")).out;
    let rows = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let whole = rows(&export(""));
    for count in [1, 3, 7] {
        let mut all = Vec::new();
        for index in 1..=count {
            let shard = rows(&export(&format!("--shard {index}/{count}")));
            // Rows are in the order of the whole table.
            let in_whole = whole.iter().filter(|row| shard.contains(row));
            assert!(in_whole.eq(shard.iter()));
            all.extend(shard);
        }
        assert_eq!(all.len(), whole.len());
        assert_eq!(BTreeSet::from_iter(&all), BTreeSet::from_iter(&whole));
    }
    let said = folder.tbx("export logs --to csv --out x.csv --shard 4/3").failed();
    assert!(said.contains("there is no shard 4 of 3: shards are 1 to 3"), "{said}");
}

/// A query can find them by a pattern.
#[test]
fn names_of_files_say_the_shard() {
    let folder = many_runs();
    for index in 1..=10 {
        let shard = format!("--shard {index}/10");
        let one = folder.tbx(&format!("export logs --to csv --out points.csv {shard}"));
        let several = folder.tbx(&format!("export logs --to json --table all --out data {shard}"));
        assert_eq!((one.code, several.code), (Some(0), Some(0)), "{}", several.err);
        let name = format!("points-{index:02}-of-10.csv");
        assert!(one.err.contains(&format!("written to {name}")), "{}", one.err);
        assert!(folder.path(name).exists());
        assert!(folder.path(format!("data/runs-{index:02}-of-10.jsonl")).exists());
    }
    assert_eq!(names(&folder).len(), 12);
    // Columns have the same names in all shards, so that joined by name they are one table.
    let runs = (1..=10).map(|i| folder.path(format!("data/runs-{i:02}-of-10.jsonl")));
    let lines: Vec<String> = runs.map(|path| fs::read_to_string(path).unwrap()).collect();
    let lines: Vec<&str> = lines.iter().flat_map(|text| text.lines()).collect();
    assert_eq!(lines.len(), 30);
    let with = |column: &str, line: &str| line.contains(&format!("\"{column}\":"));
    let own = |line: &&&str| {
        let i: u32 =
            line.split("seed_").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        let loss = format!("metric.loss_{}:last", i % 5);
        line.contains(&format!("\"param.p{}\":{i}.0", i % 4)) && with(&loss, line)
    };
    assert_eq!(lines.iter().filter(own).count(), 30);
}
