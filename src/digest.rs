//! SHA-256 of values, as hexadecimal text. Knows nothing of what is digested.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Digest of a JSON value's canonical bytes (keys sorted).
pub fn digest(value: &Value) -> String {
    digest_bytes(value.to_string().as_bytes())
}

/// Digest of bytes.
pub fn digest_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}
