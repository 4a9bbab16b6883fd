//! Whom a project trusts: who may sign plans and commits, and when what is signed may be done.
//!
//! In force is what the state remembers of the last apply, not what the specs say now: whoever can change
//! the specs cannot take the rules away. Knows keys and rules, neither files nor the log.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod ssh;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use ssh::{COMMITS, PLANS, public_key, signers_of};

use crate::diagnostic::Diagnostic;

/// Who is trusted with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trust {
    /// Public keys: `ssh-ed25519 AAAA…`, without a comment.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub signers: BTreeSet<String>,
    /// Only plan files that one of them has signed are applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_signed_plans: bool,
    /// Only specs of a commit that one of them has signed are applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_signed_commits: bool,
}

/// What is about to be applied, and who has signed it.
#[derive(Clone, Debug, Default)]
pub struct Signed {
    /// Those who have signed the plan file; `None` where there is no file.
    pub plan: Option<BTreeSet<String>>,
    /// Those who have signed the commit that the specs are of, or why that is not known.
    pub commit: Option<Result<BTreeSet<String>, String>>,
}

impl Trust {
    /// Whether nobody is trusted, and nothing asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is in force where the state remembers `last` and a plan would have `next` remembered: before the
    /// first apply with rules these are taken at their word, and count at once.
    pub fn in_force<'a>(last: &'a Self, next: Option<&'a Self>) -> &'a Self {
        if last.signers.is_empty() { next.unwrap_or(last) } else { last }
    }

    /// Whether this may be applied; `next` is what would be in force from then on, where that is something
    /// else.
    ///
    /// # Errors
    /// It has to be signed and is not (`SKY0522`, `SKY0525`), or it changes the rules without the word of
    /// those who are trusted so far (`SKY0524`).
    pub fn permits(last: &Self, next: Option<&Self>, signed: &Signed) -> Result<(), Box<Diagnostic>> {
        let rules = Self::in_force(last, next);
        let by_signer = |by: &BTreeSet<String>| !by.is_disjoint(&rules.signers);
        let plan_signed = signed.plan.as_ref().is_some_and(by_signer);
        if next.is_some() && !last.signers.is_empty() && !plan_signed {
            return Err(Box::new(
                Diagnostic::error(
                    "SKY0524",
                    "whom this project trusts is to change, and none of those it trusts agrees",
                )
                .detail(rules.listed())
                .hint(
                    "let one of them sign the plan: `skyplan plan -o FILE`, `skyplan sign FILE`, `skyplan apply FILE`",
                )
                .hint("or take the change of `trust` in skyplan.yaml back"),
            ));
        }
        if rules.require_signed_plans && !plan_signed {
            return Err(Box::new(rules.unsigned_plan(signed.plan.as_ref())));
        }
        if rules.require_signed_commits {
            let why = match &signed.commit {
                None => "The specs were read from the folder, not from a commit".to_owned(),
                Some(Err(why)) => why.clone(),
                Some(Ok(by)) if by_signer(by) => return Ok(()),
                Some(Ok(by)) => format!("The commit is signed by {}", names(by)),
            };
            return Err(Box::new(
                Diagnostic::error("SKY0525", "only specs of a signed commit are applied here")
                    .detail(format!("{why}.\n{}", rules.listed()))
                    .hint(
                        "commit with `git commit -S` (with `gpg.format = ssh`), then plan and apply with `--rev HEAD`",
                    ),
            ));
        }
        Ok(())
    }

    /// The fault of a plan that none of the trusted has signed.
    pub fn unsigned_plan(&self, by: Option<&BTreeSet<String>>) -> Diagnostic {
        let what = match by {
            None => "only signed plan files are applied here".into(),
            Some(by) if by.is_empty() => "this plan is not signed, and has to be".into(),
            Some(by) => format!("this plan is signed by {}, and by nobody who is trusted here", names(by)),
        };
        Diagnostic::error("SKY0522", what).detail(self.listed()).hint(
            "plan into a file (`skyplan plan -o FILE`), let one of them sign it (`skyplan sign FILE`), then apply the file",
        )
    }

    fn listed(&self) -> String {
        match self.signers.len() {
            0 => "`trust.signers` names nobody.".into(),
            _ => format!(
                "Trusted are:\n{}",
                self.signers.iter().map(|s| format!("  {s}\n")).collect::<String>().trim_end()
            ),
        }
    }

    /// In words, for plans: what would be in force.
    pub fn words(&self) -> String {
        let must = match (self.require_signed_plans, self.require_signed_commits) {
            (true, true) => "plans and commits must be signed",
            (true, false) => "plans must be signed",
            (false, true) => "commits must be signed",
            (false, false) => "nothing must be signed",
        };
        let by = if self.signers.is_empty() { "nobody".into() } else { names(&self.signers) };
        format!("{must}; trusted: {by}")
    }
}

/// Keys, short enough for a line.
fn names(keys: &BTreeSet<String>) -> String {
    let end = |key: &String| format!("…{}", key.get(key.len().saturating_sub(12)..).unwrap_or(key));
    keys.iter().map(end).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAA";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBB";

    fn trust(signers: &[&str], plans: bool, commits: bool) -> Trust {
        Trust {
            signers: signers.iter().map(|s| (*s).to_owned()).collect(),
            require_signed_plans: plans,
            require_signed_commits: commits,
        }
    }

    fn by(signers: &[&str]) -> BTreeSet<String> {
        trust(signers, false, false).signers
    }

    fn said(last: &Trust, next: Option<&Trust>, plan: Option<&[&str]>, commit: Option<&[&str]>) -> String {
        let signed = Signed { plan: plan.map(by), commit: commit.map(|c| Ok(by(c))) };
        Trust::permits(last, next, &signed).map_or_else(|d| d.code, |()| "permitted".into())
    }

    #[test]
    fn in_force_are_the_rules_of_the_last_apply() {
        let (none, ruled) = (Trust::default(), trust(&[A], true, false));
        assert_eq!(said(&none, None, None, None), "permitted");
        // First use: what is written counts, and is not asked whether it may.
        assert_eq!(said(&none, Some(&ruled), None, None), "SKY0522");
        assert_eq!(said(&none, Some(&ruled), Some(&[A]), None), "permitted");
        assert_eq!(said(&none, Some(&trust(&[A], false, false)), None, None), "permitted");
        // In force.
        assert_eq!(said(&ruled, None, None, None), "SKY0522");
        assert_eq!(said(&ruled, None, Some(&[]), None), "SKY0522");
        assert_eq!(said(&ruled, None, Some(&[B]), None), "SKY0522");
        assert_eq!(said(&ruled, None, Some(&[B, A]), None), "permitted");
        // The rules change by the old signers' word only, also where no plan has to be signed.
        let next = trust(&[B], false, false);
        assert_eq!(said(&ruled, Some(&next), Some(&[B]), None), "SKY0524");
        assert_eq!(said(&ruled, Some(&next), Some(&[A]), None), "permitted");
        assert_eq!(said(&trust(&[A], false, false), Some(&none), None, None), "SKY0524");
        assert_eq!(said(&trust(&[A], false, false), Some(&none), Some(&[A]), None), "permitted");
        // Commits.
        let commits = trust(&[A], false, true);
        assert_eq!(said(&commits, None, None, None), "SKY0525");
        assert_eq!(said(&commits, None, None, Some(&[B])), "SKY0525");
        assert_eq!(said(&commits, None, None, Some(&[A])), "permitted");
    }
}
