//! Shows a log directory in TensorBoard's page, at any free port: `cargo run --example serve -- LOGDIR`.

use std::env;
use std::error::Error;

use tbx_serve::{Page, Server, Source, find_page};

fn main() -> Result<(), Box<dyn Error>> {
    let logdir = env::args_os().nth(1).ok_or("usage: serve LOGDIR")?;
    let page = Page::open(&find_page().ok_or("TensorBoard's page was not found")?)?;
    let server = Server::new([Source::new(logdir)]).port(0).bind(page)?;
    println!("http://{}/", server.address());
    server.serve()?;
    Ok(())
}
