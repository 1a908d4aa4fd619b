//! Comma-separated values, RFC 4180: a header, then a line a point.

use super::Target;
use super::output::Output;
use crate::error::{ErrorKind, Result};
use crate::logdir::Run;
use crate::table::number::Exact;

pub(super) const TARGET: Target =
    Target { name: "csv", about: "comma-separated values, a line a point", head, run };

fn head(output: &mut Output) -> Result<()> {
    output.buffer.extend_from_slice(b"run,tag,step,wall_time,value");
    output.end_line()
}

fn run(run: &Run, output: &mut Output) -> Result<()> {
    let mut steps = itoa::Buffer::new();
    let mut numbers = zmij::Buffer::new();
    for series in &run.series {
        let Some(scalars) = series.scalars() else { continue };
        // Quoted once a series; the numbers behind need no quotes.
        let names = quoted(&run.name, series.tag())?;
        let points = series.steps().iter().zip(series.wall_times()).zip(scalars.iter());
        for ((step, wall_time), value) in points {
            let buffer = &mut output.buffer;
            buffer.extend_from_slice(&names);
            buffer.extend_from_slice(steps.format(*step).as_bytes());
            for number in [*wall_time, value] {
                buffer.push(b',');
                let text = match Exact(number).name() {
                    Some(name) => name,
                    None => numbers.format_finite(number),
                };
                buffer.extend_from_slice(text.as_bytes());
            }
            output.end_line()?;
        }
    }
    Ok(())
}

/// `run,tag,`
fn quoted(run: &str, tag: &str) -> Result<Vec<u8>> {
    let mut writer = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    writer.write_record([run, tag]).map_err(|error| ErrorKind::Io(io(error)))?;
    let mut line = writer.into_inner().map_err(|error| ErrorKind::from(error.into_error()))?;
    line.pop_if(|last| *last == b'\n');
    line.push(b',');
    Ok(line)
}

fn io(error: ::csv::Error) -> std::sync::Arc<std::io::Error> {
    std::sync::Arc::new(error.into())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(quoted("a/b", "loss").unwrap(), b"a/b,loss,");
        assert_eq!(quoted("a,b", "l\"o\"ss").unwrap(), b"\"a,b\",\"l\"\"o\"\"ss\",");
        assert_eq!(quoted("a\nb", "").unwrap(), b"\"a\nb\",,");
    }
}
