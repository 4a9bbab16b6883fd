//! An artifact of an OCI registry: a manifest, and archives as its layers.
//!
//! Without credentials, but for the token that registries give to anybody. Every byte is checked against its digest.

use serde_json::Value;

use super::{
    archive::unpack,
    http::{Answer, Errand, get, is_here},
    remote::{Fetched, Refusal, refusal},
};
use crate::{digest::digest_bytes, load::snapshot::Files};

const MANIFESTS: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/// Layers of one artifact.
const MOST_LAYERS: usize = 50;
const LOOK: &str = "does `oras pull` or `helm pull` work on that address?";

pub(super) fn fetch(url: &str, resolved: Option<&str>, chart: bool) -> Result<Fetched, Refusal> {
    let no_address = || refusal(format!("`{url}` is no address of an artifact."), "write oci://HOST/NAME:TAG");
    let rest = url.strip_prefix("oci://").ok_or_else(no_address)?;
    let (host, path) = rest.split_once('/').ok_or_else(no_address)?;
    let (name, reference) = match path.split_once('@') {
        Some((name, digest)) => (name.split(':').next().unwrap_or(name), digest),
        None => path.rsplit_once(':').ok_or_else(no_address)?,
    };
    let plain = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:+".contains(&b));
    if !plain(name)
        || !plain(reference)
        || name.contains("..")
        || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
    {
        return Err(no_address());
    }
    let is_digest = |text: &str| {
        text.strip_prefix("sha256:").is_some_and(|d| d.len() == 64 && d.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    if let Some(wrong) = resolved.filter(|r| !is_digest(r)) {
        return Err(refusal(
            format!("The lock has `{}`, which is no digest.", wrong.escape_debug()),
            "the lock was changed by hand: run `skyplan lock --update`",
        ));
    }
    // Helm writes versions with `+` as tags with `_`.
    let reference = resolved.map_or_else(|| reference.replace('+', "_"), str::to_owned);
    let scheme = if is_here(host) { "http" } else { "https" };
    let base = format!("{scheme}://{host}/v2/{name}");
    let registry = Registry { errand: Errand::to(&base), base, token: None };
    registry.fetch(&reference, chart)
}

struct Registry {
    errand: Errand,
    base: String,
    token: Option<String>,
}

impl Registry {
    fn fetch(mut self, reference: &str, chart: bool) -> Result<Fetched, Refusal> {
        let url = format!("{}/manifests/{reference}", self.base);
        let manifest = self.get(&url, MANIFESTS)?;
        let digest = format!("sha256:{}", digest_bytes(&manifest));
        if reference.starts_with("sha256:") && reference != digest {
            return Err(refusal(
                format!("{url} has the digest {digest}."),
                "the registry is not whole: ask whoever runs it",
            ));
        }
        let text: Value =
            serde_json::from_slice(&manifest).map_err(|_| refusal(format!("{url} is no manifest."), LOOK))?;
        if text["layers"].as_array().is_some_and(|all| all.len() > MOST_LAYERS) {
            return Err(refusal(format!("{url} has more than {MOST_LAYERS} layers."), LOOK));
        }
        let mut files = Files::new();
        let mut taken = 0;
        for layer in text["layers"].as_array().into_iter().flatten() {
            let kind = layer["mediaType"].as_str().unwrap_or_default();
            let wanted =
                if chart { kind.contains("helm.chart.content") } else { kind.contains("tar") && kind.contains("gzip") };
            if !wanted {
                continue;
            }
            let digest = layer["digest"].as_str().unwrap_or_default();
            let Some(sum) = digest.strip_prefix("sha256:").filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())) else {
                return Err(refusal(format!("A layer has the digest `{}`.", digest.escape_debug()), LOOK));
            };
            let blob = format!("{}/blobs/{digest}", self.base);
            let bytes = self.get(&blob, "*/*")?;
            if digest_bytes(&bytes) != sum {
                return Err(refusal(
                    format!("{blob} has another digest."),
                    "the registry is not whole: ask whoever runs it",
                ));
            }
            unpack(&bytes, "", chart, &mut files).map_err(|why| refusal(format!("{blob}: {why}."), LOOK))?;
            taken += 1;
        }
        if taken == 0 {
            let what = if chart { "is no chart" } else { "has no layer that is an archive (`.tar.gz`)" };
            return Err(refusal(format!("{url} {what}."), LOOK));
        }
        Ok(Fetched { resolved: digest, files })
    }

    fn get(&mut self, url: &str, accept: &str) -> Result<Vec<u8>, Refusal> {
        let mut answer = self.ask(url, accept)?;
        if answer.status == hyper::StatusCode::UNAUTHORIZED && self.token.is_none() {
            self.token = token(self.errand, &answer)?;
            answer = self.ask(url, accept)?;
        }
        if !answer.status.is_success() {
            return Err(refusal(format!("{url} answers {}.", answer.status), LOOK));
        }
        Ok(answer.bytes)
    }

    fn ask(&self, url: &str, accept: &str) -> Result<Answer, Refusal> {
        let bearer = self.token.as_ref().map(|t| format!("Bearer {t}"));
        let mut headers = vec![("accept", accept)];
        headers.extend(bearer.as_deref().map(|b| ("authorization", b)));
        get(self.errand, url, &headers)
    }
}

/// The token that a registry gives to anybody, if it says where.
fn token(errand: Errand, answer: &Answer) -> Result<Option<String>, Refusal> {
    let says = answer.headers.get("www-authenticate").map_or("", String::as_str);
    let Some(parts) = says.strip_prefix("Bearer ") else { return Ok(None) };
    let part = |name: &str| {
        let at = parts.find(&format!("{name}=\""))? + name.len() + 2;
        parts[at..].split('"').next()
    };
    let Some(realm) = part("realm") else { return Ok(None) };
    let query: Vec<String> =
        ["service", "scope"].iter().filter_map(|n| Some(format!("{n}={}", part(n)?.replace(' ', "%20")))).collect();
    let given = get(errand, &format!("{realm}?{}", query.join("&")), &[])?;
    let text: Value = serde_json::from_slice(&given.bytes).unwrap_or_default();
    Ok(text["token"].as_str().or(text["access_token"].as_str()).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_names_digests_alone() {
        for wrong in ["v1", "sha256:", "sha256:../../x", "sha512:00", "latest?x"] {
            let Err((why, _)) = fetch("oci://registry.example.com/x:v1", Some(wrong), false) else { panic!("{wrong}") };
            assert!(why.contains("is no digest"), "{why}");
        }
    }
}
