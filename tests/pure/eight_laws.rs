//! The laws of `ARCHITECTURE.md`, each as a property over projects that nobody wrote. The laws of the
//! types (nothing to do after an apply, order, cuts, bytes) are in `laws`; those of parts in `parts`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use skyplan::{
    address::ResourceAddress,
    diagnostic::Diagnostics,
    plan::{Plan, change::Action},
    render::{self, Style},
    state::State,
};

use crate::support::{
    generated::{generated, pieces},
    log::{Log, Outcomes, Planned, applied, plan},
    project::{Project, checkout},
    world::World,
};

/// Everything that is, as text, with uids and versions.
fn all(world: &World) -> String {
    format!("{world:?}")
}

/// Whether an object differs between two worlds.
fn differs(a: &World, b: &World) -> BTreeSet<ResourceAddress> {
    let objects = |w: &World| w.clusters.values().flat_map(|s| s.objects.keys().cloned()).collect::<BTreeSet<_>>();
    (&objects(a) | &objects(b)).into_iter().filter(|address| a.object(address) != b.object(address)).collect()
}

/// Whether the plan says that this address changes: itself, or by what it is in.
fn says(plan: &Plan, address: &ResourceAddress) -> bool {
    plan.changes.iter().any(|c| {
        c.address == *address
            || matches!(c.address, ResourceAddress::Cluster(_))
                && c.address.cluster() == address.cluster()
                && matches!(c.action, Action::Create | Action::Delete | Action::Replace)
            || c.action == Action::Delete
                && c.address.object().is_some_and(|o| {
                    o.kind == "Namespace"
                        && o.cluster == address.cluster()
                        && address.object().and_then(|a| a.namespace.as_ref()) == Some(&o.name)
                })
    })
}

/// Every fault has a place in the sources, or says what it is about and what to do.
#[track_caller]
fn check_faults(out: &Diagnostics) {
    for d in out.iter() {
        assert!(d.code.starts_with("SKY") && !d.summary.is_empty(), "{d:?}");
        assert!(!d.labels.is_empty() || !d.hints.is_empty(), "{d:?}");
    }
}

/// All texts that are kept or shown of a plan.
fn texts(planned: &Planned, log: &Log) -> Vec<String> {
    vec![
        planned.json(),
        render::plan::render(&planned.plan, Style { color: true }),
        serde_json::to_string(&planned.observed).unwrap(),
        serde_json::to_string(&log.state).unwrap(),
        serde_json::to_string(&log.entries).unwrap(),
        format!("{planned:?}"),
    ]
}

/// A field of ours that somebody else sets: of a Deployment or StatefulSet in the world.
fn workloads(world: &World) -> Vec<ResourceAddress> {
    let objects = world.clusters.values().flat_map(|s| s.objects.keys());
    let runs =
        |a: &&ResourceAddress| a.object().is_some_and(|o| ["Deployment", "StatefulSet"].contains(&o.kind.as_str()));
    objects.filter(runs).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// "Everything is a plan. Nothing outside changes but through a plan that is applied."
    #[test]
    fn law_1_nothing_changes_but_through_a_plan(first in pieces(), second in pieces(), clusters in (1..4_usize, 1..4_usize)) {
        let (mut world, mut log) = applied(&generated(&first, clusters.0));
        let (before, state) = (world.clone(), log.state.clone());
        let planned = plan(&world, Some(&generated(&second, clusters.1).model()), &log.state).unwrap();
        prop_assert_eq!(all(&world), all(&before));
        prop_assert_eq!(&log.state, &state);
        log.apply(&mut world, &planned, Outcomes::AtOnce, usize::MAX).unwrap();
        for address in differs(&before, &world) {
            prop_assert!(says(&planned.plan, &address), "{address} changed, and the plan does not say so");
        }
        for address in state.records.keys().chain(log.state.records.keys()) {
            let same = state.records.get(address).map(|r| &r.detail) == log.state.records.get(address).map(|r| &r.detail);
            prop_assert!(same || says(&planned.plan, address), "{address} is remembered otherwise");
        }
    }

    /// "Decide first, execute blindly. Same inputs, same bytes."
    #[test]
    fn law_2_same_inputs_same_bytes(first in pieces(), second in pieces(), clusters in (1..4_usize, 1..4_usize)) {
        let (world, log) = applied(&generated(&first, clusters.0));
        let second = generated(&second, clusters.1);
        let planned = plan(&world, Some(&second.model()), &log.state).unwrap();
        // The order in which files come does not matter: their names are turned around.
        let count = second.tree.files.len();
        let renamed = second.tree.files.iter().enumerate().map(|(i, (path, text))| {
            let name = if **path == *"skyplan.yaml" { path.to_string() } else { format!("{:03}-{path}", count - i) };
            (name, text.clone())
        });
        let again = plan(&world, Some(&Project::of(renamed).model()), &log.state).unwrap();
        let bare = |planned: &Planned| {
            let mut plan = planned.plan.clone();
            plan.changes.iter_mut().for_each(|c| c.origin = None);
            let mut value = serde_json::to_value(plan).unwrap();
            for component in value["placement"]["components"].as_array_mut().unwrap() {
                component["origin"] = Value::Null;
            }
            value.to_string()
        };
        prop_assert_eq!(bare(&planned), bare(&again));
        prop_assert_eq!(planned.json(), plan(&world, Some(&second.model()), &log.state).unwrap().json());
        let read: Plan = serde_json::from_str(&planned.json()).unwrap();
        prop_assert_eq!(read, planned.plan);
    }

    /// "Say why. Each change carries its reason and the file:line it comes from; each placement its price
    /// and reason."
    #[test]
    fn law_3_every_change_says_why(first in pieces(), second in pieces(), clusters in (1..4_usize, 1..4_usize)) {
        let (mut world, mut log) = applied(&generated(&first, clusters.0));
        if let Some(address) = workloads(&world).first().cloned() {
            world.delete(&address);
        }
        let project = generated(&second, clusters.1);
        let planned = plan(&world, Some(&project.model()), &log.state).unwrap();
        let sources = project.sources();
        for change in planned.plan.changes.iter().filter(|c| !c.goes()) {
            let origin = change.origin.as_ref().unwrap();
            let lines = sources.text(&origin.file).unwrap().lines().count();
            prop_assert!((1..=lines).contains(&(origin.line as usize)), "{}: {origin}", change.address);
        }
        for component in &planned.plan.placement.as_ref().unwrap().components {
            prop_assert!(!component.reason.is_empty() && sources.text(&component.origin.file).is_some());
        }
        let text = render::plan::render(&planned.plan, Style { color: false });
        for change in &planned.plan.changes {
            let line = text.lines().find(|l| {
                l.trim_start().starts_with(&format!("{} {}", change.action.sign(), change.address.short()))
            });
            prop_assert!(line.is_some_and(|l| l.contains("# ")), "{} is not explained in\n{text}", change.address);
        }
        log.apply(&mut world, &planned, Outcomes::AtOnce, usize::MAX).unwrap();
    }

    /// "State is a log. Entries are numbered, immutable, created only if absent."
    #[test]
    fn law_4_the_state_is_what_its_entries_come_to(
        first in pieces(), second in pieces(), clusters in (1..4_usize, 1..4_usize), cut in 0..40_usize,
    ) {
        let (mut world, mut log) = applied(&generated(&first, clusters.0));
        let entries = log.entries.clone();
        let planned = plan(&world, Some(&generated(&second, clusters.1).model()), &log.state).unwrap();
        let _ = log.apply(&mut world, &planned, Outcomes::AtOnce, cut);
        prop_assert_eq!(&log.entries[..entries.len()], &entries[..]);
        let replayed = (1..).zip(&log.entries).fold(State::default(), |s, (serial, e)| s.after(serial, e));
        prop_assert_eq!(&replayed, &log.state);
        prop_assert_eq!(log.state.serial as usize, log.entries.len());
    }

    /// "Own what is ours. A field that another manager owns is never touched silently: the conflict is in the
    /// plan, with the owner's name."
    #[test]
    fn law_5_a_field_of_another_is_never_changed_silently(
        first in pieces(), second in pieces(), clusters in 1..4_usize, which in 0..10_usize, ours in any::<bool>(),
    ) {
        let (mut world, mut log) = applied(&generated(&first, clusters));
        let all = workloads(&world);
        prop_assume!(!all.is_empty());
        let address = all[which % all.len()].clone();
        world.edit(&address.to_string(), "somebody", |o| {
            if ours {
                o["spec"]["replicas"] = 77.into();
            } else {
                o["metadata"]["labels"]["theirs"] = "yes".into();
            }
        });
        let field = |world: &World| {
            let object = world.object(&address)?;
            Some(if ours { object["spec"]["replicas"].clone() } else { object["metadata"]["labels"]["theirs"].clone() })
        };
        let before = field(&world);
        let planned = plan(&world, Some(&generated(&second, clusters).model()), &log.state).unwrap();
        let conflict = planned.plan.conflicts.iter().find(|c| c.address == address);
        if let Some(conflict) = conflict {
            prop_assert!(!planned.plan.applyable);
            prop_assert_eq!(conflict.owner.as_str(), "somebody");
            prop_assert!(!planned.plan.changes.iter().any(|c| c.address == address && c.action == Action::Update));
            return Ok(());
        }
        log.apply(&mut world, &planned, Outcomes::AtOnce, usize::MAX).unwrap();
        // Kept, or the plan said that the object goes.
        let goes = planned.plan.changes.iter().any(|c| {
            (c.goes() || c.action == Action::Replace) && (c.address == address || says(&planned.plan, &address))
        });
        prop_assert!(goes || field(&world) == before, "{address}");
    }

    /// "Secrets stay out. No secret value in a plan, log, terminal or unencrypted in State."
    #[test]
    fn law_6_planted_secrets_are_found_nowhere(first in pieces(), second in pieces(), clusters in (1..4_usize, 1..4_usize)) {
        // `value-N` in every Secret becomes this; in base64 it begins with the other.
        const PLANTED: [&str; 2] = ["xyzzy-plugh", "eHl6enktcGx1Z2"];
        let planted = |pieces, clusters| {
            let mut project = generated(pieces, clusters);
            for text in project.tree.files.values_mut() {
                *text = text.replace("value-", "xyzzy-plugh-").into();
            }
            project
        };
        let (mut world, mut log) = (World::default(), Log::new("made"));
        let mut seen = 0;
        for project in [planted(&first, clusters.0), planted(&second, clusters.1)] {
            let model = project.model();
            let planned = log.run(&mut world, Some(&model));
            for text in texts(&planned, &log) {
                prop_assert!(!PLANTED.iter().any(|p| text.contains(p)), "{text}");
            }
            seen += world.shape().to_string().matches(PLANTED[1]).count();
        }
        let any = first.iter().chain(&second).flatten().any(|p| p.has_secret());
        prop_assert_eq!(seen > 0, any, "they are where they belong");
        let gone = log.run(&mut world, None);
        for text in texts(&gone, &log) {
            prop_assert!(!PLANTED.iter().any(|p| text.contains(p)));
        }
    }

    /// "Destruction is explicit. A set that becomes empty, more than 20 % deletes, any delete of a cluster,
    /// namespace, CRD or volume needs an explicit word."
    #[test]
    fn law_7_destruction_needs_a_word(
        first in pieces(), second in pieces(), clusters in (1..4_usize, 1..4_usize), empty in any::<bool>(),
    ) {
        let (world, log) = applied(&generated(&first, clusters.0));
        let second: Vec<_> = if empty { vec![None; second.len()] } else { second };
        let planned = plan(&world, Some(&generated(&second, clusters.1).model()), &log.state).unwrap();
        let deletes: Vec<_> = planned.plan.changes.iter().filter(|c| c.action == Action::Delete).collect();
        let lost = deletes.iter().filter(|c| format!("{:?}", c.reason) != "Moved").count();
        let precious = deletes.iter().any(|c| c.address.object().is_none_or(|o| o.kind == "Namespace"));
        let must = precious || lost >= 3 && lost * 5 > log.state.records.len();
        prop_assert_eq!(!planned.plan.guards.is_empty(), must, "{:#?}", planned.changes());
        if empty && !deletes.is_empty() {
            prop_assert!(!planned.plan.guards.is_empty(), "everything goes");
        }
        // Said at once for all of it: that is the word.
        let all = plan(&world, None, &log.state).unwrap().plan;
        prop_assert!(all.destroy && all.guards.is_empty());
    }

    /// "Any load error means no plan at all."
    #[test]
    fn law_7_any_load_error_means_no_plan(pieces in pieces(), clusters in 1..4_usize, file in 0..10_usize, at in 0..2000_usize, how in 0..4_usize) {
        let mut project = generated(&pieces, clusters);
        let count = project.tree.files.len();
        let (_, text) = project.tree.files.iter_mut().nth(file % count).unwrap();
        let mut broken = text.to_string();
        let lines = broken.lines().count();
        let at = broken.lines().take(at % lines + 1).map(|l| l.len() + 1).sum::<usize>();
        broken.insert_str(at.min(broken.len()), ["unheardOf: 1\n", "name: [\n", "\tname: x\n", "---\nkind: Nothing\napiVersion: skyplan.io/v1alpha1\n"][how]);
        *text = broken.into();
        let (model, out) = project.compiled();
        prop_assert!(out.has_errors() && model.is_none(), "{:?}", project.tree.files);
        check_faults(&out);
    }
}

/// "One run reports all of them": every fault of every broken case has a code, a place or a hint.
#[test]
fn law_3_every_fault_has_a_place_or_a_hint() {
    let mut count = 0;
    for entry in std::fs::read_dir(checkout("testdata/plan")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if !folder.join("repo").exists() || !(name.starts_with("infeasible") || name.starts_with("many")) {
            continue;
        }
        let project = Project::open(&folder.join("repo"));
        let (model, mut out) = project.compiled();
        if let Some(model) = model {
            out.extend(plan(&World::default(), Some(&model), &Log::new("x").state).expect_err("it cannot be placed"));
        }
        assert!(out.has_errors(), "{name}");
        check_faults(&out);
        count += out.len();
    }
    assert!(count > 15, "{count}");
}

/// "Decide first": what a plan does not say is not done, also when it is edited: a plan file with a secret,
/// another object or an edge less is refused by the check.
#[test]
fn law_2_an_edited_plan_is_no_plan() {
    let project = Project::example("quickstart");
    let (world, log) = (World::default(), Log::new("quickstart"));
    let planned = plan(&world, Some(&project.model()), &log.state).unwrap();
    let mut value = serde_json::to_value(&planned.plan).unwrap();
    let web = value["changes"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|c| c["address"] == "object/quickstart/apps/Deployment/hello/web");
    web.unwrap()["after"]["object"]["spec"]["replicas"] = json!(50);
    let edited: Plan = serde_json::from_value(value).unwrap();
    let found = skyplan::plan::check::check(&edited, &log.state, Some(&project.model()));
    assert_eq!(found.iter().map(|c| c.rule.as_str()).collect::<Vec<_>>(), ["digest"]);
}
