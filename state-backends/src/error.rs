//! What can go wrong with a store, in words for the person who has to mend it.

use std::io;

/// Why a backend could not do it.
///
/// After any of these but [`BackendError::Missing`] and [`BackendError::BadUrl`] it is not known
/// whether an append took effect: open the log again and look.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The entry is not there.
    #[error("entry {0} is not there")]
    Missing(u64),
    /// Credentials are absent, wrong or expired, or may not do this.
    #[error("{place} refused access: {why}")]
    Denied {
        /// Which store.
        place: String,
        /// What it said.
        why: String,
    },
    /// No answer, or one that says to come back later. It was tried several times.
    #[error("{place} cannot be reached: {why}")]
    Unreachable {
        /// Which store.
        place: String,
        /// What it said.
        why: String,
    },
    /// The disk or the quota is used up.
    #[error("{place} has no room left: {why}")]
    Full {
        /// Which store.
        place: String,
        /// What it said.
        why: String,
    },
    /// The store does not do, or only claims to do, what a log needs.
    #[error("{place} cannot hold a log: {why}")]
    Unsupported {
        /// Which store.
        place: String,
        /// What it cannot do.
        why: String,
    },
    /// What was read is not what was written.
    #[error("{what} is damaged: {why}")]
    Corrupt {
        /// Entry or part.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The address of the store is not understood.
    #[error("`{url}` does not name a place for state: {why}")]
    BadUrl {
        /// The address, without what follows `?`.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The operating system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, with the path.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// Any other refusal of the store.
    #[error("{place}: {why}")]
    Failed {
        /// Which store.
        place: String,
        /// What it said.
        why: String,
    },
}

impl BackendError {
    /// Whether the same may succeed a moment later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing(_) => "list the log again: it may have been compacted meanwhile",
            Self::Denied { .. } => {
                "see that you may read, create, list and delete there: renew the credentials, or ask its owner"
            }
            Self::Unreachable { .. } => "check the address and the network, then run the same command again",
            Self::Full { .. } => "make room or raise the quota; nothing that was in the log is lost",
            Self::Unsupported { .. } => "keep the state elsewhere: in a folder, S3, GCS, Azure, Kubernetes or Postgres",
            Self::Corrupt { .. } => "restore it from a copy: entries are never changed once written",
            Self::BadUrl { .. } => "docs/state.md lists the addresses that are understood",
            Self::Io { .. } => "check that the folder is writable and its disk has room",
            Self::Failed { .. } => "look at what the store said; the log itself was not changed by reading",
        }
    }
}

/// Names of variables that hold credentials have one of these in them.
const CREDENTIALS: [&str; 5] = ["SECRET", "PASSWORD", "TOKEN", "_KEY", "CONNECTION_STRING"];
/// And do not end like this: a file or a name is none.
const NAMES: [&str; 4] = ["_FILE", "_ID", "_URI", "_PATH"];
/// Characters of what may be a credential.
const SHORTEST: usize = 8;

/// Words of a store without the credentials among these variables: some repeat what they were sent.
pub fn without_credentials(text: &str, variables: impl Iterator<Item = (String, String)>) -> String {
    let holds = |name: &str| CREDENTIALS.iter().any(|w| name.contains(w)) && !NAMES.iter().any(|w| name.ends_with(w));
    let mut secrets: Vec<String> =
        variables.filter(|(name, value)| value.len() >= SHORTEST && holds(name)).map(|(_, value)| value).collect();
    // The longer ones first: one may be part of another.
    secrets.sort_by_key(|value| std::cmp::Reverse(value.len()));
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "(secret value)"))
}

/// An error and its causes, outermost first: the outermost alone says little.
#[cfg(feature = "_network")]
pub(crate) fn causes(error: &dyn std::error::Error) -> impl Iterator<Item = String> {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string)
}

/// The same as one text; a cause that the one before ends with is not repeated.
#[cfg(feature = "_network")]
pub(crate) fn deep(error: &dyn std::error::Error) -> String {
    let join = |text: String, more: String| if text.ends_with(&more) { text } else { format!("{text}: {more}") };
    without_queries(&causes(error).reduce(join).unwrap_or_default())
}

#[cfg(any(feature = "_network", test))]
/// Text of a store without what might be a secret in it: everything after `?` of an address.
pub(crate) fn without_queries(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut hidden = false;
    for c in text.chars() {
        let ends = c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '}' | ',' | '<' | '>');
        hidden = (hidden || c == '?') && !ends;
        if !hidden {
            out.push(c);
        }
    }
    out.truncate(out.char_indices().nth(600).map_or(out.len(), |(i, _)| i));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_the_environment_are_not_shown() {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SESSION_TOKEN", "planted-and-more"),
            ("AWS_SECRET_ACCESS_KEY", "planted-"),
            ("PGPASSWORD", "short"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/run/token"),
            ("HOME", "/home/me"),
        ];
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let said = without_credentials("AKIAEXAMPLE: planted-and-more, planted-; short /run/token /home/me", variables);
        assert_eq!(said, "AKIAEXAMPLE: (secret value), (secret value); short /run/token /home/me");
    }

    #[test]
    fn queries_of_addresses_are_not_shown() {
        let text = "error sending request for url (https://a.example/c/x?sv=1&sig=SECRET) after 3 s";
        assert_eq!(without_queries(text), "error sending request for url (https://a.example/c/x) after 3 s");
        assert_eq!(without_queries("why? because"), "why because");
    }
}
