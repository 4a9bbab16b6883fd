//! Large inputs load; hostile ones are refused, quickly and with a word.

use std::fmt::Write as _;

use skyplan::{
    compile::compile,
    load::{self, tree::SourceTree},
};

const PROJECT: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: big\n---\n\
    apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: one\ndriver: local\n---\n\
    apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: app\nsources: [{path: all.yaml}]\n";

fn tree(manifests: String) -> SourceTree {
    SourceTree { files: [("skyplan.yaml".into(), PROJECT.into()), ("all.yaml".into(), manifests.into())].into() }
}

#[test]
fn a_file_of_ten_megabytes_loads_with_every_place() {
    let mut text = String::new();
    let mut count = 0;
    while text.len() < 10_000_000 {
        count += 1;
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{count}\n  labels: {{a: b, c: d}}\ndata:\n  \
             one: {}\n  two: |\n    {}\n    {}\n",
            "x".repeat(400),
            "y".repeat(400),
            "z".repeat(400)
        );
    }
    let (set, out) = load::read(&tree(text));
    assert!(out.is_empty(), "{out:?}");
    let (model, out) = compile(&set);
    assert!(out.is_empty(), "{out:?}");
    let model = model.unwrap();
    assert_eq!(model.objects.len(), count);
    assert_eq!(model.objects[1].origin.line, 13);
}

#[test]
fn hostile_files_are_refused() {
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |mut text, i| {
        let _ = writeln!(text, "a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}]", i - 1);
        text
    });
    for (what, text) in [
        ("an alias bomb", bomb),
        ("20,000 brackets", "[".repeat(20_000)),
        ("20,000 maps", (0..20_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect()),
        ("a NUL byte", "a: \0".into()),
    ] {
        let (_, out) = load::read(&tree(text));
        assert!(out.has_errors(), "{what}");
    }
}

/// Codes and summaries of a project with this application, written as objects of one source.
fn faults(manifests: &str) -> Vec<String> {
    let (set, mut out) = load::read(&tree(manifests.into()));
    out.extend(compile(&set).1);
    out.sorted().iter().map(|d| format!("{} {}", d.code, d.summary)).collect()
}

#[test]
fn objects_that_no_server_would_take_are_refused_before_a_plan() {
    for (what, manifest, word) in [
        ("a name that leads elsewhere", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a/../b}\n", "name"),
        (
            "a namespace that is none",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: \"../x\"}\n",
            "namespace",
        ),
        ("labels that are a list", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: [x]}\n", "labels"),
        (
            "a secret of numbers",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {p: 4711}\n",
            "stringData",
        ),
        ("a secret of text", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: 4711-secret\n", "data"),
        ("no spec", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n", "spec"),
        ("a spec of text", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: x\n", "spec"),
        (
            "replicas in words",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: three}\n",
            "replicas",
        ),
        (
            "fewer than none",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: -3}\n",
            "replicas",
        ),
    ] {
        let said = faults(manifest);
        assert!(said.iter().any(|d| d.starts_with("SKY0210") && d.contains(word)), "{what}: {said:?}");
        assert!(!said.concat().contains("4711"), "no secret value is shown: {said:?}");
    }
}
