//! Pictures of a plan: what changes and in which order, or where components run and what flows between
//! them. [`build`] says what is to be seen; DOT, Mermaid and SVG only draw it.

pub mod build;
pub mod dot;
mod layout;
pub mod mermaid;
pub mod svg;

use serde::Serialize;

/// A picture without positions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Graph {
    /// Version of this format.
    pub format_version: String,
    /// Heading.
    pub title: String,
    /// Clusters, from top to bottom.
    pub groups: Vec<Group>,
    /// What stands in them.
    pub nodes: Vec<Node>,
    /// Arrows.
    pub edges: Vec<Edge>,
}

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Site, nodes, price.
    pub remark: String,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Index of its group.
    pub group: usize,
    /// First line.
    pub name: String,
    /// Second line; may be empty.
    pub remark: String,
    /// What happens to it.
    pub tone: Tone,
    /// More about it, for those who point at it.
    pub tooltip: String,
}

/// An arrow between nodes, by index. What it points at comes later, or receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Where it begins.
    pub from: usize,
    /// Where it points.
    pub to: usize,
    /// Lines of text beside it.
    pub label: Vec<String>,
}

/// What happens to a node. Every tone has a sign, so that nothing depends on colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tone {
    /// It is.
    Plain,
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is made anew.
    Replace,
    /// It goes.
    Delete,
    /// It is forgotten.
    Forget,
}

impl Tone {
    /// Sign in front of the name.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "±",
            Self::Delete => "-",
            Self::Forget => ".",
        }
    }

    /// Name for style sheets.
    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Forget => "forget",
        }
    }
}

/// All tones but the plain one, with what their colours mean.
const TONES: [(Tone, &str); 5] = [
    (Tone::Create, "create"),
    (Tone::Update, "change"),
    (Tone::Replace, "make anew"),
    (Tone::Delete, "delete"),
    (Tone::Forget, "forget"),
];

/// The name with its sign.
fn signed(node: &Node) -> String {
    if node.tone == Tone::Plain { node.name.clone() } else { format!("{} {}", node.tone.sign(), node.name) }
}
