//! [`SpecSet`] → [`Model`]: names resolved, defaults filled, policies joined to components.
//!
//! Pure: knows the specs, and nothing of clusters that are there. Every fault is noted, and the rest
//! is compiled as far as it goes, so that one run names them all.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod affinity;
pub(crate) mod applications;
mod attach;
mod clusters;
mod environments;
mod definitions;
mod latency;
mod lifecycles;
mod locate;
pub mod model;
mod names;
pub(crate) mod networks;
mod nulls;
mod outputs;
mod overrides;
mod patch;
pub(crate) mod pods;
mod policies;
mod prices;
mod refactorings;
mod spread;
mod strategies;
mod twice;

pub(crate) use self::clusters::{SPOT, egress_between};
pub use self::policies::placement_tells;
pub use self::prices::too_old;
pub(crate) use self::strategies::could_divide;

pub use self::environments::log_url;
use self::model::{Model, Settings};
pub use self::refactorings::immovable;
use crate::{
    catalog,
    diagnostic::{Diagnostic, Diagnostics, Severity},
    money::{HOURS_PER_MONTH, MicroUsd},
    quantity::{Micros, Percent},
    spec::{LatencyBound, PlacementSettings, SpecSet},
};

/// Compiles a set of specs. With an error among the diagnostics there is no model, unless
/// [placement tells it as well](placement_tells).
pub fn compile(set: &SpecSet) -> (Option<Model>, Diagnostics) {
    let mut out = Diagnostics::new();
    names::check(set, &mut out);
    environments::check(set, &mut out);
    catalog::check(set, &mut out);
    let clusters = environments::clusters(set, clusters::compile(set, &mut out));
    networks::overlaps(&clusters, &mut out);
    let locator = locate::Locator::new(set);
    let mut applications = applications::compile(set, &locator, &mut out);
    twice::check(&applications.objects, &locator, &mut out);
    definitions::check(set, &locator, &mut out);
    overrides::apply(set, &clusters, &mut applications.objects, &mut out);
    policies::deployments(set, &clusters, &mut applications.components, &mut out);
    spread::join(set, &clusters, &mut applications.components, &mut out);
    strategies::complete(&mut applications, &mut out);
    let flows = policies::flows(set, &applications.components, &mut out);
    let nulls = nulls::compile(set, &mut out);
    let latency = latency::matrix(set, &clusters, &mut out);
    let bandwidth = latency::bandwidths(set, &clusters);
    let outputs = outputs::compile(set, &applications.objects, &mut out);
    let surgery = refactorings::compile(set, &applications.components, &mut out);
    let mut out: Diagnostics = out.iter().filter(|d| !names::echoes(d, set)).cloned().collect();
    // Without a root there is no model, but all faults of the other documents are known by now.
    let Some(project) = &set.project else { return (None, out) };
    let settings = settings(&project.spec.placement, &mut out);
    let spec = &project.spec;
    let state_url = spec.state.url.as_ref();
    if let Some(url) = state_url.filter(|u| !environments::STORES.iter().any(|scheme| u.starts_with(scheme))) {
        out.push(Diagnostic::error("SKY0204", format!("state cannot be kept at `{url}`")).at(&url.origin).hint(
            format!(
                "it can be kept at {}",
                environments::STORES.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    let trust = spec.trust.trust();
    if trust.signers.is_empty() && !trust.is_empty() {
        out.push(
            Diagnostic::error(
                "SKY0106",
                "`trust` names no `signers`, and asks for signatures: nobody could apply anything",
            )
            .at(&project.origin)
            .hint("`skyplan keygen` prints what goes into `signers`"),
        );
    }
    let pools = networks::pools(spec, &mut out);
    let prices = prices::ages(set, spec, &clusters);
    let mut rendered = set.rendered.clone();
    rendered.sort();
    let model = Model {
        project: spec.name.value.clone(),
        environment: set.environment.clone(),
        lineage: environments::lineage(spec, set.environment.as_deref()),
        state_url: environments::state_url(spec, set.environment.as_deref()),
        trust,
        recipients: spec.state.encryption.recipients.iter().map(|r| r.value.0.clone()).collect(),
        settings,
        pools,
        clusters,
        components: applications.components,
        objects: applications.objects,
        nulls,
        flows,
        latency,
        bandwidth,
        outputs,
        prices,
        surgery,
        rendered,
    };
    (Some(model).filter(|_| !hopeless(&out)), out)
}

/// Whether there is an error that leaves nothing to place.
pub fn hopeless(faults: &Diagnostics) -> bool {
    faults.iter().any(|d| d.severity == Severity::Error && !placement_tells(d))
}

fn settings(placement: &PlacementSettings, out: &mut Diagnostics) -> Settings {
    if let Some(horizon) = placement.horizon.as_ref().filter(|h| h.seconds() == 0) {
        out.push(
            Diagnostic::error("SKY0116", "a horizon is at least a second")
                .at(&horizon.origin)
                .hint("it is the time that costs are added up over, such as 730h"),
        );
    }
    Settings {
        horizon: placement.horizon.as_ref().map_or(Micros(HOURS_PER_MONTH * 3_600_000_000), |h| h.value),
        move_cost: placement.move_cost.as_ref().map_or(MicroUsd::ZERO, |m| m.value),
        strict_latency: placement.latency_bound == Some(LatencyBound::Strict),
        headroom: placement.headroom.as_ref().map_or(Percent(1_000), |h| h.value),
        hysteresis: placement.hysteresis.as_ref().map_or(Percent(200), |h| h.value),
        gap: placement.gap.as_ref().map_or(Percent(0), |g| g.value),
        deadline: placement.deadline.as_ref().map_or(Micros(60_000_000), |d| d.value),
    }
}
