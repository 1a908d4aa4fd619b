//! `tbx completions`

use clap_complete::Shell;

use super::{FINE, help, print};
use tbx::error::Result;

#[derive(clap::Args)]
#[command(after_help = "Examples:
  tbx completions bash > ~/.local/share/bash-completion/completions/tbx
  tbx completions zsh > ~/.zfunc/_tbx            needs ~/.zfunc in fpath
  tbx completions fish > ~/.config/fish/completions/tbx.fish
  tbx completions powershell >> $PROFILE")]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "tbx", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(FINE)
}
