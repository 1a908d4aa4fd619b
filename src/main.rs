//! The program `tbx`; the code is in the library's module `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tbx::cli::main()
}
