//! A chart of a chart repository: `index.yaml`, and archives beside it or elsewhere.

use super::{
    archive::unpack,
    http::{Errand, get, joined},
    remote::{Fetched, Refusal, refusal},
};
use crate::{
    diagnostic::did_you_mean,
    digest::digest_bytes,
    load::{
        snapshot::Files,
        yaml::{self, Node, Tree},
    },
};

pub(super) fn fetch(repo: &str, chart: &str, version: &str) -> Result<Fetched, Refusal> {
    let index = format!("{repo}/index.yaml");
    let errand = Errand::to(repo);
    let answer = ok(errand, &index)?;
    let text = String::from_utf8_lossy(&answer);
    let no_index = || refusal(format!("{index} is no index of charts."), "`helm repo index` writes one");
    let nodes = yaml::parse(&"index.yaml".into(), &text).map_err(|_| no_index())?;
    let entries = nodes.first().and_then(|n| n.get("entries")).ok_or_else(no_index)?;
    let names = || match &entries.value {
        Tree::Map(all) => all.iter().map(|(key, _)| &*key.value).collect(),
        _ => Vec::new(),
    };
    let versions = entries.get(chart).ok_or_else(|| {
        let hint = match did_you_mean(chart, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`helm search repo` shows what there is".into(),
        };
        (format!("{repo} has no chart `{chart}`."), hint)
    })?;
    let versions = match &versions.value {
        Tree::List(items) => items.as_slice(),
        _ => &[],
    };
    let said = |node: &Node, key: &str| {
        node.get(key).map(|n| n.clone().into_json()).and_then(|v| Some(v.as_str()?.to_owned()))
    };
    let entry = versions.iter().find(|v| said(v, "version").as_deref() == Some(version)).ok_or_else(|| {
        let known: Vec<String> = versions.iter().filter_map(|v| said(v, "version")).take(5).collect();
        (format!("{repo} has no version {version} of `{chart}`."), format!("its latest are {}", known.join(", ")))
    })?;
    let first = match entry.get("urls").map(|n| &n.value) {
        Some(Tree::List(urls)) => urls.first().and_then(Node::text),
        _ => None,
    };
    let url = joined(&index, first.ok_or_else(no_index)?);
    let bytes = ok(errand, &url)?;
    let sum = digest_bytes(&bytes);
    if let Some(digest) = said(entry, "digest").filter(|d| d.trim_start_matches("sha256:") != sum) {
        return Err(refusal(
            format!("{url} has the digest {sum}, and the index says {digest}."),
            "the repository is not whole: ask whoever runs it",
        ));
    }
    let mut files = Files::new();
    unpack(&bytes, "", true, &mut files)
        .map_err(|why| refusal(format!("{url}: {why}."), "`helm package` makes such an archive"))?;
    Ok(Fetched { resolved: version.to_owned(), files })
}

fn ok(errand: Errand, url: &str) -> Result<Vec<u8>, Refusal> {
    let answer = get(errand, url, &[])?;
    if !answer.status.is_success() {
        return Err(refusal(format!("{url} answers {}.", answer.status), "is the address right?"));
    }
    Ok(answer.bytes)
}
