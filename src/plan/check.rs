//! The linter of finished plans: what no plan may be, stated a second time.
//!
//! Shares no code with what makes plans (`desired`, `diff`, `order`, `guard`, `report`, `secret`), on
//! purpose: a fault there is to be seen here. It runs on every plan that is made, and again on a plan file
//! before anything is done, which finds files that somebody edited.
//!
//! | file | rules |
//! | --- | --- |
//! | `graph` | what comes before what |
//! | `identity` | that every change is of the object it says, and holds no secret |
//! | `destruction` | what goes: preconditions, guards, what may not go |
//! | `figures` | placement, capacity, counts, cost |
//! | `networks` | addresses of clusters |
//!
//! `docs/plan-checks.md` lists them.

mod destruction;
mod figures;
mod graph;
mod identity;
mod networks;

use std::{borrow::Cow, collections::BTreeMap};

use super::change::{Action, Change, Check, CheckSeverity, Plan};
use crate::{
    address::ResourceAddress,
    compile::model::Model,
    diagnostic::Diagnostic,
    state::{ClusterRecord, Move, Record, RecordDetail, State},
};

/// A plan with all that the rules look things up in.
struct Checker<'a> {
    plan: &'a Plan,
    /// The state that the plan was made on; `None` where it has gone on since.
    state: Option<&'a State>,
    model: Option<&'a Model>,
    changes: BTreeMap<&'a ResourceAddress, &'a Change>,
    found: Vec<Check>,
}

/// Checks a plan. Rules about the state are left out when it has gone on since the plan was made: that
/// is for the apply to refuse.
pub fn check(plan: &Plan, state: &State, model: Option<&Model>) -> Vec<Check> {
    let same = plan.base.lineage == state.lineage && plan.base.serial == state.serial;
    // What a plan calls otherwise is called so before anything else.
    let moves = plan.moved.iter().filter(|m| state.knows(&m.from)).map(Move::from);
    let state = &moves.fold(Cow::Borrowed(state), |state, step| Cow::Owned(state.into_owned().moved(&step)));
    let mut checker = Checker {
        plan,
        state: same.then_some(state),
        model,
        changes: plan.changes.iter().map(|c| (&c.address, c)).collect(),
        found: Vec::new(),
    };
    checker.graph();
    checker.identity();
    checker.destruction();
    checker.figures();
    checker.networks();
    checker.found.sort();
    checker.found.dedup();
    checker.found
}

/// The fault of a plan that may not be applied; `None` for one that may.
pub fn refusal(checks: &[Check]) -> Option<Diagnostic> {
    let errors: Vec<&Check> = checks.iter().filter(|c| c.severity == CheckSeverity::Error).collect();
    let first = errors.first()?;
    let line = |c: &&Check| {
        let about = c.address.as_ref().map(|a| format!("{a}: ")).unwrap_or_default();
        format!("{}: {about}{}", c.rule, c.text)
    };
    let mut d = Diagnostic::error("SKY0509", "the plan does not pass skyplan's own check; nothing is done")
        .detail(errors.iter().map(line).collect::<Vec<_>>().join("\n"))
        .hint("if the plan is a file that somebody edited: plan again")
        .hint("else this is a bug of skyplan: please report it with a replay file (`skyplan plan --record FILE`)");
    if let Some(address) = &first.address {
        d = d.about(address);
    }
    Some(d)
}

impl Plan {
    /// The plan with what the check finds; it may not be applied where that is an error.
    pub(super) fn checked(mut self, state: &State, model: Option<&Model>) -> Self {
        self.checks = check(&self, state, model);
        self.applyable &= self.checks.iter().all(|c| c.severity != CheckSeverity::Error);
        self
    }
}

impl<'a> Checker<'a> {
    fn say(&mut self, severity: CheckSeverity, rule: &str, address: Option<&ResourceAddress>, text: impl Into<String>) {
        self.found.push(Check { severity, rule: rule.into(), address: address.cloned(), text: text.into() });
    }

    fn error(&mut self, rule: &str, address: &ResourceAddress, text: impl Into<String>) {
        self.say(CheckSeverity::Error, rule, Some(address), text);
    }

    fn error_of_plan(&mut self, rule: &str, text: impl Into<String>) {
        self.say(CheckSeverity::Error, rule, None, text);
    }

    fn warning(&mut self, rule: &str, address: &ResourceAddress, text: impl Into<String>) {
        self.say(CheckSeverity::Warning, rule, Some(address), text);
    }

    fn record(&self, address: &ResourceAddress) -> Option<&'a Record> {
        self.state?.records.get(address)
    }

    fn cluster_record(&self, name: &str) -> Option<&'a ClusterRecord> {
        match &self.record(&ResourceAddress::Cluster(name.to_owned()))?.detail {
            RecordDetail::Cluster(c) => Some(c),
            RecordDetail::Object(_) | RecordDetail::Null(_) => None,
        }
    }

    fn change_of_cluster(&self, name: &str) -> Option<&'a Change> {
        self.changes.get(&ResourceAddress::Cluster(name.to_owned())).copied()
    }
}

/// Whether a change leaves the resource there, or makes it.
fn stays(change: &Change) -> bool {
    matches!(change.action, Action::Create | Action::Update | Action::Replace)
}

/// Whether a change touches its cluster at all.
fn acts(change: &Change) -> bool {
    !matches!(change.action, Action::Forget | Action::Import)
}
