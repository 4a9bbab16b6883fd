//! Every entry names the digest of the one before it, so that an entry that was changed, exchanged or
//! removed is found by the next.
//!
//! The digest is of the bytes as they were stored. It stands first in the entry: bytes are never parsed
//! and written again to find it. Pure.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::digest::digest_bytes;

/// What a chained entry begins with.
const START: &str = r#"{"previous":""#;
/// Length of a digest in hexadecimal digits.
const DIGITS: usize = 64;

/// The digest of an entry's bytes.
pub(super) fn link(bytes: &[u8]) -> String {
    digest_bytes(bytes)
}

/// The bytes of an entry (a JSON object that is not empty) with the digest of the one before it.
pub(super) fn chained(entry: &[u8], previous: &str) -> Vec<u8> {
    let rest = entry.strip_prefix(b"{").unwrap_or(entry);
    [START.as_bytes(), previous.as_bytes(), b"\",", rest].concat()
}

/// The digest of the entry before, where these bytes name one.
pub(super) fn previous(bytes: &[u8]) -> Option<&str> {
    let digest = bytes.strip_prefix(START.as_bytes())?.get(..DIGITS)?;
    std::str::from_utf8(digest).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What is wrong with an entry that follows another; `links` says whether the one before was chained.
pub(super) fn broken(before: &[u8], bytes: &[u8]) -> Option<&'static str> {
    match previous(bytes) {
        Some(named) if named == link(before) => None,
        Some(_) => Some("it does not follow from the entry before it: one of the two was changed or exchanged"),
        // Entries of the first format had no digest; after one that has, all have.
        None if previous(before).is_some() => Some("it lacks the digest of the entry before it"),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_exchanged_entry_breaks_the_chain() {
        let one = br#"{"entry":"end","at":"1"}"#.to_vec();
        let two = chained(br#"{"entry":"end","at":"2"}"#, &link(&one));
        let three = chained(br#"{"entry":"end","at":"3"}"#, &link(&two));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&two).unwrap()["at"], "2");
        assert!(broken(&one, &two).is_none() && broken(&two, &three).is_none());
        assert!(broken(&one, &three).is_some(), "one is missing");
        let mut forged = two.clone();
        let end = forged.len() - 3;
        forged[end] = b'9';
        assert!(broken(&one, &forged).is_none() && broken(&forged, &three).is_some());
        assert!(broken(&two, &one).is_some(), "the chain ends");
        assert!(broken(&one, &one).is_none(), "entries of the first format");
    }
}
