//! Imports from a source that has everything.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::{Import, Imported};
use crate::registry::Registry;
use crate::trackers::source::{
    At, Content, Histogram, Image, LeftOut, Mesh, Points, Series, Source, SourceExperiment,
    SourceFile, SourceModel, SourceRun, SourceRuns, SourceVersion,
};
use tbx::error::{Report, Result};
use tbx::logdir::{LoadOptions, Loaded, Logdir, RestartPolicy};
use tbx::meta::{RunMeta, Status};
use tbx::store::{Links, Root};
use tbx::{Audio, Clip, Images, Kind, Pixels};

type Make = Box<dyn Fn() -> Content + Sync>;

/// A tracker with one experiment.
#[derive(Default)]
struct Fake {
    runs: Vec<(SourceRun, Option<Make>)>,
    models: Vec<SourceModel>,
}

impl Fake {
    fn add(&mut self, run: SourceRun, make: impl Fn() -> Content + Sync + 'static) {
        let run = SourceRun { index: self.runs.len(), ..run };
        self.runs.push((run, Some(Box::new(make))));
    }

    fn of(run: SourceRun, make: impl Fn() -> Content + Sync + 'static) -> Self {
        let mut fake = Self::default();
        fake.add(run, make);
        fake
    }

    fn import(&self, out: &Path) -> Imported {
        Import::new().run_from(self, out).unwrap()
    }
}

impl Source for Fake {
    fn tracker(&self) -> &'static str {
        "fake"
    }

    fn experiments(&self, _: &mut Report) -> Result<Vec<SourceExperiment>> {
        Ok(vec![SourceExperiment { id: "e1".into(), name: "e".into(), ..Default::default() }])
    }

    fn runs(&self, _: &SourceExperiment, _: &mut Report) -> Result<SourceRuns> {
        let runs = self.runs.iter().map(|(run, _)| run.clone()).collect();
        Ok(SourceRuns { runs, ..SourceRuns::default() })
    }

    fn content(&self, of: &SourceRun, artifacts: bool, _: &mut Report) -> Result<Content> {
        let mut content = (self.runs[of.index].1.as_ref().unwrap())();
        if !artifacts {
            content.files.clear();
        }
        Ok(content)
    }

    fn models(&self, _: &mut Report) -> Result<Vec<SourceModel>> {
        Ok(self.models.clone())
    }

    fn connections(&self) -> usize {
        2
    }
}

fn run(id: &str, name: &str) -> SourceRun {
    SourceRun { id: id.into(), name: name.into(), ..SourceRun::default() }
}

fn at<T>(step: i64, value: T) -> At<T> {
    At { step, wall_time: 1_700_000_000.0 + step as f64, value }
}

fn series(tag: &str, points: Points) -> Series {
    Series { tag: tag.into(), description: None, points }
}

fn scalars(tag: &str, values: &[(i64, f64)]) -> Series {
    let points = values.iter().map(|(step, value)| at(*step, *value)).collect();
    series(tag, Points::Scalars(points))
}

fn ended() -> RunMeta {
    let mut meta = RunMeta::default();
    meta.status = Some(Status::Finished);
    meta
}

fn png(gray: u8) -> SourceFile {
    let pixels = Pixels::new(3, 2, 3, vec![gray; 18]).unwrap();
    SourceFile::of_bytes("a.png", pixels.to_png().unwrap())
}

fn image(file: SourceFile) -> Image {
    Image { file, boxes: Vec::new() }
}

fn wav() -> SourceFile {
    let clip = Clip::mono(&[0.0f32, 0.5, -0.5, 0.25], 8000).unwrap();
    SourceFile::of_bytes("a.wav", clip.to_wav())
}

fn load(out: &Path) -> Loaded {
    let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
    let loaded = Logdir::open(out).unwrap().load(&options).unwrap();
    assert!(loaded.report.is_lossless(), "{:?}", loaded.report.issues);
    loaded
}

fn issues(imported: &Imported) -> String {
    let issues = imported.report.issues.iter();
    issues.map(|issue| format!("{issue}\n")).collect()
}

fn every_kind() -> Content {
    let histogram = Histogram { edges: vec![-1.0, 0.0, 1.0, 3.0], counts: vec![0.0, 4.0, 2.0] };
    let mesh = Mesh {
        vertices: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        colors: vec![[255, 0, 0]; 3],
        faces: vec![[0, 1, 2]],
    };
    let two = vec![image(png(0)), image(png(9))];
    let described = Series {
        description: Some("what a **clip**".into()),
        ..series("sound", Points::Audio(vec![at(0, vec![wav(), wav()])]))
    };
    Content {
        meta: ended(),
        series: vec![
            scalars("loss", &[(2, 0.25), (0, 0.1), (1, f64::NAN)]),
            series("weights", Points::Histograms(vec![at(0, histogram)])),
            series("seen", Points::Images(vec![at(1, two), at(0, vec![image(png(5))])])),
            described,
            series("note", Points::Texts(vec![at(0, "some *text*".to_owned())])),
            series("shape", Points::Meshes(vec![at(0, mesh)])),
        ],
        files: vec![SourceFile::of_bytes("model.bin", *b"weights")],
        left_out: vec![LeftOut { kind: "videos".into(), count: 2, is_least: false }],
        ..Content::default()
    }
}

#[test]
fn values_of_every_kind_are_in_the_log() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::of(run("r1", "first"), every_kind);
    let imported = fake.import(dir.path());
    assert_eq!(issues(&imported), "");
    let [done] = &imported.runs[..] else { panic!() };
    assert_eq!((done.points, done.rounded, done.values, done.artifacts), (3, 1, 6, 1));
    assert!(!done.is_unfinished && !done.is_incomplete);
    assert_eq!((&*imported.left_out[0].kind, imported.left_out[0].count), ("videos", 2));

    let loaded = load(dir.path());
    let log = &loaded.runs[0];
    assert_eq!(log.name, "e/first");
    let loss = log.get("loss").unwrap();
    assert_eq!(loss.steps(), [0, 1, 2]);
    assert_eq!(loss.scalars().unwrap().iter().next(), Some(f64::from(0.1f32)));
    let raw = |tag: &str, place: usize| log.get(tag).unwrap().raw().unwrap()[place].clone();
    assert_eq!(log.get("seen").unwrap().kind(), Kind::Image);
    assert_eq!(Images::read(&raw("seen", 0)).unwrap().encoded.len(), 1);
    let two = Images::read(&raw("seen", 1)).unwrap();
    assert_eq!((two.width, two.height, two.encoded.len()), (3, 2, 2));
    let sound = Audio::read(&raw("sound", 0)).unwrap();
    assert_eq!(sound.encoded.len(), 2);
    assert_eq!(sound.decode().unwrap()[0].sample_rate(), 8000);
    assert_eq!(log.get("sound").unwrap().metadata().description, "what a **clip**");
    let weights = tbx::Histogram::read(&raw("weights", 0)).unwrap();
    // TensorBoard does not show empty buckets at the ends.
    let buckets: Vec<_> =
        weights.buckets.iter().map(|bucket| (bucket.left, bucket.right, bucket.count)).collect();
    assert_eq!(buckets, [(0.0, 1.0, 4.0), (1.0, 3.0, 2.0)]);
    let moments = weights.moments.unwrap();
    assert_eq!((moments.num, moments.sum, moments.min, moments.max), (6.0, 6.0, 0.0, 3.0));
    assert!(log.get("note").is_some() && log.get("shape_FACE").is_some());

    let meta = RunMeta::read(&dir.path().join("e/first")).unwrap().unwrap();
    assert_eq!(meta.other["fake"]["run_id"], json!("r1"));
    assert_eq!((meta.name.as_deref(), meta.experiment.as_deref()), (Some("first"), Some("e")));
    assert_eq!(meta.id.unwrap().len(), 32);
    assert_eq!(meta.artifacts[0].path, "model.bin");

    let again = fake.import(dir.path());
    assert!(again.runs[0].was_there && again.points == 0);
}

#[test]
fn a_value_that_cannot_be_written_costs_only_itself() {
    let dir = TempDir::new().unwrap();
    let bad = Histogram { edges: vec![1.0, 0.0], counts: vec![1.0] };
    let few = Histogram { edges: vec![1.0], counts: vec![1.0] };
    let text = |step| At { wall_time: f64::NAN, ..at(step, "t".to_owned()) };
    let fake = Fake::of(run("r", "r"), move || Content {
        meta: ended(),
        series: vec![
            series("h", Points::Histograms(vec![at(0, bad.clone()), at(1, few.clone())])),
            series("m", Points::Meshes(vec![at(0, Mesh::default())])),
            series(
                "i",
                Points::Images(vec![
                    at(0, vec![image(SourceFile::of_bytes("x", *b"no image"))]),
                    at(1, vec![image(png(1))]),
                    at(2, vec![]),
                ]),
            ),
            series("a", Points::Audio(vec![at(0, vec![])])),
            series("t", Points::Texts(vec![text(0)])),
            scalars("s", &[(0, 1.0)]),
        ],
        ..Content::default()
    });
    let imported = fake.import(dir.path());
    let said = issues(&imported);
    assert_eq!((imported.report.issues.len(), imported.runs[0].values), (6, 1), "{said}");
    for what in ["tag \"h\"", "step 0", "not a mesh", "not an image", "no audio clip"] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert_eq!(imported.left_out[0].kind, "values without a time");
    assert_eq!(imported.points, 1);
    load(dir.path());
}

#[test]
fn an_artifact_is_kept_only_if_it_is_what_the_tracker_says() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, size, sha256: Option<&str>| SourceFile {
        size,
        sha256: sha256.map(str::to_owned),
        ..SourceFile::of_bytes(name, *b"abc")
    };
    let good = tbx::digest::sha256(b"abc").to_uppercase();
    let fake = Fake::of(run("r", "r"), move || Content {
        meta: ended(),
        files: vec![
            file("good", Some(3), Some(&good)),
            file("damaged", Some(3), Some("00")),
            file("long", Some(2), None),
            file("short", Some(4), None),
        ],
        ..Content::default()
    });
    let imported = fake.import(dir.path());
    let said = issues(&imported);
    assert_eq!(imported.report.issues.len(), 3, "{said}");
    assert!(said.contains("SHA-256") && said.contains("only 3"), "{said}");
    assert!(imported.runs[0].is_incomplete);
    let kept: Vec<_> = fs::read_dir(dir.path().join("e/r/artifacts")).unwrap().collect();
    assert_eq!(kept.len(), 1);
    // The next import looks for them again.
    assert_eq!(fake.import(dir.path()).report.issues.len(), 3);
}

#[test]
fn a_run_is_replaced_when_it_grew() {
    let dir = TempDir::new().unwrap();
    let of = |state: Option<&str>, status, points: usize| {
        let run = SourceRun { state: state.map(str::to_owned), ..run("r", "r") };
        Fake::of(run, move || {
            let mut meta = RunMeta::default();
            meta.status = status;
            let values: Vec<_> = (0..points).map(|step| (step as i64, 1.0)).collect();
            Content { meta, series: vec![scalars("s", &values)], ..Content::default() }
        })
    };
    let len = || load(dir.path()).runs[0].get("s").unwrap().len();
    let done = Some(Status::Finished);
    assert!(of(None, None, 1).import(dir.path()).runs[0].is_unfinished);
    of(None, None, 2).import(dir.path());
    assert_eq!(len(), 2);
    // It has ended, but its file grew again.
    of(Some("10 bytes"), done, 3).import(dir.path());
    assert_eq!(len(), 3);
    let same = of(Some("10 bytes"), done, 9).import(dir.path());
    assert!(same.runs[0].was_there && len() == 3);
    let grown = of(Some("20 bytes"), done, 4).import(dir.path());
    assert!(!grown.runs[0].was_there && len() == 4);
    // Somebody changed it here.
    let label = |meta: &mut RunMeta| {
        meta.labels.insert("mine".into());
    };
    RunMeta::update(&dir.path().join("e/r"), label).unwrap();
    let left = of(Some("30 bytes"), done, 5).import(dir.path());
    assert!(left.runs[0].was_there && left.report.is_lossless());
    assert!(issues(&left).contains("its metadata was edited here"), "{}", issues(&left));
    assert_eq!(len(), 4);
    assert!(of(Some("20 bytes"), done, 5).import(dir.path()).report.issues.is_empty());
}

#[test]
fn a_run_that_has_not_ended_is_looked_at_again_whatever_the_state_of_its_data() {
    let dir = TempDir::new().unwrap();
    let of = |status, points: usize| {
        let run = SourceRun { state: Some("10 bytes".into()), ..run("r", "r") };
        Fake::of(run, move || {
            let mut meta = RunMeta::default();
            meta.status = status;
            let values: Vec<_> = (0..points).map(|step| (step as i64, 1.0)).collect();
            Content { meta, series: vec![scalars("s", &values)], ..Content::default() }
        })
    };
    assert!(of(Some(Status::Running), 1).import(dir.path()).runs[0].is_unfinished);
    // Its file has not grown for long.
    assert!(!of(Some(Status::Killed), 1).import(dir.path()).runs[0].was_there);
    let meta = RunMeta::read(&dir.path().join("e/r")).unwrap().unwrap();
    assert_eq!(meta.status, Some(Status::Killed));
    assert!(of(Some(Status::Killed), 1).import(dir.path()).runs[0].was_there);
    // A tracker without a status: the state of the data says everything.
    let dir = TempDir::new().unwrap();
    assert!(!of(None, 1).import(dir.path()).runs[0].is_unfinished);
    assert!(of(None, 1).import(dir.path()).runs[0].was_there);
}

#[test]
fn a_run_that_grew_is_left_with_what_was_added_to_it_and_the_report_says_so() {
    let dir = TempDir::new().unwrap();
    let of = |state: &str| {
        let run = SourceRun { state: Some(state.to_owned()), ..run("p/r-1", "r") };
        Fake::of(run, || Content { meta: ended(), ..Content::default() })
    };
    of("1").import(dir.path());
    fs::create_dir(dir.path().join("e/r/child")).unwrap();
    fs::write(dir.path().join("e/r/child/x"), "mine").unwrap();
    let said = issues(&of("2").import(dir.path()));
    assert!(said.contains("something was added to its directory here"), "{said}");
    assert!(dir.path().join("e/r/child/x").exists());
    for wanted in ["r", "p/r-1", "r-1"] {
        let of_run = Import::new().runs([wanted]).run_from(&of("1"), dir.path()).unwrap();
        assert_eq!(of_run.runs.len(), 1, "{wanted}");
    }
}

#[test]
fn issues_of_the_values_of_a_run_have_a_limit() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::of(run("r", "r"), || {
        let bad = Histogram { edges: vec![1.0], counts: vec![1.0] };
        let points = (0..3000).map(|step| at(step, bad.clone())).collect();
        let series = vec![series("h", Points::Histograms(points))];
        Content { meta: ended(), series, ..Content::default() }
    });
    let report = fake.import(dir.path()).report;
    assert_eq!(report.issues.len(), Report::MAX_ISSUES_PER_FILE);
    assert_eq!(report.more_issues, 2000);
}

#[test]
fn runs_have_their_places_whatever_they_are_called() {
    let dir = TempDir::new().unwrap();
    let mut fake = Fake::default();
    let empty = || Content { meta: ended(), ..Content::default() };
    fake.add(run("a-1", "same"), empty);
    fake.add(run("b-2", "same"), empty);
    fake.add(SourceRun { parent: Some("a-1".into()), ..run("c", "child") }, empty);
    fake.add(SourceRun { parent: Some("c".into()), ..run("d", "grandchild") }, empty);
    fake.add(SourceRun { parent: Some("own".into()), ..run("own", "own") }, empty);
    let long = "n".repeat(5000);
    for (id, name) in [
        ("1", "../../up"),
        ("2", "/etc/x"),
        ("3", "con"),
        ("4", ""),
        ("5", "artifacts"),
        ("6", &long),
    ] {
        fake.add(run(id, name), || Content {
            meta: ended(),
            series: vec![scalars("../x", &[(0, 1.0)])],
            files: ["../../up", "/abs", "a/../b", "nul", "x.tfevents.1", "x\0y"]
                .map(|name| SourceFile::of_bytes(name, *b"x"))
                .into(),
            ..Content::default()
        });
    }
    let out = dir.path().join("logs");
    let imported = fake.import(&out);
    assert_eq!(issues(&imported), "");
    assert_eq!(imported.runs.len(), 11);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "something left the log directory");
    for name in ["e/same", "e/same-b-2", "e/same/child", "e/same/child/grandchild", "e/%63on"] {
        assert!(out.join(name).join("tbx.json").exists(), "{name}");
    }
    let meta = |name: &str| RunMeta::read(&out.join(name)).unwrap().unwrap();
    assert_eq!(meta("e/same/child").parent, meta("e/same").id);
    let mut dirs: Vec<_> = imported.runs.iter().map(|run| run.dir.clone()).collect();
    dirs.sort();
    dirs.dedup();
    assert_eq!(dirs.len(), 11);
    assert!(dirs.iter().all(|dir| dir.starts_with(out.join("e"))));
    assert!(fake.import(&out).runs.iter().all(|run| run.was_there));
}

#[test]
fn a_run_of_another_tracker_with_the_same_id_is_another_run() {
    let dir = TempDir::new().unwrap();
    let mut meta = ended();
    meta.id = Some("r".into());
    meta.other.insert("elsewhere".into(), json!({ "run_id": "r" }));
    fs::create_dir_all(dir.path().join("there")).unwrap();
    meta.write(&dir.path().join("there")).unwrap();
    let fake = Fake::of(run("r", "r"), || Content { meta: ended(), ..Content::default() });
    assert!(!fake.import(dir.path()).runs[0].was_there);
    assert!(dir.path().join("e/r").exists());
}

#[test]
fn files_outside_of_the_source_are_not_read() {
    let dir = TempDir::new().unwrap();
    let secret = dir.path().join("secret");
    fs::write(&secret, "s").unwrap();
    let inside = dir.path().join("source");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("a"), "abc").unwrap();
    let root = Root::new(&inside, Links::Inside).unwrap();
    let fake = Fake::of(run("r", "r"), move || Content {
        meta: ended(),
        series: vec![series(
            "i",
            Points::Images(vec![at(0, vec![image(SourceFile::local("i", &root, &secret))])]),
        )],
        files: vec![
            SourceFile::local("a", &root, inside.join("a")),
            SourceFile::local("b", &root, inside.join("../secret")),
            SourceFile::local("c", &root, &secret),
        ],
        ..Content::default()
    });
    let out = dir.path().join("out");
    let imported = fake.import(&out);
    let said = issues(&imported);
    // The image is one of the files, which are told once.
    assert_eq!((imported.report.issues.len(), imported.runs[0].artifacts), (2, 1), "{said}");
}

#[test]
fn models_are_registered_with_the_files_of_runs() {
    let dir = TempDir::new().unwrap();
    let mut fake = Fake::of(run("r", "r"), every_kind);
    let version = |id: &str, artifact: Option<&str>, number| SourceVersion {
        id: id.into(),
        number,
        run: Some("r".into()),
        artifact: artifact.map(str::to_owned),
        location: Some("s3://bucket/m".into()),
        aliases: vec![format!("is-{id}")],
        ..SourceVersion::default()
    };
    fake.models = vec![
        SourceModel {
            name: "net".into(),
            versions: vec![
                version("v7", Some("model.bin"), None),
                version("v9", None, None),
                SourceVersion { is_deleted: true, ..version("gone", None, None) },
            ],
            ..SourceModel::default()
        },
        SourceModel { name: "a/b:\n".into(), ..SourceModel::default() },
    ];
    let imported = fake.import(dir.path());
    assert_eq!((imported.models, imported.models_elsewhere), (2, 1));
    assert_eq!(imported.report.issues.len(), 1, "{}", issues(&imported));
    let models = Registry::open(dir.path()).models().unwrap();
    let net = &models["net"];
    assert_eq!(net.versions[0].path, "model.bin");
    assert_eq!(net.versions[0].sha256, tbx::digest::sha256(b"weights"));
    assert_eq!(net.versions[1].source.as_deref(), Some("s3://bucket/m"));
    assert_eq!((net.versions[0].version, net.versions[1].version), (1, 2));
    assert_eq!(net.aliases["is-v9"], 2);
    assert_eq!(net.versions[0].other["fake"], json!({ "version": "v7", "run_id": "r" }));
    assert_eq!(fake.import(dir.path()).models, 0);
}

#[cfg(feature = "mlflow")]
#[test]
fn images_become_what_tensorboard_shows_and_boxes_are_drawn_if_asked_for() {
    let mut webp = std::io::Cursor::new(Vec::new());
    let black = image::DynamicImage::new_rgb8(40, 30);
    black.write_to(&mut webp, image::ImageFormat::WebP).unwrap();
    let webp = webp.into_inner();
    let fake = Fake::of(run("r", "r"), move || {
        let file = SourceFile::of_bytes("a.webp", webp.clone());
        let boxes = vec![([5.0, 5.0, 20.0, 20.0], "cat".to_owned())];
        let images = vec![at(0, vec![Image { file, boxes }])];
        Content {
            meta: ended(),
            series: vec![series("i", Points::Images(images))],
            ..Content::default()
        }
    });
    for draws in [false, true] {
        let dir = TempDir::new().unwrap();
        let imported = Import::new().draw_boxes(draws).run_from(&fake, dir.path()).unwrap();
        assert_eq!(issues(&imported), "");
        let left_out: Vec<_> = imported.left_out.iter().map(|left| left.count).collect();
        assert_eq!(left_out, if draws { vec![] } else { vec![1] });
        let loaded = load(dir.path());
        let raw = loaded.runs[0].get("i").unwrap().raw().unwrap()[0].clone();
        let images = Images::read(&raw).unwrap();
        assert_eq!((images.width, images.height), (40, 30));
        assert!(images.encoded[0].starts_with(b"\x89PNG"));
        let pixels = images.decode().unwrap()[0].to_rgb8();
        assert_eq!(pixels.pixels().any(|pixel| pixel.0 == [255, 0, 0]), draws);
    }
}
