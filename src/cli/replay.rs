//! Replay files: all that a plan was made from, without secret values, so that it can be made again
//! anywhere.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::planning::Asked;
use crate::{
    address::ResourceAddress,
    compile::model::Model,
    diagnostic::{Diagnostic, Diagnostics},
    observed::{ClusterObserved, DryRun, Observed, Stranger},
    place::problem::Limits,
    plan::{self, Inputs, Plan, Scope, Step, secret::Secrets},
    state::State,
};

/// Version of the file's format.
const FORMAT: u32 = 1;

/// All that a plan was made from.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replay {
    format: u32,
    skyplan_version: String,
    project: String,
    inputs_digest: String,
    destroy: bool,
    #[serde(default)]
    scope: Scope,
    model: Model,
    state: State,
    observed: Observed,
}

impl Replay {
    pub(super) fn new(model: &Model, inputs_digest: &str, asked: &Asked, state: &State, observed: &Observed) -> Self {
        let mut model = model.clone();
        for (i, object) in model.objects.iter_mut().enumerate() {
            // The address only has to be unique: the values are thrown away.
            let address = ResourceAddress::Cluster(i.to_string());
            Secrets::default().seal(&address, &mut object.object, &state.secret_key);
        }
        Self {
            format: FORMAT,
            skyplan_version: env!("CARGO_PKG_VERSION").into(),
            project: model.project.clone(),
            inputs_digest: inputs_digest.into(),
            destroy: asked.destroy,
            scope: asked.scope.clone(),
            model,
            // Values are digests already; with the key beside them weak ones could be guessed.
            state: State { secret_key: String::new(), ..state.clone() },
            observed: observed.clone(),
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Diagnostic> {
        let text = serde_json::to_string_pretty(self).map_err(|e| unreadable(path, &e.to_string()))?;
        std::fs::write(path, text + "\n")
            .map_err(|e| Diagnostic::error("SKY0901", format!("{} cannot be written: {e}", path.display())))
    }

    pub(super) fn read(path: &Path) -> Result<Self, Diagnostic> {
        let text = std::fs::read(path).map_err(|e| unreadable(path, &e.to_string()))?;
        let replay: Self = serde_json::from_slice(&text).map_err(|e| unreadable(path, &e.to_string()))?;
        if replay.format > FORMAT {
            return Err(unreadable(path, &format!("it was written by skyplan {}", replay.skyplan_version)));
        }
        Ok(replay)
    }

    /// Makes the plan again.
    pub(super) fn plan(&self) -> Result<Plan, Diagnostics> {
        let inputs = Inputs {
            model: (!self.destroy).then_some(&self.model),
            project: &self.project,
            environment: self.model.environment.as_deref(),
            state: &self.state,
            inputs_digest: &self.inputs_digest,
            limits: Limits::default(),
            scope: self.scope.clone(),
        };
        match plan::plan(&inputs, &self.observed)? {
            Step::Done(plan, _) => Ok(*plan),
            Step::Ask(_) => Err(Diagnostic::error("SKY0902", "the replay file lacks answers that this plan needs")
                .hint(format!("it was recorded by skyplan {}; use that version", self.skyplan_version))
                .into()),
        }
    }
}

/// What clusters answered: a file of answers alone, or those of a replay file.
pub(super) fn read_observed(path: &Path) -> Result<Observed, Diagnostic> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct File {
        observed: Option<Observed>,
        clusters: Option<BTreeMap<String, ClusterObserved>>,
        #[serde(default)]
        lookups: BTreeMap<ResourceAddress, Option<Stranger>>,
        #[serde(default)]
        dry_runs: BTreeMap<ResourceAddress, DryRun>,
        #[serde(default)]
        traffic: BTreeMap<String, u64>,
    }
    let fault = |why: String| {
        Diagnostic::error("SKY0907", format!("{} is not a file of answers that can be read: {why}", path.display()))
            .hint("write one with `skyplan plan --record FILE`")
    };
    let text = std::fs::read(path).map_err(|e| fault(e.to_string()))?;
    match serde_json::from_slice(&text).map_err(|e| fault(e.to_string()))? {
        File { observed: Some(observed), .. } => Ok(observed),
        File { clusters: Some(clusters), lookups, dry_runs, traffic, .. } => {
            Ok(Observed { clusters, lookups, dry_runs, traffic, offline: true, ..Observed::default() })
        }
        _ => Err(fault("it has neither `observed` nor `clusters`".into())),
    }
}

fn unreadable(path: &Path, why: &str) -> Diagnostic {
    Diagnostic::error("SKY0901", format!("{} is not a replay file that can be read: {why}", path.display()))
        .hint("write one with `skyplan plan --record FILE`")
}
