//! A database of MLflow's, SQLite, as a place where runs are sent to: what MLflow's own store does there
//! (`mlflow/store/tracking/sqlalchemy_store.py` and `model_registry/sqlalchemy_store.py` of 3.17).

mod artifacts;
mod models;
mod runs;
mod schema;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use tbx::error::{Error, ErrorKind, Location, Result};
use tbx::store;

/// How long another program may write.
const BUSY: Duration = Duration::from_secs(60);
/// What begins a database of SQLite.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// A database that MLflow made. Others may use it at the same time.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    /// As MLflow calls it.
    uri: String,
    /// Directory of artifacts at `mlflow-artifacts:`.
    artifacts: Option<PathBuf>,
    connection: Mutex<Connection>,
    has_workspaces: bool,
}

impl Database {
    /// Opens the database at `path`, if it is one that may be inserted into.
    pub(crate) fn open(path: &Path, artifacts: Option<&Path>) -> Result<Self> {
        let at = |kind: ErrorKind| kind.at(Location::of(path));
        let open = || {
            let (mut file, _) = store::open_regular(path)?;
            let mut head = [0; MAGIC.len()];
            let is_sqlite = file.read_exact(&mut head).is_ok() && head == *MAGIC;
            if !is_sqlite {
                return Err(ErrorKind::Value("it is no SQLite database".into()));
            }
            let path = path.canonicalize()?;
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection =
                Connection::open_with_flags(&path, flags).map_err(|error| failed(&error))?;
            connection.busy_timeout(BUSY).map_err(|error| failed(&error))?;
            let has_workspaces = schema::check(&connection)?;
            let uri = format!("sqlite:///{}", path.display());
            let artifacts = artifacts.map(std::path::absolute).transpose()?;
            Ok(Self { uri, path, artifacts, connection: Mutex::new(connection), has_workspaces })
        };
        open().map_err(at)
    }

    /// Whether the file at `path` is a database of SQLite.
    pub fn is_at(path: &Path) -> bool {
        let head = || -> io::Result<bool> {
            let (mut file, _) = store::open_regular(path)?;
            let mut head = [0; MAGIC.len()];
            file.read_exact(&mut head)?;
            Ok(head == *MAGIC)
        };
        head().unwrap_or_default()
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `read` reads.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        read(&self.connection()).map_err(|error| self.at(failed(&error)))
    }

    /// Has all of `write` be done, or nothing.
    fn write<T>(&self, write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let written = || {
            let behavior = TransactionBehavior::Immediate;
            let transaction = connection.transaction_with_behavior(behavior)?;
            let written = write(&transaction)?;
            transaction.commit()?;
            Ok(written)
        };
        written().map_err(|error| self.at(failed(&error)))
    }

    fn at(&self, kind: ErrorKind) -> Error {
        kind.at(Location::of(self.path.as_path()))
    }

    /// A condition of tables that have workspaces.
    fn of_workspace(&self) -> &'static str {
        if self.has_workspaces { " AND workspace = 'default'" } else { "" }
    }
}

fn failed(error: &rusqlite::Error) -> ErrorKind {
    let advice = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            "; another program writes to it: run it again"
        }
        Some(rusqlite::ErrorCode::ReadOnly) => "; it cannot be written",
        _ => "",
    };
    io::Error::other(format!("{error}{advice}")).into()
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
