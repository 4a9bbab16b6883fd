//! A folder on disk as something to walk.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::tree::{Entry, MOST_BYTES, SourceTree, Store, is_hidden, walk};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// Reads the YAML files below `root`: not those in dot folders, nor in folders that are projects of
/// their own. Links are followed as long as they stay inside the root.
pub fn read_folder(root: &Path) -> (SourceTree, Diagnostics) {
    let mut out = Diagnostics::new();
    match root.canonicalize() {
        Ok(real) => (walk(&Disk { root: real.clone() }, &real, &mut out), out),
        Err(e) => {
            out.push(no_folder(root, &e));
            (SourceTree::default(), out)
        }
    }
}

/// Does something in a project's folder.
pub(super) fn in_folder<T>(root: &Path, f: impl FnOnce(&Disk, &PathBuf) -> T) -> Result<T, Box<Diagnostic>> {
    let real = root.canonicalize().map_err(|e| no_folder(root, &e))?;
    Ok(f(&Disk { root: real.clone() }, &real))
}

/// The fault of a project's folder that cannot be entered.
pub(super) fn no_folder(root: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error("SKY0109", format!("the folder {} cannot be read: {}", root.display(), reason(error)))
        .hint("name the project's folder with -C, or run `skyplan init` in an empty one")
}

/// A folder by its real path.
pub(super) struct Disk {
    root: PathBuf,
}

impl Store for Disk {
    type Place = PathBuf;

    fn list(&self, folder: &PathBuf) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(|e| reason(&e))?;
        // A name that is not UTF-8 cannot be written in a spec either.
        Ok(entries.into_iter().filter_map(|e| e.file_name().into_string().ok()).collect())
    }

    fn find(&self, folder: &PathBuf, name: &str) -> Entry<PathBuf> {
        let mut real = folder.join(name);
        let Ok(mut kind) = fs::symlink_metadata(&real).map(|m| m.file_type()) else { return Entry::Gone };
        // Only links can lead elsewhere; for the rest nobody has to be asked.
        if kind.is_symlink() {
            let Ok(path) = real.canonicalize() else { return Entry::Gone };
            if !path.starts_with(&self.root) {
                return Entry::Outside;
            }
            let Ok(there) = fs::metadata(&path) else { return Entry::Gone };
            let folders = if there.is_dir() { Some(path.as_path()) } else { path.parent() };
            let inside = folders.and_then(|f| f.strip_prefix(&self.root).ok()).unwrap_or(Path::new(""));
            if is_hidden(inside.components().map(|c| c.as_os_str().as_encoded_bytes())) {
                return Entry::Outside;
            }
            (real, kind) = (path, there.file_type());
        }
        if kind.is_dir() {
            Entry::Folder(real)
        } else if kind.is_file() {
            Entry::File(real)
        } else {
            Entry::Other
        }
    }

    fn read(&self, file: &PathBuf) -> Result<Vec<u8>, String> {
        let meta = fs::metadata(file).map_err(|e| reason(&e))?;
        if meta.len() > MOST_BYTES {
            return Err("it is larger than 64 MiB".into());
        }
        fs::read(file).map_err(|e| reason(&e))
    }
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
