//! What a renderer wrote → documents, each with the name of the file that it came from.
//!
//! Rendered text is kept as texts of its own, called `charts/web: templates/deployment.yaml`, so that every
//! later fault shows it. Knows how helm and kustomize say where a document is from, not how they are run.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;

use super::{salvage, sources::is_ours, yaml::Node};
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    digest::digest_bytes,
    spec::{Render, Rendered, RenderedSource, Renderer},
};

/// The annotation in which kustomize says where an object is from.
const ORIGIN: &str = "    config.kubernetes.io/origin: |";
/// Differences that are named.
const MOST_NAMED: usize = 12;
/// Hooks of which nothing is applied: tests, and what happens when a release is deleted or rolled back.
const NEVER: [&str; 7] =
    ["test", "test-success", "test-failure", "pre-delete", "post-delete", "pre-rollback", "post-rollback"];
const HOOK: &str = "helm.sh/hook";

/// What a rendered source holds.
pub(super) struct Found {
    pub(super) texts: BTreeMap<Arc<str>, Arc<str>>,
    pub(super) nodes: Vec<(Arc<str>, Node)>,
    pub(super) faults: Diagnostics,
}

/// Reads what came of a source, under a name that no other rendering of the same folder has.
pub(super) fn read(render: &Render, rendered: &Rendered, name: &str) -> Found {
    let mut found = Found { texts: BTreeMap::new(), nodes: Vec::new(), faults: Diagnostics::new() };
    for (file, text) in files(render, &rendered.output, name) {
        let (file, text): (Arc<str>, Arc<str>) = (file.into(), text.into());
        let parsed = salvage::parse(&file, &text);
        for (fault, _) in parsed.faults {
            found.faults.push(match rendered.tool.as_str() {
                "" => fault,
                tool => fault.hint(format!("this is what {tool} made of `{}`", render.name())),
            });
        }
        let mut hooked = None;
        for node in parsed.nodes {
            if is_ours(&node) {
                found.faults.push(
                    Diagnostic::error("SKY0210", "a source holds a document of skyplan's own")
                        .at(&node.span.origin(&file))
                        .hint("only Kubernetes objects are rendered; write it into the project"),
                );
                continue;
            }
            let hooks = if matches!(render.how, Renderer::Helm(_)) { hooks(&node) } else { Vec::new() };
            if !hooks.is_empty() && hooks.iter().all(|h| NEVER.contains(&h.as_str())) {
                continue;
            }
            if hooks.iter().any(|h| h.starts_with("pre-") || h.starts_with("post-")) && hooked.is_none() {
                hooked = Some((node.span.origin(&file), hooks.join(", ")));
            }
            found.nodes.push((Arc::clone(&file), node));
        }
        if let Some((origin, hooks)) = hooked {
            found.faults.push(
                Diagnostic::warning("SKY0146", format!("this is a Helm hook ({hooks}), and applied like any object"))
                    .at(&origin)
                    .hint(
                        "it is neither run first or last nor run again at each change; `dependsOn` orders components",
                    ),
            );
        }
        found.texts.insert(file, text);
    }
    found
}

/// What a plan remembers of it. Of secret values there is no digest that could be guessed at.
pub(super) fn remembered(application: &str, render: &Render, rendered: &Rendered) -> RenderedSource {
    let open = !holds_secrets(&rendered.output);
    RenderedSource {
        application: application.to_owned(),
        source: render.name(),
        tool: rendered.tool.clone(),
        inputs: open.then(|| rendered.inputs.clone()),
        output: open.then(|| digest_bytes(rendered.output.as_bytes())),
    }
}

/// Whether there is a Secret in what was rendered.
pub fn holds_secrets(output: &str) -> bool {
    output.lines().any(|line| line.contains("Secret") && line.contains("kind"))
}

/// Hooks that an object is, if it is one.
fn hooks(node: &Node) -> Vec<String> {
    let annotation = node.get("metadata").and_then(|m| m.get("annotations")).and_then(|a| a.get(HOOK));
    let words = annotation.and_then(Node::text).unwrap_or_default().split(',');
    words.map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect()
}

/// The text of every file that something came from, in the order of their first documents.
fn files(render: &Render, output: &str, name: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    if render.how == Renderer::Files {
        // A cache or a recording that is not what was written: as if there were nothing.
        let files: BTreeMap<String, String> = serde_json::from_str(output).unwrap_or_default();
        return files.into_iter().map(|(path, text)| (format!("{name}: {}", path.escape_debug()), text)).collect();
    }
    for piece in documents(output) {
        let (from, text) = match &render.how {
            Renderer::Files => (None, piece.to_owned()),
            Renderer::Kustomize => without_origin(piece),
            Renderer::Helm(_) => match piece.trim_start().strip_prefix("# Source: ") {
                Some(rest) => {
                    let (path, text) = rest.split_once('\n').unwrap_or((rest, ""));
                    // The first folder is the chart's own name.
                    (path.trim().split_once('/').map(|(_, p)| p.to_owned()), text.to_owned())
                }
                None => (None, piece.to_owned()),
            },
        };
        let file = match from {
            Some(from) => format!("{name}: {}", from.escape_debug()),
            None => name.to_owned(),
        };
        match all.iter_mut().find(|(known, _)| *known == file) {
            Some((_, before)) => {
                if !before.ends_with('\n') {
                    before.push('\n');
                }
                before.push_str("---\n");
                before.push_str(&text);
            }
            None if text.trim().is_empty() => {}
            None => all.push((file, text)),
        }
    }
    all
}

/// Texts between lines of `---`.
fn documents(output: &str) -> Vec<&str> {
    let (mut all, mut from, mut at) = (Vec::new(), 0, 0);
    for line in output.split_inclusive('\n') {
        if line.trim_end() == "---" {
            all.push(&output[from..at]);
            from = at + line.len();
        }
        at += line.len();
    }
    all.push(&output[from..]);
    all
}

/// A document of kustomize's without the annotation that says where it is from, and what that says.
///
/// Kustomize writes every document in the same form: two blanks a step, one key a line. Only the annotation
/// itself stands at this depth below these two keys; what looks like it within a value stands elsewhere.
fn without_origin(text: &str) -> (Option<String>, String) {
    let depth = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (mut top, mut second) = ("", "");
    let mut begin = None;
    for (i, line) in lines.iter().enumerate() {
        let bare = line.trim_end();
        match depth(line) {
            0 => (top, second) = (bare, ""),
            2 => second = bare,
            4 if top == "metadata:" && second == "  annotations:" && bare == ORIGIN => {
                begin = Some(i);
                break;
            }
            _ => {}
        }
    }
    let Some(begin) = begin else { return (None, text.to_owned()) };
    let end = lines[begin + 1..].iter().position(|l| depth(l) <= 4).map_or(lines.len(), |n| begin + 1 + n);
    let says = |key: &str| lines[begin..end].iter().find_map(|l| Some(l.trim().strip_prefix(key)?.trim().to_owned()));
    let from = says("path:").or_else(|| says("configuredIn:"));
    // `annotations:` with nothing below it goes as well.
    let alone = lines[begin - 1].trim_end() == "  annotations:" && lines.get(end).is_none_or(|l| depth(l) < 4);
    let kept = lines[..begin - usize::from(alone)].iter().chain(&lines[end..]);
    (from, kept.copied().collect())
}

/// What differs between two renderings of the same source: fields, or whole objects.
pub fn differences(render: &Render, one: &str, other: &str) -> Vec<String> {
    let objects = |output: &str| -> BTreeMap<String, Value> {
        let found = read(render, &Rendered { tool: String::new(), inputs: String::new(), output: output.into() }, "");
        let nodes = found.nodes.into_iter().map(|(_, node)| node.into_json());
        nodes.map(|o| (format!("{} {}", word(&o["kind"]), word(&o["metadata"]["name"])), o)).collect()
    };
    let (one, other) = (objects(one), objects(other));
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let mut out = Vec::new();
    for name in names {
        match (one.get(name), other.get(name)) {
            (Some(a), Some(b)) => compare(a, b, &format!("{name}: "), &mut out),
            _ => out.push(format!("{name} is in one of them only")),
        }
    }
    if out.is_empty() {
        out.push("the order of documents, or a comment".into());
    }
    if out.len() > MOST_NAMED {
        let more = out.len() - MOST_NAMED;
        out.truncate(MOST_NAMED);
        out.push(format!("and {more} more"));
    }
    out
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn compare(a: &Value, b: &Value, path: &str, out: &mut Vec<String>) {
    let below = |step: &str| if path.ends_with(' ') { format!("{path}{step}") } else { format!("{path}.{step}") };
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let null = &Value::Null;
                compare(a.get(key).unwrap_or(null), b.get(key).unwrap_or(null), &below(key), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                compare(a, b, &format!("{path}[{i}]"), out);
            }
        }
        _ if a == b => {}
        _ => out.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic::Origin, spec::ChartRender};

    fn render(how: Renderer) -> Render {
        Render { origin: Origin::file("app.yaml"), content: None, path: "charts/web".into(), how }
    }

    fn helm() -> Render {
        render(Renderer::Helm(Box::new(ChartRender {
            release: "web".into(),
            namespace: "web".into(),
            values: Vec::new(),
            include_crds: true,
            kube_version: None,
            api_versions: Vec::new(),
        })))
    }

    fn found(render: &Render, output: &str) -> Found {
        let rendered = Rendered { tool: "helm 3.22.0".into(), inputs: String::new(), output: output.into() };
        read(render, &rendered, &render.name())
    }

    #[test]
    fn documents_are_named_by_their_templates() {
        let output = "---\n# Source: web/templates/a.yaml\nkind: A\n---\n# Source: web/templates/b.yaml\nkind: B\n\
                      ---\n# Source: web/templates/a.yaml\nkind: C\n---\n";
        let found = found(&helm(), output);
        let places: Vec<String> = found.nodes.iter().map(|(f, n)| n.span.origin(f).to_string()).collect();
        let [a, c, b] =
            ["charts/web: templates/a.yaml:1", "charts/web: templates/a.yaml:3", "charts/web: templates/b.yaml:1"];
        assert_eq!(places, [a, c, b]);
        assert_eq!(&*found.texts["charts/web: templates/a.yaml"], "kind: A\n---\nkind: C\n");
    }

    #[test]
    fn hooks_of_tests_go_and_others_are_named() {
        let hook = |hook: &str| {
            format!("# Source: web/templates/h.yaml\nkind: Job\nmetadata:\n  annotations: {{helm.sh/hook: '{hook}'}}\n")
        };
        let comes = |hooks: &str| {
            let found = found(&helm(), &hook(hooks));
            (found.nodes.len(), found.faults.len())
        };
        assert_eq!(comes("test"), (0, 0));
        assert_eq!(comes("pre-delete, post-delete"), (0, 0));
        assert_eq!(comes("pre-install,pre-upgrade"), (1, 1));
        assert_eq!(comes("crd-install"), (1, 0));
        assert_eq!(found(&render(Renderer::Kustomize), &hook("test")).nodes.len(), 1);
    }

    #[test]
    fn where_kustomize_has_it_from_is_no_annotation_of_the_objects() {
        let alone = "kind: A\nmetadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: base/a.yaml\n  name: x\n";
        let found_alone = found(&render(Renderer::Kustomize), alone);
        assert_eq!(&*found_alone.texts["charts/web: base/a.yaml"], "kind: A\nmetadata:\n  name: x\n");
        let beside = alone.replace("  name", "    other: z\n  name");
        let kept = found(&render(Renderer::Kustomize), &beside);
        let object = kept.nodes[0].1.clone().into_json();
        assert_eq!(object["metadata"]["annotations"], serde_json::json!({"other": "z"}));
        let value = "data:\n  t: |\n    metadata:\n      annotations:\n        config.kubernetes.io/origin: |\n          x\nkind: B\n";
        assert_eq!(without_origin(value), (None, value.to_owned()));
        let last = "metadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      configuredIn: k.yaml\n";
        assert_eq!(without_origin(last), (Some("k.yaml".into()), "metadata:\n".into()));
    }

    #[test]
    fn what_differs_is_named_by_field() {
        let one = "# Source: w/t/a.yaml\nkind: Secret\nmetadata: {name: x}\ndata: {a: MQ==, b: Mg==}\nl: [1, 2]\n";
        let other = one.replace("MQ==", "Mw==").replace("[1, 2]", "[1, 3]");
        assert_eq!(differences(&helm(), one, &other), ["Secret x: data.a", "Secret x: l[1]"]);
        let renamed = one.replace("name: x", "name: z");
        let only = ["Secret x is in one of them only", "Secret z is in one of them only"];
        assert_eq!(differences(&helm(), one, &renamed), only);
    }

    #[test]
    fn skyplans_own_kinds_are_not_rendered() {
        let found = found(&helm(), "# Source: w/t/a.yaml\napiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: c\n");
        assert_eq!((found.nodes.len(), found.faults.has_errors()), (0, true));
    }
}
