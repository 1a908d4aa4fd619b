//! The state of the screen, and the effect of keys.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::cache::ChartCache;
use super::full_name;
use super::model::{Model, Run};
use crate::chart::Ink;
use crate::ranks::{Ranks, began};
use tbx::logdir::News;
use tbx_runs::table::ChartX;

/// Smoothing weights to choose from.
const WEIGHTS: [f64; 8] = [0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99, 0.999];
/// Number of rows per page.
const PAGE: usize = 10;

/// The state of the screen.
pub(super) struct App {
    /// The log directories.
    pub(super) title: String,
    pub(super) model: Model,
    pub(super) ink: Ink,
    pub(super) mode: Mode,
    /// Words that the names of shown runs contain.
    pub(super) filter: String,
    pub(super) order: Order,
    /// The run that keys apply to.
    pub(super) selected: Option<String>,
    /// The selected tags; if empty, one suitable tag is shown.
    chosen: Vec<Arc<str>>,
    weight: usize,
    pub(super) log: bool,
    pub(super) x: ChartX,
    /// True if the numbers of the selected run are shown instead of charts.
    pub(super) details: bool,
    /// Number of rows scrolled out of view.
    pub(super) scrolled: usize,
    pub(super) paused: bool,
    /// True if the existing logs are still being read.
    pub(super) is_reading: bool,
    pub(super) charts: Option<ChartCache>,
    pub(super) ranks: Ranks,
    /// The runs that are drawn by name, and their ranks.
    pub(super) named: HashMap<String, usize>,
}

/// Current meaning of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    Runs,
    /// The filter is being typed.
    Filter,
    Tags(Chooser),
    Help,
}

/// A list of tags to select from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chooser {
    pub(super) filter: String,
    pub(super) cursor: usize,
}

/// Sort order of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Name,
    /// Most recently changed first.
    Latest,
    /// By the last value of the first tag, smallest first.
    Value,
}

impl Order {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Latest => "latest",
            Self::Value => "value",
        }
    }
}

impl App {
    /// `ranks` are the ranks of the existing runs.
    pub(super) fn new(title: String, ink: Ink, ranks: Ranks) -> Self {
        Self {
            title,
            model: Model::default(),
            ink,
            mode: Mode::Runs,
            filter: String::new(),
            order: Order::Name,
            selected: None,
            chosen: Vec::new(),
            weight: 0,
            log: false,
            x: ChartX::Step,
            details: false,
            scrolled: 0,
            paused: false,
            is_reading: true,
            charts: None,
            ranks,
            named: HashMap::new(),
        }
    }

    pub(super) fn set_smoothing(&mut self, weight: f64) {
        let nearest = |a: &&f64, b: &&f64| (*a - weight).abs().total_cmp(&(*b - weight).abs());
        let nearest = WEIGHTS.iter().min_by(nearest);
        self.weight = WEIGHTS.iter().position(|w| Some(w) == nearest).unwrap_or(0);
    }

    pub(super) fn smoothing(&self) -> f64 {
        WEIGHTS.get(self.weight).copied().unwrap_or(0.0)
    }

    /// Applies the news that came at `now`.
    pub(super) fn news(&mut self, news: News, prefix: Option<&Path>, now: f64) {
        let has_more = news.has_more;
        let new = news.runs.iter().map(|run| {
            let files = run.files.iter().map(|file| OsStr::new(&file.name));
            (full_name(prefix, &run.name), began(files))
        });
        self.ranks.add(new);
        self.model.apply(news, prefix, now, self.is_reading);
        self.is_reading &= has_more;
    }

    /// The runs that match the filter, in order.
    pub(super) fn shown(&self) -> Vec<(&str, &Run)> {
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let fits = |name: &str| {
            let name = name.to_lowercase();
            words.iter().all(|word| name.contains(word))
        };
        let runs = self.model.runs.iter().map(|(name, run)| (name.as_str(), run));
        let mut shown: Vec<_> = runs.filter(|(name, _)| words.is_empty() || fits(name)).collect();
        match self.order {
            Order::Name => {}
            Order::Latest => {
                let time = |run: &Run| run.last_event.unwrap_or(f64::NEG_INFINITY);
                shown.sort_by(|(_, a), (_, b)| time(b).total_cmp(&time(a)));
            }
            Order::Value => {
                let tags = self.tags();
                let value =
                    |run: &Run| tags.first().and_then(|tag| run.value(tag)).unwrap_or(f64::NAN);
                shown.sort_by(|(_, a), (_, b)| {
                    let (a, b) = (value(a), value(b));
                    a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(&b))
                });
            }
        }
        shown
    }

    /// Index of the selected run among the shown ones.
    pub(super) fn cursor(&self, shown: &[(&str, &Run)]) -> usize {
        let selected = self.selected.as_deref();
        selected.and_then(|name| shown.iter().position(|(of, _)| *of == name)).unwrap_or(0)
    }

    /// The tags whose charts are shown.
    pub(super) fn tags(&self) -> Vec<Arc<str>> {
        let there = self.chosen.iter().filter(|tag| self.model.tags.contains(*tag));
        let there: Vec<_> = there.cloned().collect();
        if !there.is_empty() {
            return there;
        }
        let all = &self.model.tags;
        let likely = all.iter().find(|tag| tag.to_lowercase().contains("loss"));
        likely.or(all.first()).cloned().into_iter().collect()
    }

    /// The tags that match the chooser's filter.
    pub(super) fn choices(&self, filter: &str) -> Vec<Arc<str>> {
        let filter = filter.to_lowercase();
        let fits = |tag: &&Arc<str>| tag.to_lowercase().contains(&filter);
        self.model.tags.iter().filter(fits).cloned().collect()
    }

    /// Handles a key; `false` ends the program.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return false;
        }
        match std::mem::replace(&mut self.mode, Mode::Runs) {
            Mode::Help => {}
            Mode::Filter => self.mode = self.filter_key(key.code),
            Mode::Tags(chooser) => self.mode = self.tags_key(key.code, chooser),
            Mode::Runs => return self.runs_key(key.code),
        }
        true
    }

    fn runs_key(&mut self, key: KeyCode) -> bool {
        match key {
            KeyCode::Char('q') => return false,
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp if self.details => self.scrolled = self.scrolled.saturating_sub(PAGE),
            KeyCode::PageDown if self.details => self.scrolled += PAGE,
            KeyCode::PageUp => self.step(-10),
            KeyCode::PageDown => self.step(10),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            KeyCode::Left => self.next_tag(false),
            KeyCode::Right => self.next_tag(true),
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('t') => self.mode = Mode::Tags(Chooser::default()),
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('+' | '=') => self.weight = (self.weight + 1).min(WEIGHTS.len() - 1),
            KeyCode::Char('-') => self.weight = self.weight.saturating_sub(1),
            KeyCode::Char('l') => self.log = !self.log,
            KeyCode::Char('x') => self.x = next(ChartX::ALL, self.x),
            KeyCode::Char('o') => {
                self.order = next(&[Order::Name, Order::Latest, Order::Value], self.order);
            }
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Enter | KeyCode::Char('d') => {
                self.details = !self.details;
                self.scrolled = 0;
            }
            KeyCode::Esc if self.details => self.details = false,
            KeyCode::Esc => self.filter.clear(),
            _ => {}
        }
        true
    }

    fn filter_key(&mut self, key: KeyCode) -> Mode {
        match key {
            KeyCode::Enter => return Mode::Runs,
            KeyCode::Esc => {
                self.filter.clear();
                return Mode::Runs;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Up => self.step(-1),
            KeyCode::Down => self.step(1),
            KeyCode::Char(c) => self.filter.push(c),
            _ => {}
        }
        Mode::Filter
    }

    fn tags_key(&mut self, key: KeyCode, mut chooser: Chooser) -> Mode {
        let choices = self.choices(&chooser.filter);
        let last = choices.len().saturating_sub(1);
        chooser.cursor = chooser.cursor.min(last);
        match key {
            KeyCode::Enter => {
                // If nothing is marked, the tag under the cursor counts.
                if self.chosen.is_empty() {
                    self.chosen.extend(choices.get(chooser.cursor).cloned());
                }
                return Mode::Runs;
            }
            KeyCode::Esc => return Mode::Runs,
            KeyCode::Up => chooser.cursor = chooser.cursor.saturating_sub(1),
            KeyCode::Down => chooser.cursor = (chooser.cursor + 1).min(last),
            KeyCode::PageUp => chooser.cursor = chooser.cursor.saturating_sub(PAGE),
            KeyCode::PageDown => chooser.cursor = (chooser.cursor + PAGE).min(last),
            KeyCode::Char(' ') => {
                if let Some(tag) = choices.get(chooser.cursor) {
                    self.toggle(tag);
                }
            }
            KeyCode::Backspace => drop(chooser.filter.pop()),
            KeyCode::Char(c) => {
                chooser.filter.push(c);
                chooser.cursor = 0;
            }
            _ => {}
        }
        Mode::Tags(chooser)
    }

    fn toggle(&mut self, tag: &Arc<str>) {
        match self.chosen.iter().position(|chosen| chosen == tag) {
            Some(at) => drop(self.chosen.remove(at)),
            None => self.chosen.push(tag.clone()),
        }
    }

    /// True if `tag` was selected, rather than shown by default.
    pub(super) fn is_chosen(&self, tag: &Arc<str>) -> bool {
        self.chosen.contains(tag)
    }

    /// Moves the selection by this number of rows.
    fn step(&mut self, rows: isize) {
        let shown = self.shown();
        let last = shown.len().saturating_sub(1);
        let at = self.cursor(&shown).saturating_add_signed(rows).min(last);
        self.selected = shown.get(at).map(|(name, _)| (*name).to_owned());
        self.scrolled = 0;
    }

    /// Shows only the next tag, or only the previous one.
    fn next_tag(&mut self, forward: bool) {
        let all: Vec<_> = self.model.tags.iter().cloned().collect();
        let first = self.tags().into_iter().next();
        let at = all.iter().position(|tag| Some(tag) == first.as_ref()).unwrap_or(0);
        let step = if forward { 1 } else { all.len().saturating_sub(1) };
        self.chosen = all.get((at + step) % all.len().max(1)).cloned().into_iter().collect();
    }
}

/// The value after `current`; the first one follows the last.
fn next<T: Copy + PartialEq>(all: &[T], current: T) -> T {
    let at = all.iter().position(|value| *value == current).unwrap_or(0);
    all.get((at + 1) % all.len().max(1)).copied().unwrap_or(current)
}
