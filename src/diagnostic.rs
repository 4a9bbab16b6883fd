//! Everything that can be wrong is said with one type.
//!
//! A [`Diagnostic`] has a stable code, a one-line summary, the places in the sources that it speaks
//! of, and what to do next. A run collects many of them in [`Diagnostics`]; only `render` and `cli`
//! decide how they look. This module knows no other module.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Whether a diagnostic stops the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No plan is made, or an apply did not do what it should.
    Error,
    /// The run goes on.
    Warning,
}

/// A place in a source file: where a value that somebody wrote stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Origin {
    /// Path relative to the project's root, with forward slashes.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// First byte of the value in the file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start: u32,
    /// Number of bytes of the value; 0 when only a position is known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub len: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Origin {
    /// The head of a file, for faults that have no better place.
    pub fn file(path: impl Into<Arc<str>>) -> Self {
        Self { file: path.into(), line: 1, column: 1, start: 0, len: 0 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One remark in the margin of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Label {
    /// Where.
    pub origin: Origin,
    /// What is to be seen there; may be empty for the main label.
    pub text: String,
}

/// One fault or remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable code such as `SKY0102`.
    pub code: String,
    /// Error or warning.
    pub severity: Severity,
    /// One line, without a full stop.
    pub summary: String,
    /// Further sentences, where one line is not enough.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The resource it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where in the sources; the first is the main one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// An error with a code and a one-line summary.
    pub fn error(code: &str, summary: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity: Severity::Error,
            summary: summary.into(),
            detail: String::new(),
            address: None,
            labels: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// A warning with a code and a one-line summary.
    pub fn warning(code: &str, summary: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, summary) }
    }

    /// Points at a place in the sources.
    #[must_use]
    pub fn at(self, origin: &Origin) -> Self {
        self.label(origin, "")
    }

    /// Points at a place in the sources and says what is there.
    #[must_use]
    pub fn label(mut self, origin: &Origin, text: impl Into<String>) -> Self {
        self.labels.push(Label { origin: origin.clone(), text: text.into() });
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds sentences below the summary.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Names the resource it is about.
    #[must_use]
    pub fn about(mut self, address: impl fmt::Display) -> Self {
        self.address = Some(address.to_string());
        self
    }
}

/// What one run has to say, in a stable order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Nothing to say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of another run.
    pub fn extend(&mut self, other: Diagnostics) {
        self.0.extend(other.0);
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, sorted by file and line, those without a place first.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<&Diagnostic> = self.0.iter().collect();
        all.sort_by(|a, b| {
            let place = |d: &Diagnostic| d.labels.first().map(|l| l.origin.clone());
            (place(a), &a.code, &a.summary).cmp(&(place(b), &b.code, &b.summary))
        });
        all
    }

    /// In the order they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<T: IntoIterator<Item = Diagnostic>>(iter: T) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// The texts that origins point into, for excerpts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMap {
    files: BTreeMap<Arc<str>, Arc<str>>,
}

impl SourceMap {
    /// Remembers the text of a file.
    pub fn insert(&mut self, path: Arc<str>, text: Arc<str>) {
        self.files.insert(path, text);
    }

    /// The text of a file, if it was read.
    pub fn text(&self, path: &str) -> Option<&Arc<str>> {
        self.files.get(path)
    }

    /// All files with their texts, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.files.iter()
    }
}

/// Longer words are not guessed at: nobody types them.
const LONGEST: usize = 100;

/// The nearest of `known` to a mistyped `word`, if one is near enough to be meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = |text: &str| -> Vec<char> { text.chars().flat_map(char::to_lowercase).collect() };
    if word.len() > LONGEST {
        return None;
    }
    let limit = (word.chars().count() / 3).max(1);
    let word = lower(word);
    known
        .into_iter()
        .filter(|k| k.len() <= LONGEST)
        .map(|k| (lower(k), k))
        // So many letters more or fewer are so many edits at least.
        .filter(|(letters, _)| letters.len().abs_diff(word.len()) <= limit)
        .map(|(letters, k)| (edit_distance(&word, &letters), k))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, k)| k)
}

/// Damerau-Levenshtein distance (optimal string alignment): edits, with a swap of neighbours as one.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row[j] = best;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_of_letters_is_one_edit() {
        assert_eq!(did_you_mean("naem", ["name", "namespace", "kind"]), Some("name"));
        assert_eq!(did_you_mean("replica", ["replicas", "resources"]), Some("replicas"));
        assert_eq!(did_you_mean("xyz", ["name", "kind"]), None);
    }

    #[test]
    fn diagnostics_are_sorted_by_place() {
        let at = |line| Origin { file: "a.yaml".into(), line, column: 1, start: 0, len: 0 };
        let all: Diagnostics =
            [Diagnostic::error("SKY0002", "second").at(&at(9)), Diagnostic::warning("SKY0001", "first").at(&at(2))]
                .into_iter()
                .collect();
        let order: Vec<&str> = all.sorted().iter().map(|d| d.summary.as_str()).collect();
        assert_eq!(order, ["first", "second"]);
        assert!(all.has_errors());
    }
}
