//! The command line as clap knows it, and how its help looks.

use std::ffi::OsString;

use clap::{Command, CommandFactory};

use super::Cli;
use super::render::terminal_width;

/// The help has no wider lines.
const MAX_WIDTH: usize = 100;

/// The command line of the program. Its help is as wide as the terminal that shows it.
pub(super) fn command() -> Command {
    let width = terminal_width().unwrap_or(MAX_WIDTH).min(MAX_WIDTH);
    laid_out(Cli::command()).term_width(width)
}

/// The command with the lines of its paragraphs joined: clap wraps them, once and for the width there is.
fn laid_out(command: Command) -> Command {
    let below = command.get_after_help().map(|text| joined(&text.to_string()));
    let command = match below {
        Some(below) => command.after_help(below),
        None => command,
    };
    command.mut_subcommands(laid_out)
}

/// `text` with a line per paragraph. Lines that begin with a space are examples and the like, and stay.
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

/// The arguments of the process. `help` takes none of its own: `tbx help -h` is `tbx help`.
pub(super) fn arguments(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<_> = args.into_iter().collect();
    let is = |at: usize, text: &str| args.get(at).is_some_and(|arg| arg == text);
    let of_subcommand = is(2, "help") && (is(1, "models") || is(1, "meta"));
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

/// A hint at what is wrong with arguments that clap does not understand.
pub(super) fn hint(args: impl IntoIterator<Item = String>) -> Option<String> {
    let args: Vec<_> = args.into_iter().skip(1).take(2).collect();
    let [command, action] = args.as_slice() else { return None };
    let command = command.as_str();
    let is_action = |found: &Command| found.find_subcommand(action).is_some();
    let needs_logdir =
        command == "models" && Cli::command().find_subcommand(command).is_some_and(is_action);
    needs_logdir.then(|| format!("LOGDIR comes before {action}: tbx models LOGDIR {action} ..."))
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
