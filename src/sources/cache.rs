//! What was rendered before, by the digest of everything that it was made from.
//!
//! A cache and no more: what cannot be read or is not whole is rendered anew, and what cannot be written is
//! not kept. Knows texts and digests.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use crate::digest::digest_bytes;

/// A folder of renderings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// The folder; `None` = nothing is kept.
    pub folder: Option<PathBuf>,
}

/// `$XDG_CACHE_HOME/skyplan`.
pub(super) fn home() -> Option<PathBuf> {
    // A relative path in an XDG variable is to be ignored, says its specification.
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(base.join("skyplan"))
}

impl Cache {
    /// `$XDG_CACHE_HOME/skyplan/rendered`.
    pub fn from_env() -> Self {
        Self { folder: home().map(|h| h.join("rendered")) }
    }

    /// What was made from these inputs. The first line of a file is the digest of the rest.
    pub(super) fn read(&self, inputs: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.as_ref()?.join(inputs)).ok()?;
        let (sum, output) = text.split_once('\n')?;
        (sum == seal(inputs, output)).then(|| output.to_owned())
    }

    /// Keeps it.
    pub(super) fn write(&self, inputs: &str, output: &str) {
        let Some(folder) = &self.folder else { return };
        let keep = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            std::io::Write::write_all(&mut file, format!("{}\n{output}", seal(inputs, output)).as_bytes())?;
            file.persist(folder.join(inputs)).map(drop).map_err(|e| e.error)
        };
        // Without it the next one renders again.
        let _ = keep();
    }
}

/// One for other inputs is not taken for these.
fn seal(inputs: &str, output: &str) -> String {
    digest_bytes(format!("{inputs}\n{output}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { folder: Some(folder.path().join("rendered")) };
        assert_eq!(cache.read("a"), None);
        cache.write("a", "kind: A\n");
        assert_eq!(cache.read("a").as_deref(), Some("kind: A\n"));
        let file = folder.path().join("rendered/a");
        fs::copy(&file, folder.path().join("rendered/b")).unwrap();
        assert_eq!(cache.read("b"), None, "it was made from something else");
        fs::write(&file, fs::read_to_string(&file).unwrap().replace("kind: A", "kind: B")).unwrap();
        assert_eq!(cache.read("a"), None);
        assert_eq!(Cache::default().read("a"), None);
    }
}
