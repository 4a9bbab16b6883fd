//! How objects live and go: what applications and components say of it, joined.
//!
//! Knows objects and selectors, nothing of plans.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::applications::matches;
use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    spec::{self, At, DeletionPolicy, OnConflict},
};

/// How an object lives and goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// Paths of fields that are set once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ignored: BTreeSet<String>,
    /// Paths of fields that are taken from whoever else owns them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub taken: BTreeSet<String>,
    /// What becomes of other fields that others own; `None`: what the plan was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_conflict: Option<OnConflict>,
    /// It is taken over where it is there already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopt: bool,
    /// What keeps it from being deleted.
    #[serde(default, skip_serializing_if = "Protection::is_none")]
    pub protection: Protection,
}

impl Lifecycle {
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What keeps an object from being deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Protection {
    /// It is left as it is where the specs no longer have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retain: bool,
    /// A plan that would delete it is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prevent_destroy: bool,
}

impl Lifecycle {
    /// Of an object that two say something of: the more careful counts.
    pub(crate) fn join(&mut self, other: &Self) {
        self.ignored.extend(other.ignored.iter().cloned());
        self.taken.extend(other.taken.iter().cloned());
        self.on_conflict = self.on_conflict.or(other.on_conflict);
        self.adopt |= other.adopt;
        self.protection.retain |= other.protection.retain;
        self.protection.prevent_destroy |= other.protection.prevent_destroy;
    }
}

impl Protection {
    /// Whether nothing does.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// One place where something is said, and of which of an application's objects.
struct Rule<'a> {
    said: &'a At<spec::Lifecycle>,
    of: Vec<usize>,
}

/// What is said of each of an application's objects. `serves` tells whether an object, by its index, belongs to or
/// serves the component of an entry.
pub(super) fn of(
    app: &spec::Application,
    objects: &[&Value],
    serves: impl Fn(usize, usize) -> bool,
    out: &mut Diagnostics,
) -> Vec<Lifecycle> {
    let selected = |said: &At<spec::Lifecycle>| -> Vec<usize> {
        let chosen = |i: &usize| said.objects.as_ref().is_none_or(|s| matches(s, objects[*i]));
        (0..objects.len()).filter(chosen).collect()
    };
    let all = app.lifecycle.iter().map(|said| Rule { said, of: selected(said) });
    let each = app.components.iter().enumerate().filter_map(|(entry, c)| {
        let said = c.lifecycle.as_ref()?;
        Some(Rule { said, of: selected(said).into_iter().filter(|i| serves(*i, entry)).collect() })
    });
    let mut lifecycles = vec![Lifecycle { adopt: app.adopt, ..Lifecycle::default() }; objects.len()];
    // The component's word comes last, and counts where there can be one only.
    for rule in all.chain(each) {
        fruitless(&rule, objects, out);
        for i in rule.of {
            join(&mut lifecycles[i], rule.said);
        }
    }
    lifecycles
}

fn join(lifecycle: &mut Lifecycle, said: &spec::Lifecycle) {
    let paths = |all: &[At<String>]| all.iter().map(|p| p.value.clone()).collect::<Vec<_>>();
    lifecycle.ignored.extend(paths(&said.ignore_fields));
    lifecycle.taken.extend(paths(&said.take_fields));
    lifecycle.on_conflict = said.on_conflict.or(lifecycle.on_conflict);
    let Protection { retain, prevent_destroy } = &mut lifecycle.protection;
    *retain = said.deletion_policy.map_or(*retain, |policy| policy == DeletionPolicy::Retain);
    *prevent_destroy = said.prevent_destroy.as_ref().map_or(*prevent_destroy, |p| p.value);
}

/// Tells what is said of nothing: most likely a misspelling, and then nothing is protected.
fn fruitless(rule: &Rule<'_>, objects: &[&Value], out: &mut Diagnostics) {
    if rule.of.is_empty()
        && let Some(selector) = &rule.said.objects
    {
        out.push(
            Diagnostic::error("SKY0213", "this selector matches none of the objects that it is about")
                .at(&selector.origin)
                .hint("kind and names are those of the manifests; leave `objects` out for all"),
        );
        return;
    }
    // What is misspelt would be protected by nothing.
    for name in rule.said.objects.iter().flat_map(|s| &s.names) {
        if !rule.of.iter().any(|i| objects[*i]["metadata"]["name"] == *name.value) {
            out.push(
                Diagnostic::error(
                    "SKY0213",
                    format!("none of the objects that this is about is called `{}`", name.value),
                )
                .at(&name.origin)
                .hint("names are those of the manifests"),
            );
        }
    }
}
