//! Tree of nodes → typed spec, with every fault of a document reported in one run.
//!
//! serde stops at the first fault. So a fault is noted, the value that caused it is *poisoned*
//! (from then on skipped, as if it were not written), and the document is decoded again, until
//! nothing new is found. Knows serde and nodes, and no kind.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor,
        value::MapDeserializer,
    },
};

use super::yaml::{Key as Word, Node, Span, Tree};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    money::NO_PRICE,
    network::NO_NETWORK,
    quantity::NO_DURATION,
    spec::MARKER,
};

/// More faults than this in one document are not looked for.
const MOST_FAULTS: usize = 100;
/// Nor when so many values have been gone through: every fault of a document takes one more pass.
const MOST_VALUES: usize = 5_000_000;
/// But as many as this are in any case.
const FEW_FAULTS: usize = 5;
/// Fields as others call them, and as they are called here.
const OTHER_WORDS: [(&str, &str); 4] =
    [("name", "cluster"), ("labels", "matchLabels"), ("cpu", "vcpus"), ("kind", "type")];

/// Decodes one document; what is wrong with it as a whole is said at `head`. `None` when it has faults, which are in `out` then.
pub(super) fn decode<T: DeserializeOwned>(
    node: &Node,
    head: Span,
    file: &Arc<str>,
    out: &mut Diagnostics,
) -> Option<T> {
    let known = std::cell::RefCell::new(BTreeSet::new());
    let poisoned = std::cell::RefCell::new(BTreeSet::new());
    let found = std::cell::RefCell::new(Vec::new());
    let most = std::cell::LazyCell::new(|| (MOST_VALUES / size(node)).clamp(FEW_FAULTS, MOST_FAULTS));
    let result = loop {
        let at = Cursor { node, file, poisoned: &poisoned, unknown: &known, found: &found };
        match T::deserialize(at) {
            Ok(value) => break Some(value),
            Err(fault) => {
                let (at, span) = fault.at.unwrap_or((key(node), node.span));
                let mut fault = fault;
                let whole = at == key(node);
                let span = if whole { head } else { span };
                if let (true, Some(name)) = (whole, node.get("name").and_then(Node::text)) {
                    fault.summary = format!("{} in `{name}`", fault.summary);
                }
                // A field that is missing because it was poisoned was reported already.
                let echo = fault.missing.is_some_and(|field| {
                    poisoned.borrow().iter().any(|p: &Poison| p.parent == Some((at, Some(field.to_owned()))))
                });
                if !echo {
                    found.borrow_mut().push(fault.diagnostic(span, file));
                }
                let parent = parent_of(node, at);
                let first = poisoned.borrow_mut().insert(Poison { key: at, parent });
                if !first || at == key(node) || found.borrow().len() >= *most {
                    break None;
                }
            }
        }
    };
    let found = found.into_inner();
    let clean = found.is_empty() && poisoned.borrow().is_empty();
    for diagnostic in found {
        out.push(diagnostic);
    }
    result.filter(|_| clean)
}

/// Values in a tree.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Tree::List(items) => items.iter().map(size).sum(),
        Tree::Map(entries) => entries.iter().map(|(_, v)| size(v)).sum::<usize>(),
        _ => 0,
    }
}

/// A node's identity within its document: where it lies in memory. (A list and its first item begin
/// at the same byte.)
type Key = usize;

fn key<T>(node: &T) -> Key {
    std::ptr::from_ref(node).addr()
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Poison {
    key: Key,
    parent: Option<(Key, Option<String>)>,
}

/// The map or list around a node, and the field it is in.
fn parent_of(root: &Node, wanted: Key) -> Option<(Key, Option<String>)> {
    let children: Vec<(Option<&str>, &Node)> = match &root.value {
        Tree::List(items) => items.iter().map(|item| (None, item)).collect(),
        Tree::Map(entries) => entries.iter().map(|(k, v)| (Some(&*k.value), v)).collect(),
        _ => return None,
    };
    if let Some((field, _)) = children.iter().find(|(_, c)| key(*c) == wanted) {
        return Some((key(root), field.map(str::to_owned)));
    }
    children.into_iter().find_map(|(_, c)| parent_of(c, wanted))
}

/// One fault on its way out of serde.
#[derive(Debug)]
struct Fault {
    code: &'static str,
    summary: String,
    hint: Option<String>,
    at: Option<(Key, Span)>,
    missing: Option<&'static str>,
}

impl Fault {
    fn new(code: &'static str, summary: String) -> Self {
        Self { code, summary, hint: None, at: None, missing: None }
    }

    fn or_at(mut self, node: &Node) -> Self {
        self.at.get_or_insert((key(node), node.span));
        self
    }

    fn diagnostic(&self, span: Span, file: &Arc<str>) -> Diagnostic {
        let d = Diagnostic::error(self.code, self.summary.clone()).at(&span.origin(file));
        match &self.hint {
            Some(hint) => d.hint(hint.clone()),
            None => d,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)
    }
}

impl std::error::Error for Fault {}

fn found(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(b) => format!("`{b}` (true or false)"),
        Unexpected::Unsigned(n) => format!("the number {n}"),
        Unexpected::Signed(n) => format!("the number {n}"),
        Unexpected::Float(n) => format!("the number {n}"),
        Unexpected::Str(text) => format!("the text `{text}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a map".into(),
        other => other.to_string(),
    }
}

fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    if text.starts_with("struct ") || text == "a map" {
        return "a map".into();
    }
    match text.as_str() {
        "a sequence" => "a list".into(),
        "a string" => "text".into(),
        "a boolean" => "true or false".into(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".into(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        _ => text,
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(msg: T) -> Self {
        let text = msg.to_string();
        // serde knows texts only; the types' own words say which of them was meant.
        let (code, hint) = if text.ends_with(NO_DURATION) {
            ("SKY0116", "a number and us, ms, s, m, h or d, or several of them: 1h30m")
        } else if NO_PRICE.iter().any(|words| text.ends_with(words)) {
            ("SKY0117", "prices are dollars as a decimal number, exact to a millionth: 0.0416")
        } else if text.contains(" is not a CPU quantity ") {
            ("SKY0107", "CPUs or, with m, thousandths of one")
        } else if text.contains(" is not a size ") {
            ("SKY0107", "bytes with a unit: Ki, Mi, Gi, Ti by 1024; kB, MB, GB, TB by 1000")
        } else if text.ends_with(NO_NETWORK) {
            ("SKY0107", "the first address of an IPv4 network, `/` and how many of its bits are fixed")
        } else {
            ("SKY0107", "write it in the form that the message names")
        };
        Self { hint: Some(hint.into()), ..Self::new(code, text) }
    }
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let hint = match (&unexpected, wanted(expected).as_str()) {
            (Unexpected::Bool(_), "text") => {
                "if it is a word, write it in quotes: YAML takes y, n, yes, no, on and off for true or false"
            }
            (_, "text") => "if it is meant as text, write it in quotes",
            (_, "a list") => "the entries of a list begin with `- `, or stand in [ ] with commas between",
            (_, "a map") => "a map has lines of `field: value`, or { } with commas between",
            (_, "true or false") => "write true or false, without quotes",
            (Unexpected::Str(_), _) => "write the number without quotes and units",
            _ => "`skyplan schema KIND` says what each field takes",
        };
        Self {
            hint: Some(hint.into()),
            ..Self::new("SKY0104", format!("expected {}, found {}", wanted(expected), found(&unexpected)))
        }
    }
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self {
            hint: Some("`skyplan schema KIND` says what each field takes".into()),
            ..Self::new("SKY0107", format!("expected {}, found {}", wanted(expected), found(&unexpected)))
        }
    }
    fn missing_field(field: &'static str) -> Self {
        Self {
            missing: Some(field),
            hint: Some(format!("add `{field}:` here")),
            ..Self::new("SKY0106", format!("missing field `{field}`"))
        }
    }
    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self {
            hint: Some(match did_you_mean(variant, expected.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "choose one of these".into(),
            }),
            ..Self::new("SKY0108", format!("`{variant}` is not one of {}", expected.join(", ")))
        }
    }
}

/// A node about to be read.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    node: &'a Node,
    file: &'a Arc<str>,
    poisoned: &'a std::cell::RefCell<BTreeSet<Poison>>,
    /// Unknown keys that were reported.
    unknown: &'a std::cell::RefCell<BTreeSet<Key>>,
    found: &'a std::cell::RefCell<Vec<Diagnostic>>,
}

impl<'a> Cursor<'a> {
    fn child(self, node: &'a Node) -> Self {
        Self { node, ..self }
    }

    fn is_poisoned(self, node: &Node) -> bool {
        self.poisoned.borrow().iter().any(|p| p.key == key(node))
    }

    fn list(self, items: &'a [Node]) -> impl Iterator<Item = Cursor<'a>> + Clone {
        items.iter().filter(move |n| !self.is_poisoned(n)).map(move |n| self.child(n))
    }

    fn entries(self, entries: &'a [(Word, Node)]) -> impl Iterator<Item = (&'a str, Cursor<'a>)> + Clone {
        entries.iter().filter(move |(_, v)| !self.is_poisoned(v)).map(move |(k, v)| (&*k.value, self.child(v)))
    }

    /// Notes a field that the type does not have, once.
    fn unknown_field(self, name: &Word, known: &[&str]) {
        if !self.unknown.borrow_mut().insert(key(name)) {
            return;
        }
        let span = name.span;
        let mut d = Diagnostic::error("SKY0105", format!("unknown field `{}`", name.value)).at(&span.origin(self.file));
        // Words that others use for it come before those that look alike.
        let other = OTHER_WORDS.iter().find(|(word, meant)| *word == &*name.value && known.contains(meant));
        d = match other.map(|(_, meant)| *meant).or_else(|| did_you_mean(&name.value, known.iter().copied())) {
            Some(near) => d.hint(format!("did you mean `{near}`?")),
            None => d.hint(format!("known here: {}", known.join(", "))),
        };
        self.found.borrow_mut().push(d);
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Cursor<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Cursor<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let result = match &self.node.value {
            Tree::Null => visitor.visit_unit(),
            Tree::Bool(b) => visitor.visit_bool(*b),
            Tree::Int(n) => visitor.visit_i64(*n),
            Tree::UInt(n) => visitor.visit_u64(*n),
            Tree::Float(x) => visitor.visit_f64(*x),
            Tree::Text(text) => visitor.visit_borrowed_str(text),
            Tree::List(items) => visitor.visit_seq(Items(self.list(items))),
            Tree::Map(entries) => visitor.visit_map(Entries { rest: self.entries(entries), value: None }),
        };
        result.map_err(|e| e.or_at(self.node))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Tree::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Tree::Map(entries) = &self.node.value else { return self.deserialize_any(visitor) };
        for (name, _) in entries.iter().filter(|(k, _)| !fields.contains(&&*k.value)) {
            self.unknown_field(name, fields);
        }
        let known = self.entries(entries).filter(|(k, _)| fields.contains(k));
        visitor.visit_map(Entries { rest: known, value: None }).map_err(|e| e.or_at(self.node))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        if name == MARKER {
            visitor.visit_seq(Placed { cursor: self, step: 0 }).map_err(|e| e.or_at(self.node))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let result = match &self.node.value {
            Tree::Text(text) => visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(&**text)),
            Tree::Map(entries) if entries.len() == 1 => {
                let entries = Entries { rest: self.entries(entries), value: None };
                visitor.visit_enum(de::value::MapAccessDeserializer::new(entries))
            }
            _ => Err(Fault {
                hint: Some("write one of these words".into()),
                ..Fault::new("SKY0104", format!("expected one of {} for {name}", variants.join(", ")))
            }),
        };
        result.map_err(|e| e.or_at(self.node))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The items of a list. A fault that does not know its place yet is the item's.
struct Items<I>(I);

impl<'de, I: Iterator<Item = Cursor<'de>>> de::SeqAccess<'de> for Items<I> {
    type Error = Fault;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.0.next().map(|item| seed.deserialize(item).map_err(|e| e.or_at(item.node))).transpose()
    }
}

/// The entries of a map. A fault that does not know its place yet is the value's.
struct Entries<'de, I> {
    rest: I,
    value: Option<Cursor<'de>>,
}

impl<'de, I: Iterator<Item = (&'de str, Cursor<'de>)>> de::MapAccess<'de> for Entries<'de, I> {
    type Error = Fault;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map_err(|e: Fault| e.or_at(value.node)).map(Some)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = self.value.take().ok_or_else(|| de::Error::custom("a value without its key"))?;
        seed.deserialize(value).map_err(|e| e.or_at(value.node))
    }
}

/// The answer to [`MARKER`]: the place, then the value.
struct Placed<'a> {
    cursor: Cursor<'a>,
    step: u8,
}

impl<'de> de::SeqAccess<'de> for Placed<'de> {
    type Error = Fault;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.step += 1;
        match self.step {
            1 => {
                let span = self.cursor.node.span;
                let fields = [("line", span.line), ("column", span.column), ("start", span.start), ("len", span.len)];
                let file = std::iter::once(("file", Part::Text(self.cursor.file)));
                let parts = file.chain(fields.map(|(k, n)| (k, Part::Number(n))));
                seed.deserialize(MapDeserializer::new(parts)).map(Some)
            }
            2 => seed.deserialize(self.cursor).map(Some),
            _ => Ok(None),
        }
    }
}

/// A part of an origin.
enum Part<'a> {
    Text(&'a str),
    Number(u32),
}

impl<'de> IntoDeserializer<'de, Fault> for Part<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Part<'de> {
    type Error = Fault;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Part::Text(text) => visitor.visit_borrowed_str(text),
            Part::Number(n) => visitor.visit_u32(n),
        }
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum option identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::{load::yaml, money::MicroUsd, quantity::Micros, spec::At};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outer {
        name: At<String>,
        inner: Vec<Inner>,
        #[serde(default)]
        labels: BTreeMap<String, String>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        wait: Micros,
        price: Option<At<MicroUsd>>,
        mode: Option<Mode>,
        count: Option<u32>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Fast,
        Slow,
    }

    fn run(text: &str) -> (Option<Outer>, Vec<String>) {
        let file: Arc<str> = "a.yaml".into();
        let nodes = yaml::parse(&file, text).unwrap();
        let mut out = Diagnostics::new();
        let value = decode(&nodes[0], nodes[0].span, &file, &mut out);
        let near = |d: &Diagnostic| -> Vec<String> {
            d.hints.iter().filter(|h| h.starts_with("did you mean")).cloned().collect()
        };
        let said = out
            .iter()
            .map(|d| format!("{} {} {}", d.code, d.labels[0].origin, d.summary) + &near(d).concat())
            .collect();
        (value, said)
    }

    #[test]
    fn values_know_their_place() {
        let (outer, said) = run("name: x\ninner:\n- {wait: 5m, price: 0.05, mode: slow}\nlabels: {a: b}\n");
        assert_eq!(said, [""; 0]);
        let outer = outer.unwrap();
        assert_eq!((outer.name.value.as_str(), outer.name.origin.column), ("x", 7));
        assert_eq!(outer.inner[0].price.as_ref().unwrap().value, MicroUsd(50_000));
        assert_eq!(outer.inner[0].mode, Some(Mode::Slow));
        assert_eq!(outer.inner[0].wait.0, 300_000_000);
        assert_eq!((outer.inner[0].count, outer.labels["a"].as_str()), (None, "b"));
    }

    #[test]
    fn all_faults_of_a_document_come_in_one_run() {
        let (outer, said) = run(
            "naem: x\ninner:\n- {wait: 5, mode: fats}\n- {wait: 1h, count: -1, price: 0.1234567}\n- {}\nlabels: [1]\n",
        );
        assert!(outer.is_none());
        assert_eq!(
            said,
            [
                "SKY0105 a.yaml:1 unknown field `naem`did you mean `name`?",
                "SKY0116 a.yaml:3 `5` is not a duration such as 15ms, 5m or 36h",
                "SKY0108 a.yaml:3 `fats` is not one of fast, slowdid you mean `fast`?",
                "SKY0107 a.yaml:4 expected a whole number, 0 or more, found the number -1",
                "SKY0117 a.yaml:4 `0.1234567` has 7 decimals; prices have at most 6",
                "SKY0106 a.yaml:5 missing field `wait`",
                "SKY0104 a.yaml:6 expected a map, found a list",
                "SKY0106 a.yaml:1 missing field `name`",
            ]
        );
    }
}
