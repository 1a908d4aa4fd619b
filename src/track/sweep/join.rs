//! The first worker of a sweep defines it in its directory; others must have the same definition.

use std::path::Path;

use super::worker::{Worker, check_lock};
use super::{Sweep, definition};
use crate::error::{Error, ErrorKind, Result, failed};
use crate::meta::{RunMeta, now};
use crate::replace::{Lock, disk};
use crate::track::secrets;
use crate::writer::SummaryWriter;

/// Name of the lock of a worker that joins.
const JOINS: &str = "joins";

impl Sweep {
    /// Makes the program a worker of this sweep in the directory `dir`, which is created if it does not exist. Its
    /// parameters, metric, method, seed and rule must be those of the sweep there. The number of trials may be
    /// larger, or without a limit; then it is raised for all workers that join from then on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: `dir` has another sweep, the sweep has no possible trials, or the name of a parameter
    /// looks like that of a secret, whose values are not recorded. [`ErrorKind::Io`]: the directory cannot be written,
    /// or its file system has no locks.
    pub fn join(&self, dir: impl AsRef<Path>) -> Result<Worker> {
        let dir = dir.as_ref();
        self.check()?;
        self.check_secrets()?;
        disk::create_dir_all(dir).map_err(|error| failed(error, dir))?;
        let joins = dir.join(JOINS);
        let turn = Lock::wait(&joins).map_err(|error| failed(error, &joins))?;
        check_lock(&turn, dir)?;
        let meta = RunMeta::read(dir)?.unwrap_or_default();
        let there = meta.other.get(definition::KEY).map(Self::from_json);
        let is_new = there.is_none();
        let joined = self.joined(there, dir)?;
        if is_new {
            // TensorBoard's table knows the domains and the metric. The definition comes last: a directory that has one
            // has everything.
            let writer = SummaryWriter::create(dir)?;
            writer.add_hparams_config(&joined.experiment())?;
            writer.close()?;
        }
        RunMeta::update(dir, |meta| {
            meta.other.insert(definition::KEY.into(), joined.to_json());
            if meta.id.is_none() {
                meta.id = Some(uuid::Uuid::new_v4().simple().to_string());
                meta.role = Some("sweep".into());
                meta.start_time = Some(now());
            }
        })?;
        Worker::open(dir)
    }

    fn joined(&self, there: Option<Result<Self, ErrorKind>>, dir: &Path) -> Result<Self> {
        let there = match there {
            None => return Ok(self.clone()),
            Some(there) => there.map_err(|kind| failed(kind, dir))?,
        };
        if (Self { trials: None, ..there.clone() }) != (Self { trials: None, ..self.clone() }) {
            let dir = dir.display();
            let what = format!(
                "{dir} has another sweep: its parameters, metric, method, seed or rule differ; use another directory"
            );
            return Err(Error::argument(what));
        }
        // No limit is the largest number.
        let trials = there.trials.zip(self.trials).map(|(there, own)| there.max(own));
        Ok(Self { trials, ..there })
    }

    /// Returns an error if some value of some parameter would be hidden in `tbx.json`.
    fn check_secrets(&self) -> Result<(), ErrorKind> {
        for (name, domain) in self.space.iter() {
            for value in domain.all_texts() {
                let plain =
                    RunMeta { params: [(name.to_owned(), value)].into(), ..RunMeta::default() };
                let mut hidden = plain.clone();
                secrets::hide(&mut hidden);
                if plain != hidden {
                    let what = format!(
                        "the parameter {name:?} has the name or the values of a secret, which are not recorded: rename it"
                    );
                    return Err(ErrorKind::Argument(what));
                }
            }
        }
        Ok(())
    }
}
