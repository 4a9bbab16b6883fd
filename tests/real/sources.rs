//! Charts and kustomizations with the real helm and kustomize: what comes of them, what is said of their faults,
//! and that a hostile one gets nowhere.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use skyplan::{
    diagnostic::{Diagnostics, SourceMap},
    load::{
        parameters::Choice,
        read_as,
        snapshot::Place,
        tree::{SourceTree, read_folder},
    },
    render::{Style, diagnostics},
    sources::{Bounds, Cache, Contents, Kitchen, Tools},
    spec::{Rendered, SpecSet},
};

use super::home::{Home, both};
use crate::support::{codes::overwrite, project::checkout};

/// Programs as `make tools` installs them, without a cache.
fn kitchen(folder: &Path) -> Kitchen {
    let tools = Tools::from_env().cache.expect("a home");
    let named = |name: &str| {
        let program = tools.join(name).join(name);
        assert!(program.is_file(), "{}: run `make tools`", program.display());
        Some(program)
    };
    Kitchen {
        place: Place::Folder(folder.into()),
        tools: Tools { kustomize: named("kustomize"), helm: named("helm"), ..Tools::default() },
        cache: Cache::default(),
        contents: Contents::default(),
        bounds: Bounds { deadline: Duration::from_secs(20), output: 1 << 20, memory: 2 << 30 },
    }
}

/// Reads a project and renders what it asks for.
fn read(kitchen: &Kitchen) -> (SpecSet, Diagnostics, BTreeMap<String, Rendered>) {
    let Place::Folder(folder) = &kitchen.place else { panic!("a folder") };
    let (tree, out) = read_folder(folder);
    assert!(out.is_empty(), "{out:?}");
    let (set, out) = read_as(&tree, &Choice::default());
    assert!(!set.renders.is_empty(), "nothing to render: {}", shown(&out, &tree));
    let rendered = kitchen.answer(&set.renders);
    let (set, out) = read_as(&tree, &Choice { rendered: rendered.clone(), ..Choice::default() });
    (set, out, rendered.into_iter().filter_map(|(key, r)| Some((key, r.ok()?))).collect())
}

fn shown(out: &Diagnostics, tree: &SourceTree) -> String {
    let mut sources = SourceMap::default();
    tree.files.iter().for_each(|(path, text)| sources.insert(path.clone(), text.clone()));
    diagnostics::render(out, &sources, Style { color: false })
}

/// A project with these files and one source.
fn project(source: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let app = format!("apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources:\n- {source}\n");
    let root = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: shop\n";
    for (path, text) in [("skyplan.yaml", root), ("web.yaml", &app)].iter().chain(files) {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn chart(template: &str) -> tempfile::TempDir {
    let head = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    project("helm: {chart: chart}", &[("chart/Chart.yaml", head), ("chart/templates/a.yaml", template)])
}

/// Codes and places of what is wrong with a project.
fn faults(kitchen: &Kitchen) -> Vec<(String, String, String)> {
    let (_, out, _) = read(kitchen);
    out.iter().map(|d| (d.code.clone(), d.labels[0].origin.to_string(), d.summary.clone())).collect()
}

fn faults_of(template: &str) -> Vec<(String, String, String)> {
    faults(&kitchen(chart(template).path()))
}

fn data(set: &SpecSet) -> &serde_json::Value {
    &set.manifests["web"][0].object["data"]
}

#[test]
fn the_golden_of_the_example_is_what_is_rendered() {
    let (_, out, rendered) = read(&kitchen(&checkout("examples/sources")));
    assert!(out.is_empty(), "{out:?}");
    let text = serde_json::to_string_pretty(&rendered).unwrap() + "\n";
    let path = checkout("testdata/plan/example-sources/rendered.json");
    if overwrite() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let hint = "if it is as it should be: SNAPSHOTS=overwrite cargo test --test it real::sources::the_golden";
    assert_eq!(fs::read_to_string(path).unwrap_or_default(), text, "{hint}");
}

#[test]
fn the_example_is_applied_changed_and_read_from_a_revision() {
    let home = Home::new("sources");
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").current_dir(home.project()).args(who).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", both(&output));
    };
    fs::write(home.project().join(".gitignore"), ".skyplan/\n").unwrap();
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    assert!(home.said(&["apply", "--yes"], 0).contains("7 done"));
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    let host = ["-n", "web", "get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].env[0].value}"];
    assert_eq!(home.kubectl("sources", &host), "shop.example.com");
    assert_eq!(
        home.kubectl("sources", &["-n", "till", "get", "deploy", "till", "-o", "jsonpath={.spec.replicas}"]),
        "3"
    );
    assert_eq!(home.kubectl("sources", &["-n", "web", "get", "pods", "-l", "x!=y", "-o", "name"]).lines().count(), 2);

    // A file that is no YAML is read, too, and from where it was asked for.
    home.edit("charts/web/templates/_names.tpl", "app: {{ .Release.Name }}", "app: {{ .Release.Name }}\ntier: web");
    home.edit(
        "charts/web/templates/deployment.yaml",
        "matchLabels: {{- include \"web.labels\" . | nindent 6 }}",
        "matchLabels: {app: web}",
    );
    let change = |address: &str| ("update".to_owned(), address.to_owned(), "specChanged".to_owned());
    let changed = [change("object/sources/core/Service/web/web"), change("object/sources/apps/Deployment/web/web")];
    assert_eq!(home.changes(), changed);
    assert!(home.run(&["plan", "--rev", "HEAD", "--detailed-exitcode"], 0).contains("No changes."));
    let plan: serde_json::Value = serde_json::from_str(&home.run(&["plan", "--json"], 0)).unwrap();
    let tools: Vec<&str> = plan["rendered"].as_array().unwrap().iter().map(|r| r["tool"].as_str().unwrap()).collect();
    assert!(tools.len() == 2 && tools.iter().any(|t| t.starts_with("helm 3.")), "{tools:?}");

    // A plan file is for the bytes that it was made from, also where only a file that is no YAML has changed.
    home.run(&["plan", "-o", "plan.json"], 0);
    home.edit("charts/web/templates/_names.tpl", "tier: web", "tier: front");
    assert!(home.said(&["apply", "plan.json"], 4).contains("SKY0501"));
    home.edit("charts/web/templates/_names.tpl", "tier: front", "tier: web");
    home.run(&["apply", "plan.json"], 0);
    let label = ["-n", "web", "get", "service", "web", "-o", "jsonpath={.spec.selector.tier}"];
    assert_eq!(home.kubectl("sources", &label), "web");
    home.run(&["destroy", "--yes"], 0);
}

#[test]
fn clusters_differ_by_overrides() {
    let home = Home::empty();
    let cluster = |name: &str| {
        format!(
            "---\napiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: {name}\ndriver: local\nlabels: {{size: {name}}}\n"
        )
    };
    let app = "---\napiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources: [{path: m.yaml}]\n\
               components: [{name: web, instances: {min: 2}}]\noverrides:\n\
               - clusters: [{matchLabels: {size: large}}]\n  patch:\n    kind: Deployment\n    metadata: {name: web}\n\
               \x20   spec: {replicas: 2, template: {spec: {containers: [{name: web, env: [{name: B, value: '2'}]}]}}}\n\
               - clusters: [{cluster: large}]\n  objects: {kind: Service}\n  jsonPatch: [{op: add, path: /spec/ports/0/name, value: http}]\n";
    let root = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: two\n";
    fs::write(home.project().join("skyplan.yaml"), format!("{root}{}{}{app}", cluster("small"), cluster("large")))
        .unwrap();
    let manifests = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {a: b}}\n  \
                     template: {metadata: {labels: {a: b}}, spec: {containers: [{name: web, image: nginx, env: [{name: A, value: '1'}]}]}}\n\
                     ---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {a: b}, ports: [{port: 80}]}\n";
    fs::write(home.project().join("m.yaml"), manifests).unwrap();
    home.run(&["apply", "--yes"], 0);
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    let said = |cluster: &str| {
        let deployment = "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].env[*].name} {.spec.template.spec.containers[0].image}";
        let deployment = home.kubectl(cluster, &["-n", "web", "get", "deploy", "web", "-o", deployment]);
        let port =
            home.kubectl(cluster, &["-n", "web", "get", "service", "web", "-o", "jsonpath={.spec.ports[0].name}"]);
        format!("{deployment} {port}")
    };
    assert_eq!((said("small").as_str(), said("large").as_str()), ("1 A nginx ", "2 A B nginx http"));
    // One that goes leaves what was written; one that changes is a change where it counts.
    home.edit("skyplan.yaml", "replicas: 2, ", "");
    home.edit("skyplan.yaml", "value: '2'", "value: '3'");
    let update = ("update".to_owned(), "object/large/apps/Deployment/web/web".to_owned(), "specChanged".to_owned());
    assert_eq!(home.changes(), [update]);
    home.run(&["destroy", "--yes"], 0);
}

#[test]
fn what_helm_says_is_said_at_its_line() {
    let at = |template: &str| {
        let all = faults_of(template);
        assert_eq!((all.len(), all[0].0.as_str()), (1, "SKY0141"), "{all:?}");
        (all[0].1.clone(), all[0].2.clone())
    };
    let say = |place: &str, why: &str| (place.to_owned(), format!("`chart` cannot be rendered{why}"));
    let place = "chart/templates/a.yaml:2";
    assert_eq!(at("a: 1\nb: {{ .Values.x.y }}\n"), say(place, ": nil pointer evaluating interface {}.y"));
    assert_eq!(at("a: 1\nb: {{ fail \"no\" }}\n"), say(place, ": no"));
    assert_eq!(at("a: 1\nb: {{ if }}\n"), say(place, ": missing value for if"));
    assert_eq!(at("a: 1\n b: 2\n"), say("chart/templates/a.yaml:1", ""));
    // What only skyplan refuses is shown in what was rendered.
    let twice =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: '1'\n{{ if true }}  a: '2'{{ end }}\n";
    let all = faults_of(twice);
    assert!(
        all.iter()
            .all(|(code, place, _)| code == "SKY0141"
                || code == "SKY0102" && place.starts_with("chart: templates/a.yaml:")),
        "{all:?}"
    );
    assert_eq!(all.len(), 1, "{all:?}");
}

#[test]
fn what_differs_is_named() {
    let all =
        faults_of("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {p: {{ randAlphaNum 9 | quote }}}\n");
    assert_eq!((all.len(), all[0].0.as_str(), all[0].1.as_str()), (1, "SKY0144", "web.yaml:5"), "{all:?}");
    let dir =
        chart("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {t: {{ now | quote }}, u: {{ uuidv4 }}}\n");
    let (_, out, _) = read(&kitchen(dir.path()));
    let detail = &out.iter().next().unwrap().detail;
    assert!(detail.contains("ConfigMap x: data.t") && detail.contains("ConfigMap x: data.u"), "{detail}");
}

#[test]
fn a_hostile_chart_gets_nowhere() {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  \
                    file: {{ .Files.Get \"/etc/passwd\" | quote }}\n  up: {{ .Files.Get \"../web.yaml\" | quote }}\n  \
                    host: {{ getHostByName \"localhost\" | quote }}\n  \
                    live: {{ lookup \"v1\" \"Namespace\" \"\" \"\" | toJson | quote }}\n";
    let dir = chart(template);
    let (set, out, _) = read(&kitchen(dir.path()));
    assert!(out.is_empty(), "{out:?}");
    assert_eq!(*data(&set), serde_json::json!({"file": "", "up": "", "host": "", "live": "{}"}));
    for function in ["env \"HOME\"", "expandenv \"$HOME\"", "readFile \"/etc/passwd\""] {
        let all = faults_of(&format!("a: {{{{ {function} }}}}\n"));
        assert_eq!(all[0].0, "SKY0141", "{function}: {all:?}");
    }
    // Options in the place of names are names.
    let option = "helm: {chart: chart, releaseName: --post-renderer=/bin/true}";
    let files =
        [("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"), ("chart/templates/a.yaml", "a: 1")];
    let all = faults(&kitchen(project(option, &files).path()));
    assert!(all[0].0 == "SKY0141", "{all:?}");
    // A link to what is outside is no part of a chart.
    let dir = chart("a: {{ .Files.Get \"x\" }}");
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("chart/x")).unwrap();
    assert_eq!(faults(&kitchen(dir.path()))[0].0, "SKY0111");
}

#[test]
fn loops_and_floods_end() {
    let begin = Instant::now();
    let short = |template: &str| {
        let dir = chart(template);
        let bounds = Bounds { deadline: Duration::from_secs(4), output: 1 << 20, memory: 2 << 30 };
        let all = faults(&Kitchen { bounds, ..kitchen(dir.path()) });
        assert_eq!((all.len(), all[0].0.as_str()), (1, "SKY0142"), "{all:?}");
        all[0].2.clone()
    };
    assert!(
        short("{{ range until 100000 }}\na: aaaaaaaaaaaaaaaaaaaaaaaaaa\n{{ end }}").contains("renders to more than")
    );
    assert!(short("{{ range until 2000000000 }}{{ end }}").contains("memory"));
    let nested = "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}";
    assert!(short(nested).contains("was not rendered in 4 s"));
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    // Nothing goes on behind our back.
    let left = Command::new("pgrep").args(["-f", "helm template --namespace=web"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[test]
fn nothing_is_asked_for_over_the_network() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("http://{}/a.yaml", server.local_addr().unwrap());
    let over = |text: &str| project("kustomize: over", &[("over/kustomization.yaml", text)]);
    for text in [
        format!("resources: [{url}]"),
        format!("resources: ['git::{url}']"),
        format!("patches: [{{path: '{url}'}}]"),
        format!("configMapGenerator: [{{name: a, files: ['k={url}']}}]"),
        format!(
            "transformers:\n- |\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {{name: x}}\n  path: {url}\n"
        ),
    ] {
        let dir = over(&text);
        let all = faults(&kitchen(dir.path()));
        assert_eq!((all.len(), all[0].0.as_str()), (1, "SKY0143"), "{text}: {all:?}");
    }
    let schema = format!("{{\"$ref\": \"{url}\"}}");
    let head = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    let dir = project("helm: {chart: chart}", &[("chart/Chart.yaml", head), ("chart/values.schema.json", &schema)]);
    assert_eq!(faults(&kitchen(dir.path()))[0].0, "SKY0143");
    assert!(server.accept().is_err(), "somebody has asked");
}

#[test]
fn kubectl_builds_what_kustomize_builds() {
    let folder = checkout("examples/sources");
    let own = kitchen(&folder);
    let kubectl = skyplan::driver::local::kubectl(&skyplan::driver::local::LocalRoot::from_env().unwrap());
    let bin = kubectl.expect("kubectl: run `make control-plane`").parent().unwrap().to_owned();
    let tools = Tools { kustomize: None, path: Some(bin.into_os_string()), ..own.tools.clone() };
    let (one, _, _) = read(&own);
    let (other, out, rendered) = read(&Kitchen { tools, ..own });
    assert!(out.is_empty(), "{out:?}");
    assert!(rendered.values().any(|r| r.tool.starts_with("kubectl kustomize 5.")), "{rendered:?}");
    let objects = |set: &SpecSet| {
        let mut all: Vec<String> = set.manifests["till"].iter().map(|m| format!("{} {}", m.origin, m.object)).collect();
        all.sort();
        all
    };
    assert_eq!(objects(&one), objects(&other));
}

#[test]
fn packed_charts_are_as_good_as_folders() {
    let folder = tempfile::tempdir().unwrap();
    let own = kitchen(folder.path());
    let pack = |chart: &Path| {
        let output = Command::new(own.tools.helm.as_ref().unwrap())
            .arg("package")
            .arg(chart)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", both(&output));
    };
    let head = |name: &str, more: &str| format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n{more}");
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\n";
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("inner/Chart.yaml", &head("inner", ""));
    put("inner/templates/a.yaml", config);
    pack(&folder.path().join("inner"));
    put("outer/Chart.yaml", &head("outer", "dependencies: [{name: inner, version: 1.0.0, repository: 'https://x'}]\n"));
    put("outer/templates/a.yaml", config);
    fs::create_dir_all(folder.path().join("outer/charts")).unwrap();
    fs::copy(folder.path().join("inner-1.0.0.tgz"), folder.path().join("outer/charts/inner-1.0.0.tgz")).unwrap();
    pack(&folder.path().join("outer"));
    let names = |source: &str| {
        let dir = project(source, &[]);
        for entry in ["outer-1.0.0.tgz", "inner-1.0.0.tgz"] {
            fs::copy(folder.path().join(entry), dir.path().join(entry)).unwrap();
        }
        let (set, out, _) = read(&Kitchen { place: Place::Folder(dir.path().into()), ..own.clone() });
        assert!(out.is_empty(), "{out:?}");
        set.manifests["web"].iter().map(|m| m.origin.to_string()).collect::<Vec<_>>()
    };
    let [inner, outer] = ["outer-1.0.0.tgz: charts/inner/templates/a.yaml:1", "outer-1.0.0.tgz: templates/a.yaml:1"];
    assert_eq!(names("helm: {chart: outer-1.0.0.tgz}"), [inner, outer]);
}
