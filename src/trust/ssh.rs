//! Ed25519 keys and signatures in the forms of OpenSSH, as `ssh-keygen -Y` and Git write them: keys that
//! people have, and signatures that other programs can check.

use std::collections::BTreeSet;

use ssh_key::{Algorithm, PublicKey, SshSig};

/// What plans are signed as.
pub const PLANS: &str = "plan@skyplan.io";
/// What Git signs commits as.
pub const COMMITS: &str = "git";

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";

/// A public key without its comment.
///
/// # Errors
/// It is none, or not of the kind `ssh-ed25519`.
pub fn public_key(text: &str) -> Result<String, String> {
    let wanted = "a signer is a public key: `ssh-ed25519 AAAA…`, as `skyplan keygen` prints it";
    let key = PublicKey::from_openssh(text.trim()).map_err(|_| wanted.to_owned())?;
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(format!("{wanted}; this is a key of kind `{}`", key.algorithm()));
    }
    bare(&key)
}

fn bare(key: &PublicKey) -> Result<String, String> {
    PublicKey::new(key.key_data().clone(), "").to_openssh().map_err(|e| e.to_string())
}

/// Whose signatures, one after the other in a text, are good for a message.
///
/// # Errors
/// One of them is no signature, is of another kind of key or for another purpose, or is not for this message.
pub fn signers_of(signatures: &str, namespace: &str, message: &[u8]) -> Result<BTreeSet<String>, String> {
    let mut signers = BTreeSet::new();
    let mut blocks = signatures.split_inclusive(BEGIN);
    if blocks.next().is_none_or(|head| head.trim() != BEGIN) {
        return Err("it does not begin as a signature of OpenSSH does".into());
    }
    for block in blocks {
        let block = format!("{BEGIN}{}", block.trim_end_matches(BEGIN));
        let signature = SshSig::from_pem(block.trim()).map_err(|e| format!("it cannot be read: {e}"))?;
        if signature.algorithm() != Algorithm::Ed25519 {
            return Err(format!("it is by a key of kind `{}`, not `ssh-ed25519`", signature.algorithm()));
        }
        if signature.namespace() != namespace {
            return Err(format!("it is for `{}`, not for `{namespace}`", signature.namespace()));
        }
        let key = PublicKey::new(signature.public_key().clone(), "");
        key.verify(namespace, message, &signature).map_err(|_| "it is of something else".to_owned())?;
        signers.insert(bare(&key)?);
    }
    if signers.is_empty() { Err("it is cut off".into()) } else { Ok(signers) }
}

#[cfg(test)]
mod tests {
    use ssh_key::{HashAlg, LineEnding, PrivateKey, private::Ed25519Keypair};

    use super::*;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
    }

    fn sign(seed: u8, namespace: &str, message: &[u8]) -> String {
        key(seed).sign(namespace, HashAlg::Sha512, message).unwrap().to_pem(LineEnding::LF).unwrap()
    }

    #[test]
    fn a_signature_is_good_for_its_message_and_purpose_alone() {
        let (one, two) = (sign(1, PLANS, b"plan"), sign(2, PLANS, b"plan"));
        let names: BTreeSet<String> = [1, 2].map(|s| bare(key(s).public_key()).unwrap()).into();
        assert_eq!(signers_of(&format!("{one}\n{two}"), PLANS, b"plan"), Ok(names));
        assert!(signers_of(&one, PLANS, b"other").is_err_and(|e| e.contains("something else")));
        assert!(signers_of(&one, COMMITS, b"plan").is_err_and(|e| e.contains("for `plan@skyplan.io`")));
        assert!(signers_of(&format!("{one}{}", sign(2, PLANS, b"x")), PLANS, b"plan").is_err());
        for text in ["", "x", BEGIN, &one[..80], &one.replace("U1NIU0lH", "AAAAAAAA")] {
            assert!(signers_of(text, PLANS, b"plan").is_err(), "{text}");
        }
    }

    #[test]
    fn signers_are_ed25519_keys() {
        let line = key(1).public_key().to_openssh().unwrap();
        assert_eq!(public_key(&format!("{line} me@home\n")), Ok(line));
        for text in ["", "age1x", "ssh-ed25519", "ecdsa-sha2-nistp256 AAAA", "-----BEGIN PGP-----"] {
            assert!(public_key(text).is_err());
        }
    }
}
