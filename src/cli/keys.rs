//! Files of keys and signatures. Private keys are written so that nobody else can read them, and are
//! never printed.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey, private::Ed25519Keypair};

use super::{own_files::configuration, planfile};
use crate::{
    diagnostic::Diagnostic,
    plan::file::PlanFile,
    trust::{PLANS, signers_of},
};

/// Where the key is where nothing else is said.
pub(super) fn default_place() -> Result<PathBuf, Diagnostic> {
    configuration(&|name| std::env::var(name).ok()).map(|c| c.join("skyplan/signing-key")).ok_or_else(|| {
        Diagnostic::error("SKY0526", "there is no place for a signing key: HOME is not set")
            .hint("name a file: `skyplan keygen -o FILE`, `skyplan sign --key FILE`")
    })
}

/// Makes a key and writes it; the answer is the public key.
pub(super) fn generate(file: &Path) -> Result<String, Diagnostic> {
    let cannot =
        |why: &str| Diagnostic::error("SKY0526", format!("no key can be written to {}: {why}", file.display()));
    let mut seed = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut seed))
        .map_err(|e| cannot(&format!("no random numbers: {e}")))?;
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    key.set_comment("skyplan");
    let text = key.to_openssh(LineEnding::LF).map_err(|e| cannot(&e.to_string()))?;
    let public = key.public_key().to_openssh().map_err(|e| cannot(&e.to_string()))?;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|e| cannot(&e.to_string()))?;
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    opened.and_then(|mut f| f.write_all(text.as_bytes()).and_then(|()| f.sync_all())).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => cannot("it is there already")
            .hint("a key that was trusted is not to be lost: name another file with -o, or remove this one yourself"),
        _ => cannot(&e.to_string()),
    })?;
    Ok(public)
}

/// Reads a private key.
fn read(file: &Path) -> Result<PrivateKey, Diagnostic> {
    let cannot = |why: &str| Diagnostic::error("SKY0526", format!("{} is no key to sign with: {why}", file.display()));
    let text = fs::read(file)
        .map_err(|e| cannot(&e.to_string()).hint("make a key with `skyplan keygen`, or name one with `--key FILE`"))?;
    let key = PrivateKey::from_openssh(&text).map_err(|_| {
        cannot("it is not a private key of OpenSSH").hint("name the private key, not the one that ends in `.pub`")
    })?;
    if key.is_encrypted() {
        return Err(cannot("it is locked with a passphrase").hint(
            "sign with OpenSSH, which asks for it: `ssh-keygen -Y sign -n plan@skyplan.io -f KEY PLAN`; skyplan reads that \
             signature as its own",
        ));
    }
    match key.algorithm() {
        Algorithm::Ed25519 => Ok(key),
        other => Err(cannot(&format!("it is of kind `{other}`"))
            .hint("plans are signed with `ssh-ed25519` keys: `skyplan keygen`, or `ssh-keygen -t ed25519`")),
    }
}

/// Where the signatures of a plan file are.
pub(super) fn signature_file(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// Signs a plan file; the answer is the public key. Signatures of others stay.
pub(super) fn sign(plan: &Path, key: &Path) -> Result<String, Diagnostic> {
    let key = read(key)?;
    let file = planfile::read_all(plan)?;
    let target = signature_file(plan);
    let cannot = |why: &str| Diagnostic::error("SKY0901", format!("{} cannot be written: {why}", target.display()));
    let signature = key
        .sign(PLANS, HashAlg::Sha512, &file.canonical)
        .and_then(|s| s.to_pem(LineEnding::LF))
        .map_err(|e| cannot(&e.to_string()))?;
    // Those of an earlier plan of this name are worth nothing here.
    let others = fs::read_to_string(&target).ok().filter(|text| signers_of(text, PLANS, &file.canonical).is_ok());
    let others = others.unwrap_or_default();
    if !others.contains(signature.trim()) {
        fs::write(&target, format!("{others}{}\n", signature.trim())).map_err(|e| cannot(&e.to_string()))?;
    }
    key.public_key().to_openssh().map_err(|e| cannot(&e.to_string()))
}

/// Whose signatures are beside a plan file.
pub(super) fn signers(path: &Path, file: &PlanFile) -> Result<BTreeSet<String>, Diagnostic> {
    let signature = signature_file(path);
    let text = match fs::read_to_string(&signature) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        read => read.map_err(|e| wrong(&signature, &e.to_string()))?,
    };
    signers_of(&text, PLANS, &file.canonical).map_err(|why| wrong(&signature, &why))
}

fn wrong(signature: &Path, why: &str) -> Diagnostic {
    Diagnostic::error("SKY0523", format!("the signature {} is not good for this plan: {why}", signature.display()))
        .detail("The plan or the signature was changed, or the signature is that of another plan.")
        .hint("look at the plan once more (`skyplan show FILE`), and sign it again: `skyplan sign FILE`")
}
