//! An SQLite database of MLflow as the destination of an export. Does the same as MLflow's own
//! store (`mlflow/store/tracking/sqlalchemy_store.py` and `model_registry/sqlalchemy_store.py` of
//! 3.17).

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

/// Maximum time to wait while another program writes.
const BUSY: Duration = Duration::from_secs(60);
/// The start of an SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// A database created by MLflow. Other programs may use it at the same time.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    /// The URI that MLflow uses.
    uri: String,
    /// The directory of artifacts at `mlflow-artifacts:`.
    artifacts: Option<PathBuf>,
    connection: Mutex<Connection>,
    has_workspaces: bool,
}

impl Database {
    /// Opens the database at `path`, if rows may be inserted into it.
    pub(crate) fn open(path: &Path, artifacts: Option<&Path>) -> Result<Self> {
        let at = |kind: ErrorKind| kind.at(Location::of(path));
        let open = || {
            let (mut file, _) = store::open_regular(path)?;
            let mut head = [0; MAGIC.len()];
            let is_sqlite = file.read_exact(&mut head).is_ok() && head == *MAGIC;
            if !is_sqlite {
                return Err(ErrorKind::Value("it is not an SQLite database".into()));
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

    /// Whether the file at `path` is an SQLite database.
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

    /// Runs `read` on the connection.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        read(&self.connection()).map_err(|error| self.at(failed(&error)))
    }

    /// Runs `write` in a transaction, so that all of it is done or nothing.
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

    /// A condition for tables that have workspaces.
    fn of_workspace(&self) -> &'static str {
        if self.has_workspaces { " AND workspace = 'default'" } else { "" }
    }
}

fn failed(error: &rusqlite::Error) -> ErrorKind {
    let advice = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            "; another program is writing to it; run it again"
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
