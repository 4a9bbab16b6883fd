//! Diagnostics with excerpts of the sources, as rustc and cargo draw them.

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin as Place, Renderer, Snippet, renderer::DecorStyle,
};

use super::Style;
use crate::diagnostic::{Diagnostic, Diagnostics, Label, Severity, SourceMap};

/// Lines shown around what is meant.
const CONTEXT: usize = 1;

/// More than these nobody reads in one go; the last line counts them all.
const MOST_SHOWN: usize = 100;

/// Diagnostics, sorted by place, and a last line that counts them.
pub fn render(diagnostics: &Diagnostics, sources: &SourceMap, style: Style) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics.sorted().into_iter().take(MOST_SHOWN) {
        out.push_str(&one(diagnostic, sources, style));
        out.push_str("\n\n");
    }
    if diagnostics.len() > MOST_SHOWN {
        out.push_str(&format!("… and {} more, not shown\n\n", diagnostics.len() - MOST_SHOWN));
    }
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => {}
        (0, w) => out.push_str(&format!("{}\n", plural(w, "warning"))),
        (e, 0) => out.push_str(&format!("{}\n", plural(e, "error"))),
        (e, w) => out.push_str(&format!("{}, {}\n", plural(e, "error"), plural(w, "warning"))),
    }
    out
}

/// One diagnostic.
pub fn one(diagnostic: &Diagnostic, sources: &SourceMap, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut elements: Vec<Element<'_>> = Vec::new();
    let mut labels = diagnostic.labels.iter().enumerate().peekable();
    while let Some((i, label)) = labels.next() {
        let mut group = vec![(i == 0, label)];
        // Labels of one file share a snippet.
        while let Some((_, next)) = labels.next_if(|(_, next)| next.origin.file == label.origin.file) {
            group.push((false, next));
        }
        elements.push(excerpt(&group, sources));
    }
    if !diagnostic.detail.is_empty() {
        elements.push(Level::NOTE.message(diagnostic.detail.as_str()).into());
    }
    if let (Some(address), true) = (&diagnostic.address, diagnostic.labels.is_empty()) {
        elements.push(Level::NOTE.message(format!("resource {address}")).into());
    }
    elements.extend(diagnostic.hints.iter().map(|h| Element::from(Level::HELP.message(h.as_str()))));
    let report: Group<'_> =
        level.primary_title(diagnostic.summary.as_str()).id(diagnostic.code.as_str()).elements(elements);
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&[report])
}

/// The lines that labels of one file speak of; only the place where the text is not at hand.
fn excerpt<'a>(labels: &[(bool, &'a Label)], sources: &'a SourceMap) -> Element<'a> {
    let first = &labels[0].1.origin;
    let Some(text) = sources.text(&first.file) else {
        return Place::path(&*first.file).line(first.line as usize).char_column(first.column as usize).into();
    };
    let line_of = |label: &Label| (label.origin.line as usize).max(1);
    let from = labels.iter().map(|(_, l)| line_of(l)).min().unwrap_or(1).saturating_sub(CONTEXT).max(1);
    let to = labels.iter().map(|(_, l)| line_of(l)).max().unwrap_or(1) + CONTEXT;
    let starts = line_starts(text, from, to);
    let Some((begin, end)) = starts.first().copied().zip(starts.last().copied()) else {
        return Place::path(&*first.file).line(first.line as usize).into();
    };
    let window = &text[begin..end];
    let annotations: Vec<Annotation<'a>> = labels
        .iter()
        .map(|(primary, label)| {
            let kind = if *primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let span = span(text, label, starts.get(line_of(label) - from).copied().unwrap_or(begin));
            let shifted = span.start.clamp(begin, end) - begin..span.end.clamp(begin, end) - begin;
            let annotation = kind.span(shifted);
            if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
        })
        .collect();
    Snippet::source(window).line_start(from).path(&*first.file).annotations(annotations).into()
}

/// Byte offsets where lines `from..=to` begin, and where the last one ends.
fn line_starts(text: &str, from: usize, to: usize) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    for (i, line) in text.split_inclusive('\n').enumerate() {
        if i + 1 >= from {
            starts.push(at);
        }
        at += line.len();
        if i + 1 == to {
            break;
        }
    }
    if !starts.is_empty() {
        starts.push(at);
    }
    starts
}

/// The bytes a label means, on its first line; the rest of the line when its length is not known.
fn span(text: &str, label: &Label, line_start: usize) -> std::ops::Range<usize> {
    let line_end = text[line_start..].find('\n').map_or(text.len(), |n| line_start + n);
    let line = &text[line_start..line_end];
    let column = (label.origin.column as usize).max(1) - 1;
    let start = line_start + line.char_indices().nth(column).map_or(line.len(), |(i, _)| i);
    let wanted = start + label.origin.len as usize;
    let end = if label.origin.len > 0 && text.is_char_boundary(wanted.min(text.len())) {
        wanted.min(line_end)
    } else {
        line_start + line.trim_end().len()
    };
    start..end.max(start)
}

/// Compares a diagnostic that no command brings about with its case in `testdata/codes/`; with
/// `SNAPSHOTS=overwrite` it is written there.
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "goldens are files")]
pub(crate) fn golden(diagnostic: &Diagnostic, replaced: &[(&str, &str)]) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/codes").join(&diagnostic.code);
    let mut text = one(diagnostic, &SourceMap::default(), Style::default()) + "\n";
    for (from, to) in replaced {
        text = text.replace(from, to);
    }
    let path = folder.join("output.txt");
    if std::env::var("SNAPSHOTS").is_ok_and(|v| v == "overwrite") {
        std::fs::write(&path, &text).unwrap();
    }
    let was = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(was, text, "if it is as it should be: SNAPSHOTS=overwrite cargo test --lib golden_");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Origin;

    #[test]
    fn an_excerpt_points_at_the_value() {
        let mut sources = SourceMap::default();
        sources.insert("a.yaml".into(), "one: 1\ntwo: zwei\nthree: 3\n".into());
        let origin = Origin { file: "a.yaml".into(), line: 2, column: 6, start: 12, len: 4 };
        let elsewhere = Origin { file: "gone.yaml".into(), line: 7, column: 3, start: 0, len: 0 };
        let all: Diagnostics = Diagnostic::error("SKY0104", "expected a number")
            .at(&origin)
            .label(&elsewhere, "and here")
            .detail("Numbers are 1, 2, 3.")
            .hint("write `two: 2`")
            .into();
        let text = render(&all, &sources, Style::default());
        for wanted in [
            "error[SKY0104]: expected a number",
            "--> a.yaml:2:6",
            "2 | two: zwei",
            "^^^^",
            "gone.yaml:7:3",
            "write `two: 2`",
            "1 error\n",
        ] {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
    }

    #[test]
    fn places_beyond_the_text_do_no_harm() {
        let mut sources = SourceMap::default();
        sources.insert("a.yaml".into(), "ä: ö".into());
        for (line, column, len) in [(9, 9, 9), (1, 99, 2), (1, 1, 1), (1, 2, 400), (0, 0, 0)] {
            let origin = Origin { file: "a.yaml".into(), line, column, start: 0, len };
            let all = Diagnostic::warning("SKY0001", "x").at(&origin).into();
            assert!(render(&all, &sources, Style::default()).contains("1 warning"));
        }
    }

    #[test]
    fn nobody_is_flooded() {
        let at = |line| Origin { line, ..Origin::file("a.yaml") };
        let all: Diagnostics =
            (1..=250).map(|n| Diagnostic::error("SKY0001", format!("fault {n}")).at(&at(n))).collect();
        let text = render(&all, &SourceMap::default(), Style::default());
        assert!(text.contains("fault 100") && !text.contains("fault 101"));
        assert!(text.ends_with("… and 150 more, not shown\n\n250 errors\n"), "{text}");
    }
}
