//! Plans and diagnostics as people and programs see them: every folder of `testdata/plan/` is a case.
//!
//! | file | |
//! | --- | --- |
//! | `repo/` | the project |
//! | `environment` | which of its environments; absent = the only one |
//! | `state.json` | the state; absent = nothing was applied yet |
//! | `rendered.json` | what came of sources that were rendered (written by `real::sources`); absent = none were |
//! | `scope.json` | what was asked for besides everything; absent = nothing |
//! | `observed.json` | all answers to the planner's questions; absent = no cluster is there |
//! | `today` | the day on which it is planned; absent = nobody says |
//! | `plan.txt`, `plan.json` | what is expected of the plan; absent = there is none |
//! | `diagnostics.txt` | what is expected of the diagnostics; absent = there are none |
//!
//! `SNAPSHOTS=overwrite cargo test golden` writes what is found as what is expected. `state.json` and
//! `observed.json` come from the stories in [`STORIES`], played in the world in memory; the same
//! command writes them, and without it they are compared, too. A case without a story has no state.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use skyplan::{
    diagnostic::Diagnostics,
    observed::{ClusterObserved, Observed},
    place::problem::Limits,
    plan::{self, Inputs, Scope, Step},
    quantity::Day,
    render::{self, Style},
    state::State,
};

use crate::support::{
    log::{Log, plan_as},
    project::{Project, checkout},
    world::World,
};

/// What happened before the plan is made: changes the world and the log, from the case's project.
type Story = fn(&mut World, &mut Log, &Project);

const WEB: &str = "object/quickstart/apps/Deployment/hello/web";

/// Cases with a past. The project in `repo/` is the one that is planned; the first apply is of the
/// project that the story makes of it.
const STORIES: [(&str, Story); 13] = [
    ("no-changes", |world, log, project| {
        log.run(world, Some(&project.model()));
    }),
    ("replica-change", |world, log, project| {
        let before = project.clone().with("hello/manifests/web.yaml", "replicas: 3", "replicas: 2");
        log.run(world, Some(&before.model()));
    }),
    ("nulls", |world, log, project| {
        let old = "name: old\ninput: {a: 1}\n---\napiVersion: skyplan.io/v1alpha1\nkind: Null\nname: marker";
        let before = project.clone().with("skyplan.yaml", "version: 2", "version: 1");
        let before = before.with("skyplan.yaml", "name: announcement\ndependsOn: [release]", old);
        let before = before.with(
            "skyplan.yaml",
            "---\napiVersion: skyplan.io/v1alpha1\nkind: Null\nname: marker\ninput: as",
            "input: as",
        );
        log.run(world, Some(&before.model()));
    }),
    ("drift", |world, log, project| {
        log.run(world, Some(&project.model()));
        world.edit(WEB, "kubectl-edit", |o| {
            o["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("args");
        });
        world.delete(&"object/quickstart/core/Service/hello/cache".parse().unwrap());
        world.clusters.get_mut("quickstart").unwrap().pools.clear();
    }),
    ("refresh-only", |world, log, project| {
        log.run(world, Some(&project.model()));
        world.edit(WEB, "kubectl-scale", |o| o["spec"]["replicas"] = 7.into());
        world.delete(&"object/quickstart/core/Service/hello/cache".parse().unwrap());
    }),
    ("exclude", |world, log, project| {
        let before = project.clone().with("hello/manifests/cache.yaml", "replicas: 1", "replicas: 2");
        log.run(world, Some(&before.model()));
        world.edit(WEB, "kubectl-scale", |o| o["spec"]["replicas"] = 7.into());
    }),
    ("delete", |world, log, project| {
        let mut before = project.clone();
        before.tree.files.insert(
            "hello/manifests/job.yaml".into(),
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: batch}\nspec:\n  selector: {matchLabels: {app: batch}}\n  \
             template:\n    metadata: {labels: {app: batch}}\n    spec: {containers: [{name: batch, image: busybox}]}\n---\n\
             apiVersion: v1\nkind: Service\nmetadata: {name: batch}\nspec: {selector: {app: batch}, ports: [{port: 80}]}\n"
                .into(),
        );
        log.run(world, Some(&before.model()));
    }),
    ("conflict", |world, log, project| {
        log.run(world, Some(&project.model()));
        world.edit(WEB, "kubectl-scale", |o| o["spec"]["replicas"] = 7.into());
    }),
    ("taken", |world, _, _| {
        world.make_cluster("quickstart").pools.insert("default".into(), 1);
    }),
    ("stranger", |world, _, _| {
        let node = json!({"name": "node-0", "milliCpu": 4000, "memory": 16_u64 << 30, "gpus": 0, "pods": 110});
        world.make_cluster("quickstart").free = vec![serde_json::from_value(node).unwrap()];
        world.foreign(
            "quickstart",
            "helm",
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hello"}}),
        );
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "hello"},
            "spec": {"selector": {"app": "other"}, "ports": [{"port": 80}]}});
        world.foreign("quickstart", "helm", &service);
        let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}, "metadata":
            {"name": "web", "namespace": "hello", "labels": {"skyplan.io/lineage": "other-project"}}});
        world.foreign("quickstart", "skyplan-other-project", &config);
    }),
    ("unreachable", |world, log, project| {
        let nodes = |n: u64| {
            let node = |i| json!({"name": format!("node-{i}"), "milliCpu": 4000, "memory": 16_u64 << 30, "gpus": 0, "pods": 110});
            serde_json::from_value((0..n).map(node).collect()).unwrap()
        };
        world.make_cluster("near").free = nodes(2);
        world.make_cluster("far").free = nodes(1);
        log.run(world, Some(&project.model()));
        world.clusters.get_mut("far").unwrap().silent = true;
    }),
    ("move", |world, log, project| {
        let before =
            project.clone().with("shop/policies.yaml", "permitted: [{platform: gcp}]", "permitted: [{platform: aws}]");
        log.run(world, Some(&before.model()));
    }),
    ("cost", |world, log, project| {
        let before = project.clone().with("shop/policies.yaml", "perMonth: 200GB}}  # more", "perMonth: 160GB}}").with(
            "providers/aws.yaml",
            "price: 1.05",
            "price: 0.9781",
        );
        log.run(world, Some(&before.model()));
    }),
];

/// What a case comes to: its files' names and texts.
type Files = Vec<(&'static str, String)>;

fn pretty<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// What a case asks for besides everything.
fn scope(folder: &Path) -> Scope {
    fs::read_to_string(folder.join("scope.json"))
        .map_or_else(|_| Scope::default(), |t| serde_json::from_str(&t).unwrap())
}

/// State and answers of a case with a past, as its story leaves them.
fn past(name: &str, folder: &Path, project: &Project) -> Files {
    let Some((_, story)) = STORIES.iter().find(|(case, _)| *case == name) else { return Vec::new() };
    let (mut world, model) = (World::default(), project.model());
    let mut log = Log::new(&model.lineage);
    story(&mut world, &mut log, project);
    let observed = plan_as(&world, Some(&model), &log.state, &scope(folder))
        .unwrap_or_else(|out| panic!("{name}: {}", project.shown(&out)))
        .observed;
    let mut files = vec![("observed.json", pretty(&observed))];
    if log.state.serial > 0 {
        files.push(("state.json", pretty(&log.state)));
    }
    files
}

/// Plan and diagnostics of a case, from its files alone.
fn present(folder: &Path, project: &Project) -> Files {
    let (model, mut out) = project.compiled();
    let mut files = Vec::new();
    if let Some(model) = model {
        let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
        let state: State =
            read("state.json").map_or_else(|| Log::new(&model.lineage).state, |t| serde_json::from_str(&t).unwrap());
        let observed = read("observed.json").map(|t| serde_json::from_str::<Observed>(&t).unwrap());
        // Where nothing was observed no cluster is there yet.
        let nowhere = model.clusters.iter().map(|c| (c.name.clone(), ClusterObserved::Absent));
        let observed = observed.unwrap_or_else(|| Observed { clusters: nowhere.collect(), ..Observed::default() });
        let observed = Observed { today: read("today").map(|t| Day::parse(t.trim()).unwrap()), ..observed };
        let inputs = Inputs {
            model: Some(&model),
            project: &model.project,
            environment: model.environment.as_deref(),
            state: &state,
            inputs_digest: "digest of the texts",
            limits: Limits::default(),
            scope: scope(folder),
        };
        match plan::plan(&inputs, &observed) {
            Ok(Step::Done(plan, _)) => {
                files.push(("plan.txt", render::plan::render(&plan, Style { color: false })));
                files.push(("plan.json", pretty(&plan).replace(env!("CARGO_PKG_VERSION"), "VERSION")));
            }
            Ok(Step::Ask(questions)) => panic!("{}: observed.json lacks {questions:#?}", folder.display()),
            Err(faults) => out.extend(faults),
        }
    }
    if out != Diagnostics::new() {
        files.push(("diagnostics.txt", project.shown(&out)));
    }
    files
}

/// Lines that differ, with a few around them.
fn difference(before: &str, after: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let mut out = String::new();
    for line in &a[head.saturating_sub(3)..head] {
        let _ = writeln!(out, "    {line}");
    }
    for (sign, lines) in [('-', &a[head..a.len() - tail]), ('+', &b[head..b.len() - tail])] {
        for line in lines.iter().take(40) {
            let _ = writeln!(out, "  {sign} {line}");
        }
        if lines.len() > 40 {
            let _ = writeln!(out, "  {sign} … and {} more lines", lines.len() - 40);
        }
    }
    for line in b[b.len() - tail..].iter().take(3) {
        let _ = writeln!(out, "    {line}");
    }
    out
}

/// Writes or compares; what is wrong, in words.
fn settle(folder: &Path, files: &Files, possible: &[&str], overwrite: bool) -> String {
    let mut wrong = String::new();
    for name in possible {
        let path = folder.join(name);
        let shown = path.strip_prefix(checkout("")).unwrap_or(&path).display().to_string();
        let (is, was) = (files.iter().find(|(n, _)| n == name).map(|(_, t)| t), fs::read_to_string(&path).ok());
        if is == was.as_ref() {
            continue;
        }
        match (is, was) {
            (Some(text), _) if overwrite => fs::write(&path, text).unwrap(),
            (None, _) if overwrite => fs::remove_file(&path).unwrap(),
            (Some(text), None) => drop(writeln!(wrong, "{shown} is new:\n{}", difference("", text))),
            (None, _) => drop(writeln!(wrong, "{shown} is there, and nothing of the kind comes out any more")),
            (Some(text), Some(was)) => drop(writeln!(wrong, "{shown} differs:\n{}", difference(&was, text))),
        }
    }
    wrong
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(checkout("testdata/plan")).unwrap();
    let mut all: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    all.sort();
    all
}

#[test]
fn golden() {
    let overwrite = std::env::var("SNAPSHOTS").is_ok_and(|v| v == "overwrite");
    let mut wrong = String::new();
    let mut names = BTreeSet::new();
    for folder in cases() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        // The examples are cases themselves: what is shown of them is what people get.
        let example = name.strip_prefix("example-").map(|e| checkout("examples").join(e));
        let project = Project::open(&example.unwrap_or_else(|| folder.join("repo")));
        let project = match fs::read_to_string(folder.join("environment")) {
            Ok(environment) => project.in_environment(environment.trim()),
            Err(_) => project,
        };
        let project = match fs::read_to_string(folder.join("rendered.json")) {
            Ok(rendered) => project.with_rendered(&rendered),
            Err(_) => project,
        };
        wrong += &settle(&folder, &past(&name, &folder, &project), &["state.json", "observed.json"], overwrite);
        wrong +=
            &settle(&folder, &present(&folder, &project), &["plan.txt", "plan.json", "diagnostics.txt"], overwrite);
        names.insert(name);
    }
    for (story, _) in &STORIES {
        assert!(names.contains(*story), "no case {story}");
    }
    assert!(names.len() >= 15, "cases are missing: {names:?}");
    assert!(
        wrong.is_empty(),
        "\n{wrong}\nIf this is as it should be: SNAPSHOTS=overwrite cargo test --test it golden\n"
    );
}

#[test]
fn the_case_with_many_faults_names_them_all() {
    let (_, out) = Project::open(&checkout("testdata/plan/many-faults/repo")).compiled();
    let codes: BTreeSet<&str> = out.iter().map(|d| d.code.as_str()).collect();
    let files: BTreeSet<&str> = out.iter().flat_map(|d| &d.labels).map(|l| &*l.origin.file).collect();
    assert!(codes.len() >= 12 && files.len() >= 6, "{codes:?} in {files:?}");
}
