//! The screen in its main states, drawn from real logs.

mod growth;
mod many;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tempfile::TempDir;

use super::app::App;
use crate::chart::Ink;
use tbx::logdir::{Follower, LoadOptions, Payloads};
use tbx::summary::Kind;
use tbx::writer::SummaryWriter;

/// When the logs begin.
const START: f64 = 1_700_000_000.0;

/// Logs, their follower, and the screen.
struct Scene {
    dir: TempDir,
    follower: Follower,
    app: App,
    now: f64,
}

impl Scene {
    fn new() -> Self {
        Self::with(Ink { ascii: false, color: false })
    }

    fn with(ink: Ink) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = LoadOptions::new().kinds([Kind::Scalar]).payloads(Payloads::Dropped);
        let follower = Follower::new(dir.path(), &options);
        Self { dir, follower, app: App::new("runs".into(), ink, Default::default()), now: START }
    }

    /// Three runs: one growing, one idle for an hour, one damaged.
    fn three() -> Self {
        let mut scene = Self::new();
        scene.write("lr_0.1/seed_1", 0..30, START, 0.05);
        scene.write("lr_0.2/seed_1", 0..21, START, 0.1);
        let broken = scene.write("lr_0.3/seed_1", 0..41, START, 0.2);
        let mut bytes = fs::read(&broken).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&broken, bytes).unwrap();
        let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        fs::File::options().write(true).open(&broken).unwrap().set_modified(hour_ago).unwrap();
        scene.now = START + 41.0;
        scene.poll();
        scene.now += 3600.0;
        scene.write("lr_0.1/seed_1", 30..61, scene.now - 31.0, 0.05);
        scene.poll();
        scene
    }

    /// Writes one point per second into a new file of a run, starting at a time. Returns the path of the
    /// file.
    fn write(&self, run: &str, steps: Range<i64>, time: f64, factor: f64) -> PathBuf {
        let path = self.dir.path().join(run);
        let writer = SummaryWriter::options().host("host").clock(|| START);
        let writer = writer.create(&path).unwrap();
        for (step, second) in steps.zip(0u32..) {
            let loss = (-factor * step as f64).exp();
            let writer = writer.with_wall_time(time + f64::from(second)).unwrap();
            writer.add_scalar("loss/train", loss, step).unwrap();
            writer.add_scalar("accuracy", 1.0 - loss, step).unwrap();
            writer.add_scalar("rate", 0.1, step).unwrap();
        }
        writer.close().unwrap();
        // A fixed name.
        let file = path.join(format!("events.out.tfevents.{time}"));
        fs::rename(newest(&path), &file).unwrap();
        file
    }

    fn poll(&mut self) {
        self.follower.look_again();
        let news = self.follower.poll();
        self.app.news(news, None, self.now);
    }

    fn keys(&mut self, keys: impl IntoIterator<Item = KeyCode>) {
        for key in keys {
            assert!(self.app.key(KeyEvent::new(key, KeyModifiers::NONE)));
        }
    }

    fn type_in(&mut self, text: &str) {
        self.keys(text.chars().map(KeyCode::Char));
    }

    /// The screen as text.
    fn screen(&mut self, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| self.app.draw(frame.area(), frame.buffer_mut(), self.now)).unwrap();
        let text = terminal.backend().to_string();
        let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
        lines.fold(String::new(), |text, line| text + line + "\n")
    }
}

fn newest(run: &Path) -> PathBuf {
    let entries = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    entries.max().unwrap()
}

#[test]
fn a_screen_of_80_columns() {
    assert_eq!(
        Scene::three().screen(80, 24),
        "\
runs  3 runs  1 growing  1 damaged
  RUN                               STATE        STEP   AGE   loss/train  STEP/S
a lr_0.1/seed_1                     growing        60    1s    0.0497871    1.00
b lr_0.2/seed_1                     idle           20    1h     0.135335
c lr_0.3/seed_1                     damaged        40    1h  0.000335463
loss/train
1.0 ┤a⡀
    │⢹⡿⣦⡀
    │⠘⡜⡌⠻⣦⡀
0.8 ┤ ⢣⠘⡄⠈⠻⣦⡀
    │ ⠈⢆⠈b ⠈⠻⢶⣄
    │  ⠘⡄ ⢣   ⠙⢷⣄⡀
0.6 ┤   ⢣  ⠱⡀   ⠉⠛⢷a⣀
    │    ⢣  ⠈⠢⡀    ⠈⠙⢷⣤⣀⡀
0.4 ┤     ⢣   ⠈⢆      ⠈⠉⠻⢶⣤⣀
    │      ⢇    ⠉⠢⡀       ⠈⠙⠻⠶⣦⣄⡀
    │      ⠈⠢⡀    ⠈⠑⠢⡀         ⠉⠛a⠶⠶⣦⣄⡀
0.2 ┤        ⠈c⡀     ⠈⠑b⠤⣀⡀          ⠉⠛⠛⠻⠶⣤⣤⣄⣀⣀
    │          ⠈⠒⠤⣀       ⠈⠑⠢⠄b             ⠉⠉⠙a⠛⠷⠶⠶⢶⣤⣤⣄⣀⣀⣀⣀
    │              ⠉⠑⠢⢄⣀⣀⣀⡀                            ⠉⠉⠉⠉⠙⠛a⠛⠷⠶⠶⠶⠶⠶⣦⣤⣤⣤⣤⣤a⣄a
  0 ┤                     ⠈⠉c⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒c⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒c                      ⠈
    └┬───────────┬───────────┬───────────┬──────────┬───────────┬───────────┬
     0          10          20          30         40          50           step
/ filter  t tags  +- smooth  enter details  l log  x step  ? help  q quit
"
    );
}

#[test]
fn a_wide_screen_has_the_numbers_of_a_run_below_the_others() {
    assert_eq!(
        Scene::three().screen(130, 20),
        "\
runs  3 runs  1 growing  1 damaged
  RUN                STATE        STEP   AGE   loss/train  loss/train
a lr_0.1/seed_1      growing        60    1s    0.0497871  1.0 ┤a⡀
b lr_0.2/seed_1      idle           20    1h     0.135335      │⢹⣿⣆
c lr_0.3/seed_1      damaged        40    1h  0.000335463      │⠘⡵⡙⢷⡄
                                                           0.8 ┤ ⢇⢣⠈⠻⣦⡀
lr_0.1/seed_1                                                  │ ⠸⡀⢣ ⠈⠙⢶⣄
2 files, 8.3 kB, 185 events                                    │  ⢣ b   ⠙⢷⣄
began 2023-11-14 22:13:20, last event 1s ago, 1.00 steps   0.6 ┤  ⠘⡄ ⠑⢄   ⠙⠻⣦⣀
per second                                                     │   ⠱⡀  ⠣⡀   ⠈⠙a⣤⣀
                                                           0.4 ┤    ⢣   ⠈⢆     ⠈⠙⢷⣤⣀
TAG              LAST  STEP        MIN       MAX               │     ⢣    ⠑⢄      ⠈⠉⠛⠷⣦⣄⡀
accuracy     0.950213    60          0  0.950213               │      ⠑⡄    ⠑⠢⡀        ⠉⠛⠷⠶⣦a⡀
loss/train  0.0497871    60  0.0497871         1           0.2 ┤       ⠈⠢⡀    ⠈⠑⠢⢄⡀         ⠉⠛⠛⠷⢦⣤⣤⣀⣀
rate              0.1    60        0.1       0.1               │         c⠢⢄⡀     b⠉⠒⠄b           ⠈⠉⠙⠛⠻⠶⠶⢶a⣤⣀⣀⣀⣀⡀
                                                               │            ⠈⠑⠢⢄⣀⣀⡀                        ⠈⠉⠉⠉⠉⠛⠛⠛⠷⠶⠶⠶⠶a⣤⣤⣤⣤⣤⣄a
                                                             0 ┤                  ⠈⠉⠉⠑⠒c⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒c⠒⠒⠒⠒c                   ⠈
                                                               └┬────────────────────┬───────────────────┬────────────────────┬
                                                                0                   20                  40                    step
/ filter  t tags  +- smooth  enter details  l log  x step  o order  p pause  ? help  q quit
"
    );
}

#[test]
fn the_numbers_and_problems_of_a_run() {
    let mut scene = Scene::three();
    scene.keys([KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    let screen = scene.screen(80, 24);
    assert_eq!(
        screen,
        "\
runs  3 runs  1 growing  1 damaged
  RUN                               STATE        STEP   AGE   loss/train  STEP/S
a lr_0.1/seed_1                     growing        60    1s    0.0497871    1.00
b lr_0.2/seed_1                     idle           20    1h     0.135335
c lr_0.3/seed_1                     damaged        40    1h  0.000335463
lr_0.3/seed_1
1 file, 5.6 kB, 123 events
began 2023-11-14 22:13:20, last event 1h ago
1 problem
  events.out.tfevents.1700000000 at byte 2767: payload checksum is 0x7269e43d,
  the record says 0x7269e43c; skipped this record

TAG                LAST  STEP          MIN       MAX  POINTS
accuracy       0.999665    40            0  0.999665      41
loss/train  0.000335463    40  0.000335463         1      40
rate                0.1    40          0.1       0.1      41







/ filter  t tags  +- smooth  enter charts  l log  x step  ? help  q quit
"
    );
    scene.keys([KeyCode::Up]);
    assert!(scene.screen(80, 24).contains("lr_0.2/seed_1\n1 file, "), "of another run");
    scene.keys([KeyCode::Esc]);
    assert!(scene.screen(80, 24).contains("loss/train\n1.0 ┤"), "charts again");
}

#[test]
fn tags_are_chosen_from_a_list() {
    let mut scene = Scene::three();
    scene.type_in("t");
    scene.keys([KeyCode::Down]);
    scene.type_in(" ");
    assert_eq!(
        scene.screen(80, 16),
        "\
runs  3 runs  1 growing  1 damaged
  RUN                               STATE        STEP   AGE   loss/train  STEP/S
a lr_0.1/seed_1                     growing        60    1s    0.0497871    1.00
b lr_0.2/seed_1                     idle           20    1h     0.135335
c lr_0.3/seed_1                     damaged        40    1h  0.000335463
loss/train┌ tags ────────────────────────────────────────────────────┐
1 ┤a⣦⣄⣀   │type to filter; space marks, enter shows                  │
  │⠈⢪⠙⢝⠻⠶⣦│   accuracy                                               │
  │  ⠑⡄b⠢⣀│ ✓ loss/train                                             │
  │   ⠈⠢⡀ │   rate                                                   │
  │     ⠈⠢└──────────────────────────────────────────────────────────┘
  │        ⠈c⠒⠤⣀⣀⡀  ⠉b⠒⠢⠤⠤⠤⢄b   ⠉⠉⠉⠉⠛⠛⠛⠻⠶⠶⠶⠶⢶a⣤⣤⣤⣤⣤⣀⣀⣀⣀⣀⣀⣀⡀
0 ┤              ⠈⠉⠉⠒⠒⠒⠒⠒⠤c⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤c⠤⠤⠤⠤⠤⠤⠤⠤⠤⠬⠭⠍c⠉⠉⠉⠉⠛a⠛⠛⠛⠛⠛⠛⠛⠛⠛⠓⠶⠶⠶a⠶⠶⠶a
  └┬───────────┬───────────┬────────────┬───────────┬───────────┬───────────┬
   0          10          20           30          40          50           step
/ filter  t tags  +- smooth  enter details  l log  x step  ? help  q quit
"
    );
    scene.type_in("acc ");
    let screen = scene.screen(80, 24);
    assert!(screen.contains("filter: acc") && !screen.contains("✓ rate"), "{screen}");
    scene.keys([KeyCode::Enter]);
    let screen = scene.screen(80, 30);
    let at = |title: &str| screen.find(&format!("\n{title}\n"));
    assert!(at("loss/train") < at("accuracy") && at("loss/train").is_some(), "{screen}");
    // Shows only another tag.
    scene.keys([KeyCode::Right]);
    assert!(scene.screen(80, 24).contains("\nrate\n"));
    scene.keys([KeyCode::Left, KeyCode::Left]);
    assert!(scene.screen(80, 24).contains("\naccuracy\n"));
}

#[test]
fn what_is_typed_filters_runs() {
    let mut scene = Scene::three();
    scene.type_in("/0.2 SEED");
    let screen = scene.screen(80, 24);
    assert!(screen.ends_with("filter: 0.2 SEED   enter keeps it, esc clears it\n"), "{screen}");
    assert!(screen.contains("b lr_0.2/seed_1") && !screen.contains("lr_0.1"), "{screen}");
    scene.keys([KeyCode::Enter]);
    assert!(scene.screen(80, 24).contains("/ filter 0.2 SEED  t tags"));
    scene.keys([KeyCode::Esc]);
    assert!(scene.screen(80, 24).contains("lr_0.1"));
    scene.type_in("/nothing");
    assert!(scene.screen(80, 24).contains("  no run has this name\n"));
}

#[test]
fn keys_change_how_curves_are_shown() {
    let mut scene = Scene::three();
    scene.type_in("++l");
    let screen = scene.screen(80, 24);
    assert!(screen.contains("+- smooth 0.6") && screen.contains("l log on"), "{screen}");
    assert!(screen.contains("0.1 ┤"), "{screen}");
    scene.type_in("--lx");
    let screen = scene.screen(80, 24);
    assert!(screen.contains("x relative") && screen.contains("time since the first point"));
    scene.type_in("x");
    assert!(scene.screen(80, 24).contains("UTC, 2023-11-14"));
}

#[test]
fn runs_have_several_orders() {
    let mut scene = Scene::three();
    let names = |screen: String| -> String {
        screen.lines().skip(2).take(3).map(|line| line[2..8].to_owned() + " ").collect()
    };
    assert_eq!(names(scene.screen(80, 24)), "lr_0.1 lr_0.2 lr_0.3 ");
    scene.type_in("o");
    assert_eq!(names(scene.screen(80, 24)), "lr_0.1 lr_0.3 lr_0.2 ");
    scene.type_in("o");
    assert_eq!(names(scene.screen(80, 24)), "lr_0.3 lr_0.1 lr_0.2 ");
}

#[test]
fn the_selected_run_stays_in_sight_and_is_followed_by_name() {
    let mut scene = Scene::new();
    for i in 0..40 {
        scene.write(&format!("run_{i:02}"), 0..3, START, 0.1);
    }
    scene.poll();
    let screen = scene.screen(80, 24);
    assert!(screen.contains("RUN 1-7 of 40"), "{screen}");
    scene.keys([KeyCode::End]);
    let screen = scene.screen(80, 24);
    assert!(screen.contains("RUN 34-40 of 40") && screen.contains("run_39"), "{screen}");
    scene.keys([KeyCode::Home, KeyCode::PageDown, KeyCode::Down]);
    assert_eq!(scene.app.selected.as_deref(), Some("run_11"));
    scene.write("run_000", 0..3, START, 0.1);
    scene.poll();
    let screen = scene.screen(80, 24);
    assert!(screen.contains("run_11"), "{screen}");
    fs::remove_dir_all(scene.dir.path().join("run_11")).unwrap();
    scene.poll();
    let screen = scene.screen(80, 24);
    assert!(screen.contains("a run_00 "), "back at the first run: {screen}");
}

#[test]
fn before_anything_came_and_in_a_tiny_window() {
    let mut scene = Scene::new();
    let screen = scene.screen(80, 24);
    assert!(screen.starts_with("runs  0 runs  reading\n"), "{screen}");
    assert!(screen.contains("\n  no run yet\n"), "{screen}");
    assert_eq!(scene.screen(30, 5), "the window is too small\n\n\n\n\n");
    let mut scene = Scene::three();
    for (width, height) in [(1, 1), (40, 10), (41, 11), (300, 10), (40, 100), (109, 30), (110, 12)]
    {
        for mode in ["", "t", "?", "d"] {
            scene.app.details = false;
            scene.type_in(mode);
            scene.screen(width, height);
            scene.keys([KeyCode::Esc]);
        }
    }
}

#[test]
fn keys_that_end_the_program() {
    let mut scene = Scene::three();
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    assert!(!scene.app.key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)));
    for mode in ["", "/", "t", "?"] {
        scene.type_in(mode);
        assert!(!scene.app.key(control('c')), "{mode}");
        scene.keys([KeyCode::Esc]);
    }
    // In a filter it is a letter.
    scene.type_in("/q");
    assert_eq!(scene.app.filter, "q");
}

#[test]
fn without_unicode_only_ascii_is_drawn() {
    let mut scene = Scene::three();
    scene.app.ink = Ink { ascii: true, color: false };
    for mode in ["", "t", "?", "d"] {
        scene.type_in(mode);
        let screen = scene.screen(80, 24);
        assert!(screen.is_ascii(), "{screen}");
        scene.keys([KeyCode::Esc]);
    }
}
