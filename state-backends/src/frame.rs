//! Bytes of a blob: one line of JSON that says what follows, then the entry itself.
//!
//! The nonce tells one writer's blob from another's, even where both wrote the same; length and digest
//! tell a whole entry from a torn or changed one. An entry without the line (skyplan 0.1) is read as it is.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::BackendError;

/// Format of the line.
const FORMAT: u32 = 1;

/// What the line begins with.
const START: &[u8] = br#"{"skyplanLog":"#;

/// The line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    skyplan_log: u32,
    /// Which attempt wrote it.
    pub(crate) nonce: String,
    /// Length of the entry.
    bytes: u64,
    /// SHA-256 of the entry.
    sha256: String,
    /// Digests of the pieces that the entry is to be put together from; empty = it follows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<String>,
}

/// What a blob holds.
pub(crate) enum Frame {
    /// An entry from before there were lines.
    Plain(Vec<u8>),
    /// An entry, whole and as it was written.
    Whole(Vec<u8>),
    /// An entry in pieces.
    Head(Header),
}

/// SHA-256 as hexadecimal text.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// The most bytes that a line without pieces has.
pub(crate) const LINE_BYTES: usize = 256;

/// The blob of an entry that fits.
pub(crate) fn whole(nonce: &str, entry: &[u8]) -> Result<Vec<u8>, BackendError> {
    let mut blob = head(nonce, entry, Vec::new())?;
    blob.extend_from_slice(entry);
    Ok(blob)
}

/// The blob that says how to put an entry together.
pub(crate) fn head(nonce: &str, entry: &[u8], parts: Vec<String>) -> Result<Vec<u8>, BackendError> {
    let bytes = entry.len() as u64;
    let header = Header { skyplan_log: FORMAT, nonce: nonce.to_owned(), bytes, sha256: digest(entry), parts };
    let mut line = serde_json::to_vec(&header).map_err(|e| damaged("a new entry", &e.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

/// What this blob holds, checked.
pub(crate) fn read(what: &str, blob: Vec<u8>) -> Result<Frame, BackendError> {
    if !blob.starts_with(START) {
        return if START.starts_with(&blob) { Err(damaged(what, "it is cut off")) } else { Ok(Frame::Plain(blob)) };
    }
    let line = blob.iter().position(|b| *b == b'\n').ok_or_else(|| damaged(what, "it is cut off"))?;
    let header: Header = serde_json::from_slice(&blob[..line]).map_err(|e| damaged(what, &e.to_string()))?;
    if header.skyplan_log > FORMAT {
        let why = format!("{what} was written by a newer skyplan (format {})", header.skyplan_log);
        return Err(BackendError::Unsupported { place: "this version".into(), why });
    }
    let mut entry = blob;
    entry.drain(..=line);
    if !header.parts.is_empty() {
        return if entry.is_empty() { Ok(Frame::Head(header)) } else { Err(damaged(what, "bytes follow its head")) };
    }
    header.check(what, &entry)?;
    Ok(Frame::Whole(entry))
}

impl Header {
    /// Whether this is the entry that was written.
    pub(crate) fn check(&self, what: &str, entry: &[u8]) -> Result<(), BackendError> {
        if entry.len() as u64 != self.bytes {
            return Err(damaged(what, &format!("it has {} of {} bytes", entry.len(), self.bytes)));
        }
        if digest(entry) != self.sha256 {
            return Err(damaged(what, "its bytes are not those that were written"));
        }
        Ok(())
    }
}

/// A damaged entry or part.
pub(crate) fn damaged(what: &str, why: &str) -> BackendError {
    BackendError::Corrupt { what: what.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_of(blob: &[u8]) -> Result<Vec<u8>, BackendError> {
        match read("entry 1", blob.to_vec())? {
            Frame::Plain(entry) | Frame::Whole(entry) => Ok(entry),
            Frame::Head(header) => panic!("{header:?}"),
        }
    }

    #[test]
    fn any_cut_and_any_flipped_bit_is_found() {
        let blob = whole("n", br#"{"entry":"end"}"#).unwrap();
        assert_eq!(entry_of(&blob).unwrap(), br#"{"entry":"end"}"#);
        assert!(blob.len() < LINE_BYTES);
        for cut in 0..blob.len() {
            assert!(matches!(entry_of(&blob[..cut]), Err(BackendError::Corrupt { .. })), "cut at {cut}");
        }
        let line = blob.iter().position(|b| *b == b'\n').unwrap();
        for at in line..blob.len() {
            let mut bad = blob.clone();
            bad[at] ^= 1;
            assert!(entry_of(&bad).is_err(), "flipped at {at}");
        }
    }

    #[test]
    fn entries_of_the_first_version_are_read() {
        assert_eq!(entry_of(br#"{"entry":"end"}"#).unwrap(), br#"{"entry":"end"}"#);
        assert_eq!(entry_of(b"anything").unwrap(), b"anything");
    }

    #[test]
    fn a_newer_format_is_refused() {
        let newer = br#"{"skyplanLog":2,"nonce":"","bytes":0,"sha256":""}"#;
        let newer = [&newer[..], b"\n"].concat();
        assert!(matches!(entry_of(&newer), Err(BackendError::Unsupported { .. })));
    }
}
