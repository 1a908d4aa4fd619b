//! `tbx edit`

mod args;
mod json;
mod text;

use std::path::Path;

use regex::Regex;

pub(super) use self::args::Args;
use super::output::Format;
use super::{FAILED, FINE, NO, print, print_json, report, say, warn};
use tbx::error::{Error, ErrorKind, Issue, Result};
use tbx::logdir::{LoadOptions, Logdir, Payloads, RunFiles};
use tbx::meta::RunMeta;
use tbx::summary::Kind;
use tbx::summary::hparams::HparamValue;
use tbx_runs::edit::{Edit, JoinedRun, StepNote};
use tbx_runs::table::{RunTable, TableOptions};

/// Maximum number of listed files whose steps go back.
const MAX_NOTES: usize = 20;

pub(super) fn run(args: &Args) -> Result<u8> {
    let mut edit = edit(args)?;
    if edit.is_empty() && args.join.is_empty() {
        return Err(Error::argument("nothing to change; tbx edit --help lists the options"));
    }
    let logdir = args.to.logs(&args.logdir)?;
    if !logdir.has_logs() && args.empty.say(&args.logdir) == NO {
        return Ok(NO);
    }
    let groups = args.continue_steps || !args.set_param.is_empty();
    if groups && !args.no_fold {
        edit = parts(&logdir)?.into_iter().fold(edit, Edit::parts);
    }
    if args.join.len() != args.into.len() {
        return Err(Error::argument("each --join needs an --into, and each --into a --join"));
    }
    for (join, into) in args.join.iter().zip(&args.into) {
        edit = edit.join(split_names(join, logdir.runs()), into);
    }
    let edited = edit.run_then(&logdir, args.to.destination(), |joined| {
        let root = args.to.root(&logdir);
        joined.iter().try_for_each(|joined| end(joined, &root))?;
        sidecars(args, &root)
    })?;
    let is_lossless = report(&edited.report);
    notes(&edited.step_notes);
    let is_damaged =
        |issue: &Issue| issue.effect.is_loss() && !matches!(issue.kind, ErrorKind::NotEventFile(_));
    if edited.report.issues.iter().any(is_damaged) {
        warn("damaged records were left out; tbx repair shows details");
    }
    match args.to.format {
        Format::Text => print(&text::text(args, &edited))?,
        Format::Json => print_json(&json::row(args, &edited))?,
    }
    Ok(if is_lossless { FINE } else { FAILED })
}

fn edit(args: &Args) -> Result<Edit> {
    let mut edit = Edit::new()
        .merge(args.merge)
        .continue_steps(args.continue_steps)
        .shift_steps(args.shift_steps)
        .shift_time(args.shift_time)
        .side_files(args.to.sidecars());
    for (regex, new) in pairs(&args.rename)? {
        edit = edit.rename(regex, new);
    }
    for (regex, name) in pairs(&args.split_tags)? {
        edit = edit.sub_run(regex, name);
    }
    let all = |regexes: &[Regex], edit: Edit, add: fn(Edit, Regex) -> Edit| {
        regexes.iter().cloned().fold(edit, add)
    };
    edit = all(&args.drop_tag, edit, Edit::drop_tags);
    edit = all(&args.keep_tag, edit, Edit::keep_tags);
    edit = all(&args.drop_run, edit, Edit::drop_runs);
    edit = all(&args.keep_run, edit, Edit::keep_runs);
    if let Some(bytes) = args.split_size {
        edit = edit.max_file_bytes(bytes);
    }
    for (name, value) in &args.set_param {
        edit = edit.param(name, HparamValue::from(value));
    }
    for name in &args.unset_param {
        edit = edit.param(name, HparamValue::Unset);
    }
    for (kind, sampling) in &args.sample {
        edit = edit.sample(*kind, *sampling);
    }
    Ok(if args.compact { edit.compact(args.restart) } else { edit })
}

/// The names of runs that are parts of one run, as other commands fold them.
fn parts(logdir: &Logdir) -> Result<Vec<Vec<String>>> {
    let options = LoadOptions::new().payloads(Payloads::Dropped);
    let rows = RunTable::load(logdir, &options, &TableOptions::new())?.rows;
    let rows = rows.into_iter().filter(|row| !row.parts.is_empty());
    Ok(rows.map(|row| [vec![row.name], row.parts].concat()).collect())
}

/// Splits a list of run names at its commas. A name may contain commas: the longest match with a run, or
/// with a directory that has runs below it, wins.
fn split_names(text: &str, runs: &[RunFiles]) -> Vec<String> {
    let is_known = |name: &str| {
        let below = |run: &RunFiles| {
            run.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        runs.iter().any(below)
    };
    let pieces: Vec<&str> = text.split(',').collect();
    let mut names = Vec::new();
    let mut from = 0;
    while from < pieces.len() {
        let name = |to: usize| pieces.get(from..to).unwrap_or(&[]).join(",");
        let longest = (from + 1..=pieces.len()).rev().find(|to| is_known(&name(*to)));
        let to = longest.unwrap_or(from + 1);
        names.push(name(to));
        from = to;
    }
    names
}

/// Copies the end of the last joined run to the new run. All other metadata comes from the first one.
fn end(joined: &JoinedRun, root: &Path) -> Result<()> {
    let dir = if joined.run == "." { root.to_owned() } else { root.join(&joined.run) };
    let last = joined.dirs.last().map(|dir| RunMeta::read(dir)).transpose()?.flatten();
    let (Some(last), Some(_)) = (last, RunMeta::read(&dir)?) else { return Ok(()) };
    RunMeta::update(&dir, |meta| {
        (meta.status, meta.end_time, meta.process) = (last.status, last.end_time, last.process);
    })
}

/// Writes the parameters to `tbx.json` of runs that have one, or a copy of one in the log: it takes
/// precedence over the log.
fn sidecars(args: &Args, root: &Path) -> Result<()> {
    if args.set_param.is_empty() && args.unset_param.is_empty() {
        return Ok(());
    }
    let options = LoadOptions::new().kinds([Kind::Meta]).payloads(Payloads::Placed);
    let is_file = args.logdir.is_file();
    let (done, _) = Logdir::open(root)?.map_runs(&options, |run| {
        let is_kept = args.keep_run.is_empty() || any(&args.keep_run, &run.name);
        let is_edited = is_kept && !any(&args.drop_run, &run.name) && (!is_file || run.name == ".");
        if !is_edited || !run.has_own_meta() {
            return Ok(());
        }
        run.update_meta(|meta| {
            for (name, value) in &args.set_param {
                meta.params.insert(name.clone(), value.clone());
            }
            for name in &args.unset_param {
                meta.params.remove(name);
            }
        })
    })?;
    done.into_iter().collect()
}

fn any(regexes: &[Regex], name: &str) -> bool {
    regexes.iter().any(|regex| regex.is_match(name))
}

/// Reports steps that go back and were not changed.
fn notes(notes: &[StepNote]) {
    notes.iter().take(MAX_NOTES).for_each(|note| say(&note.to_string()));
    if notes.len() > MAX_NOTES {
        let more = notes.len() - MAX_NOTES;
        say(&format!("... and {more} more files whose steps go back; --format json lists all"));
    }
}

/// Parses pairs of a regular expression and its argument.
fn pairs(texts: &[String]) -> Result<Vec<(Regex, String)>> {
    let (all, _) = texts.as_chunks::<2>();
    let pair = |[regex, text]: &'_ [String; 2]| {
        let regex = Regex::new(regex).map_err(|error| Error::argument(error.to_string()))?;
        Ok((regex, text.clone()))
    };
    all.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_are_found_in_a_list() {
        let run = |name: &str| RunFiles::new(name.into(), Path::new("logs").join(name), Vec::new());
        let runs = ["a", "lr=1,bs=2", "lr=1", "deep/train"].map(run);
        let split = |text| split_names(text, &runs);
        assert_eq!(split("a,lr=1,bs=2,deep"), ["a", "lr=1,bs=2", "deep"]);
        assert_eq!(split("lr=1,a"), ["lr=1", "a"]);
        assert_eq!(split("b,a"), ["b", "a"]);
    }
}
