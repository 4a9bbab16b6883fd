//! One fault is one diagnostic: what only looks wrong because of it is not said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support::project::Project;

/// What is said of a project, as (code, file), warnings too.
fn said(project: &Project) -> Vec<(String, String)> {
    let (_, out) = project.compiled();
    let file = |d: &skyplan::diagnostic::Diagnostic| d.labels.first().map(|l| l.origin.file.to_string());
    out.sorted().iter().map(|d| (d.code.clone(), file(d).unwrap_or_default())).collect()
}

fn files() -> Vec<String> {
    Project::example("shop").tree.files.keys().map(ToString::to_string).collect()
}

/// The example with the text of one file changed.
fn with(file: &str, change: impl Fn(&str) -> String) -> Project {
    let mut project = Project::example("shop");
    let text = project.tree.files.get_mut(file).unwrap();
    *text = change(text).into();
    project
}

#[test]
fn a_file_that_cannot_be_parsed_is_the_only_fault() {
    for file in files() {
        // At the end: everything before it is read for nothing.
        let all = said(&with(&file, |text| format!("{text}\nbroken: [\n")));
        assert_eq!(all, [("SKY0101".to_owned(), file.clone())]);
        // At the head: only words of the rest are known.
        let all = said(&with(&file, |text| format!("broken: {{\n{}", text.replace("---", "# ---"))));
        assert_eq!(all, [("SKY0101".to_owned(), file.clone())]);
    }
}

#[test]
fn a_document_with_an_unknown_field_is_the_only_fault() {
    for file in files().iter().filter(|f| !f.contains("manifests/")) {
        let text = Project::example("shop").tree.files[file.as_str()].to_string();
        for (at, _) in text.match_indices("\nkind: ") {
            let all = said(&with(file, |text| format!("{}\nodd: 1{}", &text[..at], &text[at..])));
            assert_eq!(all, [("SKY0105".to_owned(), file.clone())], "{file} at byte {at}");
        }
    }
}

#[test]
fn a_parameter_may_be_used_by_a_file_that_cannot_be_parsed() {
    let root = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: shop\nparameters: {tag: '1'}\n";
    let codes = |manifest: &str| -> Vec<String> {
        let project = Project::of([("skyplan.yaml", root), ("m.yaml", manifest)]);
        said(&project).into_iter().map(|(code, _)| code).collect()
    };
    assert_eq!(codes("a: 1\n"), ["SKY0223"]);
    assert_eq!(codes("a: ${parameters.tag}\nb: [\n"), ["SKY0101"]);
}

#[test]
fn a_reference_that_nothing_unread_can_mean_is_still_dangling() {
    let mut project = with("clusters.yaml", |text| format!("{text}\nbroken: [\n"));
    let policies = project.tree.files.get_mut("shop/policies.yaml").unwrap();
    *policies = policies.replace("componentRef: till", "componentRef: tlil").into();
    let codes: Vec<String> = said(&project).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["SKY0101", "SKY0202"]);
}

#[test]
fn a_file_that_is_no_text_is_the_only_fault() {
    for file in ["skyplan.yaml", "clusters.yaml", "hello/manifests/web.yaml"] {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in &Project::example("quickstart").tree.files {
            let path = dir.path().join(&**path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &**text).unwrap();
        }
        std::fs::write(dir.path().join(file), b"\xff\xfe").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_skyplan"));
        let output = command.args(["--color", "never", "validate", "-C"]).arg(dir.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        let heads: Vec<&str> = said.lines().filter(|l| l.starts_with("error[") || l.starts_with("warning[")).collect();
        assert_eq!(heads, [format!("error[SKY0109]: `{file}` is not UTF-8 text")], "{said}");
    }
}

#[test]
fn an_override_for_no_cluster_is_a_fault() {
    let root = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: shop\n---\n\
                apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: dev\ndriver: local\n";
    let codes = |clusters: &str| -> Vec<String> {
        let app = format!(
            "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources:\n\
             - objects: [{{apiVersion: v1, kind: ConfigMap, metadata: {{name: web}}, data: {{a: b}}}}]\n\
             overrides:\n- {{clusters: {clusters}, patch: {{kind: ConfigMap, metadata: {{name: web}}, data: {{a: c}}}}}}\n"
        );
        said(&Project::of([("skyplan.yaml", root), ("web.yaml", &app)])).into_iter().map(|(code, _)| code).collect()
    };
    assert_eq!((codes("[]"), codes("[{cluster: dev}]")), (vec!["SKY0160".to_owned()], Vec::new()));
}

#[test]
fn what_a_source_would_have_held_is_not_missed() {
    let root = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: shop\n---\n\
                apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: dev\ndriver: local\n";
    let codes = |source: &str| -> Vec<String> {
        let app = format!(
            "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources:\n- {source}\n\
             components:\n- {{name: web}}\n- {{name: till, objects: {{kind: Job}}, dependsOn: [web]}}\n\
             overrides:\n- {{clusters: [{{cluster: dev}}], patch: {{kind: Deployment, metadata: {{name: web}}}}}}\n"
        );
        said(&Project::of([("skyplan.yaml", root), ("web.yaml", &app)])).into_iter().map(|(code, _)| code).collect()
    };
    assert_eq!(codes("kustomize: none"), ["SKY0145"]);
    assert_eq!(codes("helm: {chart: none}"), ["SKY0145"]);
    assert_eq!(codes("git: {url: 'https://git.example.com/x', ref: main, path: .}"), ["SKY0150"]);
    assert_eq!(codes("oci: {url: 'oci://registry.example.com/x:v1', path: .}"), ["SKY0150"]);
}
