//! Planning with the world at hand: questions are answered until the plan is done.

use std::{
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    time::Duration,
};

use super::{
    output::Output,
    session::{Session, today},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    driver::Drivers,
    observe,
    observed::{DryRun, Observed, Questions},
    place::{problem::Limits, watch::Watch},
    plan::{self, Inputs, Plan, Scope, Step, secret::Secrets},
    quantity::Percent,
    state::State,
};

/// A plan that never ends asking is a bug. Clusters, what no list showed, what of that is ours, dry-runs, and the
/// plan: five rounds are what it takes.
const MOST_ROUNDS: usize = 6;

/// A finished plan.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) secrets: Secrets,
}

/// What was found out, and what came of it: also without a plan there is something to explain.
pub(super) struct Looked {
    pub(super) observed: Observed,
    pub(super) plan: Result<Planned, Diagnostics>,
}

/// What was asked of a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Everything goes.
    pub(super) destroy: bool,
    /// A part only, or what else the options say.
    pub(super) scope: Scope,
    /// When a placement is near enough, where that is not left to the project.
    pub(super) gap: Option<Percent>,
    /// The safety stop of all searches for this.
    pub(super) watch: Watch,
}

/// Raises the flag of a watch when the project's deadline has passed, unless it is dropped before.
struct Alarm {
    _end: Sender<()>,
}

impl Alarm {
    fn set(session: &Session, watch: &Watch) -> Self {
        let (end, ended) = channel();
        let deadline = session.model.settings.deadline.0;
        if deadline > 0 {
            let watch = watch.clone();
            std::thread::spawn(move || {
                if ended.recv_timeout(Duration::from_micros(deadline)) == Err(RecvTimeoutError::Timeout) {
                    watch.raise();
                }
            });
        }
        Self { _end: end }
    }
}

/// What a plan of a project is made from, besides what is observed.
pub(super) fn inputs<'a>(session: &'a Session, state: &'a State, digest: &'a str, asked: &Asked) -> Inputs<'a> {
    Inputs {
        model: (!asked.destroy).then_some(&session.model),
        project: &session.model.project,
        environment: session.model.environment.as_deref(),
        state,
        inputs_digest: digest,
        limits: Limits {
            gap_ppm: asked.gap.map_or(0, |gap| u64::from(gap.0) * 100),
            watch: asked.watch.clone(),
            ..Limits::default()
        },
        scope: asked.scope.clone(),
    }
}

/// Makes a plan as it was asked for.
pub(super) async fn make(
    session: &Session,
    state: &State,
    drivers: &Drivers,
    asked: &Asked,
    output: &Output,
) -> Result<Planned, Diagnostics> {
    look(session, state, drivers, asked, output).await.plan
}

/// Asks and plans until there is a plan, or none can be made.
pub(super) async fn look(
    session: &Session,
    state: &State,
    drivers: &Drivers,
    asked: &Asked,
    output: &Output,
) -> Looked {
    let mut observed = Observed { today: Some(today()), ..Observed::default() };
    let plan = rounds(session, state, drivers, asked, output, &mut observed).await;
    Looked { observed, plan }
}

async fn rounds(
    session: &Session,
    state: &State,
    drivers: &Drivers,
    asked: &Asked,
    output: &Output,
    observed: &mut Observed,
) -> Result<Planned, Diagnostics> {
    let digest = session.inputs_digest(&state.secret_key);
    let inputs = inputs(session, state, &digest, asked);
    for round in 0..MOST_ROUNDS {
        let alarm = Alarm::set(session, &asked.watch);
        let step = plan::plan(&inputs, observed)?;
        drop(alarm);
        match step {
            Step::Done(plan, secrets) => return Ok(Planned { plan: *plan, secrets }),
            Step::Ask(mut questions) => {
                if output.terminal && round == 0 {
                    let names: Vec<&str> = questions.clusters.keys().map(String::as_str).collect();
                    output.say(&format!("looking at {}…", names.join(", ")));
                }
                // What is sent as a dry-run carries the real secret values; what is kept does not.
                let secrets = fill(session, state, &mut questions)?;
                observe::answer(drivers, &questions, &state.secret_key, observed).await;
                let hider = secrets.hider();
                for address in questions.dry_runs.keys() {
                    // Webhooks and decoders repeat what they were given.
                    if let Some(DryRun::Immutable { message } | DryRun::Refused { message, .. }) =
                        observed.dry_runs.get_mut(address)
                    {
                        *message = hider.hide(message);
                    }
                }
            }
        }
    }
    Err(endless().into())
}

fn endless() -> Diagnostic {
    Diagnostic::error("SKY0903", "planning does not come to an end")
        .hint("this is a bug of skyplan: please report it with a replay file (`skyplan plan --record FILE`)")
}

/// Makes a plan from answers that were had earlier; nobody is asked.
pub(super) fn offline(session: &Session, state: &State, observed: Observed, asked: &Asked) -> Looked {
    let digest = session.inputs_digest(&state.secret_key);
    let observed = Observed { offline: true, today: Some(today()), ..observed };
    let _alarm = Alarm::set(session, &asked.watch);
    let plan = match plan::plan(&inputs(session, state, &digest, asked), &observed) {
        Ok(Step::Done(plan, secrets)) => Ok(Planned { plan: *plan, secrets }),
        Ok(Step::Ask(_)) => Err(Diagnostic::error("SKY0903", "planning asks although nobody is to be asked")
            .hint("this is a bug of skyplan: please report it with the file of answers")
            .into()),
        Err(faults) => Err(faults),
    };
    Looked { observed, plan }
}

/// Puts real values into the Secrets that are tried.
fn fill(session: &Session, state: &State, questions: &mut Questions) -> Result<Secrets, Diagnostics> {
    let secrets = plan::secret_values(&session.model, questions.dry_runs.keys(), &state.secret_key);
    for (address, question) in &mut questions.dry_runs {
        secrets.unseal(address, &mut question.object, &state.secret_key).map_err(|key| not_held(address, &key))?;
    }
    Ok(secrets)
}

/// A secret value that is not what was planned.
pub(super) fn not_held(address: &crate::address::ResourceAddress, key: &str) -> Diagnostic {
    Diagnostic::error("SKY0501", format!("the value of `{key}` is not the one that was planned"))
        .about(address)
        .hint("plan again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_of_endless_planning() {
        crate::render::diagnostics::golden(&endless(), &[]);
    }
}
