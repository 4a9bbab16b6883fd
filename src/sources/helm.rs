//! `helm template`: what it is given, and where what it says of a fault is written.

use std::{ffi::OsString, path::Path};

use serde_json::Value;

use super::{TREE, archive::unpack, child::Bounds, child::run, tool::Tool, unfinished};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    load::snapshot::{Files, Place},
    spec::{ChartRender, Render},
};

const SCHEMA: &str = "values.schema.json";
/// Schemas of schemas, which helm brings along.
const KNOWN: [&str; 2] = ["http://json-schema.org/", "https://json-schema.org/"];
/// Charts in charts in charts.
const MOST_DEPTH: usize = 8;

/// All files of a chart; archives, also of the charts that it depends on, are unpacked.
pub(super) fn files(place: &Place, render: &Render) -> Result<Files, Diagnostics> {
    let Some(mut files) = place.files(&render.path).map_err(|d| *d)? else {
        return Err(Diagnostic::error("SKY0145", format!("there is no chart at `{}`", render.name()))
            .at(&render.origin)
            .hint("paths are relative to the file they are written in")
            .into());
    };
    let broken = |path: &str, why: String| {
        Diagnostic::error("SKY0141", format!("`{path}` cannot be unpacked: {why}"))
            .at(&render.origin)
            .hint("`helm package` makes such an archive of a folder")
    };
    if let Some(bytes) = files.remove(&render.path) {
        unpack(&bytes, &render.path, true, &mut files).map_err(|why| broken(&render.path, why))?;
    }
    for level in 0.. {
        let packed: Vec<String> = files.keys().filter(|p| is_packed(p)).cloned().collect();
        let Some(first) = packed.first() else { break };
        if level == MOST_DEPTH {
            return Err(broken(first, format!("charts are in each other more than {MOST_DEPTH} times")).into());
        }
        for path in packed {
            let bytes = files.remove(&path).unwrap_or_default();
            // Helm takes a folder whose name ends in `.tgz` for an archive.
            let to = path.strip_suffix(".tgz").unwrap_or(&path);
            unpack(&bytes, to, true, &mut files).map_err(|why| broken(&path, why))?;
        }
    }
    let faults = schemas(&files, render);
    if faults.has_errors() { Err(faults) } else { Ok(files) }
}

/// Whether helm would unpack it: an archive right in a folder `charts`.
fn is_packed(path: &str) -> bool {
    let folder = folder_of(path);
    path.ends_with(".tgz") && (folder == "charts" || folder.ends_with("/charts"))
}

/// What schemas of values would have fetched.
fn schemas(files: &Files, render: &Render) -> Diagnostics {
    let fault = |path: &str, summary: String| {
        Diagnostic::error("SKY0143", summary).at(&Origin::file(path)).label(&render.origin, "by this chart")
    };
    let mut faults = Diagnostics::new();
    for (path, bytes) in files.iter().filter(|(path, _)| path.ends_with(SCHEMA)) {
        match serde_json::from_slice::<Value>(bytes).as_ref().map(outside) {
            Ok(None) => {}
            Ok(Some(reference)) => faults.push(
                fault(path, format!("`{reference}` would be fetched while it is rendered"))
                    .hint("a plan reads nothing from the network: copy what the schema refers to into it"),
            ),
            // Whoever is not as strict may see references in it.
            Err(why) => faults.push(
                fault(path, format!("what `{path}` refers to cannot be told: {why}"))
                    .hint("write it as JSON, or take it out"),
            ),
        }
    }
    faults
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The first thing outside of itself that a schema refers to.
fn outside(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(map) => map.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("$ref" | "$dynamicRef" | "$recursiveRef" | "$schema", Value::String(text)) => {
                let inside = text.is_empty() || text.starts_with('#') || KNOWN.iter().any(|k| text.starts_with(k));
                (!inside).then_some(text.as_str())
            }
            _ => outside(value),
        }),
        Value::Array(items) => items.iter().find_map(outside),
        _ => None,
    }
}

pub(super) fn render(
    render: &Render,
    chart: &ChartRender,
    tool: &Tool,
    folder: &Path,
    files: &Files,
    bounds: Bounds,
) -> Result<String, Diagnostics> {
    let mut args: Vec<OsString> = vec![tool.command.into()];
    args.push(format!("--namespace={}", chart.namespace).into());
    for (i, values) in chart.values.iter().enumerate() {
        let path = folder.join(format!("values-{i}.json"));
        std::fs::write(&path, values).map_err(|e| super::own_fault(render, &e))?;
        let mut arg = OsString::from("--values=");
        arg.push(path);
        args.push(arg);
    }
    if chart.include_crds {
        args.push("--include-crds".into());
    }
    if let Some(version) = &chart.kube_version {
        args.push(format!("--kube-version={version}").into());
    }
    args.extend(chart.api_versions.iter().map(|v| format!("--api-versions={v}").into()));
    // Nothing after this is an option, whatever it begins with.
    args.extend(["--".into(), chart.release.clone().into(), folder.join(TREE).join(&render.path).into()]);
    let said = run(&tool.program, &args, folder, bounds).map_err(|f| unfinished(render, tool, f))?;
    if !said.success {
        return Err(failed(render, &said.faults, folder, files).into());
    }
    String::from_utf8(said.out).map_err(|_| failed(render, "what it writes is not UTF-8", folder, files).into())
}

/// What helm says, at the line of the template that it says it of.
pub(crate) fn failed(render: &Render, said: &str, folder: &Path, files: &Files) -> Diagnostic {
    let said = said.replace(&format!("{}/{TREE}/", folder.display()), "");
    let lines = said.lines().filter(|l| !l.starts_with("Use --debug") && !l.trim().is_empty());
    let said = lines.collect::<Vec<_>>().join("\n");
    let said = said.split_once("Error: ").map_or(said.as_str(), |(_, rest)| rest);
    let places = places(said, render, files);
    // `… at <.Values.x>: why`: all before it is the way there.
    let why = said.rsplit_once(">: ").map(|(_, why)| why);
    let why = why.or_else(|| said.strip_prefix("execution error at (")?.split_once("): ").map(|(_, why)| why));
    let why = why.or_else(|| said.strip_prefix("parse error at (")?.split_once("): ").map(|(_, why)| why));
    let summary = match why.filter(|w| !w.contains('\n') && w.len() < 200) {
        Some(why) => format!("`{}` cannot be rendered: {why}", render.name()),
        None => format!("`{}` cannot be rendered", render.name()),
    };
    let mut d = Diagnostic::error("SKY0141", summary).detail(format!("helm says: {}", said.trim()));
    let mut places = places.into_iter().rev();
    d = match places.next() {
        Some(innermost) => d.at(&innermost).label(&render.origin, "in this source"),
        None => d.at(&render.origin),
    };
    if let Some(outermost) = places.next_back() {
        d = d.label(&outermost, "called from here");
    }
    d.hint("`helm template` on that folder shows the same")
}

/// Places in files of the chart that a message names, as `web/templates/x.yaml:12:5`, in its order.
fn places(said: &str, render: &Render, files: &Files) -> Vec<Origin> {
    let (mut all, mut heads): (Vec<Origin>, Vec<Origin>) = (Vec::new(), Vec::new());
    for word in said.split(|c: char| c.is_whitespace() || "()\"'".contains(c)) {
        let mut parts = word.split(':');
        let Some((_, inside)) = parts.next().and_then(|p| p.split_once('/')) else { continue };
        let path = if render.path.is_empty() { inside.to_owned() } else { format!("{}/{inside}", render.path) };
        let Some(bytes) = files.get(&path) else { continue };
        // Of what is not in the project no text can be shown; it is named with where it is.
        let path = match &render.content {
            None => path,
            Some(_) => format!("{}: {inside}", render.name()),
        };
        let mut number = || parts.next().and_then(|n| n.parse::<u32>().ok());
        let Some(line) = number().filter(|n| *n > 0) else {
            heads.push(Origin::file(path));
            continue;
        };
        let column = number().unwrap_or(0).saturating_add(1);
        let text = String::from_utf8_lossy(bytes);
        let before: usize = text.split_inclusive('\n').take(line as usize - 1).map(str::len).sum();
        let within = text[before..].lines().next().unwrap_or_default();
        let skip: usize = within.chars().take(column as usize - 1).map(char::len_utf8).sum();
        let start = u32::try_from(before + skip).unwrap_or(0);
        let origin = Origin { file: path.into(), line, column, start, len: 0 };
        if all.last() != Some(&origin) {
            all.push(origin);
        }
    }
    // A file is named again beside its line; only without any line that is all there is.
    if all.is_empty() { heads } else { all }
}

#[cfg(test)]
mod tests {
    use super::{super::archive::tests::pack, *};
    use crate::spec::Renderer;

    fn render() -> Render {
        Render { origin: Origin::file("app.yaml"), content: None, path: "charts/web".into(), how: Renderer::Kustomize }
    }

    #[test]
    fn faults_are_said_where_they_are_written() {
        let files: Files = [
            ("charts/web/templates/a.yaml".into(), b"a: 1\nb: {{ include \"l\" . }}\n".to_vec()),
            ("charts/web/templates/_h.tpl".into(), b"x\n".to_vec()),
        ]
        .into();
        let at = |said: &str| {
            let d = failed(&render(), said, Path::new("/tmp/x"), &files);
            let labels = d.labels.iter().map(|l| format!("{}:{}", l.origin, l.origin.column)).collect::<Vec<_>>();
            (d.summary.trim_start_matches("`charts/web` cannot be rendered").to_owned(), labels.join(" "))
        };
        let (why, places) = at("Error: template: web/templates/a.yaml:2:6: executing \"web/templates/a.yaml\" at \
                                <include \"l\" .>: error calling include: template: web/templates/_h.tpl:1:0: \
                                executing \"l\" at <.Values.x>: nil pointer\n\nUse --debug flag to render\n");
        assert_eq!(why, ": nil pointer");
        assert_eq!(places, "charts/web/templates/_h.tpl:1:1 app.yaml:1:1 charts/web/templates/a.yaml:2:7");
        let (why, places) = at("Error: execution error at (web/templates/a.yaml:1:3): needs a name");
        assert_eq!(
            at("Error: template: web/templates/a.yaml:2:6: executing \"web/templates/a.yaml\" at <.a>: b").1,
            "charts/web/templates/a.yaml:2:7 app.yaml:1:1"
        );
        assert_eq!((why.as_str(), places.as_str()), (": needs a name", "charts/web/templates/a.yaml:1:4 app.yaml:1:1"));
        let (why, places) = at("Error: parse error at (web/templates/a.yaml:2): missing value for if");
        let place = "charts/web/templates/a.yaml:2:1 app.yaml:1:1";
        assert_eq!((why.as_str(), places.as_str()), (": missing value for if", place));
        let (why, places) = at("Error: YAML parse error on web/templates/a.yaml: yaml: line 3: no key");
        let place = "charts/web/templates/a.yaml:1:1 app.yaml:1:1";
        assert_eq!((why.as_str(), places.as_str()), ("", place));
        assert_eq!(at("Error: /etc/templates/x:1:1 of another file").1, "app.yaml:1:1");
    }

    #[test]
    fn packed_charts_are_unpacked_at_every_level_or_refused() {
        use tar::EntryType::Regular;
        let chart = |schema: &str| {
            pack(&[("c/Chart.yaml", b"name: c", Regular), ("c/values.schema.json", schema.as_bytes(), Regular)])
        };
        let nested = |levels: usize, schema: &str| {
            (1..levels).fold(chart(schema), |inner, _| pack(&[("c/charts/c.tgz", &inner, Regular)]))
        };
        let of = |folder: &str, levels: usize, schema: &str| {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(dir.path().join(folder).join("charts")).unwrap();
            std::fs::write(dir.path().join(folder).join("charts/c.tgz"), nested(levels, schema)).unwrap();
            match super::files(&Place::Folder(dir.path().into()), &Render { path: folder.into(), ..render() }) {
                Ok(files) => files.into_keys().collect::<Vec<_>>().join(" "),
                Err(out) => out.iter().map(|d| d.code.clone()).collect::<Vec<_>>().join(" "),
            }
        };
        let outside = r#"{"$ref": "http://127.0.0.1/x"}"#;
        for folder in ["", "web"] {
            for levels in [1, 2, MOST_DEPTH] {
                assert_eq!(of(folder, levels, outside), "SKY0143", "{folder} {levels}");
                let whole = of(folder, levels, "{}");
                assert!(whole.contains("Chart.yaml") && !whole.contains("tgz"), "{whole}");
            }
            assert_eq!(of(folder, MOST_DEPTH + 1, outside), "SKY0141");
        }
        assert_eq!(of("web", 1, "{\"$ref\": \"http://127.0.0.1/x\"} //"), "SKY0143", "what is no JSON is refused");
        assert!(is_packed("charts/a.tgz.tgz") && !is_packed("mycharts/a.tgz") && !is_packed("charts/a/b.tgz"));
    }

    #[test]
    fn schemas_refer_to_nothing_outside() {
        let of = |text: &str| outside(&serde_json::from_str(text).unwrap()).map(str::to_owned);
        assert_eq!(of(r##"{"$schema": "http://json-schema.org/draft-07/schema#", "a": {"$ref": "#/x"}}"##), None);
        assert_eq!(of(r#"{"a": [{"$ref": "http://127.0.0.1/x"}]}"#).as_deref(), Some("http://127.0.0.1/x"));
        assert_eq!(of(r#"{"$ref": "file:///etc/passwd"}"#).as_deref(), Some("file:///etc/passwd"));
        assert_eq!(of(r#"{"$id": "http://x/", "$ref": "y"}"#).as_deref(), Some("y"));
    }
}
