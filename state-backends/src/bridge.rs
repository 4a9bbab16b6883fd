//! Threads of our own for what is asynchronous underneath, so that a store can be called from anywhere.
//!
//! They are started once and shared: connections that one store keeps open live in them.

use std::{
    sync::{OnceLock, mpsc},
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

use crate::BackendError;

/// How long one call may take before it counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(feature = "_objects")]
/// Starts the threads, and settles whose TLS is used.
pub(crate) fn start() -> Result<(), BackendError> {
    runtime().map(drop)
}

fn runtime() -> Result<&'static Runtime, BackendError> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        // The program has chosen one, or it is ring.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Builder::new_multi_thread().worker_threads(2).thread_name("state").enable_all().build()
    });
    started.as_ref().map_err(|e| BackendError::Io { what: "starting threads".into(), source: e.kind().into() })
}

/// Does the work there, and waits for it here. `place` is the store, for messages.
pub(crate) fn run<T: Send + 'static>(
    place: &str,
    work: impl Future<Output = Result<T, BackendError>> + Send + 'static,
) -> Result<T, BackendError> {
    let (sender, receiver) = mpsc::channel();
    runtime()?.spawn(async move {
        // Nobody waits for it only if this thread was ended.
        let _ = sender.send(tokio::time::timeout(PATIENCE, work).await);
    });
    match receiver.recv() {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => {
            let why = format!("no answer within {} seconds", PATIENCE.as_secs());
            Err(BackendError::Unreachable { place: place.to_owned(), why })
        }
        Err(_) => Err(BackendError::Failed { place: place.to_owned(), why: "the request was broken off".into() }),
    }
}
