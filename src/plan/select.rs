//! Part of a plan: what `--target` takes in, what `--exclude` leaves out, and what that drags along.
//!
//! Placement, comparison and order are those of the whole; only then is taken away. A target takes in
//! all that it depends on; what is excluded takes all out that depends on it. Three things stay together
//! whatever was asked for: a cluster that goes, or is made anew, and what is on it; a component that
//! leaves a place and the same component where it goes; nodes that go and what goes from them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    change::{Action, ActionReason, Change},
    desired::{Body, Desired},
    order::{shrinks, takes_nodes},
};
use crate::{
    address::ResourceAddress,
    compile::model::Model,
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    place::wish::Wish,
    spec::{OnConflict, matches_pattern},
    state::{PlacementRecord, Record, RecordDetail, State},
};

/// What a plan was asked for, besides everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Scope {
    /// Only these, and what they depend on: addresses, applications, components; `*` stands for anything.
    pub targets: Vec<String>,
    /// Not these, nor what depends on them.
    pub excludes: Vec<String>,
    /// These are deleted and made again.
    pub replace: BTreeSet<ResourceAddress>,
    /// No cluster is changed: only what is remembered is brought up to date.
    pub refresh_only: bool,
    /// What is asked of the placement.
    pub wish: Wish,
    /// These are taken over where they are there already.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub imports: BTreeSet<ResourceAddress>,
    /// What becomes of fields that others own and that the specs want otherwise.
    #[serde(skip_serializing_if = "is_usual")]
    pub on_conflict: OnConflict,
    /// Nobody looks at the plan before it is applied: what is held is left alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_usual(on_conflict: &OnConflict) -> bool {
    *on_conflict == OnConflict::default()
}

impl Scope {
    /// Whether it is about a part only.
    pub fn is_narrow(&self) -> bool {
        !self.targets.is_empty() || !self.excludes.is_empty()
    }

    /// Whether `--target` names this, or a component that it serves.
    fn means(&self, address: &ResourceAddress, serves: &BTreeSet<&str>) -> bool {
        let any = |word: &String| serves.iter().any(|c| names_component(word, c));
        Self::names(&self.targets, address) || self.targets.iter().any(any)
    }

    /// Whether `--exclude` names this, or all components that it serves: what others need as well is not left
    /// out with one of them.
    fn leaves_out(&self, address: &ResourceAddress, serves: &BTreeSet<&str>) -> bool {
        let every = serves.iter().all(|c| self.excludes.iter().any(|word| names_component(word, c)));
        Self::names(&self.excludes, address) || !serves.is_empty() && every
    }

    /// Whether these words name this very address.
    fn names(words: &[String], address: &ResourceAddress) -> bool {
        let text = address.to_string();
        words.iter().any(|w| is_address(w) && matches_pattern(w, &text))
    }
}

fn is_address(word: &str) -> bool {
    word.starts_with("cluster/") || word.starts_with("object/")
}

/// Whether a word names a component: the component itself, or its application.
fn names_component(word: &str, component: &str) -> bool {
    !is_address(word)
        && (matches_pattern(word, component)
            || component.split_once('/').is_some_and(|(app, _)| matches_pattern(word, app)))
}

/// Everything that there is to name.
pub(super) struct Names<'a> {
    desired: &'a Desired,
    state: &'a State,
    model: Option<&'a Model>,
}

impl<'a> Names<'a> {
    pub(super) fn new(desired: &'a Desired, state: &'a State, model: Option<&'a Model>) -> Self {
        Self { desired, state, model }
    }

    fn addresses(&self) -> BTreeSet<String> {
        let clusters = self.model.into_iter().flat_map(|m| &m.clusters).map(|c| format!("cluster/{}", c.name));
        let known = self.desired.resources.keys().chain(self.state.records.keys()).chain(self.state.uncertain.keys());
        clusters.chain(known.map(ToString::to_string)).collect()
    }

    fn components(&self) -> BTreeSet<&'a str> {
        let written = self.model.into_iter().flat_map(|m| &m.components).map(|c| c.name.as_str());
        let placed = self.state.placement.components.keys().map(String::as_str);
        written.chain(placed).chain(self.state.records.values().flat_map(recorded_components)).collect()
    }

    /// Words that name nothing at all.
    pub(super) fn unknown(&self, scope: &Scope) -> Diagnostics {
        let mut faults = Diagnostics::new();
        let words =
            scope.targets.iter().map(|w| ("--target", w)).chain(scope.excludes.iter().map(|w| ("--exclude", w)));
        for (option, word) in words {
            let (addresses, components) = (self.addresses(), self.components());
            let found = addresses.iter().any(|a| is_address(word) && matches_pattern(word, a))
                || components.iter().any(|c| names_component(word, c));
            // What is to be taken over is looked for with words of its own.
            if found || scope.imports.iter().any(|a| a.to_string() == *word) {
                continue;
            }
            let applications = components.iter().filter_map(|c| c.split_once('/')).map(|(app, _)| app);
            let known: Vec<&str> = if is_address(word) {
                addresses.iter().map(String::as_str).collect()
            } else {
                components.iter().copied().chain(applications).collect()
            };
            let mut d = Diagnostic::error("SKY0915", format!("`{option} {word}` names nothing that there is"));
            let short = |c: &&&str| c.split_once('/').is_some_and(|(_, name)| name == word.as_str());
            let near = did_you_mean(word, known).or_else(|| components.iter().find(short).copied());
            // People write a cluster's name as they say it.
            let cluster = format!("cluster/{word}");
            d = match near {
                _ if addresses.contains(&cluster) => d.hint(format!("did you mean `{cluster}`?")),
                Some(near) => d.hint(format!("did you mean `{near}`?")),
                None => d,
            };
            faults.push(d.hint(
                "name an application, an `application/component`, or an address as `skyplan state list` prints it; `*` stands for anything",
            ));
        }
        faults
    }
}

fn recorded_components(record: &Record) -> impl Iterator<Item = &str> {
    let components: &[String] = match &record.detail {
        RecordDetail::Object(o) => &o.components,
        RecordDetail::Cluster(_) | RecordDetail::Null(_) => &[],
    };
    components.iter().map(String::as_str)
}

/// Whether something that is no longer written stays all the same, because nobody asked for it to go.
pub(super) fn stays(scope: &Scope, address: &ResourceAddress, record: &Record) -> bool {
    let serves = recorded_components(record).collect();
    !scope.targets.is_empty() && !scope.means(address, &serves) || scope.leaves_out(address, &serves)
}

/// All resources, and which of them go together.
pub(super) struct Whole<'a> {
    desired: &'a Desired,
    state: &'a State,
    changes: &'a BTreeMap<ResourceAddress, Change>,
    /// Resource → what it takes in with it.
    needs: BTreeMap<&'a ResourceAddress, BTreeSet<&'a ResourceAddress>>,
}

impl<'a> Whole<'a> {
    pub(super) fn new(desired: &'a Desired, state: &'a State, changes: &'a BTreeMap<ResourceAddress, Change>) -> Self {
        let mut whole = Self { desired, state, changes, needs: BTreeMap::new() };
        whole.dependencies();
        whole.with_their_cluster();
        whole.moves();
        whole
    }

    fn bind(&mut self, from: &'a ResourceAddress, to: &'a ResourceAddress) {
        if from != to {
            self.needs.entry(from).or_default().insert(to);
        }
    }

    fn dependencies(&mut self) {
        let changes = self.changes;
        let last = |r: &ResourceAddress| changes.get(r).is_some_and(shrinks);
        for (address, change) in changes {
            for other in &change.depends_on {
                self.bind(address, other);
            }
            for other in change.requires.iter().filter(|r| !change.goes() && !changes.contains_key(*r)) {
                self.bind(address, other);
            }
        }
        for (address, resource) in self.desired.resources.iter().filter(|(a, _)| !changes.contains_key(*a)) {
            for other in resource.depends_on.iter().filter(|r| !last(r)) {
                self.bind(address, other);
            }
        }
    }

    fn with_their_cluster(&mut self) {
        let changes = self.changes;
        for (address, change) in changes {
            let cluster = ResourceAddress::Cluster(address.cluster().to_owned());
            let Some((cluster, of_cluster)) = changes.get_key_value(&cluster) else { continue };
            if matches!(of_cluster.action, Action::Delete | Action::Replace) {
                self.bind(address, cluster);
                self.bind(cluster, address);
            } else if change.goes() && takes_nodes(of_cluster) {
                self.bind(cluster, address);
            }
        }
    }

    /// A component is not taken away before what takes its place is there.
    fn moves(&mut self) {
        let mut comes: BTreeMap<&str, Vec<&'a ResourceAddress>> = BTreeMap::new();
        for (address, change) in self.changes.iter().filter(|(_, c)| !c.goes()) {
            for component in change.components() {
                comes.entry(component).or_default().push(address);
            }
        }
        // What the specs no longer have may be what runs until its successor is made.
        let leaves = |c: &Change| {
            matches!(c.reason, ActionReason::Moved | ActionReason::GoneWithCluster | ActionReason::Removed)
        };
        for (address, _) in self.changes.iter().filter(|(_, c)| c.goes() && leaves(c)) {
            let Some(record) = self.state.records.get(address) else { continue };
            for component in recorded_components(record) {
                for other in comes.get(component).into_iter().flatten() {
                    self.bind(address, other);
                }
            }
        }
    }

    /// Components that a resource serves, or served.
    fn components(&self, address: &ResourceAddress) -> BTreeSet<&'a str> {
        let wanted = self.desired.resources.get(address).map_or(&[][..], |r| match &r.body {
            Body::Object { components, .. } => components.as_slice(),
            Body::Cluster { .. } | Body::Null { .. } => &[],
        });
        let recorded = self.state.records.get(address).into_iter().flat_map(recorded_components);
        wanted.iter().map(String::as_str).chain(recorded).collect()
    }

    fn addresses(&self) -> BTreeSet<&'a ResourceAddress> {
        let (changes, desired, state) = (self.changes, self.desired, self.state);
        changes.keys().chain(desired.resources.keys()).chain(state.records.keys()).collect()
    }

    /// Everything that is not part of what was asked for.
    pub(super) fn left_out(&self, scope: &Scope) -> BTreeSet<&'a ResourceAddress> {
        let all = self.addresses();
        let mut out = BTreeSet::new();
        if !scope.targets.is_empty() {
            let meant = all.iter().copied().filter(|a| scope.means(a, &self.components(a)));
            let taken = closure(meant.collect(), &self.needs);
            out.extend(all.iter().filter(|a| !taken.contains(*a)));
        }
        let mut seeds: BTreeSet<&ResourceAddress> =
            all.iter().copied().filter(|a| scope.leaves_out(a, &self.components(a))).collect();
        let on_them = self.changes.iter().filter(|(_, c)| c.requires.iter().any(|r| seeds.contains(r)));
        let on_them: Vec<&ResourceAddress> = on_them.map(|(a, _)| a).collect();
        seeds.extend(on_them);
        let mut holds: BTreeMap<&ResourceAddress, BTreeSet<&ResourceAddress>> = BTreeMap::new();
        for (address, needed) in &self.needs {
            for other in needed {
                holds.entry(other).or_default().insert(address);
            }
        }
        out.extend(closure(seeds, &holds));
        out
    }

    /// What the state will remember of the placement: a component of which something is left out that
    /// would be made or changed is remembered as before.
    /// `blocked` are those that would change if nothing were in the way.
    pub(super) fn placement(
        &self,
        new: PlacementRecord,
        out: &BTreeSet<&ResourceAddress>,
        blocked: &BTreeSet<ResourceAddress>,
    ) -> PlacementRecord {
        let mut touched: BTreeSet<&str> = BTreeSet::new();
        for address in out {
            let counts = |component: &&str| match self.changes.get(*address) {
                None => blocked.contains(*address),
                // What stays of it where it was does not matter once it is where it shall be.
                Some(c) if c.goes() => !new.components.contains_key(*component),
                Some(_) => true,
            };
            touched.extend(self.components(address).into_iter().filter(counts));
        }
        let old = &self.state.placement;
        if touched.is_empty() {
            return new;
        }
        let stay = old.components.iter().filter(|(name, _)| touched.contains(name.as_str()));
        let go_on = new.components.into_iter().filter(|(name, _)| !touched.contains(name.as_str()));
        PlacementRecord {
            components: go_on.chain(stay.map(|(name, place)| (name.clone(), place.clone()))).collect(),
            // Not all of them have been chosen among.
            clusters: old.clusters.clone(),
            monthly: old.monthly,
        }
    }
}

/// Everything that can be reached.
fn closure<'a>(
    start: BTreeSet<&'a ResourceAddress>,
    edges: &BTreeMap<&'a ResourceAddress, BTreeSet<&'a ResourceAddress>>,
) -> BTreeSet<&'a ResourceAddress> {
    let mut open: Vec<&ResourceAddress> = start.iter().copied().collect();
    let mut seen = start;
    while let Some(address) = open.pop() {
        open.extend(edges.get(address).into_iter().flatten().copied().filter(|next| seen.insert(next)));
    }
    seen
}

/// Clusters that stay though nobody wants them, because nobody named them: what is named on them goes by
/// itself, not with its cluster.
pub(super) fn spared(scope: &Scope, state: &State) -> BTreeSet<String> {
    let clusters = state.records.keys().filter(|a| matches!(a, ResourceAddress::Cluster(_)));
    let spared = |a: &&ResourceAddress| {
        !scope.targets.is_empty() && !Scope::names(&scope.targets, a) || Scope::names(&scope.excludes, a)
    };
    clusters.filter(spared).map(|a| a.cluster().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("object/*/web", "object/edge/apps/Deployment/shop/web", true),
            ("object/*/web", "object/edge/apps/Deployment/shop/webs", false),
            ("*a*a*", "aa", true),
            ("*a*a*", "a", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), fits, "{pattern} {text}");
        }
        assert!(names_component("shop", "shop/web") && names_component("shop/w*", "shop/web"));
        assert!(!names_component("web", "shop/web") && !names_component("object/*", "object/web"));
    }
}
