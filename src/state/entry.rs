//! Entries of the log, and their bytes.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    moves::Move,
    record::{PlacementRecord, Record, RecordedOutput},
    replay::State,
    reservation::Reservation,
};
use crate::{address::ResourceAddress, diagnostic::Diagnostic, network::Networks, observed::Connection, trust::Trust};

/// Format of entries written by this version. 2 has `Moved`, `Hold` and `Sealed`.
pub const FORMAT: u32 = 2;

/// Kinds of entries, as they are written.
pub(super) const KINDS: [&str; 8] = ["snapshot", "begin", "delta", "end", "outputs", "moved", "hold", "sealed"];

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "camelCase")]
pub enum Entry {
    /// Everything, as it is: the first entry of every log.
    Snapshot(Snapshot),
    /// An apply is about to change things.
    Begin(Begin),
    /// What an apply has done since its last entry.
    Delta(Delta),
    /// An apply has ended.
    End(End),
    /// What outputs came to.
    Outputs(Outputs),
    /// Something is called otherwise from now on.
    Moved(Moved),
    /// Resources are held, or no longer.
    Hold(Hold),
    /// Secret values that are held.
    Sealed(Sealed),
}

impl Entry {
    /// The oldest format that has it.
    pub(super) fn format(&self) -> u32 {
        match self {
            Self::Snapshot(snapshot) => snapshot.format,
            Self::Moved(_) | Self::Hold(_) | Self::Sealed(_) => 2,
            Self::Begin(_) | Self::Delta(_) | Self::End(_) | Self::Outputs(_) => 1,
        }
    }
}

/// A time of the log for people, without what is below seconds.
pub fn seconds(at: &str) -> String {
    at.split('.').next().map_or_else(String::new, |t| format!("{}Z", t.trim_end_matches('Z')))
}

/// Something is called otherwise from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// When.
    pub at: String,
    /// What, in this order.
    pub moves: Vec<Move>,
}

/// Resources are held: who applies without being asked leaves them alone. Or no longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// When.
    pub at: String,
    /// Which.
    pub addresses: Vec<ResourceAddress>,
    /// Why; `None` = they are held no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The texts that an apply was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The commit that has them; `None` where they were in no commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Digest of them, as in a plan.
    pub inputs: String,
}

/// Secret values that are held, for a way back. Only who has a recipient's key can read them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// When.
    pub at: String,
    /// Address of a Secret → its values, as age sealed them; `None` = they are no longer held.
    pub values: BTreeMap<ResourceAddress, Option<String>>,
}

/// What outputs came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// When they were read.
    pub at: String,
    /// All of them, by name.
    pub values: BTreeMap<String, RecordedOutput>,
}

/// Everything, as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Format of this log's entries.
    pub format: u32,
    /// The state.
    pub state: State,
}

/// An apply is about to change things.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begin {
    /// Digest of the plan.
    pub plan: String,
    /// Addresses that it will change.
    pub writes: Vec<ResourceAddress>,
    /// Addresses that it builds on and leaves as they are: nobody may change them meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<ResourceAddress>,
    /// What it takes some of: nobody else may meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takes: Vec<Reservation>,
    /// Networks of clusters that it makes, by name: they are theirs even if nobody hears what became of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<String, Networks>,
    /// How to get at the clusters that they are on: the specs may be gone when somebody has to look.
    #[serde(default)]
    pub clusters: BTreeMap<String, Connection>,
    /// API versions of the objects among them.
    #[serde(default)]
    pub api_versions: BTreeMap<ResourceAddress, String>,
    /// What it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The process that does it: where that is known to have ended, nobody waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// When it gives up at the latest (RFC 3339, UTC). After that nobody waits for it.
    pub until: String,
    /// When it began.
    pub at: String,
}

impl Begin {
    /// Whether somebody is at work on it: its process is not known to have `ended`, and its time is not up.
    pub fn at_work(&self, now: Timestamp, ended: &dyn Fn(&Holder) -> bool) -> bool {
        !self.holder.as_ref().is_some_and(ended) && self.until.parse::<Timestamp>().is_ok_and(|until| until > now)
    }

    /// That it is at work on what somebody else is to change; `name` is how people call it.
    pub fn in_the_way(&self, name: &str, about: impl std::fmt::Display) -> Diagnostic {
        Diagnostic::error("SKY0805", format!("another apply is at work on {name}"))
            .about(about)
            .detail(self.span())
            .hint("wait until it has ended")
    }

    /// From when to when, for people.
    pub fn span(&self) -> String {
        format!("It began at {} and gives up at {} at the latest.", self.at, self.until)
    }
}

/// A process, for all time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Number.
    pub pid: u32,
    /// When it started, in the kernel's ticks since boot.
    pub started: u64,
    /// Boot and process namespace within which the other two mean anything.
    pub space: String,
}

/// Outcomes, in the order they happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delta {
    /// Address → its new record; `None` = gone.
    pub outcomes: BTreeMap<ResourceAddress, Option<Record>>,
}

/// An apply has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// Serial of the `Begin` that it ends; `None` where nothing was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<u64>,
    /// When.
    pub at: String,
    /// Whether all was done.
    pub complete: bool,
    /// Where components were placed, if the apply came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementRecord>,
    /// Addresses whose outcome is known not to have happened (failed before, or never tried): they
    /// are no longer uncertain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<ResourceAddress>,
    /// Who may sign what is applied from now on, where that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
}
