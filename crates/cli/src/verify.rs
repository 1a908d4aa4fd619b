//! `tbx verify`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anstyle::Style;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::empty::{Empty, NO_LOGS};
use super::output::Format;
use super::render::{
    BOLD, DIM, Fit, NotShown, RED, Table, YELLOW, bytes, count, counted, name, styled,
    terminal_width, wrapped,
};
use super::wanted::Wanted;
use super::{FAILED, FINE, NO, fail, print, print_json};
use tbx::error::Result;
use tbx::logdir::Logdir;
use tbx_runs::verify::{Finding, Rule, Severity, Verified, Verify};

/// Maximum number of listed places per rule, unless `--rule` selects it.
const MAX_PLACES: usize = 5;

#[derive(clap::Args)]
#[command(
    after_help = "Reads every byte and every event. Reports damage, and values that some reader shows \
differently from what was logged: in which reader, and how to fix it.

Exit code: 0 if nothing is wrong (notes do not count), 1 if something is, 2 for an error.

Examples:
  tbx verify runs
  tbx verify runs --rule payload_crc             every place
  tbx verify runs --allow steps_repeat,audio_type
  tbx verify runs --format json | jq -r 'select(.severity == \"error\") | .path' | sort -u
  tbx verify --list-rules"
)]
pub(super) struct Args {
    /// Log directories or single event files, or their URLs (see `tbx --help`).
    #[arg(required_unless_present = "list_rules", value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdirs: Vec<PathBuf>,

    /// Only runs whose name matches this regular expression.
    #[arg(long, value_name = "REGEX", value_parser = Wanted::parse, help_heading = super::COMMON)]
    run: Option<Wanted>,

    /// Only series whose tag matches this regular expression. Findings without a series are always shown.
    #[arg(long, value_name = "REGEX", value_parser = Wanted::parse, help_heading = super::COMMON)]
    tag: Option<Wanted>,

    /// Only these rules, separated by commas; lists every place.
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = rule_parser(), hide_possible_values = true)]
    rule: Vec<Rule>,

    /// All rules except these.
    #[arg(long, value_name = "RULE", value_delimiter = ',', value_parser = rule_parser(), hide_possible_values = true)]
    allow: Vec<Rule>,

    /// Also read side files of a run (hparams.yaml, embeddings) through links out of its directory.
    #[arg(long, help_heading = super::COMMON)]
    follow_links: bool,

    #[command(flatten)]
    empty: Empty,

    /// List the rules.
    #[arg(long, conflicts_with = "logdirs")]
    list_rules: bool,

    /// Text, or JSON Lines: one object per finding.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn rule_parser() -> impl TypedValueParser<Value = Rule> {
    let names = Rule::ALL.iter().map(|rule| PossibleValue::new(rule.name()).help(rule.title()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Rule>())
}

pub(super) fn run(args: &Args) -> Result<u8> {
    if args.list_rules {
        match args.format {
            Format::Text => print(&rules())?,
            Format::Json => {
                Rule::ALL.iter().try_for_each(|rule| print_json(&RuleRow::of(*rule)))?
            }
        }
        return Ok(FINE);
    }
    let verify = options(args);
    let mut code = FINE;
    for (i, path) in args.logdirs.iter().enumerate() {
        let (verified, has_logs) = match Logdir::open(path) {
            Ok(logdir) => (verify.run(&logdir), logdir.has_logs()),
            Err(error) => {
                // The other log directories are verified anyway.
                fail(&error);
                code = FAILED;
                continue;
            }
        };
        code = code.max(match (verified.is_incomplete(), verified.is_clean()) {
            (true, _) => FAILED,
            (false, true) => FINE,
            (false, false) => NO,
        });
        match args.format {
            Format::Json if !has_logs => code = code.max(args.empty.say(path)),
            Format::Text if !has_logs => code = code.max(args.empty.code()),
            _ => {}
        }
        match args.format {
            Format::Json => {
                let mut rows = verified.findings.iter().map(FindingRow::of);
                rows.try_for_each(|row| print_json(&row))?;
            }
            Format::Text => {
                let places = if args.rule.is_empty() { MAX_PLACES } else { usize::MAX };
                let blank = if i > 0 { "\n" } else { "" };
                print(&format!("{blank}{}", text(path, &verified, places)))?;
            }
        }
    }
    for (wanted, what) in [(&args.run, "run"), (&args.tag, "tag")] {
        wanted.as_ref().map_or(Ok(()), |wanted| wanted.check(what))?;
    }
    Ok(code)
}

fn options(args: &Args) -> Verify {
    let mut verify =
        Verify::new().allow(args.allow.iter().copied()).follow_links(args.follow_links);
    if !args.rule.is_empty() {
        verify = verify.rules(args.rule.iter().copied());
    }
    if let Some(run) = args.run.clone() {
        verify = verify.runs(move |name| run.is_match(name));
    }
    if let Some(tag) = args.tag.clone() {
        verify = verify.tags(move |name| tag.is_match(name));
    }
    verify
}

/// A finding in JSON.
#[derive(Serialize)]
struct FindingRow<'f> {
    rule: &'static str,
    severity: &'static str,
    path: Option<String>,
    offset: Option<u64>,
    run: Option<&'f str>,
    tag: Option<&'f str>,
    step: Option<i64>,
    count: u64,
    message: &'f str,
    effect: &'static str,
    advice: &'static str,
}

impl<'f> FindingRow<'f> {
    fn of(finding: &'f Finding) -> Self {
        let (rule, place) = (finding.rule, &finding.location);
        Self {
            rule: rule.name(),
            severity: rule.severity().name(),
            path: place.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            offset: place.offset,
            run: place.run.as_deref(),
            tag: place.tag.as_deref(),
            step: place.step,
            count: finding.count,
            message: &finding.message,
            effect: rule.effect(),
            advice: rule.advice(),
        }
    }
}

/// A rule in JSON.
#[derive(Serialize)]
struct RuleRow {
    rule: &'static str,
    severity: &'static str,
    title: &'static str,
    effect: &'static str,
    advice: &'static str,
}

impl RuleRow {
    fn of(rule: Rule) -> Self {
        Self {
            rule: rule.name(),
            severity: rule.severity().name(),
            title: rule.title(),
            effect: rule.effect(),
            advice: rule.advice(),
        }
    }
}

fn rules() -> String {
    let mut table = Table::of(&["RULE", "SEVERITY", "WHAT"], 0).fit(&["WHAT"], Fit::Text);
    for rule in Rule::ALL {
        let cells = [rule.name(), rule.severity().name(), rule.title()];
        table.row(cells.map(String::from).into());
    }
    table.shown(&mut NotShown::default())
}

fn text(path: &Path, verified: &Verified, places: usize) -> String {
    let mut by_rule: BTreeMap<Rule, Vec<&Finding>> = BTreeMap::new();
    for finding in &verified.findings {
        by_rule.entry(finding.rule).or_default().push(finding);
    }
    let mut rules: Vec<_> = by_rule.into_iter().collect();
    rules.sort_by_key(|(rule, _)| std::cmp::Reverse(rule.severity()));
    let mut text = head(path, verified);
    for (rule, findings) in rules {
        text += "\n";
        text += &section(path, rule, &findings, places);
    }
    if verified.more > 0 {
        let more = count(verified.more);
        let line = format!("\n... and {more} more in files with over 1,000 of them\n");
        text += &styled(DIM, &line);
    }
    text
}

fn head(path: &Path, verified: &Verified) -> String {
    let logdir = styled(BOLD, &name(&path.to_string_lossy()));
    if verified.files == 0 {
        return format!("{logdir}: {NO_LOGS}\n");
    }
    let mut parts = vec![
        counted(verified.runs, "run"),
        counted(verified.files, "file"),
        bytes(verified.bytes),
        counted(usize::try_from(verified.events).unwrap_or(usize::MAX), "event"),
    ];
    let found = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let found = verified.count(severity);
        (found > 0).then(|| styled(style(severity), &counted(found, severity.name())))
    });
    match verified.findings.is_empty() {
        true => parts.push("nothing is wrong".into()),
        false => parts.extend(found.into_iter().flatten()),
    }
    format!("{logdir}: {}\n", parts.join(", "))
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => RED,
        Severity::Warning => YELLOW,
        Severity::Note => DIM,
    }
}

/// The findings of a rule, with its explanation.
fn section(logdir: &Path, rule: Rule, findings: &[&Finding], places: usize) -> String {
    let severity = rule.severity();
    let times: u64 = findings.iter().map(|finding| finding.count).sum();
    let runs: BTreeSet<_> = findings.iter().map(|finding| &finding.location.run).collect();
    let times = match (times, runs.len()) {
        (1, _) => String::new(),
        (times, 1) => format!(" ({}×)", count(times)),
        (times, runs) => format!(" ({}× in {})", count(times), counted(runs, "run")),
    };
    let width = terminal_width();
    let mut text = format!(
        "{} {}: {}{times}\n",
        styled(style(severity), severity.name()),
        styled(BOLD, rule.name()),
        rule.title()
    );
    let meaning = format!("{} {}", rule.effect(), rule.advice());
    text += &wrapped(&meaning, width.unwrap_or(100), 2, 2);
    let groups = groups(findings);
    for group in groups.iter().take(places) {
        // Not wrapped in a file: other programs expect one line per place.
        text += &wrapped(&place(logdir, group), width.unwrap_or(usize::MAX), 4, 6);
    }
    if groups.len() > places {
        let more = count(u64::try_from(groups.len() - places).unwrap_or(u64::MAX));
        text += &styled(DIM, &format!("    ... and {more} more: --rule {rule} lists all\n"));
    }
    text
}

/// Groups findings with the same message about the same tag in several runs.
fn groups<'f>(findings: &[&'f Finding]) -> Vec<Vec<&'f Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    let mut known: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for finding in findings {
        let Some(tag) = &finding.location.tag else {
            groups.push(vec![finding]);
            continue;
        };
        // Messages that differ only in numbers are the same.
        let message = finding.message.chars().filter(|c| !c.is_ascii_digit()).collect();
        let group = *known.entry((tag, message)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

/// One line about a finding, or about several that differ only in their runs.
fn place(logdir: &Path, group: &[&Finding]) -> String {
    let [first, others @ ..] = group else { return String::new() };
    let location = &first.location;
    let mut parts = Vec::new();
    match (&location.tag, &location.run, &location.path) {
        (Some(_), Some(run), _) if others.is_empty() => parts.push(format!("run {}", name(run))),
        (Some(_), Some(run), _) => {
            let runs = counted(group.len(), "run");
            parts.push(format!("{runs}, the first {}", name(run)));
        }
        (_, _, Some(path)) => {
            let relative = path.strip_prefix(logdir).ok().filter(|path| path.file_name().is_some());
            let path = name(&relative.unwrap_or(path).to_string_lossy());
            let offset = location.offset.map(|offset| format!(" at byte {offset}"));
            parts.push(format!("{path}{}", offset.unwrap_or_default()));
        }
        (_, Some(run), None) => parts.push(format!("run {}", name(run))),
        (_, None, None) => {}
    }
    if let Some(tag) = &location.tag {
        parts.push(format!("tag {}", name(tag)));
    }
    let times: u64 = group.iter().map(|finding| finding.count).sum();
    match location.step.filter(|_| location.tag.is_some()) {
        Some(step) if times == 1 => parts.push(format!("step {step}")),
        Some(step) => parts.push(format!("{}× from step {step} on", count(times))),
        None if times > 1 => parts.push(format!("{}×", count(times))),
        None => {}
    }
    match first.message.as_str() {
        "" => parts.join(", "),
        message => format!("{}: {}", parts.join(", "), name(message)),
    }
}
