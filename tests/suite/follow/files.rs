//! Files and directories that are added, removed and changed under a follower.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use tbx::{Follower, LoadOptions, News, Reset, RestartPolicy};
use tempfile::TempDir;

use super::{Kept, facts_of_load};
use crate::common::{NAME, file_version, load, ranges, scalar, start};

/// No test takes long enough for bytes to settle by themselves.
const HOUR: Duration = Duration::from_secs(3600);

/// A log directory, its follower, and the results so far.
struct Scene {
    dir: TempDir,
    follower: Follower,
    options: LoadOptions,
    kept: Kept,
}

impl Scene {
    fn new() -> Self {
        Self::with(LoadOptions::new(), |follower| follower)
    }

    fn with(options: LoadOptions, build: impl FnOnce(Follower) -> Follower) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let follower = Follower::new(dir.path().join("logs"), &options).settle(HOUR);
        let follower = build(follower);
        fs::create_dir(dir.path().join("logs")).unwrap();
        Self { dir, follower, options, kept: Kept::default() }
    }

    fn logs(&self) -> PathBuf {
        self.dir.path().join("logs")
    }

    fn file(&self, run: &str) -> PathBuf {
        self.logs().join(run).join(NAME)
    }

    /// Appends to the file of a run. Creates the file if it does not exist.
    fn append(&self, run: &str, bytes: &[u8]) {
        let path = self.file(run);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// Polls. Returns the names of the runs that were removed, and of those that are new or changed.
    fn poll(&mut self) -> (Vec<String>, Vec<String>) {
        let news = self.follower.poll();
        let removed = news.removed.clone();
        let runs = news.runs.iter().map(|run| run.name.clone()).collect();
        self.kept.add(news);
        (removed, runs)
    }

    /// Polls as if files that did not change since the last poll had been unchanged for a long time. The test does
    /// not have to wait, because the time to settle is almost zero.
    fn poll_later(&mut self) -> (Vec<String>, Vec<String>) {
        self.settle(Duration::from_nanos(1));
        let told = self.poll();
        self.settle(HOUR);
        told
    }

    fn settle(&mut self, time: Duration) {
        let other = Follower::new("", &self.options);
        self.follower = std::mem::replace(&mut self.follower, other).settle(time);
    }

    fn steps(&self, run: &str, tag: &str) -> Vec<i64> {
        let series = self.kept.runs[run].series.iter().find(|((of, ..), _)| of == tag);
        series.map(|(_, series)| series.steps.clone()).unwrap_or_default()
    }

    fn resets(&self, run: &str) -> Vec<String> {
        self.kept.runs[run].resets.clone()
    }

    /// Fails unless a load gives the same result.
    #[track_caller]
    fn is_as_loaded(&mut self) {
        let news = self.follower.finish();
        self.kept.add(news);
        let mut found = self.kept.facts();
        let mut expected = facts_of_load(&load(&self.logs(), &self.options));
        found.issues.clear(); // they include issues of earlier states
        expected.issues.clear();
        found.assert_same(&expected, "a load");
    }
}

fn points(steps: std::ops::Range<i64>) -> Vec<u8> {
    let mut bytes = if steps.start == 0 { file_version() } else { Vec::new() };
    steps.for_each(|step| bytes.extend(scalar("loss", step, step as f32)));
    bytes
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn runs_that_come_and_go_are_told() {
    let mut scene = Scene::new();
    assert_eq!(scene.poll(), (none(), none()));
    scene.append("a", &points(0..3));
    scene.append("b/c", b"");
    assert_eq!(scene.poll(), (none(), vec!["a".into(), "b/c".into()]));
    assert_eq!(scene.poll(), (none(), none()));
    scene.append("b/c", &points(0..2));
    assert_eq!(scene.poll(), (none(), vec!["b/c".into()]));
    fs::remove_dir_all(scene.logs().join("a")).unwrap();
    assert_eq!(scene.poll(), (vec!["a".into()], none()));
    scene.append("a", &points(0..1));
    assert_eq!(scene.poll(), (none(), vec!["a".into()]));
    assert_eq!(scene.steps("a", "loss"), [0]);
    scene.is_as_loaded();
}

#[test]
fn the_folder_may_come_late_and_vanish() {
    let mut scene = Scene::new();
    fs::remove_dir(scene.logs()).unwrap();
    let said = |news: News| news.issues.iter().map(|issue| issue.kind.name()).collect::<Vec<_>>();
    assert_eq!(said(scene.follower.poll()), ["io"]);
    assert_eq!(said(scene.follower.poll()), [""; 0], "reported only once");
    scene.append("a", &points(0..3));
    assert_eq!(scene.poll(), (none(), vec!["a".into()]));
    fs::remove_dir_all(scene.logs()).unwrap();
    assert_eq!(scene.poll(), (vec!["a".into()], none()));
    scene.append("a", &points(0..3));
    assert_eq!(scene.poll(), (none(), vec!["a".into()]));
    scene.is_as_loaded();
}

#[test]
fn every_file_of_a_run_is_read_on() {
    let mut scene = Scene::with(LoadOptions::new().restart(RestartPolicy::KeepAll), |f| f);
    scene.append("a", &points(0..3));
    scene.poll();
    let later = scene.logs().join("a/events.out.tfevents.1800000000.host.1.0");
    fs::write(&later, points(0..1)).unwrap();
    scene.poll();
    scene.append("a", &points(3..5)); // the older one
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), [0, 1, 2, 0, 3, 4]);
    // A file whose name comes before both.
    fs::write(scene.logs().join("a/events.out.tfevents.1600000000.host.1.0"), points(7..8))
        .unwrap();
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), [0, 1, 2, 0, 3, 4, 7]);
    assert_eq!(scene.resets("a"), none());
}

#[test]
fn a_run_is_given_anew_when_one_of_its_files_is_removed() {
    let mut scene = Scene::new();
    scene.append("a", &points(0..3));
    let other = scene.logs().join("a/other.tfevents");
    fs::write(&other, points(3..9)).unwrap();
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), (0..9).collect::<Vec<_>>());
    fs::remove_file(other).unwrap();
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), [0, 1, 2]);
    assert_eq!(scene.resets("a"), ["other.tfevents is gone"]);
    scene.is_as_loaded();
}

#[test]
fn a_file_cut_short_gives_its_run_anew() {
    let mut scene = Scene::new();
    let log = points(0..5);
    scene.append("a", &log);
    scene.append("b", &log);
    scene.poll();
    let ends: Vec<u64> = ranges(&log).iter().map(|range| range.end as u64).collect();
    File::options().write(true).open(scene.file("a")).unwrap().set_len(ends[2]).unwrap();
    assert_eq!(scene.poll(), (none(), vec!["a".into()]));
    assert_eq!(scene.steps("a", "loss"), [0, 1]);
    assert_eq!(scene.resets("a"), [format!("{NAME} was cut short")]);
    scene.is_as_loaded();
    scene.append("a", &points(2..4));
    scene.is_as_loaded();
}

/// TensorFlow 1 and tensorboardX truncate existing files when they open them.
#[test]
fn a_file_written_anew_in_place_gives_its_run_anew_even_if_it_is_longer() {
    let mut scene = Scene::new();
    scene.append("a", &points(0..3));
    scene.poll();
    for longer in [0, 20] {
        let mut log = file_version();
        (10..13 + longer).for_each(|step| log.extend(scalar("loss", step, 0.5)));
        let before = fs::metadata(scene.file("a")).unwrap().modified().unwrap();
        // In some file systems, times have a resolution of one second.
        while fs::metadata(scene.file("a")).unwrap().modified().unwrap() == before {
            fs::write(scene.file("a"), &log).unwrap();
            sleep(Duration::from_millis(1));
        }
        scene.poll();
        assert_eq!(scene.steps("a", "loss"), (10..13 + longer).collect::<Vec<_>>());
        scene.is_as_loaded();
    }
    assert_eq!(scene.resets("a"), [format!("{NAME} was replaced")], "then the same log, longer");
}

/// `rsync` does this. Its temporary files have names of event files, too.
#[test]
fn a_longer_copy_that_takes_the_place_of_a_file_is_read_on() {
    let mut scene = Scene::new();
    let log = points(0..100);
    scene.append("a", &log[..1000]);
    scene.poll();
    let copy = scene.logs().join("copy");
    fs::write(&copy, &log[..2000]).unwrap();
    fs::rename(&copy, scene.file("a")).unwrap();
    scene.poll();
    assert_eq!(scene.resets("a"), none());
    fs::write(&copy, points(0..0)).unwrap();
    fs::rename(&copy, scene.file("a")).unwrap();
    scene.poll();
    assert_eq!(scene.resets("a"), [format!("{NAME} was cut short")]);
    assert_eq!(scene.steps("a", "loss"), [0; 0]);
    let temporary = scene.logs().join(format!("a/.{NAME}.x1Yz"));
    fs::write(&temporary, &log).unwrap();
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), (0..100).collect::<Vec<_>>());
    fs::rename(&temporary, scene.file("a")).unwrap();
    scene.poll();
    scene.is_as_loaded();
    assert_eq!(scene.steps("a", "loss"), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_restart_drops_what_was_given_before() {
    let options = |policy| LoadOptions::new().restart(policy);
    for (policy, steps, other) in [
        (RestartPolicy::KeepAll, vec![0, 1, 2, 3, 2, 3, 3], vec![3]),
        (RestartPolicy::SessionStart, vec![0, 1, 2, 3], vec![]),
        (RestartPolicy::Tensorboard, vec![0, 1, 2, 2, 3], vec![]),
        (RestartPolicy::Rustboard, vec![0, 1, 2, 3], vec![3]),
    ] {
        let mut scene = Scene::with(options(policy), |follower| follower);
        let mut log = points(0..4);
        log.extend(scalar("other", 3, 1.0));
        scene.append("a", &log);
        scene.poll();
        scene.append("a", &start(2));
        scene.poll();
        scene.append("a", &points(2..4));
        scene.poll();
        scene.append("a", &start(3));
        scene.append("a", &points(3..4));
        scene.poll();
        assert_eq!(scene.steps("a", "loss"), steps, "{}", policy.name());
        assert_eq!(scene.steps("a", "other"), other, "{}", policy.name());
        scene.is_as_loaded();
    }
}

#[test]
fn a_poll_reads_no_more_than_its_budget_and_nobody_waits_for_a_long_log() {
    let mut scene = Scene::with(LoadOptions::new(), |follower| follower.budget(2 << 20));
    let long = points(0..120_000);
    assert!(long.len() > 5 << 20);
    scene.append("a", &long);
    scene.append("b", &points(0..3));
    let news = scene.follower.poll();
    assert!(news.has_more);
    let given: usize = news.runs[0].series.iter().map(|series| series.points.len()).sum();
    assert!((20_000..60_000).contains(&given), "{given}");
    scene.kept.add(news);
    assert_eq!(scene.steps("b", "loss"), [0, 1, 2]);
    let (mut polls, mut has_more) = (1, true);
    while has_more {
        polls += 1;
        let news = scene.follower.poll();
        has_more = news.has_more;
        scene.kept.add(news);
    }
    assert!((4..9).contains(&polls), "{polls}");
    scene.is_as_loaded();
}

/// Network file systems show zeros where bytes have not arrived yet.
#[test]
fn a_wrong_checksum_is_no_damage_until_its_bytes_have_been_there_for_a_while() {
    let log = points(0..5);
    let record = ranges(&log)[2].clone();
    let mut hole = log.clone();
    hole[record.clone()].fill(0);
    // The bytes arrive.
    let mut scene = Scene::new();
    scene.append("a", &hole);
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), [0]);
    fs::write(scene.file("a"), &log).unwrap();
    scene.append("a", &points(5..6));
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), [0, 1, 2, 3, 4, 5]);
    assert!(scene.kept.issues.is_empty(), "{:?}", scene.kept.issues);
    // The bytes do not arrive.
    let mut scene = Scene::new();
    scene.append("a", &hole);
    scene.poll();
    scene.append("a", &points(5..6));
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), [0]);
    scene.poll_later();
    assert_eq!(scene.steps("a", "loss"), [0, 2, 3, 4, 5]);
    assert_eq!(scene.kept.issues.len(), 1);
    assert_eq!(scene.kept.issues[0].kind.name(), "length_crc");
    scene.is_as_loaded();
    assert_eq!(scene.kept.issues.len(), 1);
}

#[test]
fn what_another_program_appended_to_a_torn_record_is_given_when_the_file_is_still() {
    let mut scene = Scene::new();
    let log = points(0..3);
    let mut torn = log.clone();
    // A record that claims more bytes than there are.
    torn.extend(&crate::common::record(&[1; 5000])[..100]);
    torn.extend(points(3..6));
    scene.append("a", &torn);
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), [0, 1, 2]);
    scene.poll_later();
    assert_eq!(scene.steps("a", "loss"), [0, 1, 2, 3, 4, 5]);
    assert_eq!(scene.kept.issues[0].kind.name(), "torn");
    scene.append("a", &points(6..7));
    scene.poll();
    assert_eq!(scene.steps("a", "loss"), [0, 1, 2, 3, 4, 5, 6]);
    scene.is_as_loaded();
}

#[test]
fn an_old_log_is_judged_at_once() {
    let mut scene = Scene::new();
    let mut log = points(0..3);
    log[40] ^= 1;
    let last = log.len() - 1;
    log[last] ^= 1;
    scene.append("a", &log);
    let long_ago = std::time::SystemTime::now() - 2 * HOUR;
    let file = File::options().write(true).open(scene.file("a")).unwrap();
    file.set_modified(long_ago).unwrap();
    scene.poll();
    assert_eq!(scene.kept.issues.len(), 2, "{:?}", scene.kept.issues);
    scene.is_as_loaded();
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_their_loops_told_once() {
    use std::os::unix::fs::symlink;
    let mut scene = Scene::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join(NAME);
    fs::write(&target, points(0..2)).unwrap();
    symlink(elsewhere.path(), scene.logs().join("linked")).unwrap();
    scene.append("a", &points(0..2));
    symlink(Path::new(".."), scene.logs().join("a/up")).unwrap();
    scene.poll();
    assert_eq!(scene.kept.issues.len(), 1);
    assert_eq!(scene.kept.issues[0].kind.name(), "symlink_loop");
    let mut file = File::options().append(true).open(target).unwrap();
    file.write_all(&points(2..3)).unwrap();
    assert_eq!(scene.poll(), (none(), vec!["linked".into()]));
    assert_eq!(scene.steps("linked", "loss"), [0, 1, 2]);
    assert_eq!(scene.kept.issues.len(), 1);
    // Another version of the log, under the same linked name.
    fs::remove_file(scene.logs().join("linked")).unwrap();
    assert_eq!(scene.poll(), (vec!["linked".into()], none()));
}

#[test]
fn a_reset_says_why() {
    let of = |reset: Reset| reset.to_string();
    assert_eq!(of(Reset::Shortened("x".into())), "x was cut short");
    assert_eq!(of(Reset::Replaced("x".into())), "x was replaced");
    assert_eq!(of(Reset::Removed("x".into())), "x is gone");
}

#[test]
fn files_that_are_no_logs_make_no_run_and_are_named_once() {
    let mut scene = Scene::new();
    scene.append("a", &points(0..2));
    let stray = |scene: &Scene, name: &str| {
        fs::create_dir_all(scene.logs().join("src")).unwrap();
        fs::write(scene.logs().join(name), "print('no log')").unwrap();
    };
    stray(&scene, "a/plot_tfevents.py");
    stray(&scene, "src/plot_tfevents.py");
    assert_eq!(scene.poll(), (none(), vec!["a".into()]));
    assert!(scene.kept.issues.is_empty(), "their bytes may not all be there yet");
    assert_eq!(scene.poll_later(), (none(), none()));
    let said = |scene: &Scene| {
        let name = |issue: &tbx::Issue| issue.location.run.clone().unwrap();
        assert!(scene.kept.issues.iter().all(|issue| issue.kind.name() == "not_event_file"));
        scene.kept.issues.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(said(&scene), ["a", "src"]);
    for _ in 0..3 {
        stray(&scene, "a/plot_tfevents.py"); // written again
        assert_eq!(scene.poll_later(), (none(), none()));
    }
    fs::remove_file(scene.logs().join("a/plot_tfevents.py")).unwrap();
    assert_eq!(scene.poll(), (none(), none()));
    assert_eq!((said(&scene), scene.resets("a")), (vec!["a".into(), "src".into()], none()));
    scene.is_as_loaded();
}

#[test]
fn a_file_may_turn_out_to_be_a_log_or_none_and_may_stop_being_one() {
    let mut scene = Scene::new();
    // Empty at first, then not a log.
    scene.append("a", b"");
    assert_eq!(scene.poll(), (none(), vec!["a".into()]));
    scene.append("a", b"no log at all\n");
    scene.poll();
    assert_eq!(scene.poll_later(), (vec!["a".into()], none()));
    assert_eq!(scene.kept.issues.len(), 1);
    // Not a log at first, then a log.
    fs::write(scene.file("a"), points(0..3)).unwrap();
    assert_eq!(scene.poll(), (none(), vec!["a".into()]));
    assert_eq!(scene.steps("a", "loss"), [0, 1, 2]);
    // The result of `git checkout` without Git LFS.
    fs::write(scene.file("a"), "version https://git-lfs.github.com/spec/v1\noid\n").unwrap();
    assert_eq!(scene.poll(), (vec!["a".into()], none()));
    assert_eq!(scene.poll_later(), (none(), none()));
    assert_eq!(scene.kept.issues[1].kind.name(), "pointer");
    // The result of `git lfs pull`.
    fs::write(scene.file("a"), points(0..4)).unwrap();
    assert_eq!(scene.poll(), (none(), vec!["a".into()]));
    assert_eq!((scene.steps("a", "loss"), scene.resets("a")), (vec![0, 1, 2, 3], none()));
    scene.is_as_loaded();
    assert_eq!(scene.kept.issues.len(), 2);
}

/// Determining the type of a file costs no budget. Otherwise, a directory of other files would be a run for a
/// while.
#[test]
fn a_poll_without_budget_tells_logs_from_others() {
    let mut scene = Scene::with(LoadOptions::new(), |follower| follower.budget(1));
    scene.append("a", &points(0..9));
    scene.append("b", &points(0..9));
    fs::create_dir(scene.logs().join("src")).unwrap();
    fs::write(scene.logs().join("src/plot_tfevents.py"), "print('no log')").unwrap();
    let (mut seen, mut polls) = (Vec::new(), 0);
    while polls == 0 || scene.steps("b", "loss").len() < 9 {
        let (removed, runs) = scene.poll();
        assert_eq!(removed, none());
        seen.extend(runs);
        polls += 1;
        assert!(polls < 1000);
    }
    assert!(!seen.contains(&"src".into()), "{seen:?}");
    scene.is_as_loaded();
}
