//! `tbx man`

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, ValueHint};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::{FINE, help, print};
use tbx::error::{Error, ErrorKind, Location, Result};
use tbx_runs::table::meant;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  tbx man table | man -l -
  tbx man --out ~/.local/share/man/man1          for man tbx, man tbx-table")]
pub(super) struct Args {
    /// Subcommand whose page is printed [default: tbx itself].
    command: Option<String>,

    /// Write all pages to this directory instead.
    #[arg(short, long, value_name = "DIR", conflicts_with = "command", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let mut tbx = help::command();
    tbx.build(); // names of subcommands become tbx-table
    if let Some(dir) = &args.out {
        write_all(&tbx, dir).map_err(|error| error.at(Location::of(dir.as_path())))?;
        return Ok(FINE);
    }
    let command = match &args.command {
        None => &tbx,
        Some(name) => tbx.find_subcommand(name).ok_or_else(|| {
            let all: Vec<_> = tbx.get_subcommands().map(Command::get_name).collect();
            Error::argument(format!("there is no command {name:?}; {}", meant(name, &all)))
        })?,
    };
    print(&String::from_utf8_lossy(&page(command)?))?;
    Ok(FINE)
}

fn write_all(tbx: &Command, dir: &Path) -> Result<(), ErrorKind> {
    fs::create_dir_all(dir)?;
    let commands = tbx.get_subcommands().filter(|command| command.get_name() != "help");
    for command in [tbx].into_iter().chain(commands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        fs::write(dir.join(format!("{name}.1")), page(command)?)?;
    }
    Ok(())
}

/// The page of a command. Paragraphs are filled, examples keep their lines.
fn page(command: &Command) -> Result<Vec<u8>, ErrorKind> {
    let version = concat!("tbx ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).manual("TensorBoard toolkit").source(version);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (notes, examples) = below.split_once("Examples:").unwrap_or((&below, ""));
    for (title, text) in [("NOTES", notes), ("EXAMPLES", examples)] {
        if !text.trim().is_empty() {
            let mut roff = Roff::new();
            roff.control("SH", [title]);
            for line in text.trim_matches('\n').lines() {
                match line.starts_with(' ') {
                    true => roff.control("nf", []).text([roman(line)]).control("fi", []),
                    false if line.is_empty() => roff.control("PP", []),
                    false => roff.text([roman(line)]),
                };
            }
            page.extend(roff.to_roff().bytes());
        }
    }
    Ok(page)
}
