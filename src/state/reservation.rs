//! What an apply takes some of, besides what it writes: two that do so at the same time count the same thing twice.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::network::Use;

/// Something that there is only so much of. In the log: `edge` (a cluster's name), `cidr/pods`, `quota/aws`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Reservation {
    /// Room for pods on this cluster.
    Room(String),
    /// Networks that nobody has yet.
    Network(Use),
    /// Nodes at this provider, which sells only so many.
    Quota(String),
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(cluster) => f.write_str(cluster),
            Self::Network(what) => write!(f, "cidr/{}", what.word()),
            Self::Quota(provider) => write!(f, "quota/{provider}"),
        }
    }
}

impl From<&str> for Reservation {
    /// A word that nobody knows counts as a cluster that there is not: it meets its like, and nothing else.
    fn from(text: &str) -> Self {
        let known = match text.split_once('/') {
            Some(("cidr", word)) => Use::ALL.into_iter().find(|what| what.word() == word).map(Self::Network),
            Some(("quota", provider)) => Some(Self::Quota(provider.to_owned())),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Room(text.to_owned()))
    }
}

impl From<String> for Reservation {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Reservation> for String {
    fn from(reservation: Reservation) -> Self {
        reservation.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_a_word_in_the_log() {
        for (text, what) in [
            ("edge", Reservation::Room("edge".into())),
            ("cidr/pods", Reservation::Network(Use::Pods)),
            ("cidr/services", Reservation::Network(Use::Services)),
            ("quota/aws-us-east-1", Reservation::Quota("aws-us-east-1".into())),
            ("cidr/nodes", Reservation::Room("cidr/nodes".into())),
        ] {
            assert_eq!(Reservation::from(text), what);
            assert_eq!(serde_json::to_value(&what).unwrap(), text);
            assert_eq!(serde_json::from_value::<Reservation>(text.into()).unwrap(), what);
        }
    }
}
