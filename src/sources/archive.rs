//! Packed charts (`.tgz`) → files. Knows tar and gzip, and how much may come of a few bytes.

use std::io::{BufReader, Read as _};

use flate2::read::GzDecoder;

use crate::load::snapshot::Files;

/// Bytes of all files in one archive.
const MOST_BYTES: u64 = 128 << 20;
/// Bytes of everything that something is rendered from, or that was fetched at once.
pub(super) const MOST_TOGETHER: usize = 256 << 20;
/// Files in one archive.
const MOST_FILES: usize = 20_000;

/// Unpacks an archive below a folder. Of a chart the first folder in it is left out, as it is the chart's own.
///
/// # Errors
/// A sentence: it is damaged, too large, or holds what no chart holds.
pub(super) fn unpack(bytes: &[u8], to: &str, chart: bool, files: &mut Files) -> Result<(), String> {
    let mut archive = tar::Archive::new(BufReader::new(GzDecoder::new(bytes).take(MOST_BYTES)));
    let damaged = |e: std::io::Error| format!("it is no archive (`.tar.gz`): {e}");
    let (mut count, mut bytes) = (0, size(files));
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        let path = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| "it holds a name that is not UTF-8 text".to_owned())?;
        if !kind.is_file() {
            return Err(format!("`{}` in it is neither a file nor a folder", path.escape_debug()));
        }
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        if path.starts_with('/') || path.contains(['\\', '\0']) || parts.contains(&"..") {
            return Err(format!("`{}` in it leads elsewhere", path.escape_debug()));
        }
        count += 1;
        if count > MOST_FILES {
            return Err(format!("it holds more than {MOST_FILES} files"));
        }
        let inside = parts.get(usize::from(chart)..).unwrap_or_default();
        // What is in dot folders is not read anywhere else either.
        if inside.iter().rev().skip(1).any(|folder| folder.starts_with('.')) || inside.is_empty() {
            continue;
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).map_err(damaged)?;
        bytes += text.len();
        if bytes > MOST_TOGETHER {
            return Err(format!("with it there are more than {} MiB", MOST_TOGETHER >> 20));
        }
        let gap = if to.is_empty() { "" } else { "/" };
        files.insert(format!("{to}{gap}{}", inside.join("/")), text);
    }
    if count == 0 {
        return Err("it is empty, or holds more than 128 MiB".into());
    }
    Ok(())
}

/// Bytes of all files.
pub(super) fn size(files: &Files) -> usize {
    files.values().map(Vec::len).sum()
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use super::*;

    /// An archive of these files, whatever they are called.
    pub(crate) fn pack(entries: &[(&str, &[u8], tar::EntryType)]) -> Vec<u8> {
        let mut out = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (path, bytes, kind) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_cksum();
            out.append(&header, *bytes).unwrap();
        }
        out.into_inner().unwrap().finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> Result<Vec<String>, String> {
        let mut files = Files::new();
        unpack(bytes, "c.tgz", true, &mut files)?;
        Ok(files.into_keys().collect())
    }

    #[test]
    fn archives_are_unpacked_and_hostile_ones_refused() {
        use tar::EntryType::{Regular, Symlink};
        let good = pack(&[("web/Chart.yaml", b"name: web", Regular), ("web/templates/a.yaml", b"a", Regular)]);
        assert_eq!(unpacked(&good).unwrap(), ["c.tgz/Chart.yaml", "c.tgz/templates/a.yaml"]);
        for (path, kind) in [("web/../../x", Regular), ("/etc/x", Regular), ("web/a\\b", Regular), ("web/l", Symlink)] {
            assert!(unpacked(&pack(&[(path, b"", kind)])).is_err(), "{path}");
        }
        let dots =
            [("web/.git/config", &b"x"[..], Regular), ("web/.helmignore", b"x", Regular), ("web/a/.b/c", b"", Regular)];
        assert_eq!(unpacked(&pack(&dots)).unwrap(), ["c.tgz/.helmignore"]);
        let mut full: Files = [("x".to_owned(), vec![0; MOST_TOGETHER])].into();
        assert!(unpack(&good, "c", true, &mut full).unwrap_err().contains("256 MiB"));
        assert!(unpacked(b"no archive").is_err());
        assert!(unpacked(&good[..good.len() / 2]).is_err());
        // 200 MiB of nothing pack to 200 KiB.
        let mut zeros = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let head = &{
            let mut header = tar::Header::new_gnu();
            header.set_path("web/zeros").unwrap();
            header.set_size(200 << 20);
            header.set_entry_type(Regular);
            header.set_cksum();
            *header.as_bytes()
        };
        zeros.write_all(head).unwrap();
        let block = vec![0; 1 << 20];
        (0..200).for_each(|_| zeros.write_all(&block).unwrap());
        assert!(unpacked(&zeros.finish().unwrap()).is_err());
    }
}
