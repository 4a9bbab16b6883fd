//! Sources that are not in the project: what they are, and whether the lock has them.
//!
//! Knows the words of specs and lock; nothing here fetches.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{collections::BTreeSet, sync::Arc};

use super::{Reader, tree::SourceTree};
use crate::{
    diagnostic::Diagnostic,
    spec::{Application, At, Content, Document, LOCK_FILE, Manifest, Remote, Render, Renderer, Source},
};

impl Reader {
    /// What a source is in, if not in the project, as the lock has it. An error has been said.
    pub(super) fn content_of(&mut self, source: &At<Source>) -> Result<Option<Content>, ()> {
        let Some(remote) = self.remote_of(source)? else { return Ok(None) };
        let name = remote.name();
        self.set.remotes.push(remote.clone());
        let mut locked = self.set.lock.iter().flat_map(|l| &l.spec.sources).filter(|l| l.source.value == name);
        let first = locked.next();
        if let Some(second) = locked.next() {
            let fault = Diagnostic::error("SKY0150", format!("`{name}` is in {LOCK_FILE} twice"))
                .at(&second.source.origin)
                .label(&remote.origin, "for this source")
                .hint("keep the line that is right, or run `skyplan lock --update`");
            self.out.push(fault);
            return Err(());
        }
        match first {
            Some(locked) => Ok(Some(Content {
                remote: remote.value,
                resolved: locked.resolved.clone(),
                sha256: locked.sha256.clone(),
            })),
            None => {
                self.out.push(
                    Diagnostic::error("SKY0150", format!("`{name}` is not in {LOCK_FILE}"))
                        .at(&remote.origin)
                        .hint("run `skyplan lock`: it fetches what is not in the project, and notes what it is"),
                );
                Err(())
            }
        }
    }

    fn remote_of(&mut self, source: &At<Source>) -> Result<Option<At<Remote>>, ()> {
        let helm = source.helm.as_ref();
        let chart_at = helm.and_then(|h| h.repo.as_ref().or(h.oci.as_ref()));
        let said = [source.git.is_some(), source.oci.is_some(), chart_at.is_some()].iter().filter(|s| **s).count();
        let both = helm.is_some_and(|h| h.repo.is_some() && h.oci.is_some());
        if said > 1 || both {
            self.out.push(
                Diagnostic::error("SKY0115", "a source is in one place: `git`, `oci`, `helm.repo` or `helm.oci`")
                    .at(&source.origin)
                    .hint("for more than one, write a source for each"),
            );
            return Err(());
        }
        if let Some(version) = helm.and_then(|h| h.version.as_ref()).filter(|_| chart_at.is_none()) {
            self.out.push(
                Diagnostic::error("SKY0115", "`version` is for a chart of a `repo` or in an `oci` registry")
                    .at(&version.origin)
                    .hint("a chart in a folder has its version in its Chart.yaml"),
            );
            return Err(());
        }
        let missing = |field: &str, at: &crate::diagnostic::Origin| {
            Diagnostic::error("SKY0106", format!("missing field `{field}`")).at(at)
        };
        let (remote, origin) = if let Some(git) = &source.git {
            let (url, reference) = (git.url.value.clone(), git.reference.value.clone());
            (Remote::Git { url, reference }, &git.url.origin)
        } else if let Some(oci) = &source.oci {
            (Remote::Oci { url: oci.url.value.clone(), chart: false }, &oci.url.origin)
        } else if let Some((helm, at)) = helm.zip(chart_at) {
            let Some(version) = &helm.version else {
                self.out.push(missing("version", &helm.origin).hint("write it in full, such as `1.2.3`"));
                return Err(());
            };
            let version = version.value.clone();
            match (&helm.oci, &helm.chart) {
                (Some(url), _) => (Remote::Oci { url: format!("{}:{version}", url.value), chart: true }, &at.origin),
                (None, Some(chart)) => {
                    let repo = at.value.trim_end_matches('/').to_owned();
                    (Remote::Chart { repo, chart: chart.value.clone(), version }, &chart.origin)
                }
                (None, None) => {
                    self.out.push(missing("chart", &helm.origin).hint("name the chart of that repository"));
                    return Err(());
                }
            }
        } else {
            return Ok(None);
        };
        let remote = At { value: remote, origin: origin.clone() };
        let name = remote.name();
        if name.contains(char::is_control) || name.len() > 2_000 {
            self.out.push(
                Diagnostic::error("SKY0107", "this address cannot be one")
                    .at(&remote.origin)
                    .hint("write it in one line"),
            );
            return Err(());
        }
        Ok(Some(remote))
    }

    /// A source whose paths are in something that was fetched.
    pub(super) fn elsewhere(
        &mut self,
        application: &Document<Application>,
        source: &At<Source>,
        content: &Content,
        tree: &SourceTree,
        taken: &mut BTreeSet<Arc<str>>,
        objects: &mut Vec<Manifest>,
    ) {
        let own = source.git.as_ref().and_then(|g| g.path.as_ref());
        let own = own.or_else(|| source.oci.as_ref().and_then(|o| o.path.as_ref()));
        let plain = source.path.as_ref().or(own);
        let (render, namespace) = match (&source.objects, plain, &source.kustomize, &source.helm) {
            (None, Some(path), None, None) if source.path.is_none() || own.is_none() => {
                let Some(inside) = self.inside("", path) else { return };
                let origin = path.origin.clone();
                (Render { origin, content: Some(content.clone()), path: inside, how: Renderer::Files }, None)
            }
            (None, None, Some(path), None) => {
                let Some(inside) = self.inside("", path) else { return };
                let origin = path.origin.clone();
                (Render { origin, content: Some(content.clone()), path: inside, how: Renderer::Kustomize }, None)
            }
            (None, None, None, Some(helm)) => {
                let Some(render) = self.chart(application, helm, Some(content), tree, taken) else { return };
                (render, helm.namespace.as_ref().map(|n| n.value.as_str().into()))
            }
            _ => {
                return self.out.push(
                    Diagnostic::error("SKY0115", "a source has exactly one of `path`, `kustomize` and `helm`")
                        .at(&source.origin)
                        .hint("`git` and `oci` say what it is in; `path: .` is all of it"),
                );
            }
        };
        self.take_rendered(application, &render, namespace, objects);
    }
}
