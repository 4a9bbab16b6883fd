//! Rows of one table of a Postgres database, one for every blob.
//!
//! The primary key refuses a second row of the same name; an insert counts when it is committed and on
//! disk, also where the server's default is to answer before that.

mod connect;

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_postgres::{Client, error::SqlState, types::ToSql};

use crate::{
    Appended, BackendError,
    address::Address,
    blobs::{Blobs, Name, Shelf},
    bridge,
    error::deep,
};
use connect::Target;

/// One row carries this at most, so that neither side holds much more at once.
const MAX_BYTES: usize = 16 << 20;

const TABLE: &str = r#"CREATE TABLE IF NOT EXISTS skyplan_log (
  log text NOT NULL,
  shelf text NOT NULL,
  name text COLLATE "C" NOT NULL,
  blob bytea NOT NULL,
  written timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (log, shelf, name)
)"#;

/// Rows of a table.
#[derive(Clone, Debug)]
pub struct Rows {
    place: String,
    log: String,
    target: Arc<Target>,
    /// The connection, made when it is first needed and again when it broke.
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

/// Opens `postgres://USER@HOST:PORT/DATABASE`.
pub(crate) fn open(mut address: Address, env: &dyn Fn(&str) -> Option<String>) -> Result<Rows, BackendError> {
    let log = address.take("log").unwrap_or_else(|| "state".into());
    let target = Target::new(&mut address, env)?;
    address.finish("log, host, sslmode, sslrootcert")?;
    Ok(Rows { place: address.url, log, target: Arc::new(target), client: Arc::default() })
}

impl Rows {
    async fn client(&self) -> Result<Arc<Client>, BackendError> {
        let mut slot = self.client.lock().await;
        if let Some(client) = slot.as_ref().filter(|client| !client.is_closed()) {
            return Ok(client.clone());
        }
        let client = Arc::new(self.target.connect().await.map_err(|e| failed(&self.place, &e))?);
        *slot = Some(client.clone());
        Ok(client)
    }

    /// Does the work on the connection.
    fn run<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Self, Arc<Client>) -> F + Send + 'static,
    ) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>> + Send + 'static,
    {
        let rows = self.clone();
        bridge::run(&self.place, async move {
            let client = rows.client().await?;
            let place = rows.place.clone();
            work(rows, client).await.map_err(|e| failed(&place, &e))
        })
    }
}

/// Whether there is no table yet: then there is no log yet either.
fn no_table(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNDEFINED_TABLE)
}

async fn make_table(client: &Client) -> Result<(), tokio_postgres::Error> {
    match client.batch_execute(TABLE).await {
        // Somebody else makes it at this moment.
        Err(e) if [Some(&SqlState::UNIQUE_VIOLATION), Some(&SqlState::DUPLICATE_TABLE)].contains(&e.code()) => Ok(()),
        done => done,
    }
}

impl Blobs for Rows {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
        const INSERT: &str =
            "INSERT INTO skyplan_log (log, shelf, name, blob) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let (shelf, name, bytes) = (name.shelf().name(), name.to_string(), bytes.to_vec());
        let rows = self.run(move |rows, client| async move {
            let values: [&(dyn ToSql + Sync); 4] = [&rows.log, &shelf, &name, &bytes];
            match client.execute(INSERT, &values).await {
                Err(e) if no_table(&e) => {
                    make_table(&client).await?;
                    client.execute(INSERT, &values).await
                }
                done => done,
            }
        })?;
        Ok(if rows == 1 { Appended::Ok } else { Appended::Conflict })
    }

    fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
        const SELECT: &str = "SELECT blob FROM skyplan_log WHERE log = $1 AND shelf = $2 AND name = $3";
        let (shelf, name) = (name.shelf().name(), name.to_string());
        self.run(move |rows, client| async move {
            match client.query_opt(SELECT, &[&rows.log, &shelf, &name]).await {
                Ok(Some(row)) => row.try_get(0).map(Some),
                Ok(None) => Ok(None),
                Err(e) if no_table(&e) => Ok(None),
                Err(e) => Err(e),
            }
        })
    }

    fn names(&self, shelf: Shelf, after: u64) -> Result<Vec<Name>, BackendError> {
        const SELECT: &str = "SELECT name FROM skyplan_log WHERE log = $1 AND shelf = $2 AND name > $3";
        let after = if shelf == Shelf::Entries && after > 0 { Name::Entry(after).to_string() } else { String::new() };
        let names: Vec<String> = self.run(move |rows, client| async move {
            match client.query(SELECT, &[&rows.log, &shelf.name(), &after]).await {
                Ok(rows) => rows.iter().map(|row| row.try_get(0)).collect(),
                Err(e) if no_table(&e) => Ok(Vec::new()),
                Err(e) => Err(e),
            }
        })?;
        Ok(names.iter().filter_map(|name| Name::parse(shelf, name)).collect())
    }

    fn delete(&self, name: &Name) -> Result<(), BackendError> {
        const DELETE: &str = "DELETE FROM skyplan_log WHERE log = $1 AND shelf = $2 AND name = $3";
        let (shelf, name) = (name.shelf().name(), name.to_string());
        self.run(move |rows, client| async move {
            match client.execute(DELETE, &[&rows.log, &shelf, &name]).await {
                Err(e) if !no_table(&e) => Err(e),
                _ => Ok(()),
            }
        })
    }
}

fn failed(place: &str, error: &tokio_postgres::Error) -> BackendError {
    let place = place.to_owned();
    let why = deep(error);
    let Some(code) = error.code() else {
        let local = ["password missing", "invalid configuration", "certificate", "tls"];
        let own = local.iter().any(|word| why.to_lowercase().contains(word));
        return if own { BackendError::Denied { place, why } } else { BackendError::Unreachable { place, why } };
    };
    match &code.code()[..2] {
        // Authorization; no privilege; a server that only reads.
        "28" => BackendError::Denied { place, why },
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => BackendError::Denied { place, why },
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => BackendError::Denied { place, why },
        _ if *code == SqlState::DISK_FULL => BackendError::Full { place, why },
        // Connection lost, too many of them, a deadlock, a restart.
        "08" | "40" | "53" | "57" => BackendError::Unreachable { place, why },
        _ => BackendError::Failed { place, why },
    }
}
