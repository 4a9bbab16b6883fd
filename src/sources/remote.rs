//! What was fetched: files by the digest of all of them, in a folder that every project shares.
//!
//! What the lock names is taken from there, and checked. Only `skyplan lock` fetches, and what it fetches again has to be
//! the same. Knows digests and folders, not how anything is fetched.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

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
    /// The folder; `None` = nothing is kept, and nothing found.
    pub folder: Option<PathBuf>,
}

/// Something that was fetched.
#[derive(Debug)]
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

    /// Fetches something that is locked, unless it is there, and whether it had to.
    ///
    /// # Errors
    /// It cannot be had, or is not what was locked.
    pub fn fetch(&self, content: &Content) -> Result<bool, Diagnostic> {
        if self.kept(content)?.is_some() {
            return Ok(false);
        }
        if self.folder.is_none() {
            return Err(Diagnostic::error("SKY0151", format!("`{}` cannot be kept", content.remote.name()))
                .detail("Neither XDG_CACHE_HOME nor HOME is set.")
                .hint("set one of them: a plan looks there"));
        }
        let fetched = fetch(&content.remote, Some(&content.resolved))?;
        let is = sum(&fetched.files);
        if is != content.sha256 {
            return Err(Diagnostic::error("SKY0152", format!("`{}` is not what was locked", content.remote.name()))
                .detail(format!("The lock has {}, and {} was fetched.", content.sha256, is))
                .hint("somebody has changed what is published under that name: find out who, then `skyplan lock --update`"));
        }
        self.keep(&is, &fetched.files).map(|()| true)
    }

    /// The files of something locked. Nothing is fetched: what a plan is made from may come from somebody who is not
    /// trusted yet, and has no say in what this machine asks for, and with whose rights.
    pub(super) fn place(&self, content: &Content) -> Result<Place, Diagnostic> {
        match self.kept(content)? {
            Some(files) => Ok(Place::Held(files.into())),
            None => Err(Diagnostic::error(
                "SKY0151",
                format!("`{}` is locked, and not on this machine", content.remote.name()),
            )
            .detail(match &self.folder {
                Some(_) => "A plan fetches nothing: what the specs name may not have been reviewed.",
                None => "There is no folder to look in: neither XDG_CACHE_HOME nor HOME is set.",
            })
            .hint("run `skyplan lock --fetch`: it fetches what is locked, and changes nothing")),
        }
    }

    /// What is kept of something locked, if it is that: the bytes that were checked.
    fn kept(&self, content: &Content) -> Result<Option<Files>, Diagnostic> {
        if !content.sha256.bytes().all(|b| b.is_ascii_hexdigit()) || content.sha256.len() != 64 {
            return Err(Diagnostic::error("SKY0150", format!("`{}` is no digest", content.sha256.escape_debug()))
                .hint("the lock was changed by hand: run `skyplan lock --update`"));
        }
        Ok(self.folder.as_ref().and_then(|folder| whole(&folder.join(&content.sha256), &content.sha256)))
    }

    /// Keeps files under their digest.
    fn keep(&self, sha256: &str, files: &Files) -> Result<(), Diagnostic> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let to = folder.join(sha256);
        let done = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            let beside = tempfile::Builder::new().prefix(".new-").tempdir_in(folder)?;
            write(&beside.path().join("files"), files)?;
            let rename = || fs::rename(beside.path().join("files"), &to);
            match rename() {
                // Somebody else was first.
                Err(_) if whole(&to, sha256).is_some() => Ok(()),
                // Somebody has changed it: that is no content of this digest. It is moved in one step, as another may read it.
                Err(_) if to.is_dir() => fs::rename(&to, beside.path().join("bad")).and_then(|()| rename()),
                done => done,
            }
        };
        done().map_err(|e| kept_fault(&to, &e))
    }
}

/// All files in a folder, if they are those of a digest.
fn whole(folder: &Path, sha256: &str) -> Option<Files> {
    let files = Place::Folder(folder.into()).files("").ok()??;
    (sum(&files) == sha256).then_some(files)
}

fn kept_fault(folder: &Path, error: &std::io::Error) -> Diagnostic {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn content(files: &Files) -> Content {
        // An address that nothing is fetched from.
        let remote = Remote::Git { url: "none://x".into(), reference: "main".into() };
        Content { remote, resolved: "0".repeat(40), sha256: sum(files) }
    }

    #[test]
    fn what_is_kept_is_found_whole_and_never_fetched() {
        let home = tempfile::tempdir().unwrap();
        let contents = Contents { folder: Some(home.path().join("sources")) };
        let files: Files = [("a/b.yaml".to_owned(), b"a: 1".to_vec()), (".x".to_owned(), Vec::new())].into();
        let content = content(&files);
        let missing = contents.place(&content).unwrap_err();
        assert!(missing.code == "SKY0151" && missing.hints[0].contains("lock --fetch"), "{missing:?}");
        contents.keep(&content.sha256, &files).unwrap();
        let folder = home.path().join("sources");
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(contents.place(&content).unwrap(), Place::Held(files.clone().into()));
        assert!(!contents.fetch(&content).unwrap(), "it is there");

        // What was changed is not taken, and goes when it is fetched again.
        let kept = folder.join(&content.sha256);
        fs::write(kept.join("a/b.yaml"), "a: 2").unwrap();
        assert_eq!(contents.place(&content).unwrap_err().code, "SKY0151");
        assert_eq!(contents.fetch(&content).unwrap_err().code, "SKY0151");
        contents.keep(&content.sha256, &files).unwrap();
        contents.keep(&content.sha256, &files).unwrap();
        assert_eq!(contents.place(&content).unwrap(), Place::Held(files.clone().into()));
        let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, [content.sha256.as_str()]);
        // A folder is not needed to lock, and holds nothing for others to write to.
        Contents::default().keep(&content.sha256, &files).unwrap();
        assert_eq!(Contents::default().place(&content).unwrap_err().code, "SKY0151");
        for wrong in ["", "../../x", &"g".repeat(64)] {
            let wrong = Content { sha256: wrong.to_owned(), ..content.clone() };
            assert_eq!(contents.place(&wrong).unwrap_err().code, "SKY0150");
        }
    }
}
