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
        let Some(object) = beginning_at(nodes, origin) else { return origin.clone() };
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

/// The map that begins at a place. (A list and its first item begin at the same byte.) Nodes stand in the
/// order of the file, so that one of 10^5 documents is found as fast as one of ten.
fn beginning_at<'a>(nodes: &'a [Node], origin: &Origin) -> Option<&'a Node> {
    fn last<T>(all: &[T], node: impl Fn(&T) -> &Node, wanted: (u32, u32)) -> Option<&Node> {
        let after = all.partition_point(|t| (node(t).span.line, node(t).span.column) <= wanted);
        all.get(after.checked_sub(1)?).map(node)
    }
    let wanted = (origin.line, origin.column);
    let mut at = last(nodes, |n| n, wanted)?;
    loop {
        at = match &at.value {
            Tree::Map(_) if (at.span.line, at.span.column) == wanted => return Some(at),
            Tree::Map(entries) => last(entries, |(_, n)| n, wanted)?,
            Tree::List(items) => last(items, |n| n, wanted)?,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_lists_and_documents() {
        let text =
            "a: 1\n---\nkind: List\nitems:\n- kind: A\n  metadata: {name: x}\n- kind: B\n  metadata:\n    a/b: y\n";
        let mut set = SpecSet::default();
        set.texts.insert("m.yaml".into(), text.into());
        let locator = Locator::new(&set);
        let at = |line, column, pointer: &str| {
            let part = locator.part(&Origin { line, column, ..Origin::file("m.yaml") }, pointer);
            (part.line, part.column)
        };
        assert_eq!(at(5, 3, "/metadata/name"), (6, 20));
        assert_eq!(at(7, 3, "/metadata/a~1b"), (9, 10));
        assert_eq!(at(7, 3, "/metadata/none/0"), (9, 5), "what is around it");
        assert_eq!(at(7, 3, ""), (7, 3));
        assert_eq!(at(99, 1, "/kind"), (99, 1), "no object begins there");
    }
}
