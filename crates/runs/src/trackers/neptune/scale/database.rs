//! Reads the database of a run of neptune-scale.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use tbx::error::{ErrorKind, Result, failed};
use tbx::store::Root;

/// Maximum time to wait for a program that is writing.
const BUSY: Duration = Duration::from_secs(30);
/// Characters that end the path in a URI or have a meaning in it.
const IN_URI: &AsciiSet = &CONTROLS.add(b'?').add(b'#').add(b'%').add(b' ');
/// The start of an SQLite database, and where it says whether it has a write-ahead log.
const MAGIC: &[u8] = b"SQLite format 3\0";
const HEAD: usize = 20;
const JOURNAL: usize = 18;
const WAL: u8 = 2;
/// Maximum size of an operation: the client's limit is 2 MiB (`MAX_SINGLE_OPERATION_SIZE_BYTES`).
const MAX_OPERATION: usize = 64 << 20;
/// Maximum number of files of a run.
const MAX_FILES: usize = 1 << 20;

/// Type of an operation that creates the run (`OperationType` in `sync/operations_repository.py`).
const CREATE: i64 = 1;

/// An open database.
pub(super) struct Database {
    path: PathBuf,
    connection: Connection,
}

/// An operation as it is stored.
pub(super) enum Stored<'a> {
    Create(&'a [u8]),
    Update(&'a [u8]),
    /// Of another type, or too large.
    Other,
}

/// A file that the client was to upload.
#[derive(Debug, Clone, Default)]
pub(super) struct Upload {
    pub(super) source: String,
    /// Whether the client made it, in the directory of the database.
    pub(super) is_temporary: bool,
}

impl Database {
    /// Opens the database at `path`, which is in `root`, for reading.
    pub(super) fn open(root: &Root, path: &Path) -> Result<Self> {
        let open = || -> Result<Connection, ErrorKind> {
            let mut head = [0; HEAD];
            let (file, len) = root.open(path)?;
            file.into_reader(len).read_exact(&mut head).map_err(|_| no_database())?;
            if !head.starts_with(MAGIC) {
                return Err(no_database());
            }
            // SQLite looks for its logs next to the target of a link, and would follow links of theirs, too.
            let real = root.resolve(path)?;
            let beside = |suffix: &str| {
                let mut log = real.as_os_str().to_owned();
                log.push(suffix);
                PathBuf::from(log)
            };
            let log = beside("-wal");
            for log in [&log, &beside("-journal")] {
                if log.symlink_metadata().is_ok() {
                    root.open(log)?;
                }
            }
            let is_logged = head.get(JOURNAL) == Some(&WAL);
            let has_log = log.metadata().is_ok_and(|log| log.len() > 0);
            // SQLite creates files next to a database with a write-ahead log, unless nobody writes to it.
            connect(&real, is_logged && !has_log).map_err(|error| unreadable(&error))
        };
        let connection = open().map_err(|kind| failed(kind, path))?;
        let database = Self { path: path.to_owned(), connection };
        database.check()?;
        Ok(database)
    }

    fn check(&self) -> Result<()> {
        for (table, column) in [
            ("metadata", "project"),
            ("metadata", "run_id"),
            ("run_operations", "sequence_id"),
            ("run_operations", "operation_type"),
            ("run_operations", "operation"),
        ] {
            if !self.has(table, column)? {
                let what = format!(
                    "it has no table {table} with a column {column}: it is not the database of a run of neptune-scale"
                );
                return Err(failed(ErrorKind::Value(what), &self.path));
            }
        }
        Ok(())
    }

    /// Whether there is a table with a column. A view could be a query without an end.
    fn has(&self, table: &str, column: &str) -> Result<bool> {
        let query = "SELECT 1 FROM sqlite_master t, pragma_table_info(t.name) c
                     WHERE t.type = 'table' AND t.name = ?1 AND c.name = ?2";
        let read = || self.connection.prepare(query)?.exists([table, column]);
        read().map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rusqlite::Error) -> tbx::error::Error {
        failed(unreadable(error), &self.path)
    }

    /// The project and the id of the run, and the version of the form of the database.
    pub(super) fn metadata(&self) -> Result<(String, String, String)> {
        let version = if self.has("metadata", "version")? { "version" } else { "NULL" };
        let query = format!("SELECT project, run_id, {version} FROM metadata LIMIT 1");
        let get = |row: &Row<'_>| Ok((text(row, 0), text(row, 1), text(row, 2)));
        match self.connection.query_row(&query, [], get) {
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                let what = "its table metadata is empty, so that it does not say which run it has";
                Err(failed(ErrorKind::Value(what.into()), &self.path))
            }
            read => read.map_err(|error| self.failed(&error)),
        }
    }

    /// Calls `take` with each operation in order, or with those that create the run. Returns the number of operations
    /// that were removed after they had been sent.
    pub(super) fn operations(
        &self,
        only_create: bool,
        mut take: impl FnMut(Stored<'_>),
    ) -> Result<u64> {
        let filter = if only_create { "WHERE operation_type = 1" } else { "" };
        let query = format!(
            "SELECT sequence_id, operation_type, operation FROM run_operations {filter} ORDER BY sequence_id"
        );
        let mut read = || {
            let mut statement = self.connection.prepare(&query)?;
            let mut rows = statement.query([])?;
            let mut first = None;
            while let Some(row) = rows.next()? {
                let id = row.get_ref(0)?.as_i64().unwrap_or_default();
                first.get_or_insert(id);
                let kind = row.get_ref(1)?.as_i64().unwrap_or(i64::MAX);
                take(match row.get_ref(2)? {
                    ValueRef::Blob(bytes) if bytes.len() > MAX_OPERATION => Stored::Other,
                    ValueRef::Blob(bytes) if kind == CREATE => Stored::Create(bytes),
                    ValueRef::Blob(bytes) if kind == 0 => Stored::Update(bytes),
                    _ => Stored::Other,
                });
            }
            // Numbers begin with 1.
            Ok(first.map_or(0, |first| u64::try_from(first.saturating_sub(1)).unwrap_or_default()))
        };
        read().map_err(|error| self.failed(&error))
    }

    /// The number of the last operation, and how many there are.
    pub(super) fn last(&self) -> Result<String> {
        let query = "SELECT max(sequence_id), count(*) FROM run_operations";
        let last = self
            .connection
            .query_row(query, [], |row| Ok(format!("{}/{}", text(row, 0), text(row, 1))));
        last.map_err(|error| self.failed(&error))
    }

    /// The files that the client was to upload, by their places on the server, and the number of those beyond the
    /// limit.
    pub(super) fn uploads(&self) -> Result<(HashMap<String, Upload>, u64)> {
        let (mut uploads, mut more) = (HashMap::new(), 0u64);
        let columns = ["source_path", "destination", "is_temporary"];
        for column in columns {
            if !self.has("file_upload_requests", column)? {
                return Ok((uploads, 0));
            }
        }
        let query = format!("SELECT {} FROM file_upload_requests", columns.join(", "));
        let mut read = || {
            let mut statement = self.connection.prepare(&query)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if uploads.len() >= MAX_FILES {
                    more = more.saturating_add(1);
                    continue;
                }
                let is_temporary = row.get_ref(2)?.as_i64().unwrap_or_default() != 0;
                uploads.insert(text(row, 1), Upload { source: text(row, 0), is_temporary });
            }
            Ok(())
        };
        read().map_err(|error: rusqlite::Error| self.failed(&error))?;
        Ok((uploads, more))
    }

    /// The number of errors that the client noted.
    pub(super) fn errors(&self) -> Result<u64> {
        if !self.has("operation_errors", "error_type")? {
            return Ok(0);
        }
        let count = self.connection.query_row("SELECT count(*) FROM operation_errors", [], |row| {
            Ok(u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default())
        });
        count.map_err(|error| self.failed(&error))
    }
}

fn connect(path: &Path, is_immutable: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match path.to_str().filter(|_| is_immutable) {
        Some(path) => {
            let path = utf8_percent_encode(path, IN_URI);
            let uri = format!("file:{path}?immutable=1");
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
        }
        None => Connection::open_with_flags(path, flags),
    }?;
    connection.busy_timeout(BUSY)?;
    // A schema of an untrusted database must not run functions.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// A cell as text. SQLite columns may hold values of any type.
fn text(row: &Row<'_>, column: usize) -> String {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        Ok(ValueRef::Integer(number)) => number.to_string(),
        Ok(ValueRef::Real(number)) => number.to_string(),
        Ok(ValueRef::Null) | Err(_) => String::new(),
    }
}

fn no_database() -> ErrorKind {
    ErrorKind::Value("it is not an SQLite database".into())
}

fn unreadable(error: &rusqlite::Error) -> ErrorKind {
    ErrorKind::Value(format!("the database cannot be read: {error}"))
}
