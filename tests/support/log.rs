//! Planning and applying in the [`World`], with the same entries in the log as a real apply writes:
//! Begin, an outcome after each effect, End. An apply can be cut off between any two of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skyplan::{
    address::ResourceAddress,
    compile::model::Model,
    diagnostic::Diagnostics,
    digest::digest,
    network::Networks,
    observed::{ClusterQuestion, Observed},
    place::problem::Limits,
    plan::{
        self, Inputs, Plan, Scope, Step,
        change::{Action, ActionReason, Change, Target},
        check::refusal,
        desired::manager,
        order::topological,
        projection::{owned_fields, projection_digest, whole_digest},
        secret::Secrets,
        secret_values,
    },
    spec::ClusterDriver,
    state::{
        ClusterRecord, Delta, End, Entry, Move, Moved, NullRecord, ObjectRecord, Record, RecordDetail, Snapshot, State,
        entry::FORMAT,
    },
};

use super::{
    project::Project,
    world::{World, clean},
};

/// A plan with what it was made from.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) secrets: Secrets,
    pub(crate) observed: Observed,
    /// What was asked of clusters.
    pub(crate) asked: BTreeMap<String, ClusterQuestion>,
}

impl Planned {
    /// The plan's bytes.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(&self.plan).unwrap() + "\n"
    }

    /// Sign and address of every change, in the plan's order.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.plan.changes.iter().map(|c| format!("{} {}", c.action.sign(), c.address)).collect()
    }

    /// The one change of a plan that has no more.
    pub(crate) fn only(&self) -> &Change {
        let all = self.changes();
        let [one] = self.plan.changes.as_slice() else { panic!("not one change but {all:#?}") };
        one
    }

    /// The change of an address.
    pub(crate) fn of(&self, address: &str) -> &Change {
        let found = self.plan.changes.iter().find(|c| c.address.to_string() == address);
        found.unwrap_or_else(|| panic!("no change of {address}: {:#?}", self.changes()))
    }

    /// Nothing changes, nothing is in the way, and everything is known.
    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        let plan = &self.plan;
        assert!(plan.changes.is_empty(), "{:#?}", plan.changes);
        assert!(plan.conflicts.is_empty() && plan.complete, "{plan:#?}");
    }
}

/// A world in which a project was applied, and the log of it.
pub(crate) fn applied(project: &Project) -> (World, Log) {
    let (mut world, model) = (World::default(), project.model());
    let mut log = Log::new(&model.lineage);
    log.run(&mut world, Some(&model));
    (world, log)
}

/// Makes a plan; `None` takes everything away.
pub(crate) fn plan(world: &World, model: Option<&Model>, state: &State) -> Result<Planned, Diagnostics> {
    plan_as(world, model, state, &Scope::default())
}

/// Makes a plan as it is asked for.
pub(crate) fn plan_as(
    world: &World,
    model: Option<&Model>,
    state: &State,
    scope: &Scope,
) -> Result<Planned, Diagnostics> {
    let inputs = Inputs {
        model,
        project: &state.lineage,
        environment: model.and_then(|m| m.environment.as_deref()),
        state,
        inputs_digest: "inputs",
        limits: Limits::default(),
        scope: scope.clone(),
    };
    let (mut observed, mut asked) = (Observed::default(), BTreeMap::new());
    // Four rounds of questions are all that it takes: clusters, what no list showed, what of that is ours, dry-runs.
    for _ in 0..5 {
        match plan::plan(&inputs, &observed)? {
            Step::Done(plan, secrets) => {
                // No plan that skyplan makes is refused by its own check.
                assert!(refusal(&plan.checks).is_none(), "{:#?}\n{plan:#?}", plan.checks);
                return Ok(Planned { plan: *plan, secrets, observed, asked });
            }
            Step::Ask(mut questions) => {
                for (address, question) in &mut questions.dry_runs {
                    let secrets = secret_values(model.unwrap(), [address].into_iter(), &state.secret_key);
                    secrets.unseal(address, &mut question.object, &state.secret_key).unwrap();
                }
                asked.extend(questions.clusters.clone());
                world.answer(&questions, &state.secret_key, &mut observed);
            }
        }
    }
    panic!("the planner asks and asks");
}

/// A log in memory.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) state: State,
    pub(crate) entries: Vec<Entry>,
}

/// When an apply writes what it has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcomes {
    /// After every effect.
    AtOnce,
    /// All together before the end: an outcome may wait for others to be written with.
    Grouped,
}

/// An apply was cut off.
#[derive(Debug)]
pub(crate) struct Cut;

impl Log {
    /// A log that nothing was written to.
    pub(crate) fn new(lineage: &str) -> Self {
        let state = State { lineage: lineage.into(), secret_key: "5ec7e7".into(), ..State::default() };
        Self { state, entries: Vec::new() }
    }

    fn append(&mut self, entry: Entry) {
        if self.state.serial == 0 && !matches!(entry, Entry::Snapshot(_)) {
            self.append(Entry::Snapshot(Snapshot { format: FORMAT, state: self.state.clone() }));
        }
        // Through its bytes, as from a disk.
        let entry: Entry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
        let serial = self.state.serial + 1;
        self.state = std::mem::take(&mut self.state).after(serial, &entry);
        self.entries.push(entry);
    }

    /// Plans and applies; the plan has to be one that may be applied.
    pub(crate) fn run(&mut self, world: &mut World, model: Option<&Model>) -> Planned {
        let planned = plan(world, model, &self.state).unwrap_or_else(|out| panic!("{out:#?}"));
        self.apply(world, &planned, Outcomes::AtOnce, usize::MAX).unwrap();
        planned
    }

    /// Carries out a plan. After `most` steps (an entry, an effect) it is cut off.
    pub(crate) fn apply(
        &mut self,
        world: &mut World,
        planned: &Planned,
        outcomes: Outcomes,
        most: usize,
    ) -> Result<(), Cut> {
        let plan = &planned.plan;
        assert!(plan.applyable, "{:#?}", plan.conflicts);
        let mut steps = most;
        let mut step = || steps.checked_sub(1).map(|left| steps = left).ok_or(Cut);
        if !plan.moved.is_empty() {
            step()?;
            let moves = plan.moved.iter().map(Move::from).collect();
            self.append(Entry::Moved(Moved { at: "2026-01-01T00:00:00Z".into(), moves }));
        }
        if plan.changes.is_empty() {
            if let Some(placement) = plan.placement_to_remember().cloned().filter(|p| *p != self.state.placement) {
                step()?;
                self.append(end(Some(placement), true));
            }
            return Ok(());
        }
        let before = self.state.records.clone();
        for change in &plan.changes {
            let serial = before.get(&change.address).map(|r| r.serial);
            assert_eq!(serial, change.precondition.record_serial, "{} is stale", change.address);
        }
        step()?;
        let versions = plan.changes.iter().filter(|c| !c.api_version.is_empty());
        let begin = json!({
            "plan": digest(&serde_json::to_value(plan).unwrap()),
            "writes": plan.changes.iter().map(|c| &c.address).collect::<Vec<_>>(),
            "clusters": plan.clusters,
            "networks": plan.changes.iter().filter_map(given).collect::<BTreeMap<_, _>>(),
            "apiVersions": versions.map(|c| (c.address.to_string(), &c.api_version)).collect::<BTreeMap<_, _>>(),
            "until": "2026-01-01T00:30:00Z",
            "at": "2026-01-01T00:00:00Z",
        });
        self.append(Entry::Begin(serde_json::from_value(begin).unwrap()));
        let mut waiting = BTreeMap::new();
        for change in topological(&plan.changes).expect("no circle") {
            let mut halves = vec![change.clone()];
            if change.action == Action::Replace {
                halves.insert(0, Change { action: Action::Delete, ..change.clone() });
            }
            for half in halves {
                step()?;
                let record = effect(world, &half, planned, &self.state);
                match outcomes {
                    Outcomes::AtOnce => {
                        step()?;
                        self.append(Entry::Delta(Delta { outcomes: [(half.address, record)].into() }));
                    }
                    Outcomes::Grouped => {
                        waiting.insert(half.address, record);
                    }
                }
            }
        }
        if !waiting.is_empty() {
            step()?;
            self.append(Entry::Delta(Delta { outcomes: waiting }));
        }
        step()?;
        let placement = plan.placement_to_remember().cloned();
        self.append(end(placement, plan.complete));
        Ok(())
    }

    /// Carries out a plan that only brings the state up to date, as `apply::settle` does.
    pub(crate) fn settle(&mut self, plan: &Plan) {
        assert!(plan.changes.iter().all(|c| matches!(c.action, Action::Forget | Action::Import)), "{plan:#?}");
        let outcomes = plan.changes.iter().map(|c| (c.address.clone(), c.record.as_deref().cloned()));
        self.append(Entry::Delta(Delta { outcomes: outcomes.collect() }));
    }

    /// What is remembered, without what differs from run to run: serials and uids.
    pub(crate) fn shape(&self) -> Value {
        let mut state = serde_json::to_value(&self.state).unwrap();
        state["serial"] = Value::Null;
        for (_, record) in state["records"].as_object_mut().unwrap() {
            for field in ["serial", "uid", "clusterUid"] {
                record.as_object_mut().unwrap().remove(field);
            }
        }
        state
    }
}

/// Networks of a cluster that is made or changed.
fn given(change: &Change) -> Option<(&str, Networks)> {
    match &change.after {
        Some(Target::Cluster { networks, .. }) => Some((change.address.cluster(), *networks)),
        _ => None,
    }
}

fn end(placement: Option<skyplan::state::PlacementRecord>, complete: bool) -> Entry {
    Entry::End(End {
        begin: None,
        at: "2026-01-01T00:01:00Z".into(),
        complete,
        placement,
        settled: Vec::new(),
        trust: None,
    })
}

/// Does one change, holding it to its preconditions; the record of what is there afterwards.
fn effect(world: &mut World, change: &Change, planned: &Planned, state: &State) -> Option<Record> {
    let address = &change.address;
    let detail = match (change.action, address) {
        (Action::Forget | Action::Import, _) => return change.record.as_deref().cloned(),
        (Action::Delete, ResourceAddress::Cluster(name)) => {
            world.clusters.remove(name);
            return None;
        }
        (Action::Delete, _) => {
            let live = world.object(address).map(|o| o["metadata"]["uid"].as_str().unwrap().to_owned());
            // One of another uid is none of our business.
            if live.is_some() && live == change.precondition.uid {
                world.delete(address);
            }
            return None;
        }
        (_, ResourceAddress::Cluster(name)) => {
            let Some(Target::Cluster { pools, deletion_policy, networks, .. }) = &change.after else {
                panic!("{change:#?}")
            };
            let connection = &planned.plan.clusters[name];
            let site = world.make_cluster(name);
            if let Some(expected) =
                change.precondition.cluster_uid.as_ref().filter(|_| change.action != Action::Replace)
            {
                assert_eq!(*expected, site.uid, "another cluster called {name}");
            }
            if connection.driver == ClusterDriver::Local {
                assert!(networks.pods.is_some() && networks.services.is_some(), "{name} gets networks: {networks:?}");
                // They are fixed when it is made.
                assert!(site.networks.is_empty() || site.networks == *networks, "{name} is renumbered: {networks:?}");
                site.networks = *networks;
            }
            site.pools = pools.iter().map(|p| (p.name.clone(), p.count)).collect();
            RecordDetail::Cluster(ClusterRecord {
                driver: connection.driver,
                kubeconfig: connection.kubeconfig.clone(),
                context: connection.context.clone(),
                uid: site.uid.clone(),
                pools: pools.clone(),
                deletion_policy: *deletion_policy,
                networks: *networks,
            })
        }
        (_, ResourceAddress::Null(_)) => {
            let Some(Target::Null { input }) = &change.after else { panic!("{change:#?}") };
            RecordDetail::Null(NullRecord { id: format!("null {}", state.serial), input: input.clone() })
        }
        (action, ResourceAddress::Object(_)) => RecordDetail::Object(sent(world, change, action, planned, state)),
    };
    Some(Record { serial: 0, detail, depends_on: change.requires.clone(), origin: change.origin.clone() })
}

fn sent(world: &mut World, change: &Change, action: Action, planned: &Planned, state: &State) -> ObjectRecord {
    let address = &change.address;
    let Some(Target::Object { object, digest, components, protection }) = &change.after else { panic!("{change:#?}") };
    let manager = manager(&state.lineage);
    let cluster_uid = world.clusters[address.cluster()].uid.clone();
    if let Some(planned) = &change.precondition.cluster_uid {
        assert_eq!(*planned, cluster_uid, "{address} was planned for another cluster");
    }
    let live = world.object(address);
    match action {
        Action::Create => assert!(live.is_none(), "{address} is there already"),
        Action::Update => {
            let live = clean(live.unwrap_or_else(|| panic!("{address} is gone")), &state.secret_key);
            assert_eq!(live["metadata"]["uid"].as_str(), change.precondition.uid.as_deref());
            if let (Some(planned), Some(Record { detail: RecordDetail::Object(record), .. })) =
                (&change.precondition.projection, state.records.get(address))
            {
                let seen = if change.takes_fields() {
                    whole_digest(&live)
                } else {
                    projection_digest(&live, &record.owned.unpack())
                };
                assert_eq!(seen, *planned, "{address} is not as planned");
            }
        }
        _ => {}
    }
    let mut body = change.sent(object);
    planned.secrets.unseal(address, &mut body, &state.secret_key).unwrap();
    let force = change.reason == ActionReason::Imported || change.takes_fields();
    let answer = world.apply_as(address, &body, &manager, force).unwrap_or_else(|why| panic!("{address}: {why:?}"));
    let seen = clean(&answer, &state.secret_key);
    let owned = owned_fields(&seen, &manager).cloned().unwrap();
    ObjectRecord {
        api_version: change.api_version.clone(),
        uid: seen["metadata"]["uid"].as_str().unwrap().into(),
        cluster_uid,
        sent: digest.clone(),
        projection: projection_digest(&seen, &owned),
        owned: owned.into(),
        left: change.left_fields().map(str::to_owned).collect(),
        components: components.clone(),
        unready: false,
        done: false,
        protection: *protection,
    }
}
