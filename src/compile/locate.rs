//! Where a part of a Kubernetes object stands.
//!
//! Objects are kept without places: there are many of them, and few are at fault. The place of a part is
//! found by reading its file again, once. Knows texts and JSON pointers, not what they mean.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use crate::{
    diagnostic::Origin,
    load::{
        salvage,
        yaml::{Node, Tree},
    },
    spec::SpecSet,
};

/// Finds parts of objects in the texts.
pub(super) struct Locator<'a> {
    set: &'a SpecSet,
    parsed: RefCell<BTreeMap<Arc<str>, Vec<Node>>>,
}

impl<'a> Locator<'a> {
    pub(super) fn new(set: &'a SpecSet) -> Self {
        Self { set, parsed: RefCell::default() }
    }

    /// The place of the value that a JSON pointer names in the object that begins at `origin`, or of
    /// what is around it where there is no such value.
    pub(super) fn part(&self, origin: &Origin, pointer: &str) -> Origin {
        let Some(text) = self.set.texts.get(&origin.file) else { return origin.clone() };
        let mut parsed = self.parsed.borrow_mut();
        let nodes = parsed.entry(origin.file.clone()).or_insert_with(|| salvage::parse(&origin.file, text).nodes);
        let Some(object) = nodes.iter().find_map(|n| beginning_at(n, origin)) else { return origin.clone() };
        let mut at = object;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let inner = match &at.value {
                Tree::List(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => at.get(&step),
            };
            match inner {
                Some(inner) => at = inner,
                None => break,
            }
        }
        at.span.origin(&origin.file)
    }
}

/// The map that begins at a place. (A list and its first item begin at the same byte.)
fn beginning_at<'a>(node: &'a Node, origin: &Origin) -> Option<&'a Node> {
    if matches!(node.value, Tree::Map(_)) && (node.span.line, node.span.column) == (origin.line, origin.column) {
        return Some(node);
    }
    match &node.value {
        Tree::List(items) => items.iter().find_map(|n| beginning_at(n, origin)),
        Tree::Map(entries) => entries.iter().find_map(|(_, n)| beginning_at(n, origin)),
        _ => None,
    }
}
