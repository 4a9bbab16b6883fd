//! Keys that open what is encrypted, from where people keep them: variables and files, skyplan's own and
//! those of SOPS. Never printed.

use super::own_files::configuration;
use crate::{diagnostic::Diagnostic, seal::Keyring};

/// Variables that hold keys.
const KEYS: [&str; 2] = ["SKYPLAN_AGE_IDENTITY", "SOPS_AGE_KEY"];
/// Variables that name files of keys.
const FILES: [&str; 3] = ["SKYPLAN_AGE_IDENTITY_FILE", "SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"];

/// All keys that are at hand.
pub(super) fn keyring() -> Result<Keyring, Diagnostic> {
    gather(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn gather(variable: &dyn Fn(&str) -> Option<String>) -> Result<Keyring, Diagnostic> {
    let mut keys = Keyring::default();
    let unusable = |what: &str, why: &str| {
        Diagnostic::error("SKY0820", format!("{what} holds no key that can be used: {why}"))
            .hint("keys are lines `AGE-SECRET-KEY-1…` (`age-keygen`), or a private key of OpenSSH without a passphrase")
    };
    for name in KEYS {
        if let Some(text) = variable(name) {
            keys.add(&text).map_err(|why| unusable(name, &why))?;
        }
    }
    for name in FILES {
        if let Some(file) = variable(name) {
            let what = || format!("{file}, which {name} names,");
            let text = std::fs::read_to_string(&file).map_err(|e| unusable(&what(), &e.to_string()))?;
            keys.add(&text).map_err(|why| unusable(&what(), &why))?;
        }
    }
    // Where SOPS looks, too; what is there may be for other things.
    if let Some(text) = configuration(variable).and_then(|c| std::fs::read_to_string(c.join("sops/age/keys.txt")).ok())
    {
        let _ = keys.add(&text);
    }
    Ok(keys)
}
