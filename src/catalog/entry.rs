//! Entries of the Project's `catalog`: whether they can be carried out, and what they come to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    diagnostic::{Diagnostic, Diagnostics, Origin},
    digest::digest,
    spec::{At, CatalogEntry, Importer, SpecSet},
};

/// Checks all entries.
pub fn check(set: &SpecSet, out: &mut Diagnostics) {
    let Some(project) = &set.project else { return };
    let mut names: BTreeMap<&str, &Origin> = BTreeMap::new();
    let mut files: BTreeMap<&str, &Origin> = BTreeMap::new();
    for entry in &project.spec.catalog {
        if let Some(first) = names.insert(&entry.name, &entry.name.origin) {
            let d = Diagnostic::error("SKY0201", format!("a second entry called `{}`", entry.name));
            out.push(d.at(&entry.name.origin).label(first, "the first one").hint("rename one of them"));
        }
        if let Some(first) = files.insert(&entry.into, &entry.into.origin) {
            out.push(
                wrong(&entry.into.origin, format!("`{}` is written by another entry, too", entry.into))
                    .label(first, "that entry")
                    .hint("each entry has a file of its own"),
            );
        }
        one(entry, out);
    }
}

fn wrong(origin: &Origin, text: impl Into<String>) -> Diagnostic {
    Diagnostic::error("SKY0230", text).at(origin)
}

fn one(entry: &CatalogEntry, out: &mut Diagnostics) {
    let yaml = entry.into.ends_with(".yaml") && entry.into.value != "skyplan.yaml";
    if !yaml || !inside(&entry.into) || entry.into.split('/').any(|part| part.starts_with('.')) {
        out.push(
            wrong(&entry.into.origin, format!("`{}` is not a path in the project that ends in .yaml", entry.into))
                .hint("such as `catalog/aws-eu.yaml`"),
        );
    }
    if entry.sources.is_empty() {
        out.push(wrong(&entry.name.origin, "an entry has at least one source").hint("write `sources: [{url: …}]`"));
    }
    for source in &entry.sources {
        match (&source.url, &source.path) {
            (Some(url), None) => {
                if !may_be_read(url) {
                    out.push(wrong(&url.origin, format!("`{url}` is not an https:// address")).hint(
                        "prices that came over an open line are not to be trusted; fetch the file and name its `path`",
                    ));
                }
            }
            (None, Some(path)) => {
                if !inside(path) {
                    out.push(
                        wrong(&path.origin, format!("`{path}` leads out of the project"))
                            .hint("sources are relative to the project's root; copy the file into it"),
                    );
                }
                if !source.headers.is_empty() {
                    out.push(wrong(&path.origin, "headers go with a `url`").hint("take `headers` out"));
                }
            }
            _ => out.push(
                wrong(&source.origin, "a source has exactly one of `url` and `path`")
                    .hint("for both, write two sources"),
            ),
        }
    }
    let platform = matches!(entry.importer.value, Importer::Aws | Importer::Azure | Importer::Gcp);
    if platform && entry.region.is_none() {
        out.push(
            wrong(&entry.name.origin, "prices are those of a region, and the entry names none")
                .hint("write `region:` in the platform's words, such as eu-central-1, europe-west3, westeurope"),
        );
    }
    let priced = !entry.prices.is_empty() || !entry.offerings.is_empty() || entry.control_plane_price.is_some();
    if entry.importer.value == Importer::Latency && priced {
        out.push(
            wrong(&entry.importer.origin, "measured latencies have no offerings and no prices").hint("take them out"),
        );
    }
    if let (false, Some(rule)) = (entry.importer.value == Importer::Openstack, entry.prices.first()) {
        out.push(
            wrong(&rule.origin, "`prices` are for sources that have none: those of openstack")
                .hint("take them out, or write the profile by hand"),
        );
    }
    for rule in &entry.prices {
        let all = [&rule.price, &rule.per_vcpu, &rule.per_gib];
        if all.iter().all(|p| p.is_none()) {
            out.push(
                wrong(&rule.origin, "a price rule has at least one of `price`, `perVcpu` and `perGib`")
                    .hint("write one"),
            );
        }
        all.into_iter().flatten().for_each(|price| not_negative(price, out));
    }
    entry.control_plane_price.iter().for_each(|price| not_negative(price, out));
}

fn not_negative(price: &At<crate::money::MicroUsd>, out: &mut Diagnostics) {
    if !(0..=1_000_000_000_000).contains(&price.value.0) {
        out.push(
            Diagnostic::error("SKY0117", "a price is from 0 to 1000000")
                .at(&price.origin)
                .hint("prices are in dollars, of a node and a control plane by the hour"),
        );
    }
}

/// A relative path that stays where it begins.
fn inside(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with('/')
        && !path.contains('\\')
        && !path.split('/').any(|p| p == ".." || p.is_empty())
}

/// Whether an address is read at all: over TLS, or on this machine.
pub(super) fn may_be_read(url: &str) -> bool {
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return false;
    }
    match url.split_once("://") {
        Some(("https", rest)) => !rest.is_empty(),
        Some(("http", rest)) => {
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            let host = host
                .rsplit_once(':')
                .map_or(host, |(host, port)| if port.bytes().all(|b| b.is_ascii_digit()) { host } else { "" });
            ["127.0.0.1", "localhost", "[::1]"].contains(&host)
        }
        _ => false,
    }
}

/// Digest of what an entry says: with another one the file is to be made anew.
pub fn entry_digest(entry: &CatalogEntry) -> String {
    let text = |t: &Option<At<String>>| t.as_ref().map(|t| t.value.clone());
    let price = |p: &Option<At<crate::money::MicroUsd>>| p.as_ref().map(|p| p.value);
    let sources: Vec<Value> = entry.sources.iter().map(|s| json!([text(&s.url), text(&s.path), s.headers])).collect();
    let prices: Vec<Value> = entry
        .prices
        .iter()
        .map(|r| json!([text(&r.offering), price(&r.price), price(&r.per_vcpu), price(&r.per_gib)]))
        .collect();
    let egress: Vec<Value> = entry
        .egress
        .iter()
        .map(|list| {
            let tiers = list.tiers.iter();
            let tiers: Vec<Value> =
                tiers.map(|t| json!([t.to_gb.as_ref().map(|g| g.value), t.price_per_gb.value])).collect();
            json!([list.to.word(), tiers])
        })
        .collect();
    let quota = entry.quota.as_ref().map(|q| json!([q.vcpus, q.memory, q.gpus, q.nodes]));
    digest(&json!({
        "name": entry.name.value,
        "importer": entry.importer.word(),
        "into": entry.into.value,
        "sources": sources,
        "region": text(&entry.region),
        "regionAlias": entry.region_alias,
        "continent": entry.continent,
        "zones": entry.zones,
        "attributes": entry.attributes,
        "offerings": entry.offerings.iter().map(|o| o.value.as_str()).collect::<Vec<_>>(),
        "prices": prices,
        "controlPlanePrice": price(&entry.control_plane_price),
        "egress": egress,
        "quota": quota,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_read_over_open_lines() {
        for good in ["https://a.b/c", "http://127.0.0.1:80/x", "http://localhost/x?y", "http://[::1]:9/x"] {
            assert!(may_be_read(good), "{good}");
        }
        for bad in [
            "http://a.b/c",
            "ftp://a/b",
            "https://",
            "file:///etc/passwd",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "http://127.0.0.1:80@evil.example/",
            "https://a b",
        ] {
            assert!(!may_be_read(bad), "{bad}");
        }
        assert!(inside("a/b.yaml") && !inside("../a") && !inside("/a") && !inside("a//b") && !inside(""));
    }
}
