//! What is asked of a placement besides what the specs say: to reconsider, to do without a cluster.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    formulate::Present,
    problem::{Candidate, Demand, Exclusion, Problem},
    site::Sites,
};
use crate::compile::model::Model;

/// What is asked besides the specs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Wish {
    /// These may move though nothing about them has changed (`--reoptimize`).
    pub reoptimize: Reconsider,
    /// Clusters that nothing may run on, as if they were lost (`--without-cluster`).
    pub without: BTreeSet<String>,
    /// What else is supposed that the specs do not say, in words (`--set KIND/NAME.field=value`).
    pub supposed: Vec<String>,
    /// How far prices may move is to be told.
    pub sensitivity: bool,
}

/// Components that are reconsidered because somebody asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reconsider {
    /// None.
    #[default]
    Nothing,
    /// Those of these names.
    Only(BTreeSet<String>),
    /// All.
    All,
}

impl Reconsider {
    /// Whether this component may move.
    pub fn names(&self, component: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Only(names) => names.contains(component),
            Self::All => true,
        }
    }
}

impl Wish {
    /// What is supposed, in words; empty for a plan of what is.
    pub fn what_if(&self) -> Vec<String> {
        let without = self.without.iter().map(|name| format!("cluster {name} is lost"));
        without.chain(self.supposed.iter().cloned()).collect()
    }

    /// The same with full names of components, where a short one means only one.
    pub fn resolved(&self, model: &Model) -> Self {
        let full = |word: &String| {
            let short = |name: &str| name.split_once('/').is_some_and(|(_, short)| short == word);
            let mut alike = model.components.iter().map(|c| &c.name).filter(|name| *name == word || short(name));
            match (alike.next(), alike.next()) {
                (Some(one), None) => one.clone(),
                _ => word.clone(),
            }
        };
        let reoptimize = match &self.reoptimize {
            Reconsider::Only(names) => Reconsider::Only(names.iter().map(full).collect()),
            other => other.clone(),
        };
        Self { reoptimize, ..self.clone() }
    }

    /// Takes lost clusters out of a problem; says which they are, by index.
    pub(super) fn without(&self, problem: &mut Problem) -> Vec<usize> {
        let mut lost = Vec::new();
        for l in 0..problem.places.len() {
            if !self.without.contains(&problem.places[l].name) {
                continue;
            }
            let reason = "it is planned for without this cluster".to_owned();
            let why = Candidate::Excluded(Exclusion { reason, origin: Some(problem.places[l].origin.clone()) });
            problem.components.iter_mut().for_each(|c| c.candidates[l] = why.clone());
            lost.push(l);
        }
        lost
    }
}

/// Reserves what stays before others' use: where what others use of a cluster leaves too little for what
/// runs there and is not reconsidered (by index), that stays, and nothing new comes. Its pods are there. Says
/// which places these are, by index.
pub(super) fn reserve(problem: &mut Problem, model: &Model, present: &Present, held: &[usize]) -> Vec<usize> {
    let mut full = Vec::new();
    for (l, cluster) in model.clusters.iter().enumerate() {
        if !present.free.contains_key(&cluster.name) {
            continue;
        }
        let runs = |i: &usize| problem.components[*i].incumbent.contains(&l);
        let allowed = |i: &usize| matches!(problem.components[*i].candidates[l], Candidate::Allowed(_));
        let here: Vec<usize> = held.iter().copied().filter(runs).filter(allowed).collect();
        if here.is_empty() {
            continue;
        }
        let site = Sites::new(problem).at(l, &here);
        if site.cost.is_some() {
            continue;
        }
        full.push(l);
        let reason = "others use so much of it that it takes nothing new".to_owned();
        for (i, component) in problem.components.iter_mut().enumerate() {
            component.candidates[l] = match &component.candidates[l] {
                Candidate::Allowed(_) if here.contains(&i) => Candidate::Allowed(Demand::Shared(Vec::new())),
                Candidate::Allowed(_) => {
                    let origin = Some(cluster.origin.clone());
                    Candidate::Excluded(Exclusion { reason: reason.clone(), origin })
                }
                excluded @ Candidate::Excluded(_) => excluded.clone(),
            };
        }
    }
    full
}
