//! JSON texts whose leaves know where they stand, and the faults that are found in them.
//!
//! A leaf is a piece of the text as it is written: a price is never a float, and its place follows from
//! where the piece begins.

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{SourceText, decimal::Decimal};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    money::MicroUsd,
    quantity::Day,
};

/// A value as it is written.
pub(super) type Leaf<'a> = &'a RawValue;

/// So many faults of one import are told.
const MOST_FAULTS: usize = 20;
/// A node with more memory than this there is not: 2⁵⁰ bytes.
const MOST_MEMORY: u128 = 1 << 50;
/// Nor one with more CPUs.
const MOST_VCPUS: u128 = 100_000;

/// What is wrong, and what is worth telling of what is right.
#[derive(Debug, Default)]
pub(super) struct Faults {
    all: Diagnostics,
    more: bool,
}

impl Faults {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if self.all.len() < MOST_FAULTS {
            self.all.push(diagnostic);
        } else {
            self.more = true;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether nothing more is told: finding the places of a million faults takes its time.
    pub(super) fn is_full(&mut self) -> bool {
        self.more |= self.all.len() >= MOST_FAULTS;
        self.more
    }

    pub(super) fn into_diagnostics(mut self) -> Diagnostics {
        if self.more {
            let text = "the price files have more faults, which are not shown";
            self.all.push(Diagnostic::error("SKY0131", text).hint("mend those that are shown, or take newer files"));
        }
        self.all
    }
}

/// One page of a source.
#[derive(Clone, Debug)]
pub(super) struct Doc<'a> {
    pub(super) file: Arc<str>,
    pub(super) text: &'a str,
}

impl<'a> Doc<'a> {
    /// The pages of a source. A mark of byte order is no text.
    pub(super) fn pages(source: &'a SourceText) -> impl Iterator<Item = Self> {
        let file: Arc<str> = source.name.as_str().into();
        source
            .pages
            .iter()
            .map(move |text| Doc { file: Arc::clone(&file), text: text.strip_prefix('\u{feff}').unwrap_or(text) })
    }

    /// The whole text as a value.
    pub(super) fn parse<T: Deserialize<'a>>(&self, faults: &mut Faults) -> Option<T> {
        self.part(self.text, faults)
    }

    /// A part of the text as a value.
    pub(super) fn part<T: Deserialize<'a>>(&self, part: &'a str, faults: &mut Faults) -> Option<T> {
        match serde_json::from_str(part) {
            Ok(value) => Some(value),
            Err(e) => {
                let begin = self.origin(part);
                let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let first = e.line() <= 1;
                let before = if first { begin.column - 1 } else { 0 };
                let origin = Origin {
                    line: begin.line.saturating_add(small(e.line()).saturating_sub(1)),
                    column: small(e.column()).max(1).saturating_add(before),
                    start: 0,
                    len: 0,
                    ..begin
                };
                let text = e.to_string();
                let text = text.split(" at line ").next().unwrap_or(&text);
                faults.push(
                    Diagnostic::error("SKY0130", format!("this is not the JSON that is expected here: {text}"))
                        .at(&origin)
                        .hint("take the file anew from where it is published; docs/catalog.md says what each importer reads"),
                );
                None
            }
        }
    }

    /// Where a part of the text stands.
    pub(super) fn origin(&self, part: &str) -> Origin {
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let Some(before) = self.text.get(..start) else { return Origin::file(Arc::clone(&self.file)) };
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        Origin {
            file: Arc::clone(&self.file),
            line: small(before.bytes().filter(|b| *b == b'\n').count() + 1),
            column: small(before[line..].chars().count() + 1),
            start: small(start),
            len: small(part.len()),
        }
    }

    /// A figure that cannot be.
    pub(super) fn wrong(&self, leaf: Leaf<'_>, text: impl Into<String>) -> Diagnostic {
        Diagnostic::error("SKY0131", text)
            .at(&self.origin(leaf.get()))
            .hint("take the file anew from where it is published, or mend it by hand")
    }

    /// A number, `0` or more.
    pub(super) fn number(&self, leaf: Leaf<'_>, what: &str, faults: &mut Faults) -> Option<Decimal> {
        let text = content(leaf);
        match Decimal::parse(&text) {
            Ok(number) => Some(number),
            Err(why) => {
                faults.push(self.wrong(leaf, format!("{what} `{}` {why}", short(&text))));
                None
            }
        }
    }

    /// A price, rounded to micro-dollars; and whether it was.
    pub(super) fn price(&self, leaf: Leaf<'_>, what: &str, faults: &mut Faults) -> Option<(MicroUsd, bool)> {
        let number = self.number(leaf, what, faults)?;
        let price = number.micro();
        if price.is_none() {
            faults.push(self.wrong(leaf, format!("{what} `{}` is more than 1000000 dollars", short(&content(leaf)))));
        }
        price
    }

    /// Thousandths of CPUs.
    pub(super) fn vcpus(&self, leaf: Leaf<'_>, what: &str, faults: &mut Faults) -> Option<u64> {
        let number = self.number(leaf, what, faults)?;
        let milli = number.scaled(3).map(|(n, _)| n).filter(|n| (1..=MOST_VCPUS * 1000).contains(n));
        self.in_range(milli, leaf, what, "CPUs of a node are from 1 to 100000", faults)
    }

    /// Bytes, of a number of units.
    pub(super) fn memory(&self, leaf: Leaf<'_>, unit: u128, what: &str, faults: &mut Faults) -> Option<u64> {
        let number = self.number(leaf, what, faults)?;
        self.memory_of(number, leaf, unit, what, faults)
    }

    pub(super) fn memory_of(
        &self,
        number: Decimal,
        leaf: Leaf<'_>,
        unit: u128,
        what: &str,
        faults: &mut Faults,
    ) -> Option<u64> {
        let bytes = number.times(Decimal::whole(unit)).and_then(|n| n.scaled(0)).map(|(n, _)| n);
        let bytes = bytes.filter(|n| (1..=MOST_MEMORY).contains(n));
        self.in_range(bytes, leaf, what, "memory of a node is from 1 byte to 1 PiB", faults)
    }

    fn in_range(&self, n: Option<u128>, leaf: Leaf<'_>, what: &str, range: &str, faults: &mut Faults) -> Option<u64> {
        let n = n.and_then(|n| u64::try_from(n).ok());
        if n.is_none() {
            faults.push(self.wrong(leaf, format!("{what} `{}` cannot be: {range}", short(&content(leaf)))));
        }
        n
    }

    /// That the file is none of those that an importer reads.
    pub(super) fn unknown(&self, expected: &str) -> Diagnostic {
        Diagnostic::error("SKY0130", format!("this file is none of those that are read here: {expected}"))
            .at(&Origin::file(Arc::clone(&self.file)))
            .hint("docs/catalog.md says what each importer reads and where it is published")
    }
}

/// The text of a leaf: that of a string, or what is written.
pub(super) fn content(leaf: Leaf<'_>) -> Cow<'_, str> {
    let text = leaf.get();
    if text.starts_with('"') {
        serde_json::from_str::<String>(text).map_or(Cow::Borrowed(text), Cow::Owned)
    } else {
        Cow::Borrowed(text)
    }
}

/// A day, where there is one.
pub(super) fn day(text: Option<&str>) -> Option<Day> {
    text.and_then(|t| Day::parse(t).ok())
}

/// What is shown of a text that may be long.
pub(super) fn short(text: &str) -> String {
    if text.chars().count() > 40 { text.chars().take(39).chain(['…']).collect() } else { text.to_owned() }
}
