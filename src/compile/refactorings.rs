//! Refactorings: what they say, joined, and held against the rest of the specs.

use std::collections::BTreeMap;

use super::{
    model::{Component, Noted, Renamed, Surgery},
    names::dangling,
};
use crate::{
    address::ResourceAddress,
    diagnostic::{Diagnostic, Diagnostics, Origin},
    spec::{At, ClusterDriver, MovedBlock, SpecSet, Subject},
};

/// What all refactorings come to.
pub(super) fn compile(set: &SpecSet, components: &[Component], out: &mut Diagnostics) -> Surgery {
    let all = || set.refactorings.iter().map(|d| &d.spec);
    let written: Vec<&MovedBlock> = all().flat_map(|r| &r.moved).collect();
    let known = Known { set, components, written: &written };
    let mut moved: Vec<Renamed> = Vec::new();
    for block in &written {
        if known.check(block, out) {
            moved.push(Renamed {
                from: block.from.value.clone(),
                to: block.to.value.clone(),
                origin: block.from.origin.clone(),
            });
        }
    }
    let noted = |a: &At<ResourceAddress>| Noted { address: a.value.clone(), origin: a.origin.clone() };
    let mut removed: Vec<Noted> = all().flat_map(|r| &r.removed).map(noted).collect();
    let mut imports: Vec<Noted> = all().flat_map(|r| &r.import).map(noted).collect();
    twice(removed.iter().chain(&imports).map(|n| (n.address.to_string(), &n.origin)), out);
    twice(written.iter().map(|b| (b.from.to_string(), &b.from.origin)), out);
    twice(written.iter().map(|b| (b.to.to_string(), &b.to.origin)), out);
    for noted in &removed {
        let cluster =
            set.clusters.iter().find(|c| noted.address == ResourceAddress::Cluster(c.spec.name.value.clone()));
        if let Some(cluster) = cluster {
            out.push(
                contradicts(&noted.origin, format!("{} is let go here, and the specs have it", noted.address))
                    .label(&cluster.spec.name.origin, "it stands here")
                    .hint("take its document out, too, or leave it out of `removed`"),
            );
        }
    }
    for noted in &imports {
        if noted.address.cluster().is_empty() {
            out.push(
                contradicts(&noted.origin, format!("{} is nowhere to be taken over from", noted.address))
                    .hint("take the line out: what is on no cluster is made by the first apply"),
            );
            continue;
        }
        let clusters = set.clusters.iter().map(|c| c.spec.name.as_str());
        if !clusters.clone().any(|c| c == noted.address.cluster()) {
            let name = At { value: noted.address.cluster().to_owned(), origin: noted.origin.clone() };
            out.push(dangling("Cluster", &name, clusters));
        }
    }
    removed.sort_by(|a, b| a.address.cmp(&b.address));
    imports.sort_by(|a, b| a.address.cmp(&b.address));
    Surgery { moved: in_one_step(&moved, out), removed, imports }
}

/// The fault of a refactoring that says other than the rest of the specs, or than another.
fn contradicts(origin: &Origin, text: String) -> Diagnostic {
    Diagnostic::error("SKY0209", text).at(origin)
}

/// Notes what stands there twice.
fn twice<'a>(all: impl Iterator<Item = (String, &'a Origin)>, out: &mut Diagnostics) {
    let mut first: BTreeMap<String, &Origin> = BTreeMap::new();
    for (text, origin) in all {
        if let Some(other) = first.get(&text) {
            out.push(
                contradicts(origin, format!("`{text}` stands in refactorings twice"))
                    .label(other, "the first time")
                    .hint("keep one of the two"),
            );
        } else {
            first.insert(text, origin);
        }
    }
}

/// Moves of moves in one step: `a` to `b` and `b` to `c` is `a` to `c`, and `b` to `c`.
fn in_one_step(moved: &[Renamed], out: &mut Diagnostics) -> Vec<Renamed> {
    let next: BTreeMap<&Subject, &Subject> = moved.iter().map(|m| (&m.from, &m.to)).collect();
    let mut all = Vec::new();
    for step in moved {
        let (mut to, mut steps) = (&step.to, 0);
        while let Some(further) = next.get(to) {
            (to, steps) = (further, steps + 1);
            if steps > moved.len() {
                let text = format!("`{}` is moved in a circle", step.from);
                out.push(contradicts(&step.origin, text).hint("a move ends at a name that the specs have"));
                break;
            }
        }
        all.push(Renamed { to: to.clone(), ..step.clone() });
    }
    all.sort_by(|a, b| a.from.cmp(&b.from));
    all
}

/// Why a name may not be exchanged for another: what was tried, and what to do instead.
pub fn immovable(from: &Subject, to: &Subject) -> Option<(String, String)> {
    let fault = |text: String, hint: &str| Some((text, hint.to_owned()));
    match (from, to) {
        (Subject::Other(a), _) | (_, Subject::Other(a)) => fault(
            format!("{a} cannot be moved: with another name, namespace or kind it is another one"),
            "what moves is a cluster (`cluster/edge`) with all that is on it, a component (`shop/web`) or an application \
             (`shop`); an object that shall stay goes into `removed`",
        ),
        (a, b) if std::mem::discriminant(a) != std::mem::discriminant(b) => fault(
            format!("`{a}` cannot become `{b}`: the two are not of one sort"),
            "a cluster becomes a cluster, a component a component, an application an application",
        ),
        (a, b) if a == b => fault(format!("`{a}` is moved to itself"), "take it out, or mend one of the two names"),
        _ => None,
    }
}

/// What moves are held against.
struct Known<'a> {
    set: &'a SpecSet,
    components: &'a [Component],
    written: &'a [&'a MovedBlock],
}

impl Known<'_> {
    /// Whether a move can be, as far as the specs tell.
    fn check(&self, block: &MovedBlock, out: &mut Diagnostics) -> bool {
        if let Some((text, hint)) = immovable(&block.from, &block.to) {
            out.push(Diagnostic::error("SKY0208", text).at(&block.from.origin).hint(hint));
            return false;
        }
        if let Some(origin) = self.origin(&block.from) {
            out.push(
                contradicts(
                    &block.from.origin,
                    format!("`{}` was moved away, and the specs still have it", block.from),
                )
                .label(&origin, "it stands here")
                .hint("rename it here, or take the move out"),
            );
            return false;
        }
        // It may have been moved on.
        if self.origin(&block.to).is_none() && !self.written.iter().any(|b| b.from.value == block.to.value) {
            let name = |text: &str| At { value: text.to_owned(), origin: block.to.origin.clone() };
            out.push(match &block.to.value {
                Subject::Cluster(to) => {
                    dangling("Cluster", &name(to), self.set.clusters.iter().map(|c| c.spec.name.as_str()))
                }
                Subject::Component(to) => {
                    dangling("component", &name(to), self.components.iter().map(|c| c.name.as_str()))
                }
                other => dangling(
                    "Application",
                    &name(&other.to_string()),
                    self.set.applications.iter().map(|a| a.spec.name.as_str()),
                ),
            });
            return false;
        }
        let local = |name: &str| {
            let cluster = self.set.clusters.iter().find(|c| c.spec.name.value == name);
            cluster.is_some_and(|c| c.spec.driver.value == ClusterDriver::Local)
        };
        if let Subject::Cluster(to) = &block.to.value
            && local(to)
        {
            out.push(
                Diagnostic::error(
                    "SKY0208",
                    format!("cluster `{to}` is local: its name is what it is on this machine"),
                )
                .at(&block.to.origin)
                .hint("clusters with `driver: existing` can have another name; a local one is made anew"),
            );
            return false;
        }
        true
    }

    /// Where the specs have it.
    fn origin(&self, subject: &Subject) -> Option<Origin> {
        match subject {
            Subject::Cluster(name) => {
                let found = self.set.clusters.iter().find(|c| c.spec.name.value == *name);
                found.map(|c| c.spec.name.origin.clone())
            }
            Subject::Component(name) => self.components.iter().find(|c| c.name == *name).map(|c| c.origin.clone()),
            Subject::Application(name) => {
                let found = self.set.applications.iter().find(|a| a.spec.name.value == *name);
                found.map(|a| a.spec.name.origin.clone())
            }
            Subject::Other(_) => None,
        }
    }
}
