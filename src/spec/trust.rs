//! Who may sign what is applied: a block of the Project.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};

use super::At;
use crate::trust::{Trust, public_key};

/// Who may sign what is applied. In force are the rules of the last apply; to change them takes a plan
/// that one of the signers of then has signed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustSettings {
    /// Public keys, as `skyplan keygen` and `ssh-keygen -t ed25519` write them: `ssh-ed25519 AAAA… name`.
    #[serde(default)]
    pub signers: Vec<At<Signer>>,
    /// Whether only plan files are applied that one of them has signed (`skyplan sign`); default false.
    #[serde(default)]
    pub require_signed_plans: bool,
    /// Whether only specs of a commit are applied that one of them has signed (`git commit -S`, with
    /// `gpg.format = ssh`); default false.
    #[serde(default)]
    pub require_signed_commits: bool,
}

impl TrustSettings {
    /// What it comes to.
    pub fn trust(&self) -> Trust {
        Trust {
            signers: self.signers.iter().map(|s| s.value.0.clone()).collect(),
            require_signed_plans: self.require_signed_plans,
            require_signed_commits: self.require_signed_commits,
        }
    }
}

/// A public key, without its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer(pub String);

impl<'de> Deserialize<'de> for Signer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        public_key(&text).map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for Signer {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Signer".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A public key: `ssh-ed25519 AAAA… name`.", "type": "string", "pattern": "^ssh-ed25519 "})
    }
}
