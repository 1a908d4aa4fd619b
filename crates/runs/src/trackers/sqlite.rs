//! Databases of SQLite, read-only. Columns may hold values of any type.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, ToSql};

use tbx::error::{ErrorKind, Result, failed};
use tbx::store::open_regular;

/// Maximum time to wait for a program that is writing.
const BUSY: Duration = Duration::from_secs(30);
/// Characters that end the path in a URI or have a meaning in it.
const IN_URI: &AsciiSet = &CONTROLS.add(b'?').add(b'#').add(b'%').add(b' ');
/// The start of a database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where the header says whether there is a write-ahead log.
const VERSION: usize = 18;

/// An open database.
pub(crate) struct Sqlite {
    path: PathBuf,
    /// The connection; one thread queries it at a time.
    connection: Mutex<Connection>,
    columns: HashMap<String, BTreeSet<String>>,
}

impl Sqlite {
    /// Opens the database at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = connect(path, "it is not an SQLite database");
        let connection = connection.map_err(|kind| failed(kind, path))?;
        let connection = Mutex::new(connection);
        let mut database = Self { path: path.into(), connection, columns: HashMap::new() };
        let query = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'";
        let mut columns: HashMap<String, BTreeSet<String>> = HashMap::new();
        database.rows(query, &[], |row| {
            if let (Some(table), Some(column)) = (text(row, 0), text(row, 1)) {
                columns.entry(table).or_default().insert(column);
            }
        })?;
        database.columns = columns;
        Ok(database)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a table has all of these columns.
    pub(crate) fn has(&self, table: &str, columns: &[&str]) -> bool {
        let known = self.columns.get(table);
        known.is_some_and(|known| columns.iter().all(|column| known.contains(*column)))
    }

    /// The columns of a table in a query, with `NULL` for those that it lacks.
    pub(crate) fn select(&self, table: &str, columns: &[&str]) -> String {
        let column = |name: &&str| match self.has(table, &[name]) {
            true => format!("{table}.\"{name}\""),
            false => "NULL".into(),
        };
        let columns: Vec<_> = columns.iter().map(column).collect();
        format!("SELECT {} FROM {table}", columns.join(", "))
    }

    /// Calls `take` with each row of a query.
    pub(crate) fn rows(
        &self,
        query: &str,
        parameters: &[&dyn ToSql],
        mut take: impl FnMut(&Row<'_>),
    ) -> Result<()> {
        let mut read = || -> rusqlite::Result<()> {
            let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            let mut statement = connection.prepare(query)?;
            let mut rows = statement.query(parameters)?;
            while let Some(row) = rows.next()? {
                take(row);
            }
            Ok(())
        };
        read().map_err(|error| failed(of_sqlite(&error), &self.path))
    }

    /// The number of rows of a table; 0 if there is no such table.
    pub(crate) fn count(&self, table: &str) -> Result<u64> {
        let mut count = 0;
        if self.columns.contains_key(table) {
            let query = format!("SELECT count(*) FROM {table}");
            self.rows(&query, &[], |row| count = integer(row, 0).unwrap_or_default())?;
        }
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

/// Whether the file at `path` begins like a database.
pub(crate) fn is_sqlite(path: &Path) -> bool {
    head(path).is_ok_and(|head| head.is_some())
}

/// The header of a database; `None` if the file is something else.
fn head(path: &Path) -> Result<Option<[u8; VERSION + 1]>, ErrorKind> {
    let mut head = [0; VERSION + 1];
    let is_long = open_regular(path)?.0.read_exact(&mut head).is_ok();
    Ok((is_long && head.starts_with(MAGIC)).then_some(head))
}

/// Opens a database read-only; `otherwise` is the error for a file that is not a database. SQLite creates files next to a database
/// with a write-ahead log, unless the database is declared immutable, which is valid if there is no log.
pub(crate) fn connect(path: &Path, otherwise: &str) -> Result<Connection, ErrorKind> {
    // SQLite looks for its logs next to the target of a link.
    let path = &path.canonicalize()?;
    let head = head(path)?.ok_or_else(|| ErrorKind::Value(otherwise.into()))?;
    let beside = |suffix: &str| {
        let mut log = path.as_os_str().to_owned();
        log.push(suffix);
        PathBuf::from(log)
    };
    let log = beside("-wal");
    for log in [&log, &beside("-journal")] {
        // SQLite would wait for a FIFO.
        if log.symlink_metadata().is_ok() {
            open_regular(log)?;
        }
    }
    let is_logged = head.get(VERSION).is_some_and(|version| *version == 2);
    let has_log = log.metadata().is_ok_and(|log| log.len() > 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match path.to_str().filter(|_| is_logged && !has_log) {
        Some(path) => {
            let path = utf8_percent_encode(path, IN_URI);
            let uri = format!("file:{path}?immutable=1");
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
        }
        None => Connection::open_with_flags(path, flags),
    };
    let connection = connection.map_err(|error| of_sqlite(&error))?;
    connection.busy_timeout(BUSY).map_err(|error| of_sqlite(&error))?;
    // The schema of an untrusted database must not run functions.
    let trusted = connection.pragma_update(None, "trusted_schema", false);
    trusted.map_err(|error| of_sqlite(&error))?;
    Ok(connection)
}

pub(crate) fn of_sqlite(error: &rusqlite::Error) -> ErrorKind {
    ErrorKind::Value(format!("the database cannot be read: {error}"))
}

/// The bytes of a text or a blob.
pub(crate) fn bytes<'r>(row: &'r Row<'_>, column: usize) -> Option<&'r [u8]> {
    match row.get_ref(column).ok()? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
        _ => None,
    }
}

pub(crate) fn text(row: &Row<'_>, column: usize) -> Option<String> {
    match row.get_ref(column).ok()? {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

pub(crate) fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    match row.get_ref(column).ok()? {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Text(bytes) => str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}
