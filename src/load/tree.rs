//! Folder → the texts of its YAML files. The only file of `load` that touches the disk.
//!
//! Knows paths and sizes, nothing of what the files say: a [`SourceTree`] is all that later stages
//! need, so a plan can be computed again from the texts alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::diagnostic::{Diagnostic, Diagnostics, Origin};

/// Larger files are not manifests that a person meant.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The texts of a project's YAML files by path, relative to its root, with forward slashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTree {
    /// Path → text.
    pub files: BTreeMap<Arc<str>, Arc<str>>,
}

/// Reads the YAML files below `root`: not those in dot folders, nor in folders that are projects of
/// their own. Links are followed as long as they stay inside the root.
pub fn read_folder(root: &Path) -> (SourceTree, Diagnostics) {
    let mut walk = Walk { seen: BTreeSet::new(), tree: SourceTree::default(), out: Diagnostics::new() };
    match root.canonicalize() {
        Ok(real) => walk.folder(&real, &real, ""),
        Err(e) => walk.out.push(
            Diagnostic::error("SKY0109", format!("the folder {} cannot be read: {}", root.display(), reason(&e)))
                .hint("name the project's folder with -C, or run `skyplan init` in an empty one"),
        ),
    }
    (walk.tree, walk.out)
}

struct Walk {
    /// Real paths of folders that were entered: a link to one of them is not entered again.
    seen: BTreeSet<PathBuf>,
    tree: SourceTree,
    out: Diagnostics,
}

impl Walk {
    fn folder(&mut self, root: &Path, folder: &Path, prefix: &str) {
        if !self.seen.insert(folder.to_path_buf()) {
            return;
        }
        if !prefix.is_empty() && folder.join("skyplan.yaml").exists() {
            return;
        }
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(e) => return self.unreadable(prefix, &e),
        };
        let mut named: Vec<(String, PathBuf)> = Vec::new();
        for entry in entries {
            // A name that is not UTF-8 cannot be written in a spec either.
            if let Ok(name) = entry.file_name().into_string() {
                named.push((name, entry.path()));
            }
        }
        named.sort();
        for (name, path) in named.into_iter().filter(|(name, _)| !name.starts_with('.')) {
            let relative = format!("{prefix}{name}");
            let Ok(real) = path.canonicalize() else {
                if is_yaml(&name) {
                    let gone = io::Error::from(io::ErrorKind::NotFound);
                    self.unreadable(&relative, &gone);
                }
                continue;
            };
            if !real.starts_with(root) {
                if is_yaml(&name) {
                    self.out.push(
                        Diagnostic::error("SKY0111", format!("`{relative}` is a link out of the project"))
                            .at(&Origin::file(relative))
                            .hint("copy what it points at into the project: a plan reads nothing else"),
                    );
                }
            } else if real.is_dir() {
                self.folder(root, &real, &format!("{relative}/"));
            } else if is_yaml(&name) && real.is_file() {
                self.file(&real, &relative);
            }
        }
    }

    fn file(&mut self, path: &Path, relative: &str) {
        let read = fs::metadata(path).and_then(|meta| {
            if meta.len() > MOST_BYTES {
                Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB"))
            } else {
                fs::read(path)
            }
        });
        match read.map(String::from_utf8) {
            Ok(Ok(text)) => {
                self.tree.files.insert(relative.into(), text.into());
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
            Err(e) => self.unreadable(relative, &e),
        }
    }

    fn unreadable(&mut self, relative: &str, error: &io::Error) {
        self.out.push(
            Diagnostic::error("SKY0109", format!("`{relative}` cannot be read: {}", reason(error)))
                .at(&Origin::file(relative)),
        );
    }
}

/// Whether a file's name is that of a YAML file.
pub fn is_yaml(name: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| name.to_ascii_lowercase().ends_with(ending))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is not there".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_stays_inside_and_skips_what_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("x.yaml"), "a: 1").unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        put("skyplan.yaml", b"root");
        put("apps/a.yml", b"a");
        put("apps/notes.txt", b"n");
        put(".git/b.yaml", b"b");
        put("nested/skyplan.yaml", b"own project");
        put("nested/c.yaml", b"c");
        put("bad.yaml", b"ok\n\xff\xfe");
        std::os::unix::fs::symlink(outside.path().join("x.yaml"), dir.path().join("out.yaml")).unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("apps/loop")).unwrap();
        let (tree, out) = read_folder(dir.path());
        let paths: Vec<&str> = tree.files.keys().map(|p| &**p).collect();
        assert_eq!(paths, ["apps/a.yml", "skyplan.yaml"]);
        let codes: Vec<(&str, u32)> = out.iter().map(|d| (d.code.as_str(), d.labels[0].origin.line)).collect();
        assert_eq!(codes, [("SKY0109", 2), ("SKY0111", 1)]);
    }
}
