//! What can still be read of a file with a fault: its other documents.
//!
//! The parser stops at the first fault of a file. A line of `---` always ends a document, so the file is
//! cut there and each piece is parsed by itself. Knows texts and places, and no kind.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::sync::Arc;

use super::yaml::{self, Node};
use crate::diagnostic::Diagnostic;

/// A file with more documents or more text than this is not cut up: the first fault is all that is said.
const MOST_PIECES: usize = 200;
const MOST_BYTES: usize = 1 << 20;

/// What a file came to.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// Documents that could be read.
    pub(crate) nodes: Vec<Node>,
    /// Why others could not, with their texts.
    pub(crate) faults: Vec<(Diagnostic, String)>,
}

/// Reads all documents of a file that can be read.
pub(crate) fn parse(file: &Arc<str>, text: &str) -> Parsed {
    let fault = match yaml::parse(file, text) {
        Ok(nodes) => return Parsed { nodes, faults: Vec::new() },
        Err(fault) => *fault,
    };
    let pieces = pieces(text);
    if pieces.len() < 2 || pieces.len() > MOST_PIECES || text.len() > MOST_BYTES {
        return Parsed { nodes: Vec::new(), faults: vec![(fault, text.to_owned())] };
    }
    let mut all = Parsed::default();
    for (from, to) in pieces {
        // Blanks in place of what comes before keep lines, columns and bytes right.
        let mut padded: String = text[..from].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
        padded.push_str(&text[from..to]);
        match yaml::parse(file, &padded) {
            Ok(nodes) => all.nodes.extend(nodes),
            Err(fault) => all.faults.push((*fault, text[from..to].to_owned())),
        }
    }
    if all.faults.is_empty() {
        // Only the whole is at fault, as with too many nodes.
        return Parsed { nodes: Vec::new(), faults: vec![(fault, text.to_owned())] };
    }
    all
}

/// Where documents begin and end.
fn pieces(text: &str) -> Vec<(usize, usize)> {
    let mut begins = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marker = line.strip_prefix("---").is_some_and(|rest| rest.trim_start() != rest || rest.is_empty());
        if marker && at > 0 {
            begins.push(at);
        }
        at += line.len();
    }
    let ends = begins.iter().copied().skip(1).chain([text.len()]);
    begins.iter().copied().zip(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_in_one_document_leaves_the_others() {
        let text = "a: 1\n---\nb: [\n--- # ä\nc: 1\nc: 2\n---\n  d: x\n";
        let parsed = parse(&"a.yaml".into(), text);
        let json: Vec<String> = parsed.nodes.iter().map(|n| n.clone().into_json().to_string()).collect();
        assert_eq!(json, [r#"{"a":1}"#, r#"{"d":"x"}"#]);
        let span = parsed.nodes[1].get("d").unwrap().span;
        assert_eq!((span.line, span.column, &text[span.start as usize..][..span.len as usize]), (8, 6, "x"));
        let faults: Vec<(&str, u32)> =
            parsed.faults.iter().map(|(d, _)| (d.code.as_str(), d.labels[0].origin.line)).collect();
        assert_eq!((faults[0].0, faults[1]), ("SKY0101", ("SKY0102", 6)));
        assert!(parsed.faults[0].1.contains("b: ["));
    }
}
