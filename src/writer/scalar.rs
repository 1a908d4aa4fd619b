//! Logs scalars.

use std::sync::Arc;

use super::log_file::LogFile;
use super::{Inner, IntoStep, SummaryWriter};
use crate::decimal::to_f32;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::event::{encode, pb};
use crate::safe_name;
use crate::summary::histogram::Numeric;
use crate::summary::scalar;

impl SummaryWriter {
    /// Logs a number.
    ///
    /// The number is stored as float32, the only type that both of TensorBoard's loaders show,
    /// unless the writer uses [double precision](crate::WriterOptions::double_precision). NaN and
    /// infinities are allowed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: an earlier event could not be written; [`ErrorKind::Closed`].
    #[inline]
    pub fn add_scalar(&self, tag: &str, value: impl Numeric, step: impl IntoStep) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let wall_time = self.wall_time(inner);
        let step = self.step(inner, tag, step.into_step());
        self.append_scalar(inner, &inner.file, tag, value.to_f64(), wall_time, step)
    }

    /// Logs several numbers as lines of one chart. Each is logged with the tag `main_tag` to a
    /// separate run below this one, in the directory `<run>/<main_tag>_<name>`.
    ///
    /// In the name of the directory, `/` in `main_tag` becomes `_`, as in PyTorch; other characters
    /// that are not allowed in file names are percent-encoded.
    ///
    /// # Errors
    ///
    /// The same as for [`add_scalar`](Self::add_scalar). In addition, [`ErrorKind::Io`]: a run
    /// cannot be created; [`ErrorKind::Argument`]: the log is not a file, so there is no directory
    /// for the runs.
    pub fn add_scalars<'a, V: Numeric>(
        &self,
        main_tag: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
        step: impl IntoStep,
    ) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let wall_time = self.wall_time(inner);
        let step = self.step(inner, main_tag, step.into_step());
        for (name, value) in values {
            let file = inner.line(&line_name(main_tag, name))?;
            self.append_scalar(inner, &file, main_tag, value.to_f64(), wall_time, step)?;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn append_scalar(
        &self,
        inner: &Inner,
        file: &LogFile,
        tag: &str,
        value: f64,
        wall_time: f64,
        step: i64,
    ) -> Result<()> {
        if inner.options.double_precision || self.is_v2(inner) {
            let value = tensor(tag, value, inner.options.double_precision);
            return self.append(inner, file, value, wall_time, step);
        }
        let value = to_f32(value);
        let much =
            file.append(step, |buffer| encode::scalar(buffer, wall_time, step, tag, value))?;
        inner.worker.notify(much);
        Ok(())
    }
}

impl Inner {
    /// The file for a line of [`SummaryWriter::add_scalars`].
    fn line(&self, name: &str) -> Result<Arc<LogFile>> {
        let mut lines = self.file.lock(&self.lines)?;
        if let Some(file) = lines.files.get(name) {
            return Ok(file.clone());
        }
        let Some(dir) = &self.dir else {
            return Err(Error::argument("add_scalars needs a directory for its runs"));
        };
        if lines.closed {
            let place = self.file.path().map(Location::of).unwrap_or_default();
            return Err(ErrorKind::Closed.at(place));
        }
        self.file.check()?;
        let file = Arc::new(LogFile::create(&dir.join(name), &self.options)?);
        lines.files.insert(name.into(), file.clone());
        self.worker.add(file.clone());
        Ok(file)
    }
}

fn tensor(tag: &str, value: f64, double_precision: bool) -> pb::summary::Value {
    match double_precision {
        true => scalar::v2_double(tag, value),
        false => scalar::v2(tag, to_f32(value)),
    }
}

/// Directory name of a line: PyTorch's name, encoded.
fn line_name(main_tag: &str, name: &str) -> String {
    safe_name::encode(&format!("{}_{name}", main_tag.replace('/', "_")))
}

#[cfg(test)]
mod tests {
    use super::line_name;

    #[test]
    fn lines_never_leave_the_runs_directory() {
        assert_eq!(line_name("loss/all", "train"), "loss_all_train");
        assert_eq!(line_name("..", "../../etc"), ".._..%2f..%2fetc");
        assert_eq!(line_name("loss", "a."), "loss_a%2e");
        assert_eq!(line_name("/etc", "a\0b"), "_etc_a%00b");
        assert_ne!(line_name("a", "b/c"), line_name("a", "b%2fc"));
    }
}
