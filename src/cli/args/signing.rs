//! What may be typed of keys and signatures.

use std::path::PathBuf;

use super::ProjectArgs;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct KeygenArgs {
    /// Where to write the private key [default: ~/.config/skyplan/signing-key]
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SignArgs {
    /// A plan written by `skyplan plan -o FILE`; the signature goes into FILE.sig
    #[arg(value_name = "PLAN")]
    pub(in crate::cli) plan: PathBuf,
    /// The private key, of `skyplan keygen` or of `ssh-keygen -t ed25519`
    /// [default: ~/.config/skyplan/signing-key]
    #[arg(long, value_name = "FILE", env = "SKYPLAN_SIGNING_KEY_FILE", hide_env_values = true)]
    pub(in crate::cli) key: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct VerifyArgs {
    /// A plan file; its signatures are in FILE.sig
    #[arg(value_name = "PLAN")]
    pub(in crate::cli) plan: PathBuf,
    /// Trust this public key, and ask no project whom it trusts; may be given again
    #[arg(long = "signer", value_name = "KEY")]
    pub(in crate::cli) signers: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) project: ProjectArgs,
    /// Print as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
