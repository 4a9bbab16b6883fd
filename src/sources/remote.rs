//! What was fetched: files by the digest of all of them, in a folder that every project shares.
//!
//! What the lock names is taken from there; where it is not, it is fetched again and has to be the same. Knows
//! digests and folders, not how anything is fetched.

use std::{fs, path::PathBuf};

use super::{cache, chart_repo, git, oci, write};
use crate::{
    diagnostic::Diagnostic,
    digest::{digest, digest_bytes},
    load::snapshot::{Files, Place},
    spec::{Content, Remote},
};

/// Contents that were fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The folder; `None` = everything is fetched each time.
    pub folder: Option<PathBuf>,
}

/// Something that was fetched.
pub(super) struct Fetched {
    /// Commit, version or digest.
    pub(super) resolved: String,
    pub(super) files: Files,
}

impl Contents {
    /// `$XDG_CACHE_HOME/skyplan/sources`.
    pub fn from_env() -> Self {
        Self { folder: cache::home().map(|h| h.join("sources")) }
    }

    /// Fetches something as it is now, and keeps it.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn lock(&self, remote: &Remote) -> Result<Content, Diagnostic> {
        let fetched = fetch(remote, None)?;
        let sha256 = sum(&fetched.files);
        self.keep(&sha256, &fetched.files)?;
        Ok(Content { remote: remote.clone(), resolved: fetched.resolved, sha256 })
    }

    /// Where the files of something locked are.
    pub(super) fn place(&self, content: &Content) -> Result<Place, Diagnostic> {
        if !content.sha256.bytes().all(|b| b.is_ascii_hexdigit()) || content.sha256.len() != 64 {
            return Err(Diagnostic::error("SKY0150", format!("`{}` is no digest", content.sha256.escape_debug()))
                .hint("the lock was changed by hand: run `skyplan lock --update`"));
        }
        if let Some(folder) = self.folder.as_ref().map(|f| f.join(&content.sha256)).filter(|f| f.is_dir()) {
            let place = Place::Folder(folder.clone());
            if place.files("").ok().flatten().is_some_and(|files| sum(&files) == content.sha256) {
                return Ok(place);
            }
            // Somebody has changed it: that is no content of this digest.
            fs::remove_dir_all(&folder).map_err(|e| kept_fault(&folder, &e))?;
        }
        let fetched = fetch(&content.remote, Some(&content.resolved))?;
        let is = sum(&fetched.files);
        if is != content.sha256 {
            return Err(Diagnostic::error("SKY0152", format!("`{}` is not what was locked", content.remote.name()))
                .detail(format!("The lock has {}, and {} was fetched.", content.sha256, is))
                .hint("somebody has changed what is published under that name: find out who, then `skyplan lock --update`"));
        }
        self.keep(&is, &fetched.files)
    }

    fn keep(&self, sha256: &str, files: &Files) -> Result<Place, Diagnostic> {
        let folder = self.folder.clone().unwrap_or_else(|| std::env::temp_dir().join("skyplan-sources"));
        let to = folder.join(sha256);
        let done = || -> std::io::Result<()> {
            fs::create_dir_all(&folder)?;
            let beside = tempfile::Builder::new().prefix(".new-").tempdir_in(&folder)?;
            write(&beside.path().join("files"), files)?;
            match fs::rename(beside.path().join("files"), &to) {
                // Somebody else was first.
                Err(_) if to.is_dir() => Ok(()),
                done => done,
            }
        };
        done().map_err(|e| kept_fault(&to, &e))?;
        Ok(Place::Folder(to))
    }
}

fn kept_fault(folder: &std::path::Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("SKY0151", format!("{} cannot be written: {error}", folder.display()))
        .hint("what is fetched is kept below XDG_CACHE_HOME")
}

/// SHA-256 over names and digests of all files.
pub(super) fn sum(files: &Files) -> String {
    let all: Vec<(&String, String)> = files.iter().map(|(path, bytes)| (path, digest_bytes(bytes))).collect();
    digest(&serde_json::json!(all))
}

fn fetch(remote: &Remote, resolved: Option<&str>) -> Result<Fetched, Diagnostic> {
    let fetched = match remote {
        Remote::Git { url, reference } => git::fetch(url, resolved.unwrap_or(reference), reference),
        Remote::Chart { repo, chart, version } => chart_repo::fetch(repo, chart, version),
        Remote::Oci { url, chart } => oci::fetch(url, resolved, *chart),
    };
    fetched.map_err(|(why, hint)| {
        Diagnostic::error("SKY0151", format!("`{}` cannot be fetched", remote.name())).detail(why).hint(hint)
    })
}

/// Why something cannot be fetched, and what to do.
pub(super) type Refusal = (String, String);

pub(super) fn refusal(why: impl Into<String>, hint: &str) -> Refusal {
    (why.into(), hint.to_owned())
}
