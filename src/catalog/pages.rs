//! Where the next page of a source is. Only the same host is asked again: a page must not send us elsewhere.

use serde::Deserialize;

use super::entry::may_be_read;
use crate::{diagnostic::Diagnostic, spec::Importer};

/// What pages say of the next one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Page {
    #[serde(rename = "NextPageLink")]
    azure: Option<String>,
    #[serde(rename = "nextPageToken")]
    google: Option<String>,
    #[serde(rename = "flavors_links")]
    openstack: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    rel: String,
    #[serde(default)]
    href: String,
}

/// The address of the page after this one, if there is one.
///
/// # Errors
/// The page points at another host.
pub fn next(importer: Importer, url: &str, page: &str) -> Result<Option<String>, Diagnostic> {
    // Offer files are one page, and large. What is no JSON is told when it is read.
    if matches!(importer, Importer::Aws | Importer::Latency) {
        return Ok(None);
    }
    let page: Page = serde_json::from_str(page).unwrap_or_default();
    let links = page.openstack.into_iter().filter(|l| l.rel == "next").map(|l| l.href);
    let token = page.google.filter(|t| !t.is_empty()).map(|token| {
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}pageToken={}", encoded(&token))
    });
    let Some(next) = token.or(page.azure.filter(|l| !l.is_empty())).or_else(|| links.into_iter().next()) else {
        return Ok(None);
    };
    if !may_be_read(&next) || host(&next) != host(url) {
        let shown: String = next.chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(Diagnostic::error("SKY0922", format!("a page of {url} says that the next is at {shown}"))
            .hint("only pages of the same host are read; fetch them in other ways and name their paths"));
    }
    Ok(Some(next))
}

/// Where a redirect leads: an address that may be read, or `None`.
pub fn redirected(url: &str, location: &str) -> Option<String> {
    let next = if location.contains("://") {
        location.to_owned()
    } else {
        let (scheme, host) = host(url)?;
        location.strip_prefix('/').filter(|l| !l.starts_with('/')).map(|rest| format!("{scheme}://{host}/{rest}"))?
    };
    // From TLS nothing leads to an open line, not even to this machine.
    let open = url.starts_with("https://") && !next.starts_with("https://");
    (may_be_read(&next) && !open).then_some(next)
}

/// Scheme, host and port.
pub fn host(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?.to_lowercase();
    let port = if scheme == "https" { ":443" } else { ":80" };
    Some((scheme.to_owned(), host.strip_suffix(port).unwrap_or(&host).to_owned()))
}

/// A text as a value in a query.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_on_one_host() {
        let azure = |link: &str| next(Importer::Azure, "https://prices.azure.com/api?x=1", link);
        let link = r#"{"NextPageLink": "https://prices.azure.com:443/api?$skip=100"}"#;
        assert_eq!(azure(link).unwrap().unwrap(), "https://prices.azure.com:443/api?$skip=100");
        assert_eq!(azure(r#"{"NextPageLink": null}"#), Ok(None));
        assert_eq!(azure("no json"), Ok(None));
        for bad in ["https://evil.example/api", "http://prices.azure.com/api", "file:///etc/passwd"] {
            assert_eq!(azure(&format!(r#"{{"NextPageLink": "{bad}"}}"#)).unwrap_err().code, "SKY0922");
        }
        let redirect = |to| redirected("https://a.b/c?d", to);
        assert_eq!(redirect("/x?y").as_deref(), Some("https://a.b/x?y"));
        assert_eq!(redirect("https://e.f/x").as_deref(), Some("https://e.f/x"));
        for bad in ["http://a.b/c", "http://127.0.0.1/", "//evil.example/", "x", "file:///etc/passwd"] {
            assert_eq!(redirect(bad), None, "{bad}");
        }
        let google = next(Importer::Gcp, "https://g/skus?pageSize=5000", r#"{"nextPageToken": "a+b="}"#);
        assert_eq!(google.unwrap().unwrap(), "https://g/skus?pageSize=5000&pageToken=a%2Bb%3D");
        let stack = r#"{"flavors_links": [{"rel": "next", "href": "https://o/flavors?marker=2"}]}"#;
        assert_eq!(
            next(Importer::Openstack, "https://o/flavors", stack).unwrap().unwrap(),
            "https://o/flavors?marker=2"
        );
    }
}
