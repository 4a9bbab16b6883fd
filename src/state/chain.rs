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

/// What the entry after this one is held to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Digest of the entry's bytes.
    digest: String,
    /// Whether it names the one before it.
    chained: bool,
}

impl Link {
    /// Of an entry's bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self { digest: digest_bytes(bytes), chained: previous(bytes).is_some() }
    }

    /// The bytes of the entry after this one (a JSON object that is not empty), with this one's digest.
    pub(super) fn chained(&self, entry: &[u8]) -> Vec<u8> {
        let rest = entry.strip_prefix(b"{").unwrap_or(entry);
        [START.as_bytes(), self.digest.as_bytes(), b"\",", rest].concat()
    }

    /// What is wrong with an entry that follows this one.
    pub(super) fn broken(&self, next: &[u8]) -> Option<&'static str> {
        match previous(next) {
            Some(named) if named == self.digest => None,
            Some(_) => Some("it does not follow from the entry before it: one of the two was changed or exchanged"),
            // Entries of the first format had no digest; after one that has, all have.
            None if self.chained => Some("it lacks the digest of the entry before it"),
            None => None,
        }
    }
}

/// The digest of the entry before, where these bytes name one.
fn previous(bytes: &[u8]) -> Option<&str> {
    let digest = bytes.strip_prefix(START.as_bytes())?.get(..DIGITS)?;
    std::str::from_utf8(digest).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_exchanged_entry_breaks_the_chain() {
        let one = br#"{"entry":"end","at":"1"}"#.to_vec();
        let two = Link::of(&one).chained(br#"{"entry":"end","at":"2"}"#);
        let three = Link::of(&two).chained(br#"{"entry":"end","at":"3"}"#);
        let broken = |before: &[u8], next: &[u8]| Link::of(before).broken(next);
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
