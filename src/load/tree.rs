//! The texts of a project's YAML files, and which files those are: one walk, whatever is walked.
//!
//! Knows paths and sizes, nothing of what the files say: a [`SourceTree`] is all that later stages
//! need, so a plan can be computed again from the texts alone. Where entries come from is said by a
//! `Store`: a folder on disk (`disk`) or a revision in a Git repository (`git`).
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    spec::LOCK_FILE,
};

pub use super::{disk::read_folder, git::read_revision};

/// Larger files are not manifests that a person meant.
pub(super) const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// All texts together: every byte of them is held until the command ends.
const MOST_TOTAL: usize = 256 * 1024 * 1024;
/// Files and folders that are looked at. A small repository may unfold to any number of them.
const MOST_ENTRIES: usize = 500_000;
/// Folders in folders.
const MOST_DEPTH: usize = 100;
/// How the text begins that Git LFS keeps in the place of a file.
const LFS: &str = "version https://git-lfs.github.com/spec/";

/// The texts of a project's YAML files by path, relative to its root, with forward slashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTree {
    /// Path → text.
    pub files: BTreeMap<Arc<str>, Arc<str>>,
}

/// What a name comes to when links are followed.
pub(super) enum Entry<P> {
    /// A folder in the project.
    Folder(P),
    /// A file in the project.
    File(P),
    /// A link that leads out of the project, or into one of its dot folders.
    Outside,
    /// The place of another repository.
    Submodule,
    /// A link to nothing.
    Gone,
    /// Neither a file nor a folder.
    Other,
}

/// Where entries come from.
pub(super) trait Store {
    /// A folder or file, the same whatever links lead to it.
    type Place: Clone + Ord;

    /// Names in a folder.
    fn list(&self, folder: &Self::Place) -> Result<Vec<String>, String>;
    /// What one of them is.
    fn find(&self, folder: &Self::Place, name: &str) -> Entry<Self::Place>;
    /// A file's bytes, if it is not too large.
    fn read(&self, file: &Self::Place) -> Result<Vec<u8>, String>;
}

/// Reads the YAML files below a store's root, and the lock file in it: not those in dot folders, nor in folders that are
/// projects of their own. Links are followed as long as they stay inside the root.
pub(super) fn walk<S: Store>(store: &S, root: &S::Place, out: &mut Diagnostics) -> SourceTree {
    let mut walk =
        Walk { store, seen: BTreeSet::new(), entries: 0, bytes: 0, full: false, tree: SourceTree::default(), out };
    walk.folder(root, "", 0);
    walk.tree
}

struct Walk<'a, S: Store> {
    store: &'a S,
    /// Folders that were entered: a link to one of them is not entered again.
    seen: BTreeSet<S::Place>,
    entries: usize,
    bytes: usize,
    /// It was too much: said once, and nothing more is read.
    full: bool,
    tree: SourceTree,
    out: &'a mut Diagnostics,
}

impl<S: Store> Walk<'_, S> {
    fn folder(&mut self, folder: &S::Place, prefix: &str, depth: usize) {
        if !self.seen.insert(folder.clone()) {
            return;
        }
        if depth > MOST_DEPTH {
            return self.too_much(prefix, &format!("folders are nested deeper than {MOST_DEPTH}"));
        }
        let mut names = match self.store.list(folder) {
            Ok(names) => names,
            Err(why) => return self.unreadable(prefix, &why),
        };
        if !prefix.is_empty() && names.iter().any(|n| n == "skyplan.yaml") {
            return;
        }
        names.sort();
        for name in names.iter().filter(|name| !name.starts_with('.')) {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                self.too_much(prefix, &format!("the project has more than {MOST_ENTRIES} files and folders"));
            }
            if self.full {
                return;
            }
            let relative = format!("{prefix}{name}");
            let found = self.store.find(folder, name);
            if name.contains(misleads) && (is_yaml(name) || matches!(found, Entry::Folder(_))) {
                let shown = relative.escape_debug();
                self.out.push(
                    Diagnostic::error("SKY0120", format!("`{shown}` has characters in its name that cannot be shown"))
                        .hint("rename it: what it is called is said in plans and faults"),
                );
                continue;
            }
            match found {
                Entry::Folder(real) => self.folder(&real, &format!("{relative}/"), depth + 1),
                Entry::File(real) if is_yaml(name) || relative == LOCK_FILE => self.file(&real, &relative),
                Entry::Outside if is_yaml(name) => self.out.push(
                    Diagnostic::error(
                        "SKY0111",
                        format!("`{relative}` is a link out of the project, or into a dot folder"),
                    )
                    .at(&Origin::file(relative))
                    .hint("copy what it points at into the project: a plan reads nothing else"),
                ),
                Entry::Gone if is_yaml(name) => self.unreadable(&relative, "it is not there"),
                Entry::Submodule => self.out.push(
                    Diagnostic::error(
                        "SKY0127",
                        format!("`{relative}` is a submodule, and its files are in another repository"),
                    )
                    .at(&Origin::file(relative))
                    .hint("keep specs and manifests in one repository, or plan from a checkout without `--rev`"),
                ),
                // Reading a pipe or a device may never end.
                Entry::Other if is_yaml(name) => self.unreadable(&relative, "it is not a file"),
                Entry::File(_) | Entry::Outside | Entry::Gone | Entry::Other => {}
            }
        }
    }

    fn file(&mut self, file: &S::Place, relative: &str) {
        match self.store.read(file).map(String::from_utf8) {
            Ok(Ok(text)) if text.starts_with(LFS) => self.out.push(
                Diagnostic::error("SKY0126", format!("`{relative}` is kept by Git LFS, and only its name is here"))
                    .at(&Origin::file(relative))
                    .hint("keep YAML out of LFS (`.gitattributes`); in a working folder `git lfs pull` brings it"),
            ),
            Ok(Ok(text)) => {
                self.bytes += text.len();
                if self.bytes > MOST_TOTAL {
                    return self.too_much(relative, "the project has more than 256 MiB of YAML");
                }
                self.tree.files.insert(relative.into(), text.into());
            }
            // Age writes bytes or text; here it is text.
            Ok(Err(e)) if relative.ends_with(".age") => {
                self.tree.files.insert(relative.into(), crate::seal::armored(e.as_bytes()).into());
            }
            Ok(Err(e)) => {
                let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
                let line = u32::try_from(valid.iter().filter(|b| **b == b'\n').count() + 1).unwrap_or(u32::MAX);
                self.out.push(
                    Diagnostic::error("SKY0109", format!("`{relative}` is not UTF-8 text"))
                        .at(&Origin { line, ..Origin::file(relative) })
                        .hint("save it as UTF-8"),
                );
            }
            Err(why) => self.unreadable(relative, &why),
        }
    }

    fn too_much(&mut self, relative: &str, what: &str) {
        if !self.full {
            self.full = true;
            self.out.push(
                Diagnostic::error("SKY0103", what.to_owned())
                    .at(&Origin::file(relative))
                    .hint("is this the folder that was meant? Name the project's own with -C"),
            );
        }
    }

    fn unreadable(&mut self, relative: &str, why: &str) {
        self.out.push(
            Diagnostic::error("SKY0109", format!("`{relative}` cannot be read: {why}")).at(&Origin::file(relative)),
        );
    }
}

/// Whether a path leads through a dot folder (`.git`, `.skyplan`), which a name that is walked never does, but a link may.
/// Folders such as `..data` are how volumes of Kubernetes are laid out.
pub(super) fn is_hidden<'a>(mut folders: impl Iterator<Item = &'a [u8]>) -> bool {
    folders.any(|name| name.starts_with(b".") && !name.starts_with(b".."))
}

/// Characters that do not show, or turn around what does.
fn misleads(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a file's name is that of a YAML file, or of one that age encrypted.
pub fn is_yaml(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".yaml", ".yml"].iter().any(|ending| name.strip_suffix(".age").unwrap_or(&name).ends_with(ending))
}
