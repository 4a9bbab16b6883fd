//! Diagnostics with excerpts of the sources, as rustc and cargo draw them.

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin as Place, Renderer, Snippet, renderer::DecorStyle,
};

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap};

use super::Style;
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Label, Severity, SourceMap},
    quantity::counted,
};

/// Lines shown around what is meant.
const CONTEXT: usize = 1;
/// Labels farther apart than this do not share a snippet.
const MOST_LINES: usize = 100;
/// Longer lines are cut, what stands farther right is not shown at all.
const MOST_COLUMNS: usize = 400;
/// Longer texts are cut.
const MOST_LETTERS: usize = 4_000;

/// More than these nobody reads in one go, and a file may hold a million; the last line counts them all.
const MOST_SHOWN: usize = 100;

/// Diagnostics, sorted by place, and a last line that counts them.
pub fn render(diagnostics: &Diagnostics, sources: &SourceMap, style: Style) -> String {
    let mut out = String::new();
    let sources = Sources::new(sources);
    for diagnostic in diagnostics.sorted().into_iter().take(MOST_SHOWN) {
        out.push_str(&shown(diagnostic, &sources, style));
        out.push_str("\n\n");
    }
    if diagnostics.len() > MOST_SHOWN {
        out.push_str(&format!("… and {} more, not shown\n\n", diagnostics.len() - MOST_SHOWN));
    }
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => {}
        (0, w) => out.push_str(&format!("{}\n", counted(w, "warning"))),
        (e, 0) => out.push_str(&format!("{}\n", counted(e, "error"))),
        (e, w) => out.push_str(&format!("{}, {}\n", counted(e, "error"), counted(w, "warning"))),
    }
    out
}

/// One diagnostic.
pub fn one(diagnostic: &Diagnostic, sources: &SourceMap, style: Style) -> String {
    shown(diagnostic, &Sources::new(sources), style)
}

fn shown(diagnostic: &Diagnostic, sources: &Sources<'_>, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut elements: Vec<Element<'_>> = Vec::new();
    let mut labels = diagnostic.labels.iter().enumerate().peekable();
    while let Some((i, label)) = labels.next() {
        let mut group = vec![(i == 0, label)];
        // Labels of one file share a snippet.
        let near = |next: &Label| {
            next.origin.file == label.origin.file && next.origin.line.abs_diff(label.origin.line) as usize <= MOST_LINES
        };
        while let Some((_, next)) = labels.next_if(|(_, next)| near(next)) {
            group.push((false, next));
        }
        elements.push(excerpt(&group, sources));
    }
    if !diagnostic.detail.is_empty() {
        elements.push(Level::NOTE.message(safe(&diagnostic.detail, true)).into());
    }
    if let (Some(address), true) = (&diagnostic.address, diagnostic.labels.is_empty()) {
        elements.push(Level::NOTE.message(format!("resource {}", safe(address, false))).into());
    }
    elements.extend(diagnostic.hints.iter().map(|h| Element::from(Level::HELP.message(safe(h, true)))));
    let bare = !elements.iter().any(|e| matches!(e, Element::Cause(_)));
    let report: Group<'_> =
        level.primary_title(safe(&diagnostic.summary, false)).id(diagnostic.code.as_str()).elements(elements);
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let drawn = renderer.decor_style(DecorStyle::Ascii).render(&[report]);
    if bare { without_gutter(&drawn) } else { drawn }
}

/// What is drawn without an excerpt, without the empty line that would lead to one, and indented as if
/// there were line numbers.
fn without_gutter(drawn: &str) -> String {
    let mut out = String::new();
    for (i, line) in drawn.lines().enumerate() {
        // Colours are `ESC[…m`.
        let letters = line.split('\u{1b}').enumerate().flat_map(|(i, part)| match part.split_once('m') {
            Some((_, text)) if i > 0 => text.chars(),
            _ => part.chars(),
        });
        if i == 1 && letters.filter(|c| !c.is_whitespace()).eq(['|']) {
            continue;
        }
        if i > 0 {
            out.push_str(if line.is_empty() { "\n" } else { "\n " });
        }
        out.push_str(line);
    }
    out
}

/// Text that may hold what a file's author wrote: without characters that move a cursor or turn text
/// around, on one line unless it may have several, and not without end.
fn safe(text: &str, lines: bool) -> Cow<'_, str> {
    let fine = |c: char| {
        !(c.is_control() && !(lines && c == '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    let end = text.char_indices().nth(MOST_LETTERS).map(|(i, _)| i);
    if end.is_none() && text.chars().all(fine) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for c in text[..end.unwrap_or(text.len())].chars() {
        if fine(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    if let Some(end) = end {
        out.push_str(&format!("… ({} more bytes)", text.len() - end));
    }
    Cow::Owned(out)
}

/// Sources, and where their lines begin: found out once for each file that is spoken of.
struct Sources<'a> {
    texts: &'a SourceMap,
    /// First byte of every [`STEP`]th line.
    begins: RefCell<BTreeMap<&'a str, Vec<usize>>>,
}

/// Of so many lines one is remembered.
const STEP: usize = 128;

impl<'a> Sources<'a> {
    fn new(texts: &'a SourceMap) -> Self {
        Self { texts, begins: RefCell::default() }
    }

    /// Byte offsets where lines `from..=to` begin, and where the last one ends.
    fn line_starts(&self, file: &str, text: &'a str, from: usize, to: usize) -> Vec<usize> {
        let mut begins = self.begins.borrow_mut();
        if !begins.contains_key(file) {
            let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
            let known = std::iter::once(0).chain(ends).step_by(STEP).collect();
            if let Some((name, _)) = self.texts.iter().find(|(name, _)| &***name == file) {
                begins.insert(name, known);
            }
        }
        let nearest = (from - 1) / STEP;
        let Some(mut at) = begins.get(file).and_then(|b| b.get(nearest)).copied() else { return Vec::new() };
        let mut starts = Vec::new();
        for (i, line) in text[at..].split_inclusive('\n').enumerate() {
            let number = nearest * STEP + i + 1;
            if number >= from {
                starts.push(at);
            }
            at += line.len();
            if number == to {
                break;
            }
        }
        if !starts.is_empty() {
            starts.push(at);
        }
        starts
    }
}

/// The lines that labels of one file speak of; only the place where the text is not at hand, or the line
/// is too long to be looked at.
fn excerpt<'a>(labels: &[(bool, &'a Label)], sources: &Sources<'_>) -> Element<'a> {
    let first = &labels[0].1.origin;
    let path = safe(&first.file, false);
    let place = || Place::path(path.clone()).line(first.line as usize).char_column(first.column as usize).into();
    let Some(text) = sources.texts.text(&first.file) else { return place() };
    let line_of = |label: &Label| (label.origin.line as usize).max(1);
    let from = labels.iter().map(|(_, l)| line_of(l)).min().unwrap_or(1).saturating_sub(CONTEXT).max(1);
    let to = labels.iter().map(|(_, l)| line_of(l)).max().unwrap_or(1) + CONTEXT;
    let starts = sources.line_starts(&first.file, text, from, to);
    if starts.is_empty() {
        return Place::path(path).line(first.line as usize).into();
    }
    if labels.iter().any(|(_, label)| label.origin.column as usize > MOST_COLUMNS / 2) {
        return place();
    }
    // Cut lines keep their beginnings, so that columns stay what they are.
    let mut window = String::new();
    let mut shifts = Vec::new();
    for pair in starts.windows(2) {
        shifts.push(window.len());
        let line = &text[pair[0]..pair[1]];
        // The second block of control characters moves cursors, too; one character stays one.
        let plain = |c: char| if ('\u{80}'..='\u{9f}').contains(&c) { '\u{fffd}' } else { c };
        match line.char_indices().nth(MOST_COLUMNS) {
            Some((end, _)) => {
                window.extend(line[..end].chars().map(plain));
                window.push_str("…\n");
            }
            None => window.extend(line.chars().map(plain)),
        }
    }
    let annotations: Vec<Annotation<'a>> = labels
        .iter()
        .map(|(primary, label)| {
            let kind = if *primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let begin = shifts.get(line_of(label) - from).copied().unwrap_or(0);
            let annotation = kind.span(span(&window, label, begin));
            if label.text.is_empty() { annotation } else { annotation.label(safe(&label.text, false)) }
        })
        .collect();
    Snippet::source(window).line_start(from).path(path).annotations(annotations).into()
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
    fn without_an_excerpt_there_is_no_gutter() {
        let fault = Diagnostic::error("SKY0001", "nobody answers").detail("It is late.\nAnd dark.").hint("go on");
        let plain = one(&fault, &SourceMap::default(), Style::default());
        let wanted = "error[SKY0001]: nobody answers\n  = note: It is late.\n          And dark.\n  = help: go on";
        assert_eq!(plain, wanted);
        let colored = one(&fault, &SourceMap::default(), Style { color: true });
        assert!(colored.contains("\u{1b}[") && colored.lines().count() == 4 && !colored.contains('|'), "{colored:?}");
        let placed = one(&fault.at(&Origin::file("a.yaml")), &SourceMap::default(), Style::default());
        assert!(placed.contains("\n --> a.yaml:1:1\n  = note: "), "{placed}");
    }

    #[test]
    fn what_files_say_does_no_harm() {
        let mut sources = SourceMap::default();
        let text = format!("a: {}\n{}b: \u{1b}[31m\u{202e}\n", "x".repeat(1_000_000), "# line\n".repeat(1_000));
        sources.insert("a.yaml".into(), text.into());
        let at = |line, column| Origin { file: "a.yaml".into(), line, column, start: 0, len: 1 };
        let all: Diagnostics = (0..2_000)
            .map(|i| {
                Diagnostic::error("SKY0001", "\u{1b}[2J\nx".repeat(9_000)).at(&at(1, 4)).label(&at(1002, 4 + i), "\r")
            })
            .collect();
        let text = render(&all, &sources, Style::default());
        assert!(text.len() < 10_000_000 && text.contains("and 1900 more") && text.contains("2000 errors"));
        let bad = text.chars().find(|c| c.is_control() && *c != '\n' || *c == '\u{202e}');
        assert_eq!(bad, None);
        assert!(text.contains("a.yaml:1:4") && text.contains("1002 | b: "), "{}", &text[..9_000]);
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
