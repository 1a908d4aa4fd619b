//! The command line as clap sees it, and the layout of its help.

use std::ffi::OsString;

use clap::{Command, CommandFactory};

use super::Cli;
use super::render::terminal_width;

/// Maximum width of help lines.
const MAX_WIDTH: usize = 100;

/// The command line of the program. Its help is as wide as the terminal.
pub(super) fn command() -> Command {
    let width = terminal_width().unwrap_or(MAX_WIDTH).min(MAX_WIDTH);
    laid_out(Cli::command()).term_width(width)
}

/// Joins the lines of each paragraph in the help of `command`: clap wraps them to the actual width.
fn laid_out(command: Command) -> Command {
    let below = command.get_after_help().map(|text| joined(&text.to_string()));
    let command = match below {
        Some(below) => command.after_help(below),
        None => command,
    };
    command.mut_subcommands(laid_out)
}

/// Joins the lines of each paragraph of `text`. Lines that begin with a space, such as examples, stay.
fn joined(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
    for line in text.lines() {
        match lines.last_mut().filter(|last| is_prose(last) && is_prose(line)) {
            Some(last) => last.extend([" ", line]),
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

/// The arguments of the process. `help` takes no options, so `tbx help -h` becomes `tbx help`.
pub(super) fn arguments(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<_> = args.into_iter().collect();
    let is = |at: usize, text: &str| args.get(at).is_some_and(|arg| arg == text);
    let of_subcommand = is(2, "help")
        && ["artifacts", "meta", "models", "sweep"].into_iter().any(|command| is(1, command));
    let after = if is(1, "help") { Some(1) } else { of_subcommand.then_some(2) };
    if let Some(after) = after {
        let mut place = 0;
        args.retain(|arg| {
            place += 1;
            place <= after + 1 || !(arg == "-h" || arg == "--help")
        });
    }
    args
}

/// A hint about arguments that clap rejects.
pub(super) fn hint(args: impl IntoIterator<Item = String>) -> Option<String> {
    let args: Vec<_> = args.into_iter().skip(1).take(2).collect();
    let [command, action] = args.as_slice() else { return None };
    let command = command.as_str();
    let is_action = |found: &Command| found.find_subcommand(action).is_some();
    let needs_logdir = (command == "models" || command == "artifacts")
        && Cli::command().find_subcommand(command).is_some_and(is_action);
    needs_logdir.then(|| format!("LOGDIR comes before {action}: tbx {command} LOGDIR {action} ..."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_joined_and_examples_stay() {
        let text = "One two\nthree.\n\nFour:\n  tbx x\n  tbx y\n\nFive\nsix.";
        assert_eq!(joined(text), "One two three.\n\nFour:\n  tbx x\n  tbx y\n\nFive six.");
    }

    #[test]
    fn clap_finds_no_fault_with_the_command_line() {
        command().debug_assert();
    }
}
