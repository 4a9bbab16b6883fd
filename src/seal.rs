//! What is encrypted with age: sealing for recipients, and opening with the keys that are at hand.
//!
//! Recipients are `age1…` and `ssh-ed25519 …`; keys are what `age-keygen` and `ssh-keygen` write. Knows no
//! files: the keys come as texts.

use std::io::{Read as _, Write as _};

use age::{
    Decryptor, Encryptor, Identity, Recipient,
    armor::{ArmoredReader, ArmoredWriter, Format},
    ssh, x25519,
};

/// How a private key of OpenSSH begins.
const SSH_KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";

/// Keys that are at hand. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keyring(Vec<String>);

/// Why something could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// No key is at hand, or none of these many is meant.
    NoKey(usize),
    /// It is damaged, or nothing of age's.
    Damaged(String),
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring of {}", self.0.len())
    }
}

impl Keyring {
    /// Takes in the keys of a text: lines `AGE-SECRET-KEY-1…`, with comments between them, or a private key of
    /// OpenSSH.
    ///
    /// # Errors
    /// There is none in it, or one cannot be used. The text is not repeated.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if text.trim_start().starts_with(SSH_KEY) {
            return match ssh::Identity::from_buffer(text.trim_start().as_bytes(), None) {
                Ok(ssh::Identity::Unencrypted(_)) => {
                    self.0.push(text.trim_start().to_owned());
                    Ok(())
                }
                Ok(ssh::Identity::Encrypted(_)) => {
                    Err("it is locked with a passphrase, and nobody is asked for that".into())
                }
                _ => Err("it is a key of a kind that age does not know".into()),
            };
        }
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
        for (n, line) in lines.iter().enumerate() {
            line.parse::<x25519::Identity>().map_err(|_| format!("key {} of it is no `AGE-SECRET-KEY-1…`", n + 1))?;
            self.0.push((*line).to_owned());
        }
        if lines.is_empty() { Err("there is no key in it".into()) } else { Ok(()) }
    }

    /// Whether no key is at hand.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Opens what was sealed, in text form or as bytes.
    ///
    /// # Errors
    /// No key fits, or it is damaged.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Closed> {
        let damaged = |e: &dyn std::fmt::Display| Closed::Damaged(e.to_string());
        let decryptor = Decryptor::new(ArmoredReader::new(sealed)).map_err(|e| damaged(&e))?;
        if decryptor.is_scrypt() {
            return Err(Closed::Damaged("it is locked with a passphrase, not for recipients".into()));
        }
        let identities: Vec<Box<dyn Identity>> = self.0.iter().filter_map(|text| identity(text)).collect();
        let mut reader = decryptor.decrypt(identities.iter().map(|i| &**i)).map_err(|e| match e {
            age::DecryptError::NoMatchingKeys => Closed::NoKey(identities.len()),
            e => damaged(&e),
        })?;
        let mut plain = Vec::new();
        reader.read_to_end(&mut plain).map_err(|e| damaged(&e))?;
        Ok(plain)
    }
}

fn identity(text: &str) -> Option<Box<dyn Identity>> {
    if text.starts_with(SSH_KEY) {
        return Some(Box::new(ssh::Identity::from_buffer(text.as_bytes(), None).ok()?));
    }
    Some(Box::new(text.parse::<x25519::Identity>().ok()?))
}

fn parsed(text: &str) -> Result<Box<dyn Recipient>, String> {
    if text.starts_with("age1") {
        return text.parse::<x25519::Recipient>().map(|r| Box::new(r) as Box<dyn Recipient>).map_err(str::to_owned);
    }
    let ssh = text.parse::<ssh::Recipient>().ok().filter(|_| text.starts_with("ssh-ed25519 "));
    ssh.map(|r| Box::new(r) as Box<dyn Recipient>).ok_or_else(|| "it is no public key".to_owned())
}

/// A recipient without a comment.
///
/// # Errors
/// It is none.
pub fn recipient(text: &str) -> Result<String, String> {
    let bare: Vec<&str> = text.split_whitespace().take(if text.starts_with("age1") { 1 } else { 2 }).collect();
    let bare = bare.join(" ");
    match parsed(&bare) {
        Ok(_) => Ok(bare),
        Err(_) => {
            Err("a recipient is a public key: `age1…` (`age-keygen`) or `ssh-ed25519 AAAA…` (`ssh-keygen`)".into())
        }
    }
}

/// Seals bytes for all of these recipients; the answer is text. Other bytes every time.
///
/// # Errors
/// There is no recipient, or one cannot be read.
pub fn seal(plain: &[u8], recipients: &[String]) -> Result<String, String> {
    let all: Vec<Box<dyn Recipient>> = recipients.iter().map(|r| parsed(r)).collect::<Result<_, _>>()?;
    let encryptor = Encryptor::with_recipients(all.iter().map(|r| &**r)).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    let written = (|| -> std::io::Result<()> {
        let mut to = encryptor.wrap_output(ArmoredWriter::wrap_output(&mut out, Format::AsciiArmor)?)?;
        to.write_all(plain)?;
        to.finish()?.finish()?;
        Ok(())
    })();
    written.map_err(|e| e.to_string())?;
    String::from_utf8(out).map_err(|e| e.to_string())
}

/// The text form of bytes that age wrote.
pub fn armored(sealed: &[u8]) -> String {
    let mut out = Vec::new();
    let written = ArmoredWriter::wrap_output(&mut out, Format::AsciiArmor).and_then(|mut to| {
        to.write_all(sealed)?;
        to.finish().map(|_| ())
    });
    // Nothing that is written in memory fails.
    written.map_or_else(|_| String::new(), |()| String::from_utf8(out).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;

    use super::*;

    fn pair() -> (String, Keyring) {
        let key = x25519::Identity::generate();
        let mut ring = Keyring::default();
        ring.add(&format!("# created by hand\n{}\n", key.to_string().expose_secret())).unwrap();
        (key.to_public().to_string(), ring)
    }

    #[test]
    fn every_recipient_opens_it_and_nobody_else() {
        use ssh_key::{LineEnding, PrivateKey, private::Ed25519Keypair};
        let ((a, ring_a), (b, ring_b), (_, other)) = (pair(), pair(), pair());
        let ssh = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        let mut ring_ssh = Keyring::default();
        ring_ssh.add(&ssh.to_openssh(LineEnding::LF).unwrap()).unwrap();
        let recipients = [a, b, ssh.public_key().to_openssh().unwrap()];
        let sealed = seal(b"hunter2", &recipients).unwrap();
        for ring in [ring_a, ring_b, ring_ssh] {
            assert_eq!(ring.open(sealed.as_bytes()).unwrap(), b"hunter2");
        }
        assert_eq!(other.open(sealed.as_bytes()), Err(Closed::NoKey(1)));
        assert_eq!(Keyring::default().open(sealed.as_bytes()), Err(Closed::NoKey(0)));
        assert!(matches!(other.open(&sealed.as_bytes()[..60]), Err(Closed::Damaged(_))));
        assert!(seal(b"x", &[]).is_err());
    }

    #[test]
    fn what_is_no_key_is_not_repeated() {
        let mut ring = Keyring::default();
        for text in ["", "# only this\n", "AGE-SECRET-KEY-1HUNTER2", "hunter2"] {
            assert!(ring.add(text).is_err_and(|e| !e.to_lowercase().contains("hunter2")));
        }
        assert!(ring.is_empty() && format!("{ring:?}") == "Keyring of 0");
        for text in ["age1x", "ssh-rsa AAAA", "hunter2", ""] {
            assert!(recipient(text).is_err());
        }
        let (a, _) = pair();
        assert_eq!(recipient(&format!("{a} of mine")), Ok(a));
    }
}
