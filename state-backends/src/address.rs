//! Addresses of stores: `scheme://host/path?name=value&…`.

use std::collections::BTreeMap;

use crate::BackendError;

/// An address, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without what follows `?`, for messages.
    pub(crate) url: String,
    /// Before `://`.
    pub(crate) scheme: String,
    /// Up to the next `/`: bucket, container, namespace, host.
    pub(crate) host: String,
    /// The rest, without a `/` at either end.
    pub(crate) path: String,
    parameters: BTreeMap<String, String>,
}

impl Address {
    /// Takes an address apart.
    pub(crate) fn parse(text: &str) -> Result<Self, BackendError> {
        let (url, query) = text.split_once('?').unwrap_or((text, ""));
        let bad = |why: &str| BackendError::BadUrl { url: url.to_owned(), why: why.to_owned() };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("it has no `://`"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(bare) = without_password(url) {
            let url = bare;
            let why = "it holds a password; credentials are read from the environment and the usual files only";
            return Err(BackendError::BadUrl { url, why: why.into() });
        }
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| bad("after `?` it wants name=value"))?;
            let value = decoded(value).ok_or_else(|| bad("`%` wants two digits"))?;
            if parameters.insert(name.to_owned(), value).is_some() {
                return Err(bad(&format!("`{name}` is there twice")));
            }
        }
        Ok(Self {
            url: url.to_owned(),
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            path: path.trim_matches('/').to_owned(),
            parameters,
        })
    }

    /// A parameter; each may be taken once.
    #[cfg(any(feature = "_network", test))]
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.parameters.remove(name)
    }

    /// Refuses what nobody has taken.
    pub(crate) fn finish(&self, known: &str) -> Result<(), BackendError> {
        match self.parameters.keys().next() {
            Some(name) => Err(self.bad(&format!("`{name}` is not known there; it takes {known}"))),
            None => Ok(()),
        }
    }

    /// An error about this address.
    pub(crate) fn bad(&self, why: &str) -> BackendError {
        BackendError::BadUrl { url: self.url.clone(), why: why.to_owned() }
    }
}

/// An address for people: without what follows `?`, and without a password where somebody wrote one.
pub fn shown(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    without_password(url).unwrap_or_else(|| url.to_owned())
}

/// The rest of an address that holds a password, which may have a `/` in it.
fn without_password(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, place) = rest.rsplit_once('@').filter(|(user, _)| user.contains(':'))?;
    // Names within a bucket may have both signs.
    let is_user = !user.contains('/') || scheme.starts_with("postgres");
    is_user.then(|| format!("{scheme}://…@{place}"))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let mut address = Address::parse("s3://bucket/a/b/?region=x&endpoint=http%3A%2F%2Flocalhost:1").unwrap();
        assert_eq!((&*address.scheme, &*address.host, &*address.path), ("s3", "bucket", "a/b"));
        assert_eq!(address.take("endpoint").unwrap(), "http://localhost:1");
        assert!(address.finish("nothing").unwrap_err().to_string().contains("`region`"));
        assert_eq!(address.take("region").unwrap(), "x");
        address.finish("nothing").unwrap();
    }

    #[test]
    fn passwords_are_refused_and_not_repeated() {
        for url in ["postgres://me:hunter2@db/x", "postgres://me:hunter2/@hunter2@db/x?y", "s3://hunter2:hunter2@b/x"] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains("password") && !error.contains("hunter2"), "{error}");
            assert!(!shown(url).contains("hunter2"));
        }
        assert_eq!(shown("postgres://me@db:1/x?y=z"), "postgres://me@db:1/x");
        assert!(Address::parse("s3://bucket/a:b@c").is_ok());
        for bad in ["s3:bucket", "s3://b?x", "s3://b?x=%1", "s3://b?x=1&x=2"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }
}
