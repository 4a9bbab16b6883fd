//! All files below one folder of a project, as bytes: what a renderer is given, and nothing else.
//!
//! Links are followed here, as long as they stay inside the project, so that there are none where the files
//! are written. Knows paths and sizes, nothing of what the files say.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::{
    disk::in_folder,
    git::in_revision,
    tree::{Entry, Store},
};
use crate::diagnostic::{Diagnostic, Origin};

/// Bytes of all files together.
const MOST_BYTES: usize = 128 * 1024 * 1024;
/// Files and folders.
const MOST_ENTRIES: usize = 50_000;
/// Folders in folders.
const MOST_DEPTH: usize = 60;

/// Files by path from the project's root on.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Where a project is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder on disk.
    Folder(PathBuf),
    /// The project's folder as it is in a revision of the repository around it.
    Revision(PathBuf, String),
    /// These very files: they were checked, and nobody changes them any more.
    Held(Arc<Files>),
}

impl Place {
    /// The file at a path, or all files below the folder there; `None` where there is neither.
    ///
    /// # Errors
    /// One of them cannot be read, leads out of the project, or there are too many.
    pub fn files(&self, path: &str) -> Result<Option<Files>, Box<Diagnostic>> {
        match self {
            Self::Folder(root) => in_folder(root, |store, root| snapshot(store, root, path))?,
            Self::Held(all) => {
                let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
                let within = |file: &str| file == path || file.starts_with(&folder);
                let some: Files = all.iter().filter(|(f, _)| within(f)).map(|(f, b)| (f.clone(), b.clone())).collect();
                Ok(Some(some).filter(|some| !some.is_empty()))
            }
            Self::Revision(root, revision) => in_revision(root, revision, |store, root| snapshot(store, root, path))?,
        }
    }
}

fn snapshot<S: Store>(store: &S, root: &S::Place, path: &str) -> Result<Option<Files>, Box<Diagnostic>> {
    let mut taker = Taker { store, within: Vec::new(), entries: 0, bytes: 0, files: Files::new() };
    let mut found = Entry::Folder(root.clone());
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let Entry::Folder(folder) = &found else { return Ok(None) };
        found = match store.find(folder, name) {
            Entry::Folder(_) if name.starts_with('.') => return Ok(None),
            found => found,
        };
    }
    if matches!(found, Entry::Gone) {
        return Ok(None);
    }
    taker.entry(found, path, 0)?;
    Ok(Some(taker.files))
}

struct Taker<'a, S: Store> {
    store: &'a S,
    /// Folders that are being read: a link to one of them has no end.
    within: Vec<S::Place>,
    entries: usize,
    bytes: usize,
    files: Files,
}

impl<S: Store> Taker<'_, S> {
    fn entry(&mut self, entry: Entry<S::Place>, path: &str, depth: usize) -> Result<(), Box<Diagnostic>> {
        let fault = |code, text: String| Err(Box::new(Diagnostic::error(code, text).at(&Origin::file(path))));
        match entry {
            Entry::Folder(folder) => self.folder(folder, path, depth),
            Entry::File(file) => match self.store.read(&file) {
                Ok(bytes) => {
                    self.bytes += bytes.len();
                    if self.bytes > MOST_BYTES {
                        return self.too_much(path, format!("there are more than {} MiB", MOST_BYTES >> 20));
                    }
                    self.files.insert(path.to_owned(), bytes);
                    Ok(())
                }
                Err(why) => fault("SKY0109", format!("`{path}` cannot be read: {why}")),
            },
            Entry::Outside => fault("SKY0111", format!("`{path}` is a link out of the project, or into a dot folder"))
                .map_err(|d| Box::new(d.hint("copy what it points at into the project: a plan reads nothing else"))),
            Entry::Submodule => {
                fault("SKY0127", format!("`{path}` is a submodule, and its files are in another repository"))
                    .map_err(|d| Box::new(d.hint("keep charts and kustomizations in the project's own repository")))
            }
            Entry::Gone => fault("SKY0109", format!("`{path}` cannot be read: it is not there")),
            // Reading a pipe or a device may never end.
            Entry::Other => fault("SKY0109", format!("`{path}` cannot be read: it is not a file")),
        }
    }

    fn folder(&mut self, folder: S::Place, path: &str, depth: usize) -> Result<(), Box<Diagnostic>> {
        if depth > MOST_DEPTH || self.within.contains(&folder) {
            return self.too_much(path, "folders are in each other without end".into());
        }
        let mut names = self.store.list(&folder).map_err(|why| {
            Diagnostic::error("SKY0109", format!("`{path}` cannot be read: {why}")).at(&Origin::file(path))
        })?;
        names.sort();
        self.within.push(folder.clone());
        for name in names {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return self.too_much(path, format!("there are more than {MOST_ENTRIES} files and folders"));
            }
            let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            match self.store.find(&folder, &name) {
                // `.git`, `.skyplan`: nobody's manifests.
                Entry::Folder(_) if name.starts_with('.') => {}
                found => self.entry(found, &below, depth + 1)?,
            }
        }
        self.within.pop();
        Ok(())
    }

    fn too_much(&self, path: &str, what: String) -> Result<(), Box<Diagnostic>> {
        Err(Box::new(
            Diagnostic::error("SKY0103", what)
                .at(&Origin::file(path))
                .hint("a source is rendered from all files in its folder: keep others elsewhere"),
        ))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a folder to look at")]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn files_that_are_held_are_found_by_folder() {
        let all: Files = ["a/b", "a/c/d", "ab"].into_iter().map(|f| (f.to_owned(), Vec::new())).collect();
        let place = Place::Held(all.into());
        let names = |path: &str| place.files(path).unwrap().map(|f| f.into_keys().collect::<Vec<_>>().join(" "));
        assert_eq!((names("a").as_deref(), names("ab").as_deref()), (Some("a/b a/c/d"), Some("ab")));
        assert_eq!((names("").as_deref(), names("b")), (Some("a/b a/c/d ab"), None));
    }

    #[test]
    fn links_are_followed_and_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("chart/Chart.yaml", "name: x");
        put("chart/.helmignore", "*.md");
        put("chart/.git/config", "no");
        put(".skyplan/state/1.json", "no");
        put("shared/_helpers.tpl", "tpl");
        symlink("../shared", dir.path().join("chart/templates")).unwrap();
        let place = Place::Folder(dir.path().into());
        let names = |path: &str| place.files(path).unwrap().map(|f| f.into_keys().collect::<Vec<_>>());
        assert_eq!(names("chart").unwrap(), ["chart/.helmignore", "chart/Chart.yaml", "chart/templates/_helpers.tpl"]);
        assert_eq!(names("chart/Chart.yaml").unwrap(), ["chart/Chart.yaml"]);
        assert_eq!((names("none"), names("chart/Chart.yaml/x")), (None, None));
        assert_eq!((names("chart/.git"), names("chart/.git/config"), names(".skyplan")), (None, None, None));
        for (target, code) in [
            ("/etc/passwd", "SKY0111"),
            ("../chart", "SKY0103"),
            ("gone", "SKY0109"),
            (".git", "SKY0111"),
            (".git/config", "SKY0111"),
            ("../.skyplan/state", "SKY0111"),
            ("../.skyplan/state/1.json", "SKY0111"),
        ] {
            let link = dir.path().join("chart/link");
            symlink(target, &link).unwrap();
            assert_eq!(place.files("chart").unwrap_err().code, code, "{target}");
            fs::remove_file(link).unwrap();
        }
    }
}
