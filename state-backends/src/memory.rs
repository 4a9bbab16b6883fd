//! A store in memory, for tests. Clones share what they hold.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Appended, BackendError,
    blobs::{Blobs, Name, Shelf},
};

/// Blobs in memory.
#[derive(Clone, Debug)]
pub struct Memory {
    blobs: Arc<Mutex<BTreeMap<Name, Vec<u8>>>>,
    max_bytes: usize,
}

impl Memory {
    /// An empty store whose blobs have this many bytes at most.
    pub fn new(max_bytes: usize) -> Self {
        Self { blobs: Arc::default(), max_bytes }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Name, Vec<u8>>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blobs for Memory {
    fn place(&self) -> String {
        "memory".into()
    }

    fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
        if bytes.len() > self.max_bytes {
            return Err(BackendError::Full { place: self.place(), why: "the blob is too large".into() });
        }
        let mut blobs = self.locked();
        if blobs.contains_key(name) {
            return Ok(Appended::Conflict);
        }
        blobs.insert(name.clone(), bytes.to_vec());
        Ok(Appended::Ok)
    }

    fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.locked().get(name).cloned())
    }

    fn names(&self, shelf: Shelf, _: u64) -> Result<Vec<Name>, BackendError> {
        Ok(self.locked().keys().filter(|name| name.shelf() == shelf).cloned().collect())
    }

    fn delete(&self, name: &Name) -> Result<(), BackendError> {
        self.locked().remove(name);
        Ok(())
    }
}
