//! Many runs: which ones are drawn by name, and how they look.

use std::collections::BTreeMap;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyCode;
use ratatui::style::{Color, Modifier};

use super::{START, Scene};
use crate::chart::Ink;

const COLORED: Ink = Ink { ascii: false, color: true };

fn runs(n: i64, ink: Ink) -> Scene {
    let mut scene = Scene::with(ink);
    for i in 0..n {
        // The order of values differs from that of names.
        scene.write(&format!("run_{i:02}"), 0..4, START, ((i * 7) % n) as f64 / 10.0);
    }
    scene.poll();
    scene
}

fn buffer(scene: &mut Scene, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let app = &mut scene.app;
    terminal.draw(|frame| app.draw(frame.area(), frame.buffer_mut(), scene.now)).unwrap();
    terminal.backend().buffer().clone()
}

/// Letters and colors of the runs in the list.
fn looks(buffer: &Buffer) -> BTreeMap<String, (String, Color)> {
    let row = |y: u16| -> String {
        (2..10).filter_map(|x| Some(buffer.cell((x, y))?.symbol().to_owned())).collect()
    };
    let rows = (2..buffer.area.height).map(|y| (row(y).trim().to_owned(), y));
    let rows = rows.filter(|(name, _)| name.starts_with("run_"));
    let look = |y: u16| (buffer[(0, y)].symbol().to_owned(), buffer[(0, y)].fg);
    rows.map(|(name, y)| (name, look(y))).filter(|(_, look)| look.0 != " ").collect()
}

#[test]
fn a_run_keeps_its_letter_and_its_color() {
    let mut scene = runs(30, COLORED);
    let mut seen: BTreeMap<String, (String, Color)> = BTreeMap::new();
    let mut named = Vec::new();
    for keys in ["", "o", "o", "/5", "\n!/1", "\n!o", "G", "g", "x", "l"] {
        for key in keys.chars() {
            scene.keys([match key {
                '\n' => KeyCode::Enter,
                '!' => KeyCode::Esc,
                key => KeyCode::Char(key),
            }]);
        }
        let looks = looks(&buffer(&mut scene, 110, 60));
        assert!(looks.len() >= 3, "{keys}: {looks:?}");
        for (name, look) in &looks {
            let before = seen.entry(name.clone()).or_insert(look.clone());
            assert_eq!(before, look, "{name} after {keys}");
        }
        named.push(looks.into_keys().collect::<Vec<_>>());
    }
    named.sort();
    named.dedup();
    assert!(named.len() >= 4, "different runs were drawn by name: {named:?}");
    let mut letters: Vec<&str> = seen.values().map(|(letter, _)| letter.as_str()).collect();
    let all = letters.len();
    letters.sort_unstable();
    letters.dedup();
    assert_eq!(letters.len(), all, "{seen:?}");
}

#[test]
fn a_run_that_comes_or_goes_changes_no_other() {
    let mut scene = runs(5, COLORED);
    let before = looks(&buffer(&mut scene, 110, 30));
    std::fs::remove_dir_all(scene.dir.path().join("run_01")).unwrap();
    scene.write("run_00b", 0..4, START + 9.0, 0.1);
    scene.poll();
    let after = looks(&buffer(&mut scene, 110, 30));
    assert_eq!((before.len(), after.len()), (5, 5));
    for (name, look) in &after {
        assert!(before.get(name).is_none_or(|before| before == look), "{name}");
    }
    assert_eq!(after["run_00b"].0, "f");
    scene.write("run_01", 0..4, START + 20.0, 0.1);
    scene.poll();
    assert_eq!(looks(&buffer(&mut scene, 110, 30))["run_01"], before["run_01"], "it is back");
}

#[test]
fn the_selected_run_is_drawn_above_the_others_and_marked() {
    for ink in [COLORED, Ink { ascii: false, color: false }, Ink { ascii: true, color: false }] {
        let mut scene = runs(30, ink);
        scene.keys([KeyCode::End, KeyCode::Up]);
        let drawn = buffer(&mut scene, 110, 30);
        let (letter, color) = looks(&drawn)["run_28"].clone();
        assert_eq!(letter, "C");
        let in_chart = |x: u16| x > 60;
        let cells = drawn.content.iter().enumerate();
        let cells = cells.filter(|(i, _)| in_chart(u16::try_from(i % 110).unwrap()));
        let marked = cells.filter(|(_, cell)| cell.modifier.contains(Modifier::REVERSED));
        let marked: Vec<_> = marked.map(|(_, cell)| (cell.symbol(), cell.fg)).collect();
        assert!(!marked.is_empty() && marked.iter().all(|m| *m == ("C", color)), "{marked:?}");
    }
}

#[test]
fn a_chart_without_the_selected_run_says_so() {
    let mut scene = runs(2, COLORED);
    let writer = tbx::writer::SummaryWriter::create(scene.dir.path().join("other")).unwrap();
    writer.add_scalar("something", 1.0, 0).unwrap();
    writer.close().unwrap();
    scene.poll();
    assert!(scene.screen(80, 24).contains("loss/train  not in other\n"));
    scene.keys([KeyCode::Down]);
    assert!(scene.screen(80, 24).contains("loss/train\n"));
}

#[test]
fn of_many_runs_the_others_are_a_band() {
    let mut scene = runs(30, COLORED);
    let screen = scene.screen(80, 40);
    assert!(screen.contains("loss/train  · min to max, ~ median of 30 runs\n"), "{screen}");
    let chart = screen.split_once("median of").unwrap().1;
    assert!(chart.matches('·').count() > 100 && chart.contains('~'), "{screen}");
    let few = runs(20, COLORED).screen(80, 40);
    assert!(!few.contains("median"), "ten gray lines: {few}");
    // Without colors, only dots distinguish these from lines with names.
    let plain = runs(20, Ink { ascii: false, color: false }).screen(80, 40);
    assert!(!plain.contains("median") && plain.matches('·').count() > 10, "{plain}");
    let plain = runs(21, Ink { ascii: true, color: false }).screen(80, 40);
    assert!(plain.contains("  . min to max, ~ median of 21 runs\n"), "{plain}");
    assert!(plain.is_ascii() && plain.matches('~').count() > 10, "{plain}");
}

/// Numbers that do not fit.
#[test]
fn no_number_is_cut_to_another_one() {
    let mut scene = Scene::new();
    let steps = 123_456_789_000..123_456_789_004;
    scene.write("a/run/with/a/very/long/name/seed_1", steps, START - 1.6e9, 1e-13);
    scene.write("b", 0..4, START, 25.0);
    scene.poll();
    for width in [40, 47, 60, 80, 110, 130, 200] {
        for (keys, height) in [("", 24), ("d", 24), ("", 12), ("l", 12)] {
            scene.type_in(keys);
            let screen = scene.screen(width, height);
            for word in screen.split([' ', '\n']) {
                let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
                let is_cut = digits.starts_with("1234") && digits != "123456789003";
                assert!(!is_cut || screen.contains('┬'), "{word} at {width}: {screen}");
            }
            for line in screen.lines().filter(|line| line.contains("/seed_1")) {
                let whole = line.contains("123.46G") || line.contains("123456789003");
                assert!(whole || !line.contains("123"), "{width}: {line}");
            }
            scene.keys([KeyCode::Esc]);
        }
    }
    for i in 0..1200 {
        scene.write(&format!("many/{i:04}"), 0..1, START, 0.1);
    }
    scene.poll();
    scene.keys([KeyCode::End]);
    let heads: Vec<String> = [40, 60, 110].map(|width| scene.screen(width, 24)).into();
    assert!(heads[0].starts_with("runs  1,202 runs"), "{}", heads[0]);
    assert!(heads[0].contains("-1202 "), "{}", heads[0]);
    assert!(heads[2].contains("-1202 of 1202 "), "{}", heads[2]);
}

/// Including axes with few rows and columns.
#[test]
fn short_axes_have_more_than_one_number() {
    let mut scene = Scene::new();
    scene.write("a", 0..56, START, 0.05);
    scene.write("b", 3..20, START, 0.2);
    scene.poll();
    for keys in ["", "l", "x", "x"] {
        scene.type_in(keys);
        for (width, height) in [(40, 10), (44, 11), (60, 12), (80, 14), (110, 10), (200, 13)] {
            let screen = scene.screen(width, height);
            let labels = screen.lines().filter(|line| {
                line.split_once('┤').is_some_and(|(left, _)| {
                    left.ends_with(|c| c != ' ')
                        || left.trim_end().ends_with(|c: char| c.is_ascii_digit())
                })
            });
            assert!(labels.count() >= 2, "{width} {height} {keys}: {screen}");
            let below = screen.lines().rev().nth(1).unwrap();
            let below = below.rsplit_once("   ").map_or(below, |_| below);
            let numbers = below
                .split_whitespace()
                .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            assert!(numbers.count() >= 2, "{width} {height} {keys}: {screen}");
        }
    }
}
