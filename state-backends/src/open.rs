//! From an address to a store.

use std::path::Path;

use crate::{BackendError, address::Address, blobs::Blobs, fs::FolderLog, log::Log};

/// A log in whatever store its address named.
pub type OpenLog = Log<Box<dyn Blobs>>;

/// Opens the log at an address; nothing is written.
///
/// - `file://PATH`, relative to `base`
/// - `s3://BUCKET/PREFIX?region=…&endpoint=…&profile=…`
/// - `gs://BUCKET/PREFIX?endpoint=…`
/// - `azblob://CONTAINER/PREFIX?account=…&endpoint=…`
/// - `kubernetes://NAMESPACE/NAME?context=…&kubeconfig=…`
/// - `postgres://USER@HOST:PORT/DATABASE?log=NAME&sslmode=…&sslrootcert=…`
///
/// Credentials come from the environment (`env` looks a variable up) and from the files that each
/// ecosystem keeps them in; an address holds none.
///
/// # Errors
/// The address is not understood, credentials are missing, or (Postgres, Kubernetes) nobody is there.
pub fn open(url: &str, base: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<OpenLog, BackendError> {
    let address = Address::parse(url)?;
    let _ = env;
    let blobs: Box<dyn Blobs> = match address.scheme.as_str() {
        "file" => {
            address.finish("no parameters")?;
            let path = address.url.strip_prefix("file://").unwrap_or_default();
            if path.is_empty() {
                return Err(address.bad("it has no path"));
            }
            Box::new(FolderLog::new(&base.join(path)))
        }
        #[cfg(feature = "s3")]
        "s3" => Box::new(crate::objects::s3(address, env)?),
        #[cfg(feature = "gcs")]
        "gs" | "gcs" => Box::new(crate::objects::gcs(address, env)?),
        #[cfg(feature = "azblob")]
        "azblob" => Box::new(crate::objects::azblob(address, env)?),
        #[cfg(feature = "kubernetes")]
        "kubernetes" => Box::new(crate::kubernetes::open(address, base, env)?),
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Box::new(crate::postgres::open(address, env)?),
        other => {
            let known = ["s3", "gs", "azblob", "kubernetes", "postgres"];
            let why =
                if known.contains(&other) { "this skyplan was built without it" } else { "nothing is known of it" };
            let known = known.join(", ");
            return Err(address.bad(&format!("{why}: `{other}` (there are file, {known})")));
        }
    };
    Ok(Log::new(blobs))
}
