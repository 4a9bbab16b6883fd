//! Plans, states and diagnostics → text for people. Decides nothing, asks nothing; whether there is
//! colour is said to it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod catalog;
pub mod codes;
pub mod diagnostics;
pub mod explain;
pub mod graph;
pub mod outputs;
pub mod placement;
pub mod plan;
pub mod status;
pub mod table;
pub mod what_if;

/// Colours of a terminal, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether to colour.
    pub color: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What is good or new.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What goes or failed.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What changes or deserves a look.
    pub fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What can be passed over.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}
