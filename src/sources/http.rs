//! Bytes from an address: over TLS, or from this very machine; not larger than a limit, not longer than a deadline.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode, body::Bytes, header};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use super::remote::{Refusal, refusal};

const MOST_BYTES: usize = 256 << 20;
const DEADLINE: Duration = Duration::from_secs(120);
/// For everything that one source is made of.
const ERRAND: Duration = Duration::from_secs(600);
const MOST_REDIRECTS: usize = 5;

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) bytes: Vec<u8>,
}

/// One errand: what a spec names, and all that it leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errand {
    /// The address that the spec names is on this machine. Others do not lead to it.
    here: bool,
    until: Instant,
}

impl Errand {
    pub(super) fn to(url: &str) -> Self {
        Self { here: is_here(host(url)), until: Instant::now() + ERRAND }
    }

    /// Over TLS, or to this machine, where the spec says so.
    fn may_ask(self, url: &str) -> bool {
        is_safe(url) && (self.here || !may_be_here(host(url)))
    }
}

/// Asks for an address, and follows where it leads. Headers are for the first host alone.
pub(super) fn get(errand: Errand, url: &str, headers: &[(&str, &str)]) -> Result<Answer, Refusal> {
    let most = DEADLINE.min(errand.until.saturating_duration_since(Instant::now()));
    // The caller may be a runtime's own thread, which must not wait in another one.
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| -> Result<Answer, Refusal> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|e| refusal(format!("No threads to work with: {e}."), "try again"))?;
            runtime.block_on(async {
                match tokio::time::timeout(most, follow(errand, url, headers)).await {
                    Ok(answer) => answer,
                    Err(_) => Err(refusal(format!("{url} took more than {} s.", most.as_secs()), "try again")),
                }
            })
        });
        asking.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
    })
}

async fn follow(errand: Errand, first: &str, headers: &[(&str, &str)]) -> Result<Answer, Refusal> {
    let provider = rustls::crypto::ring::default_provider();
    let https = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(provider)
        .map_err(|e| refusal(format!("No certificates to trust: {e}."), "install the system's CA certificates"))?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(https);
    let mut url = first.to_owned();
    for _ in 0..=MOST_REDIRECTS {
        if !errand.may_ask(&url) {
            return Err(match is_safe(&url) {
                true => refusal(
                    format!("{url} is not read: it is on this machine, and the source is not."),
                    "whoever publishes the source has it lead there: ask why",
                ),
                false => refusal(
                    format!("{url} is not read: anybody on the way could change it."),
                    "addresses begin with https://, or are on this machine",
                ),
            });
        }
        let mut request = Request::get(&url).header(header::USER_AGENT, concat!("skyplan/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            if *name != "authorization" || host(&url) == host(first) {
                request = request.header(*name, *value);
            }
        }
        let cannot = |e: &dyn std::error::Error| {
            let mut text = e.to_string();
            let mut cause = e.source();
            while let Some(inner) = cause {
                text = format!("{text}: {inner}");
                cause = inner.source();
            }
            refusal(format!("{url} cannot be reached: {text}."), "is the address right, and is there a way to it?")
        };
        let request = request.body(Empty::new()).map_err(|e| cannot(&e))?;
        let mut answer = client.request(request).await.map_err(|e| cannot(&e))?;
        let all =
            answer.headers().iter().filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned())));
        let found: BTreeMap<String, String> = all.collect();
        if answer.status().is_redirection() {
            let location = found.get("location").map_or("", String::as_str);
            url = joined(&url, location);
            continue;
        }
        let mut bytes = Vec::new();
        while let Some(frame) = answer.body_mut().frame().await {
            let data = frame.map_err(|e| cannot(&e))?.into_data().unwrap_or_default();
            if bytes.len() + data.len() > MOST_BYTES {
                return Err(refusal(
                    format!("{url} is larger than {} MiB.", MOST_BYTES >> 20),
                    "is it what was meant?",
                ));
            }
            bytes.extend_from_slice(&data);
        }
        return Ok(Answer { status: answer.status(), headers: found, bytes });
    }
    Err(refusal(format!("{first} leads from one address to the next."), "name the last of them"))
}

/// An address as another one names it.
pub(super) fn joined(base: &str, to: &str) -> String {
    if to.contains("://") {
        return to.to_owned();
    }
    let root = base.find("://").map_or(0, |at| at + 3);
    let end = base[root..].find('/').map_or(base.len(), |at| root + at);
    match to.strip_prefix('/') {
        Some(rest) => format!("{}/{rest}", &base[..end]),
        None => {
            let path = base.split(['?', '#']).next().unwrap_or(base);
            let folder = path.rfind('/').filter(|at| *at >= end).map_or(path, |at| &path[..at]);
            format!("{folder}/{to}")
        }
    }
}

fn host(url: &str) -> &str {
    url.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default()
}

/// Over TLS, or to this machine.
pub(super) fn is_safe(url: &str) -> bool {
    let name = host(url);
    url.starts_with("https://") || url.starts_with("http://") && is_here(name)
}

/// Whether a host could be this machine under any of its usual names.
fn may_be_here(host: &str) -> bool {
    let host = host.rsplit('@').next().unwrap_or(host).to_ascii_lowercase();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(&host).trim_end_matches('.'),
    };
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// Whether a host, maybe with its port, is this machine.
pub(super) fn is_here(host: &str) -> bool {
    // Words before an `@` are a user's name, whatever they look like.
    ["127.0.0.1", "localhost", "[::1]"].into_iter().any(|here| match host.strip_prefix(here) {
        Some("") => true,
        Some(port) => port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit())),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_joined_and_told_apart() {
        assert_eq!(joined("https://x/charts/index.yaml", "a-1.tgz"), "https://x/charts/a-1.tgz");
        assert_eq!(joined("https://x/charts/index.yaml", "/a-1.tgz"), "https://x/a-1.tgz");
        assert_eq!(joined("https://x", "a"), "https://x/a");
        assert_eq!(joined("https://x/y", "https://z/a"), "https://z/a");
        assert!(is_safe("https://x") && is_safe("http://127.0.0.1:5000/v2/") && is_safe("http://[::1]:5/"));
        let (here, far) = (Errand::to("http://127.0.0.1:5/index.yaml"), Errand::to("https://charts.example.com"));
        for url in
            ["http://127.0.0.1:5/x", "https://localhost/x", "http://[::1]/", "http://LOCALHOST/", "https://127.1.2.3/"]
        {
            assert!(!far.may_ask(url), "{url}");
        }
        assert!(here.may_ask("http://localhost:5/x") && here.may_ask("https://x") && far.may_ask("https://x"));
        for url in ["http://x", "http://127.0.0.1@x/", "http://127.0.0.1.x/", "ftp://x", "http://localhost:1@x/"] {
            assert!(!is_safe(url), "{url}");
        }
    }
}
