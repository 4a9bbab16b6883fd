//! SHA-256 of values, as hexadecimal text; bytes as base64. Knows nothing of what is digested.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Digest of a JSON value's canonical bytes (keys sorted).
pub fn digest(value: &Value) -> String {
    digest_of(value)
}

/// Digest of what a value is as JSON, piece by piece; the same as [`digest`] where its maps are sorted.
pub fn digest_of<T: serde::Serialize>(value: &T) -> String {
    struct Into(Sha256);
    impl std::io::Write for Into {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut out = std::io::BufWriter::with_capacity(1 << 14, Into(Sha256::new()));
    // Nothing that is written in memory fails; a value that JSON cannot hold has the digest of its head.
    let _ = serde_json::to_writer(&mut out, value);
    out.into_inner().map_or_else(|_| String::new(), |into| hex(&into.0.finalize()))
}

/// Digest of bytes.
pub fn digest_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Digest of texts, one after the other.
pub fn digest_pages<'a>(pages: impl IntoIterator<Item = &'a String>) -> String {
    let mut sum = Sha256::new();
    pages.into_iter().for_each(|page| sum.update(page.as_bytes()));
    hex(&sum.finalize())
}

/// Bytes as hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// Base64 with padding (RFC 4648), as in a Secret's `data`.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain([0; 2].iter()).take(3).fold(0_u32, |w, b| w << 8 | u32::from(*b));
        for i in 0..4 {
            let index = (word >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    out
}

/// The bytes of base64 with padding; `None` where it is none.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut out, mut word, mut bits) = (Vec::new(), 0_u32, 0);
    for c in text.trim_end_matches('=').bytes().filter(|c| !c.is_ascii_whitespace()) {
        word = word << 6 | u32::from(digit(c)?);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(word >> bits & 0xff).ok()?);
        }
    }
    Some(out)
}
