//! What stands in documents that could not be read, as far as it is needed to hold one's tongue.
//!
//! A fault in one document makes others look wrong: what it would have defined is not there. Nothing is
//! known of such a document but its words, and that is enough: a reference to one of them may be right.

use std::collections::BTreeSet;

/// The most text of one document whose words are remembered.
const MOST_BYTES: usize = 1 << 20;

/// The words of documents that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    words: BTreeSet<String>,
    manifests: bool,
    everything: bool,
}

impl Unread {
    /// A document, or a part of one, by its text.
    pub fn add(&mut self, text: &str) {
        if text.len() > MOST_BYTES {
            self.everything = true;
        } else {
            let word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
            self.words.extend(text.split(|c| !word(c)).filter(|w| !w.is_empty()).map(str::to_owned));
        }
    }

    /// A document that may hold Kubernetes objects.
    pub fn add_manifest(&mut self, text: &str) {
        self.manifests = true;
        self.add(text);
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && !self.manifests && !self.everything
    }

    /// Whether what is missing may define `name`, or its last part.
    pub fn may_define(&self, name: &str) -> bool {
        let last = name.rsplit('/').next().unwrap_or(name);
        self.everything || self.words.contains(name) || self.words.contains(last)
    }

    /// Whether Kubernetes objects may be missing.
    pub fn lacks_manifests(&self) -> bool {
        self.everything || self.manifests
    }
}
