//! Why a component does not run on a cluster: the lines against it and what would do, or what it would
//! cost and what else would move.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::{
    diagnostic::{Diagnostic, Origin},
    money::MicroUsd,
    place::{
        explain::explain_one,
        infeasible::{Conflict, Infeasible},
        problem::{Costs, Solution},
        what_if::{self, Forced},
    },
    plan::{
        change::{FORMAT_VERSION, PlannedMove},
        report,
    },
};

/// Why a component does not run on a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhyNotAnswer {
    /// Version of this format.
    pub format_version: String,
    /// `application/component`.
    pub component: String,
    /// Cluster.
    pub cluster: String,
    /// Whether it does run there.
    pub runs_there: bool,
    /// Whether it could, as the specs are; absent where the search did not come to an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub possible: Option<bool>,
    /// What stands against it first; empty where nothing but its price does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The line that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What everything would cost more per month if only it moved there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<Bill>,
    /// The same for the cheapest placement with it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cheapest: Option<Bill>,
    /// What else would move then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<PlannedMove>,
    /// What it would cost more per month there whatever the specs say; absent where no money would help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regardless: Option<MicroUsd>,
    /// Lines that cannot be met together with it being there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineAgainst>,
    /// What would do, the cheapest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<WayOut>,
}

/// What more is paid, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bill {
    /// In all.
    pub total: MicroUsd,
    /// Nodes.
    pub nodes: MicroUsd,
    /// Control planes.
    pub fees: MicroUsd,
    /// Data.
    pub transfer: MicroUsd,
}

/// A line that stands against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineAgainst {
    /// What it asks.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
}

/// Lines to relax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WayOut {
    /// What to write in place of each.
    pub steps: Vec<String>,
    /// What everything would cost per month then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<MicroUsd>,
}

fn bill(then: &Costs, now: &Costs) -> Bill {
    let (nodes, fees, transfer) = (then.nodes - now.nodes, then.fees - now.fees, then.transfer - now.transfer);
    Bill { total: nodes + fees + transfer, nodes, fees, transfer }
}

impl Facts<'_> {
    /// Why a component, by index, does not run on a cluster.
    ///
    /// # Errors
    /// There is no such cluster.
    pub fn why_not(&self, component: usize, cluster: &str) -> Result<WhyNotAnswer, Box<Diagnostic>> {
        let Some(place) = self.model.clusters.iter().position(|c| c.name == cluster) else {
            let names: Vec<&str> = self.model.clusters.iter().map(|c| c.name.as_str()).collect();
            let d = Diagnostic::error("SKY0918", format!("no cluster is called `{cluster}`"));
            return Err(Box::new(d.hint(format!("there are {}", names.join(", ")))));
        };
        let mut answer = WhyNotAnswer {
            format_version: FORMAT_VERSION.into(),
            component: self.model.components[component].name.clone(),
            cluster: cluster.into(),
            runs_there: self.placed.monthly.instances[component].contains(&place),
            possible: Some(true),
            reason: String::new(),
            origin: None,
            alone: None,
            cheapest: None,
            moves: Vec::new(),
            regardless: None,
            lines: Vec::new(),
            ways: Vec::new(),
        };
        if answer.runs_there {
            return Ok(answer);
        }
        let explained = explain_one(&self.placed.month, &self.placed.monthly, component);
        let own = explained.first();
        if let Some((_, verdict)) = own.and_then(|e| e.others.iter().find(|(l, _)| *l == place)) {
            let other = self.other(place, verdict, None);
            (answer.reason, answer.origin) = (other.reason, other.origin);
        }
        answer.regardless = what_if::unbound(self.model, &self.placed, component, 0)[place];
        match what_if::forced(self.model, &self.placed, &self.limits, component, place) {
            Forced::Possible { alone, best } => {
                let now = &self.placed.monthly.cost;
                answer.alone = alone.map(|s| bill(&s.cost, now));
                answer.cheapest = Some(bill(&best.cost, now));
                answer.moves = self.other_moves(component, &best);
            }
            Forced::Impossible(refusal) => {
                answer.possible = Some(false);
                self.against(&mut answer, refusal);
            }
            Forced::Unknown => answer.possible = None,
        }
        Ok(answer)
    }

    fn other_moves(&self, component: usize, then: &Solution) -> Vec<PlannedMove> {
        let now = &self.placed.monthly.instances;
        let others = (0..now.len()).filter(|i| *i != component && now[*i] != then.instances[*i]);
        others.map(|i| report::planned_move(self.model, i, &now[i], &then.instances[i])).collect()
    }

    fn against(&self, answer: &mut WhyNotAnswer, refusal: Infeasible) {
        for conflict in refusal.conflicts {
            if let Conflict::Together { lines, .. } = conflict {
                answer.lines.extend(lines.into_iter().map(|l| LineAgainst { text: l.text, origin: l.origin }));
            }
        }
        let way = |way: crate::place::infeasible::Way| WayOut {
            steps: way.steps.into_iter().map(|s| s.text).collect(),
            monthly: way.cost,
        };
        answer.ways = refusal.ways.into_iter().map(way).collect();
    }
}

impl WhyNotAnswer {
    /// The lines against it, for those who read the specs; `None` where it could run there.
    pub fn refusal(&self) -> Option<Diagnostic> {
        if self.possible != Some(false) {
            return None;
        }
        let summary = format!("`{}` cannot run on `{}` as the specs are", self.component, self.cluster);
        let mut d = Diagnostic::error("SKY0431", summary);
        for line in &self.lines {
            d = d.label(&line.origin, line.text.clone());
        }
        if let (true, Some(origin)) = (self.lines.is_empty(), &self.origin) {
            d = d.label(origin, self.reason.clone());
        } else if self.lines.is_empty() {
            d = d.detail(self.reason.clone());
        }
        for way in &self.ways {
            let steps = way.steps.join(", and ");
            d = d.hint(match way.monthly.filter(|m| *m != MicroUsd::ZERO) {
                Some(monthly) => format!("{steps}: everything would cost {monthly}/month then"),
                None => steps,
            });
        }
        Some(d)
    }
}
