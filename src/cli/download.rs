//! Files of the catalogue from where they are published: over TLS, not larger than a limit, not longer
//! than a deadline. Knows addresses and bytes, not what they say.

use std::{path::Path, time::Duration};

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::{Body as _, Bytes, Incoming},
    header,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{
    catalog::{SourceText, pages},
    diagnostic::Diagnostic,
    spec::{CatalogSource, Importer},
};

/// The largest offer file of a region is about a third of this.
const MOST_BYTES: u64 = 1 << 30;
/// Pages of one source.
const MOST_PAGES: usize = 1_000;
/// Redirects of one page.
const MOST_REDIRECTS: usize = 5;

/// Bounds on one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of all its pages.
    pub(super) bytes: u64,
    /// From the first request to the last byte.
    pub(super) deadline: Duration,
}

impl Bounds {
    pub(super) fn new(deadline: Duration) -> Self {
        Self { bytes: MOST_BYTES, deadline }
    }
}

type Https = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Reads a source: a file in the project, or an address with all its pages.
pub(super) async fn read(
    root: &Path,
    source: &CatalogSource,
    importer: Importer,
    bounds: Bounds,
) -> Result<SourceText, Diagnostic> {
    let at = source.url.as_ref().or(source.path.as_ref()).map(|t| &t.origin);
    let result = match (&source.url, &source.path) {
        (Some(url), _) => remote(url, source, importer, bounds).await,
        (None, path) => local(root, path.as_ref().map_or("", |p| p.as_str()), bounds),
    };
    result.map_err(|d| match at {
        Some(origin) if d.labels.is_empty() => d.at(origin),
        _ => d,
    })
}

fn fault(text: impl Into<String>) -> Diagnostic {
    Diagnostic::error("SKY0922", text)
}

/// A file of the project, also behind a link that stays in it.
fn local(root: &Path, path: &str, bounds: Bounds) -> Result<SourceText, Diagnostic> {
    let cannot = |why: String| {
        fault(format!("`{path}` cannot be read: {why}")).hint("paths of sources are relative to the project's root")
    };
    let real = root.join(path).canonicalize().map_err(|e| cannot(e.to_string()))?;
    let inside = root.canonicalize().is_ok_and(|root| real.starts_with(root));
    if !inside {
        return Err(cannot("it is a link out of the project".into()));
    }
    let meta = std::fs::metadata(&real).map_err(|e| cannot(e.to_string()))?;
    if !meta.is_file() {
        return Err(cannot("it is not a file".into()));
    }
    if meta.len() > bounds.bytes {
        return Err(cannot(format!("it is larger than {} MiB", bounds.bytes >> 20)));
    }
    let bytes = std::fs::read(&real).map_err(|e| cannot(e.to_string()))?;
    let text = text(path, bytes)?;
    Ok(SourceText { name: path.to_owned(), pages: vec![text], remote: false })
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Diagnostic> {
    String::from_utf8(bytes).map_err(|_| {
        Diagnostic::error("SKY0130", format!("`{name}` is not UTF-8 text"))
            .hint("a file that is packed has to be unpacked before it is read")
    })
}

async fn remote(
    url: &str,
    source: &CatalogSource,
    importer: Importer,
    bounds: Bounds,
) -> Result<SourceText, Diagnostic> {
    let mut headers = Vec::new();
    for (name, variable) in &source.headers {
        let value = std::env::var(variable).map_err(|_| {
            fault(format!("the header `{name}` is in the variable {variable}, which is not set"))
                .hint(format!("set {variable} in the environment of this command"))
        })?;
        headers.push((name.clone(), value));
    }
    let pages = pages_of(url, &headers, importer, bounds);
    match tokio::time::timeout(bounds.deadline, pages).await {
        Ok(pages) => Ok(SourceText { name: url.to_owned(), pages: pages?, remote: true }),
        Err(_) => Err(fault(format!("{url} was not read in {} s", bounds.deadline.as_secs()))
            .hint("give it longer with --timeout, or fetch it in other ways and name its path")),
    }
}

async fn pages_of(
    url: &str,
    headers: &[(String, String)],
    importer: Importer,
    bounds: Bounds,
) -> Result<Vec<String>, Diagnostic> {
    let client = client().map_err(|why| fault(format!("no certificates to trust: {why}")))?;
    let mut out = Vec::new();
    let (mut next, mut left) = (Some(url.to_owned()), bounds.bytes);
    while let Some(address) = next {
        if out.len() == MOST_PAGES {
            return Err(fault(format!("{url} has more than {MOST_PAGES} pages")).hint("ask for less with its filter"));
        }
        let bytes = page(&client, &address, headers, left).await?;
        left = left.saturating_sub(bytes.len() as u64);
        let text = text(&address, bytes)?;
        next = pages::next(importer, url, &text)?;
        out.push(text);
    }
    Ok(out)
}

fn client() -> std::io::Result<Https> {
    let provider = rustls::crypto::ring::default_provider();
    let https =
        HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(https))
}

/// One page, behind its redirects.
async fn page(client: &Https, url: &str, headers: &[(String, String)], most: u64) -> Result<Vec<u8>, Diagnostic> {
    let mut address = url.to_owned();
    for _ in 0..=MOST_REDIRECTS {
        let answer = request(client, &address, url, headers).await?;
        if answer.status().is_redirection() {
            let location = answer.headers().get(header::LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default();
            address = pages::redirected(&address, location)
                .ok_or_else(|| fault(format!("{address} leads to `{location}`, which is not read")))?;
            continue;
        }
        if !answer.status().is_success() {
            return Err(fault(format!("{address} answers {}", answer.status()))
                .hint("look at the address in a browser; keys go into `headers`"));
        }
        let encoding = answer.headers().get(header::CONTENT_ENCODING).and_then(|e| e.to_str().ok());
        if let Some(encoding) = encoding.filter(|e| *e != "identity") {
            return Err(fault(format!("{address} answers packed ({encoding}), which was not asked for")));
        }
        return body(answer, &address, most).await;
    }
    Err(fault(format!("{url} leads from one address to the next")))
}

async fn request(
    client: &Https,
    address: &str,
    first: &str,
    headers: &[(String, String)],
) -> Result<Response<Incoming>, Diagnostic> {
    let mut request = Request::get(address)
        .header(header::USER_AGENT, concat!("skyplan/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "identity");
    // Keys are for the host that is written in the Project.
    if pages::host(address) == pages::host(first) {
        for (name, value) in headers {
            request = request.header(name, value);
        }
    }
    let request = request.body(Empty::new()).map_err(|e| fault(format!("{address} cannot be asked: {e}")))?;
    client.request(request).await.map_err(|e| {
        let mut text = e.to_string();
        let mut cause = std::error::Error::source(&e);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        fault(format!("{address} cannot be reached: {text}"))
            .hint("where there is no way out, fetch the file in other ways and name its `path`")
    })
}

async fn body(answer: Response<Incoming>, address: &str, most: u64) -> Result<Vec<u8>, Diagnostic> {
    let too_large = || fault(format!("{address} is larger than what is read: {} MiB", MOST_BYTES >> 20));
    let mut body = answer.into_body();
    if body.size_hint().lower() > most {
        return Err(too_large());
    }
    let mut out = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| fault(format!("{address} broke off: {e}")).hint("try again"))?;
        if let Ok(data) = frame.into_data() {
            if out.len() as u64 + data.len() as u64 > most {
                return Err(too_large());
            }
            out.extend_from_slice(&data);
        }
    }
    Ok(out)
}
