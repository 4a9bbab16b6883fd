//! YAML text → trees whose every node knows where it stands. The only file that names the parser.
//!
//! Scalars are read as Kubernetes reads them (YAML 1.1 booleans, legacy octals); duplicate keys and
//! unknown tags are errors. Knows nothing of kinds.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Error, Spanned};

use crate::diagnostic::{Diagnostic, Origin};

/// A YAML value with its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Tree,
}

/// Line and column from 1, first byte and length in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub len: u32,
}

impl Span {
    /// The same place, with the file's name.
    pub fn origin(self, file: &Arc<str>) -> Origin {
        Origin { file: Arc::clone(file), line: self.line, column: self.column, start: self.start, len: self.len }
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// Nothing.
    Null,
    /// `true`, `false`, and what YAML 1.1 takes for them.
    Bool(bool),
    /// A whole number below 0.
    Int(i64),
    /// A whole number.
    UInt(u64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Box<str>),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file. Keys are text.
    Map(Vec<(Key, Node)>),
}

/// A key of a map with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The word.
    pub value: Box<str>,
    /// Where it stands.
    pub span: Span,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value.into(), span: span_of(spanned.referenced) })
    }
}

impl Node {
    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Tree::Map(entries) => entries.iter().find(|(k, _)| &*k.value == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text, if it is text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same without places; texts are moved, not copied.
    pub fn into_json(self) -> serde_json::Value {
        use serde_json::Value;
        match self.value {
            Tree::Null => Value::Null,
            Tree::Bool(b) => Value::Bool(b),
            Tree::Int(n) => Value::from(n),
            Tree::UInt(n) => Value::from(n),
            // A float with a whole value (`1e3`) is an integer to Kubernetes.
            Tree::Float(x) if x.fract() == 0.0 && x.abs() < 9e15 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                Value::from(x as i64)
            }
            Tree::Float(x) => Value::from(x),
            Tree::Text(text) => Value::String(text.into()),
            Tree::List(items) => items.into_iter().map(Node::into_json).collect(),
            Tree::Map(entries) => {
                Value::Object(entries.into_iter().map(|(k, v)| (k.value.into(), v.into_json())).collect())
            }
        }
    }
}

fn span_of(location: serde_saphyr::Location) -> Span {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Span {
        line: small(location.line()),
        column: small(location.column()),
        start: small(location.span().byte_offset().unwrap_or(0)),
        len: small(location.span().byte_len().unwrap_or(0)),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tree>::deserialize(deserializer)?;
        let mut span = span_of(spanned.referenced);
        // The parser's length of a map or list is that of its first token: the rest of its line says more.
        if matches!(spanned.value, Tree::Map(_) | Tree::List(_)) {
            span.len = 0;
        }
        Ok(Self { span, value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyTree;
        impl<'de> Visitor<'de> for AnyTree {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_none<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Tree, D::Error> {
                Tree::deserialize(d)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Tree, E> {
                Ok(u64::try_from(v).map_or(Tree::Int(v), Tree::UInt))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Tree, E> {
                Ok(Tree::UInt(v))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Tree, E> {
                Ok(Tree::Float(v))
            }
            fn visit_str<E>(self, v: &str) -> Result<Tree, E> {
                Ok(Tree::Text(v.into()))
            }
            fn visit_string<E>(self, v: String) -> Result<Tree, E> {
                Ok(Tree::Text(v.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Tree::Map(entries))
            }
        }
        deserializer.deserialize_any(AnyTree)
    }
}

/// Limits on purpose: generous to large generated manifests (tens of thousands of objects in a file), closed to alias
/// bombs and deep nesting, and such that one file never takes more than some hundred megabytes.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 4_000_000,
            max_nodes: 1_000_000,
            max_documents: 200_000,
            max_depth: 128,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_total_scalar_bytes: 64 * 1024 * 1024,
        },
        legacy_octal_numbers: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// Reads all documents of a file. Empty documents are skipped.
///
/// # Errors
/// The first fault of the file, as a diagnostic at its place.
pub fn parse(file: &Arc<str>, text: &str) -> Result<Vec<Node>, Box<Diagnostic>> {
    // A NUL byte is legal in no YAML stream, and the parser's word for it is unclear.
    if let Some(at) = text.find('\0') {
        let line = u32::try_from(text[..at].matches('\n').count() + 1).unwrap_or(u32::MAX);
        let origin = Origin { line, ..Origin::file(Arc::clone(file)) };
        return Err(Box::new(
            Diagnostic::error("SKY0101", "the file holds a NUL byte; it is not YAML text")
                .at(&origin)
                .hint("save it as UTF-8 text"),
        ));
    }
    serde_saphyr::from_multiple_with_options::<Node>(text, options()).map_err(|e| Box::new(fault(file, text, &e)))
}

/// Where a key that stands at `second` stood before, in a map that is written line by line.
fn first_key(text: &str, key: &str, second: &Origin) -> Option<Span> {
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let indent = second.column as usize - 1;
    let above: Vec<&str> = text.split_inclusive('\n').take(second.line as usize - 1).collect();
    let mut end: usize = above.iter().map(|l| l.len()).sum();
    for (i, line) in above.iter().enumerate().rev() {
        end -= line.len();
        let remark = line.trim_start().starts_with('#') || line.trim().is_empty();
        let Some((head, rest)) = line.split_at_checked(indent).filter(|_| !remark) else {
            if remark { continue } else { return None }
        };
        if rest.strip_prefix(key).is_some_and(|r| r.trim_start().starts_with(':'))
            && head.chars().all(|c| c == ' ' || c == '-')
        {
            return Some(Span {
                line: small(i + 1),
                column: second.column,
                start: small(end + indent),
                len: small(key.len()),
            });
        }
        // The map begins where something else is written further to the left.
        if line.starts_with("---") || !head.trim().is_empty() {
            return None;
        }
    }
    None
}

fn fault(file: &Arc<str>, text: &str, error: &Error) -> Diagnostic {
    let error = error.without_snippet();
    let origin = error.location().map_or_else(
        || Origin::file(Arc::clone(file)),
        |l| {
            let span = span_of(l);
            Span { line: span.line.max(1), column: span.column.max(1), ..span }.origin(file)
        },
    );
    let source = text;
    let text = error.to_string();
    // The parser repeats its position in the text; ours stands in the excerpt.
    let text = text.split(" at line ").next().unwrap_or(&text).trim().trim_end_matches(['.', ':']).to_owned();
    if let Error::DuplicateMappingKey { key, .. } = error {
        let name = key.as_deref().map_or_else(String::new, |k| format!(" `{k}`"));
        let first = key.as_deref().and_then(|k| first_key(source, k, &origin));
        let d = Diagnostic::error("SKY0102", format!("duplicate key{name}")).at(&origin);
        return first
            .into_iter()
            .fold(d, |d, span| d.label(&span.origin(file), "the first one"))
            .hint("keep one of the two: readers of YAML do not agree on which one counts");
    }
    if text.contains("budget") || text.contains("limit") {
        let what = if text.contains("Depth") { "nested deeper than 128" } else { "larger than skyplan reads" };
        return Diagnostic::error("SKY0103", format!("the file is {what}"))
            .at(&origin)
            .hint("split the file; deep nesting and thousands of aliases are refused on purpose");
    }
    let hint = if text.contains("flow") {
        "look at the lines before, too: a `{`, `[` or comma may be missing its other half"
    } else if text.contains("scalar") || text.contains("quote") {
        "look at the lines before, too: a quote may be open, or a text with `: ` or ` #` in it needs quotes"
    } else if text.contains("tab") {
        "indent with spaces: YAML takes no tabs"
    } else if text.contains("tag") {
        "take the tag (`!…`) out: a value is what it looks like"
    } else {
        "look at the lines before, too: most often the indentation is off by a space"
    };
    Diagnostic::error("SKY0101", format!("not valid YAML: {text}")).at(&origin).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        parse(&"a.yaml".into(), text).unwrap().remove(0)
    }

    fn code(text: &str) -> (String, u32) {
        let d = parse(&"a.yaml".into(), text).unwrap_err();
        (d.code.clone(), d.labels[0].origin.line)
    }

    #[test]
    fn every_node_has_its_place() {
        let node = one("a: 1\nb:\n  - x\n  - {c: yes}\n");
        let Tree::List(items) = &node.get("b").unwrap().value else { panic!() };
        assert_eq!((items[0].span.line, items[0].span.column, items[0].span.start, items[0].span.len), (3, 5, 12, 1));
        assert_eq!(items[1].get("c").unwrap().value, Tree::Bool(true));
        let Tree::Map(entries) = &node.value else { panic!() };
        assert_eq!((entries[1].0.span.line, entries[1].0.span.column), (2, 1));
    }

    #[test]
    fn scalars_mean_what_they_mean_to_kubernetes() {
        for (text, want) in [
            ("on", serde_json::json!(true)),
            ("012", serde_json::json!(10)),
            ("1_000", serde_json::json!(1000)),
            ("1e3", serde_json::json!(1000)),
            ("12345678901234567890", serde_json::json!(12_345_678_901_234_567_890_u64)),
            ("-5", serde_json::json!(-5)),
            ("0.5", serde_json::json!(0.5)),
            ("'1'", serde_json::json!("1")),
            ("~", serde_json::Value::Null),
        ] {
            assert_eq!(one(&format!("v: {text}")).get("v").unwrap().clone().into_json(), want, "{text}");
        }
    }

    #[test]
    fn documents_merges_and_anchors() {
        let nodes = parse(&"a.yaml".into(), "a: 1\n---\n---\nb: &x {c: 2}\nd: *x\ne:\n  <<: *x\n").unwrap();
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[1].clone().into_json(), serde_json::json!({"b": {"c": 2}, "d": {"c": 2}, "e": {"c": 2}}));
    }

    #[test]
    fn the_first_of_two_keys_is_shown_where_lines_tell() {
        let first = |text: &str| {
            let d = parse(&"a.yaml".into(), text).unwrap_err();
            let place = |i: usize| d.labels.get(i).map(|l| (l.origin.line, l.origin.column));
            (place(0).unwrap(), place(1))
        };
        assert_eq!(first("m:\n  a: 1\n  b: 2\n  a: 3\n"), ((4, 3), Some((2, 3))));
        assert_eq!(first("m:\n- a: 1\n  # a\n\n  a: 3\n").1, Some((2, 3)));
        assert_eq!(first("a: 0\nm: {b: 1, b: 2}\n").1, None);
        assert_eq!(first("ab: 1\na: 2\na: 3\n").1, Some((2, 1)));
        assert_eq!(first("a: 1\n---\nb: 1\nb: 2\n").1, Some((3, 1)));
    }

    #[test]
    fn faults_have_codes_and_lines() {
        assert_eq!(code("a: 1\nb: [1,\n"), ("SKY0101".into(), 2));
        assert_eq!(code("a: 1\na: 2\n"), ("SKY0102".into(), 2));
        assert_eq!(code("a: !weird x\n").0, "SKY0101");
        assert_eq!(code("a: \0\n"), ("SKY0101".into(), 1));
        assert_eq!(code(&"[".repeat(20_000)).0, "SKY0103");
        let bomb: String = (1..20)
            .fold("a0: &a0 [x, x]\n".into(), |text, i| text + &format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i - 1));
        assert_eq!(code(&bomb).0, "SKY0103");
    }
}
