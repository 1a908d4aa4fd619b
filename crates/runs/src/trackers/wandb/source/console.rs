//! Console output, which comes in parts of lines.

use tbx::meta::Failure;
use tbx::wandb::record::Output;

/// Maximum number of bytes of output that are kept.
const MAX_BYTES: usize = 64 << 20;

/// Maximum number of bytes of the standard error in which a traceback is looked for.
const MAX_ERRORS: usize = 1 << 20;

/// The first line of a traceback of Python.
const TRACEBACK: &str = "Traceback (most recent call last):";

/// A stream of output, whose last line is not complete yet.
#[derive(Default)]
struct Stream {
    line: String,
    /// Whether the cursor is at the start of the line, so that further text replaces it.
    is_back: bool,
}

/// The output of a run.
#[derive(Default)]
pub(super) struct Console {
    text: String,
    /// The end of the standard error.
    errors: String,
    streams: [Stream; 2],
    /// Number of bytes that were dropped because there are too many.
    pub(super) dropped: u64,
}

impl Console {
    /// Adds a part.
    pub(super) fn add(&mut self, output: &Output) {
        self.add_text(output.output_type == 0, &output.line);
    }

    /// Adds text of the standard error or of the standard output.
    pub(super) fn add_text(&mut self, is_error: bool, text: &str) {
        for part in text.split_inclusive(['\n', '\r']) {
            let (part, end) = match part.strip_suffix('\n') {
                Some(part) => (part, Some('\n')),
                None => part.strip_suffix('\r').map_or((part, None), |part| (part, Some('\r'))),
            };
            let [errors, plain] = &mut self.streams;
            let stream = if is_error { errors } else { plain };
            if stream.is_back && !part.is_empty() {
                stream.line.clear();
                stream.is_back = false;
            }
            let left = MAX_BYTES.saturating_sub(self.text.len()).saturating_sub(stream.line.len());
            if part.len() > left {
                let dropped = u64::try_from(part.len()).unwrap_or(u64::MAX);
                self.dropped = self.dropped.saturating_add(dropped);
            } else {
                stream.line.push_str(part);
            }
            match end {
                Some('\n') => self.end_line(is_error),
                Some(_) => stream.is_back = true,
                None => {}
            }
        }
    }

    fn end_line(&mut self, is_error: bool) {
        let [errors, plain] = &mut self.streams;
        let stream = std::mem::take(if is_error { errors } else { plain });
        if self.text.len().saturating_add(stream.line.len()) < MAX_BYTES {
            self.text.push_str(&stream.line);
            self.text.push('\n');
        } else {
            let len = u64::try_from(stream.line.len()).unwrap_or(u64::MAX).saturating_add(1);
            self.dropped = self.dropped.saturating_add(len);
        }
        if is_error {
            if self.errors.len() > MAX_ERRORS {
                self.errors.clear();
            }
            // The traceback of an error that was handled is of no use, nor is one before it.
            if stream.line.starts_with(TRACEBACK) {
                self.errors.clear();
            }
            self.errors.push_str(&stream.line);
            self.errors.push('\n');
        }
    }

    /// Completes the last lines.
    fn finish(&mut self) {
        for is_error in [true, false] {
            let [errors, plain] = &self.streams;
            if !(if is_error { errors } else { plain }).line.is_empty() {
                self.end_line(is_error);
            }
        }
    }

    /// The whole text, and the exception that ended the program, if it printed one.
    pub(super) fn into_parts(mut self) -> (String, Option<Failure>) {
        self.finish();
        let failure = failure(&self.errors);
        (self.text, failure)
    }
}

/// The exception of the last traceback in a text.
fn failure(errors: &str) -> Option<Failure> {
    let traceback = errors.get(errors.rfind(TRACEBACK)?..)?;
    let is_exception = |line: &&str| !line.starts_with(char::is_whitespace) && !line.is_empty();
    let mut lines = traceback.lines().scan(0usize, |end, line| {
        *end = end.saturating_add(line.len()).saturating_add(1);
        Some((line, *end))
    });
    lines.next();
    let (line, end) = lines.find(|(line, _)| is_exception(line))?;
    let (kind, message) = line.split_once(": ").unwrap_or((line, ""));
    let mut failure = Failure::new(kind, message);
    failure.traceback = Some(traceback.get(..end).unwrap_or(traceback).trim_end().to_owned());
    Some(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(of: &[(i32, &str)]) -> (String, Option<Failure>) {
        let mut console = Console::default();
        for (output_type, line) in of {
            let (output_type, line) = (*output_type, (*line).to_owned());
            console.add(&Output { output_type, timestamp: None, line });
        }
        console.into_parts()
    }

    #[test]
    fn parts_of_lines_are_joined_per_stream() {
        let (text, failure) =
            parts(&[(1, "a"), (0, "err"), (1, "b"), (1, "\n"), (0, ""), (0, "or\n"), (1, "end")]);
        assert_eq!(text, "ab\nerror\nend\n");
        assert_eq!(failure, None);
    }

    #[test]
    fn a_line_that_starts_again_is_replaced() {
        assert_eq!(parts(&[(1, "10%\r20%"), (1, "\r"), (1, "30%\r\nnext\n")]).0, "30%\nnext\n");
    }

    #[test]
    fn the_last_traceback_is_the_failure() {
        let (_, failure) = parts(&[
            (0, "Traceback (most recent call last):\n  File \"a\"\nKeyError: 'x'\n"),
            (0, "Traceback (most recent call last):\n"),
            (0, "  File \"a.py\", line 1, in <module>\n"),
            (0, "    raise ValueError(\"boom: now\")"),
            (0, "\n"),
            (0, "ValueError: boom: now\n"),
            (0, "something else\n"),
        ]);
        let failure = failure.unwrap();
        assert_eq!((failure.kind.as_str(), failure.message.as_str()), ("ValueError", "boom: now"));
        let traceback = failure.traceback.unwrap();
        assert!(traceback.starts_with(TRACEBACK) && traceback.ends_with("ValueError: boom: now"));
    }
}
