//! The truth test: objects of every kind, changed behind skyplan's back in every way, and what the plan says of it held
//! against `kubectl diff --server-side` and against what was done.
//!
//! `SKYPLAN_TRUTH` says how many changes, `SKYPLAN_SEED` which. Precision and recall of what is found must be 1 for each
//! class; an apply changes what was found and nothing else, and then nothing is found any more.

mod draw;
mod edit;
mod mutations;
mod objects;
mod oracle;
mod ours;
mod schema;
mod server;
mod tally;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use serde_json::{Value, json};

use self::{
    draw::Draw,
    mutations::{CLASSES, Class, Done},
    objects::Object,
    oracle::{Kubectl, Told, WHOLE, is_autoscaled},
    schema::Schemas,
    server::{Body, Server},
    tally::Tally,
};
use super::home::Home;

/// Changes in `make test`.
const FEW: usize = 300;
/// Objects of each entry of `kinds.yaml`.
const EACH: usize = 2;
/// Part of the objects that is changed in a round, in percent.
const PART: usize = 80;

#[test]
fn plans_say_what_is_true() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("SKYPLAN_SEED").unwrap_or(7);
    let wanted = number("SKYPLAN_TRUTH").map_or(FEW, |n| usize::try_from(n).unwrap());
    let begun = Instant::now();
    let mut bench = Bench::new(seed);
    let (mut tally, mut rounds) = (Tally::default(), 0);
    while tally.mutations() < wanted {
        rounds += 1;
        bench.round(wanted - tally.mutations(), &mut tally);
        if rounds % 10 == 0 {
            println!("{rounds} rounds, {} changes, {} s", tally.mutations(), begun.elapsed().as_secs());
        }
        // What went wrong once goes wrong again.
        if !tally.faults.is_empty() {
            break;
        }
    }
    println!("{tally}");
    let (kinds, seconds) = (bench.kinds, begun.elapsed().as_secs());
    println!(
        "seed {seed}: {} changes of {} objects of {kinds} kinds, {rounds} rounds, {seconds} s",
        tally.mutations(),
        bench.objects.len()
    );
    assert!(tally.faults.is_empty(), "{} faults:\n{}", tally.faults.len(), tally.faults.join("\n"));
    tally.assert_perfect(wanted >= 5000);
}

/// All that is under test.
struct Bench {
    home: Home,
    server: Server,
    kubectl: Kubectl,
    schemas: Schemas,
    objects: Vec<Object>,
    kinds: usize,
    lineage: String,
    draw: Draw,
    /// Which class is next.
    turn: usize,
}

impl Bench {
    fn new(seed: u64) -> Self {
        let home = Home::empty();
        home.run(&["local", "up", "host", "--nodes", "6"], 0);
        ours::write_project(&home);
        let kubeconfig = oracle::kubeconfig(&home.dir.path().join("state"), "host");
        let server = Server::new(&kubeconfig);
        rewrite(&server);
        let mut draw = Draw::new(seed);
        let (objects, kinds) = objects::all(&server, EACH, &mut draw);
        for (number, object) in objects.iter().enumerate() {
            ours::write_manifest(&home, number, object);
        }
        let plan = ours::plan(&home, &[]);
        assert!(plan.faults.is_empty(), "{:?}", plan.faults);
        let lineage = plan.raw["base"]["lineage"].as_str().unwrap().to_owned();
        // What it says that it will send is what the oracle is given.
        for object in objects.iter().filter(|o| o.manifest["kind"] != "Secret") {
            let address = format!("object/{}/{}", ours::CLUSTER, object.id);
            let change = plan.raw["changes"].as_array().unwrap().iter().find(|c| c["address"] == address);
            let change = change.unwrap_or_else(|| panic!("no {address} in the plan"));
            let (said, sent) = (&change["after"]["object"], object.sent(ours::CLUSTER, &lineage));
            assert!(schema::same(said, &sent), "{address}: {said} is not {sent}");
        }
        ours::apply(&home).unwrap_or_else(|why| panic!("the first apply: {why}"));
        bound(&server, &objects);
        let root = skyplan::driver::local::LocalRoot::from_env().unwrap();
        let kubectl = Kubectl {
            binary: skyplan::driver::local::kubectl(&root).expect("kubectl: run `make control-plane`"),
            kubeconfig,
            scratch: home.dir.path().to_owned(),
        };
        let versions = objects.iter().map(|o| o.manifest["apiVersion"].as_str().unwrap()).collect();
        let schemas = Schemas::read(&server, &versions);
        Self { home, server, kubectl, schemas, objects, kinds, lineage, draw, turn: 0 }
    }

    fn live(&self) -> BTreeMap<String, Value> {
        let urls: Vec<String> = self.objects.iter().map(Object::url).collect();
        let found = self.server.get_all(&urls).into_iter().zip(&self.objects);
        found.filter_map(|(live, object)| Some((object.id.clone(), live?))).collect()
    }

    /// Changes most objects, each in one way, and looks whether that is found, mended and nothing else.
    fn round(&mut self, at_most: usize, tally: &mut Tally) {
        let done = self.disturb(at_most);
        let before = self.live();
        let plan = ours::plan(&self.home, &[]);
        let sent: Vec<Value> = self.objects.iter().map(|o| o.sent(ours::CLUSTER, &self.lineage)).collect();
        let manager = format!("skyplan-{}", self.lineage);
        let told = self.kubectl.diff(&sent, &manager, &self.schemas);
        if !plan.faults.is_empty() {
            tally.faults.push(format!("no plan: {}", plan.faults.join("\n")));
        }
        let mut expected: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for object in &self.objects {
            let id = object.id.as_str();
            let nothing = Done { class: Class::Nothing, what: "nothing".into(), theirs: None };
            let done = done.get(id).unwrap_or(&nothing);
            let Told { live, merged, mut fields } = told[id].clone();
            // What an autoscaler has set is its own.
            if before.get(id).is_some_and(is_autoscaled) {
                fields.remove("/spec/replicas");
            }
            let ours = plan.changes.get(id).map_or_else(BTreeSet::new, |planned| match planned.action.as_str() {
                "create" => [WHOLE.to_owned()].into(),
                "update" => planned.fields.iter().map(|path| self.schemas.words(path, [&merged, &live])).collect(),
                other => [format!("({other})")].into(),
            });
            if let (Class::Deleted, Some(planned)) = (done.class, plan.changes.get(id))
                && planned.why != "deletedOutside"
            {
                tally.faults.push(format!("{id} was deleted, and the plan says {}", planned.why));
            }
            if let Some((pointer, _)) = &done.theirs
                && let Some(touched) = ours.iter().find(|path| pointer.replace("~1", "/") == **path)
            {
                tally.faults.push(format!("{id}: {touched} is theirs ({})", done.what));
            }
            let planned = plan.changes.get(id);
            tally.compare(id, done, &ours, &fields, || format!("{planned:?}\n    live {live}\n    merged {merged}"));
            expected.insert(id, fields);
        }
        let known: BTreeSet<&str> = self.objects.iter().map(|o| o.id.as_str()).collect();
        for (id, planned) in plan.changes.iter().filter(|(id, _)| !known.contains(id.as_str())) {
            tally.faults.push(format!("a change of something else: {id} {planned:?}"));
        }
        if let Err(why) = ours::apply(&self.home) {
            return tally.faults.push(format!("apply: {why}"));
        }
        let after = self.live();
        for object in &self.objects {
            let id = object.id.as_str();
            let what = done.get(id).map_or("nothing", |d| &d.what);
            let Some(new) = after.get(id) else {
                tally.faults.push(format!("{id} is not there after the apply ({what})"));
                continue;
            };
            let Some(old) = before.get(id) else { continue };
            let changed = self.schemas.differ(old, new);
            if changed != expected[id] {
                let want = &expected[id];
                tally.faults.push(format!("{id}: the apply changed {changed:?} instead of {want:?} ({what})"));
            }
            if let Some((pointer, value)) = done.get(id).and_then(|d| d.theirs.as_ref())
                && !pointer.ends_with("/-")
                // What is put into an atom of ours is not theirs.
                && !expected[id].iter().any(|path| pointer.replace("~1", "/").starts_with(path.as_str()))
                && new.pointer(pointer) != Some(value)
            {
                tally.faults.push(format!("{id}: {pointer} of others is lost ({what})"));
            }
        }
        let again = ours::plan(&self.home, &[]);
        for fault in &again.faults {
            tally.faults.push(format!("no plan after an apply: {fault}"));
        }
        for (id, planned) in &again.changes {
            let what = done.get(id).map_or("nothing", |d| &d.what);
            tally.faults.push(format!("not empty after an apply: {id} {planned:?} ({what})"));
        }
    }

    /// Does something to most objects: what was done, by object.
    fn disturb(&mut self, at_most: usize) -> BTreeMap<String, Done> {
        let all = (0..self.objects.len()).collect();
        let mut open: Vec<usize> = self.draw.shuffled(all);
        let count = (open.len() * PART / 100).min(at_most);
        let mut done = BTreeMap::new();
        let mut idle = 0;
        while done.len() < count && idle < 4 * CLASSES.len() {
            let class = CLASSES[self.turn % CLASSES.len()];
            self.turn += 1;
            idle += 1;
            let Some(at) = open.iter().position(|n| class.suits(&self.objects[*n])) else { continue };
            let number = open.remove(at);
            let object = &mut self.objects[number];
            if let Some(what) = mutations::mutate(class, object, &self.server, &mut self.draw) {
                idle = 0;
                if class.of_specs() {
                    ours::write_manifest(&self.home, number, object);
                }
                done.insert(object.id.clone(), what);
            }
        }
        done
    }
}

/// A webhook in the server itself (MutatingAdmissionPolicy): it stamps what is labelled, writes one value in capitals
/// and puts a container into pods.
fn rewrite(server: &Server) {
    let url = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies";
    let policy = |name: &str, group: &str, resource: &str, condition: &str, expression: &str| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {
                    "objectSelector": {"matchLabels": {"truth.example/rewrite": "yes"}},
                    "resourceRules": [{
                        "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource],
                    }],
                },
                "matchConditions": [{"name": "there", "expression": condition}],
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
            },
        })
    };
    let stamp = r#"Object{metadata: Object.metadata{annotations: {"truth.example/stamped": "yes"}}}"#;
    let capitals = r#"Object{data: {"rewritten": object.data["rewritten"].upperAscii()}}"#;
    let container = r#"Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: [
        Object.spec.template.spec.containers{name: "injected", image: "inject:1"}]}}}}"#;
    let there = "has(object.data) && 'rewritten' in object.data";
    for (name, group, resource, condition, expression) in [
        ("stamp", "", "configmaps", "true", stamp),
        ("capitals", "", "configmaps", there, capitals),
        ("container", "apps", "deployments", "true", container),
    ] {
        server.ask("POST", url, Some((Body::Json, policy(name, group, resource, condition, expression)))).unwrap();
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name},
        });
        server.ask("POST", &url.replace("policies", "policybindings"), Some((Body::Json, binding))).unwrap();
    }
    // They work a moment later.
    let labels = json!({"truth.example/rewrite": "yes"});
    let map = json!({"metadata": {"name": "probe", "labels": labels}, "data": {"rewritten": "a"}});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let deployment = json!({
        "metadata": {"name": "probe", "labels": labels}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    });
    for _ in 0..200 {
        let dry = |path: &str, body: &Value| {
            let url = format!("{path}?dryRun=All");
            server.ask("POST", &url, Some((Body::Json, body.clone()))).unwrap_or_default()
        };
        let seen = dry("/api/v1/namespaces/default/configmaps", &map);
        let pods = dry("/apis/apps/v1/namespaces/default/deployments", &deployment);
        if seen["data"]["rewritten"] == "A"
            && seen["metadata"]["annotations"].is_object()
            && pods.to_string().contains("inject:1")
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the policies do not work");
}

/// Waits until claims have found their volumes: controllers write into both when they do.
fn bound(server: &Server, objects: &[Object]) {
    let claims = objects.iter().filter(|o| o.manifest["kind"] == "PersistentVolumeClaim");
    for claim in claims {
        let url = claim.url();
        let is_bound = || server.get(&url).is_some_and(|live| live["status"]["phase"] == "Bound");
        let tries = (0..300).find(|_| {
            let done = is_bound();
            if !done {
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            done
        });
        assert!(tries.is_some(), "{url} is not bound");
    }
}
