//! Answers to "why": of one component, or of one resource.
//!
//! Made from the same placement and the same comparison that the plan shows: [`Facts`] calls the same
//! pure functions with what was observed for it, so that an answer never tells another story than the
//! plan. Plain data for `render` and `--json`.

mod component;
mod field;
mod resource;
mod whole;
mod why_not;

pub use self::{
    component::{ComponentAnswer, Constraint, FlowAnswer, InstanceAnswer, Need, OtherPlace, Standing},
    field::{FieldAnswer, Written},
    resource::{Next, Remembered, ResourceAnswer},
    whole::{ContingencyAnswer, LossAnswer, WholeAnswer},
    why_not::{Bill, LineAgainst, WayOut, WhyNotAnswer},
};
use super::{
    Inputs, Plan,
    desired::{Choice, Desired, desired},
};
use crate::{
    address::ResourceAddress,
    compile::model::Model,
    diagnostic::{Diagnostic, Diagnostics, SourceMap, did_you_mean},
    observed::Observed,
    place::{
        decide::{Placed, place_as},
        problem::Limits,
    },
    state::State,
};

/// All that answers are taken from.
pub struct Facts<'a> {
    model: &'a Model,
    state: &'a State,
    observed: &'a Observed,
    sources: &'a SourceMap,
    placed: Placed,
    limits: Limits,
    desired: Desired,
    /// The plan, or how many errors stand in its way.
    plan: Result<&'a Plan, usize>,
}

/// What was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A component, by index.
    Component(usize),
    /// A resource.
    Resource(ResourceAddress),
}

impl<'a> Facts<'a> {
    /// Places again what the plan placed, from the same facts.
    ///
    /// # Errors
    /// No placement meets all constraints.
    pub fn new(
        model: &'a Model,
        inputs: &Inputs<'a>,
        observed: &'a Observed,
        plan: Result<&'a Plan, &Diagnostics>,
        sources: &'a SourceMap,
    ) -> Result<Self, Diagnostics> {
        let wish = inputs.scope.wish.resolved(model);
        let placed = place_as(model, observed, inputs.state, &inputs.limits, &wish)?;
        let solution = &placed.solution;
        let choice = Choice {
            runs: &solution.instances,
            nodes: &solution.nodes,
            in_order: &placed.in_order,
            divisions: &placed.present.divisions,
        };
        let desired = desired(model, &choice, inputs.state, observed, &mut Diagnostics::new());
        let plan = plan.map_err(Diagnostics::len);
        let limits = inputs.limits.clone();
        Ok(Self { model, state: inputs.state, observed, sources, placed, limits, desired, plan })
    }

    /// What a word on the command line means: `app/component`, `component` where only one has the name,
    /// or an address.
    ///
    /// # Errors
    /// Nothing or several things are called so.
    pub fn subject(&self, word: &str) -> Result<Subject, Box<Diagnostic>> {
        let components = &self.model.components;
        if let Some(i) = components.iter().position(|c| c.name == word) {
            return Ok(Subject::Component(i));
        }
        let named = |name: &str| name.split_once('/').is_some_and(|(_, short)| short == word);
        let alike: Vec<usize> = (0..components.len()).filter(|i| named(&components[*i].name)).collect();
        match alike.as_slice() {
            [one] => return Ok(Subject::Component(*one)),
            [] => {}
            several => {
                let names: Vec<&str> = several.iter().map(|i| components[*i].name.as_str()).collect();
                return Err(Box::new(
                    Diagnostic::error("SKY0919", format!("several components are called `{word}`"))
                        .hint(format!("say which: {}", names.join(", "))),
                ));
            }
        }
        let known = self.addresses();
        if let Ok(address) = word.parse::<ResourceAddress>()
            && known.contains(&address)
        {
            return Ok(Subject::Resource(address));
        }
        Err(Box::new(self.unknown(word, &known)))
    }

    /// Everything that has an address: what shall be, what is remembered, clusters that may be made.
    fn addresses(&self) -> Vec<ResourceAddress> {
        let clusters = self.model.clusters.iter().map(|c| ResourceAddress::Cluster(c.name.clone()));
        let mut all: Vec<ResourceAddress> =
            self.desired.resources.keys().chain(self.state.records.keys()).cloned().chain(clusters).collect();
        all.sort();
        all.dedup();
        all
    }

    fn unknown(&self, word: &str, known: &[ResourceAddress]) -> Diagnostic {
        let d = Diagnostic::error("SKY0918", format!("nothing here is called `{word}`"));
        let addresses: Vec<String> = known.iter().map(ToString::to_string).collect();
        // `web` may be meant as the last part of an address, `edge` as a cluster.
        let last: Vec<&str> =
            addresses.iter().filter(|a| a.rsplit('/').next() == Some(word)).map(String::as_str).take(5).collect();
        if !last.is_empty() {
            return d.hint(format!("did you mean {}?", last.join(" or ")));
        }
        let full = self.model.components.iter().map(|c| c.name.as_str());
        let short = self.model.components.iter().filter_map(|c| c.name.split_once('/').map(|(_, name)| name));
        match did_you_mean(word, full.chain(short).chain(addresses.iter().map(String::as_str))) {
            Some(near) => d.hint(format!("did you mean `{near}`?")),
            None => d.hint(
                "name a component (`shop/web`), an address (`skyplan state list` and `skyplan plan --json` have them) \
                 or a code (`SKY0202`)",
            ),
        }
    }
}

impl std::fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").field("project", &self.model.project).finish_non_exhaustive()
    }
}
