//! Exit statuses. They are part of the interface: see the README.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// An error, a partial failure, or a word that was not understood.
    Error,
    /// There are changes (only with `--detailed-exitcode`).
    Changes,
    /// No placement meets all constraints.
    Infeasible,
    /// The plan, or the catalogue, is no longer true.
    Stale,
    /// It deletes what needs an explicit word.
    Refused,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Error => 1,
            Exit::Changes => 2,
            Exit::Infeasible => 3,
            Exit::Stale => 4,
            Exit::Refused => 5,
        })
    }
}

/// Codes of what is possible and not permitted.
const REFUSALS: [&str; 6] = ["SKY0430", "SKY0508", "SKY0522", "SKY0523", "SKY0524", "SKY0525"];

impl Exit {
    /// The status that a diagnostic's code stands for.
    pub(super) fn of(codes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let codes: Vec<String> = codes.into_iter().map(|c| c.as_ref().to_owned()).collect();
        if codes.iter().any(|c| c == "SKY0501" || c == "SKY0923") {
            Self::Stale
        } else if codes.iter().any(|c| REFUSALS.contains(&c.as_str())) {
            Self::Refused
        } else if codes.iter().any(|c| c.starts_with("SKY04") && c != "SKY0490") {
            Self::Infeasible
        } else {
            Self::Error
        }
    }
}
