//! What others do to objects behind skyplan's back, by class; and what changes in the specs. Each tries until the
//! server takes one, for not everything that is drawn is valid.

use std::{thread::sleep, time::Duration};

use serde_json::{Value, json};

use super::{
    draw::Draw,
    edit::{Edit, WAYS, Way, edit, name, send, step},
    objects::Object,
    server::{Body, Server},
};

/// Attempts until a class gives up on an object.
const ATTEMPTS: usize = 8;
/// Managers that somebody writes under.
const OTHERS: [&str; 5] = ["kubectl-edit", "alice", "helm", "argocd-controller", "kubectl-client-side-apply"];

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    ValueChanged,
    KeyAdded,
    KeyRemoved,
    MarkRemoved,
    Deleted,
    Autoscaled,
    ScaledByHand,
    Defaulted,
    Rewritten,
    Reordered,
    ChangedAndBack,
    OwnerChanged,
    /// The specs change.
    Specs,
    /// The specs change, and so does the object.
    SpecsAndValue,
    /// Nobody does anything.
    Nothing,
}

pub(super) const CLASSES: [Class; 14] = [
    Class::ValueChanged,
    Class::KeyAdded,
    Class::KeyRemoved,
    Class::MarkRemoved,
    Class::Deleted,
    Class::Autoscaled,
    Class::ScaledByHand,
    Class::Defaulted,
    Class::Rewritten,
    Class::Reordered,
    Class::ChangedAndBack,
    Class::OwnerChanged,
    Class::Specs,
    Class::SpecsAndValue,
];

impl Class {
    /// Whether this can be done to that object at all.
    pub(super) fn suits(self, object: &Object) -> bool {
        let kind = &object.kind;
        match self {
            Self::Deleted => kind.keep.is_none(),
            Self::Autoscaled | Self::ScaledByHand => kind.scale,
            Self::Defaulted => !kind.defaults.is_empty(),
            Self::Rewritten => object.manifest["metadata"]["labels"]["truth.example/rewrite"] == "yes",
            _ => true,
        }
    }

    /// Whether the specs change.
    pub(super) fn of_specs(self) -> bool {
        matches!(self, Self::Specs | Self::SpecsAndValue)
    }
}

/// What was done.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) class: Class,
    pub(super) what: String,
    /// What this adds that is nobody's but theirs: it must stay.
    pub(super) theirs: Option<(String, Value)>,
}

/// Does something of a class to an object; `None` where the server takes nothing of it.
pub(super) fn mutate(class: Class, object: &mut Object, server: &Server, draw: &mut Draw) -> Option<Done> {
    let done = |what: String, theirs| Some(Done { class, what, theirs });
    if class.of_specs() {
        let mut what = respecify(object, draw)?;
        if class == Class::SpecsAndValue {
            // Of some that are drawn, no other value is valid.
            let theirs = mutate(Class::ValueChanged, object, server, draw);
            what = format!("{what}; {}", theirs.map_or_else(|| "and nothing else".into(), |done| done.what));
        }
        return done(what, None);
    }
    let url = object.url();
    for _ in 0..ATTEMPTS {
        let live = server.get(&url)?;
        let (way, who) = (draw.pick(&WAYS), draw.pick(&OTHERS));
        let write = |change: &Edit| match send(server, &url, &live, change, way, who) {
            Ok(after) => Some((format!("{who} {way:?} {change:?}"), after)),
            Err(_) => None,
        };
        match class {
            Class::Deleted => return delete(server, &url, &live).and_then(|()| done("deleted".into(), None)),
            Class::Autoscaled | Class::ScaledByHand => {
                let manager = if class == Class::Autoscaled { "kube-controller-manager" } else { who };
                let count = (live["spec"]["replicas"].as_u64().unwrap_or(0) + 1 + draw.below(2) as u64) % 4;
                let body = json!({"spec": {"replicas": count}});
                let answer =
                    server.ask("PATCH", &format!("{url}/scale?fieldManager={manager}"), Some((Body::MergePatch, body)));
                answer.unwrap();
                return done(format!("{manager} scales to {count}"), None);
            }
            Class::KeyAdded => {
                let (pointer, value) = foreign(object, draw);
                if live.pointer(&pointer).is_some_and(|v| *v == value) {
                    continue;
                }
                let change = Edit::Set(pointer.clone(), value.clone());
                if let Some((what, after)) = write(&change) {
                    let theirs = (pointer, value.clone());
                    // Where it is kept as it was sent.
                    return done(what, Some(theirs).filter(|(p, v)| after.pointer(p) == Some(v)));
                }
            }
            Class::MarkRemoved => {
                let pointer = draw.pick(&[
                    "/metadata/labels/skyplan.io~1lineage",
                    "/metadata/annotations/skyplan.io~1address",
                    "/metadata/labels/app.kubernetes.io~1managed-by",
                    "/metadata/labels",
                    "/metadata/annotations",
                ]);
                if object.kind.fixed.iter().any(|p| p == pointer) {
                    continue;
                }
                let other = draw.chance(30) && pointer.contains('~');
                let change =
                    if other { Edit::Set(pointer.into(), "else".into()) } else { Edit::Remove(pointer.into()) };
                if let Some((what, _)) = write(&change) {
                    return done(what, None);
                }
            }
            Class::KeyRemoved => {
                let change = Edit::Remove(spot(object, &live, draw)?);
                if let Some((what, after)) = write(&change)
                    && after["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]
                {
                    return done(what, None);
                }
            }
            Class::ValueChanged | Class::Rewritten => {
                let change = other_value(object, &live, draw)?;
                if let Some((what, after)) = write(&change)
                    && after["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]
                {
                    return done(what, None);
                }
            }
            Class::Defaulted => {
                let (pointer, values) = draw.pick(&object.kind.defaults.iter().collect::<Vec<_>>());
                if let Some((what, _)) = write(&Edit::Set(pointer.clone(), draw.pick(values))) {
                    return done(what, None);
                }
            }
            Class::Reordered => {
                let mut all = Vec::new();
                lists(&object.manifest, &live, String::new(), &mut all);
                let pointer = draw.pick(&Some(all).filter(|all| !all.is_empty())?);
                let mut items = live.pointer(&pointer).unwrap().as_array().unwrap().clone();
                items.reverse();
                let put = send(server, &url, &live, &Edit::Set(pointer.clone(), items.into()), Way::Put, who);
                if put.is_ok() {
                    return done(format!("{who} turns {pointer} around"), None);
                }
            }
            Class::ChangedAndBack => {
                let change = other_value(object, &live, draw)?;
                let Some((what, after)) = write(&change) else { continue };
                let mut back = after;
                for part in live.as_object().unwrap().keys().filter(|k| !["metadata", "status"].contains(&k.as_str())) {
                    back[part] = live[part].clone();
                }
                for part in ["labels", "annotations", "finalizers"] {
                    back["metadata"][part] = live["metadata"][part].clone();
                }
                let back = server.ask("PUT", &format!("{url}?fieldManager=bob"), Some((Body::Json, back)));
                return done(format!("{what}, and back: {:?}", back.map(|_| ())), None);
            }
            Class::OwnerChanged => {
                let mut all = Vec::new();
                leaves(&object.manifest, &live, String::new(), &mut all);
                all.retain(|p| !super::edit::steps(p).iter().any(|s| s.parse::<usize>().is_ok()));
                let mut body = json!({});
                for pointer in draw.shuffled(all).into_iter().take(3) {
                    edit(&mut body, &Edit::Set(pointer.clone(), live.pointer(&pointer).unwrap().clone()));
                }
                name(&mut body, &live);
                let force = draw.chance(50);
                let url = format!("{url}?force={force}&fieldManager={who}");
                if server.ask("PATCH", &url, Some((Body::Apply, body.clone()))).is_ok() {
                    return done(format!("{who} applies the same {body}, force {force}"), None);
                }
            }
            Class::Specs | Class::SpecsAndValue | Class::Nothing => unreachable!(),
        }
    }
    None
}

/// What the specs say of an object changes.
fn respecify(object: &mut Object, draw: &mut Draw) -> Option<String> {
    let label = "/metadata/labels/ours".to_owned();
    let note = "/metadata/annotations/ours.example~1note".to_owned();
    let has = |p: &str| object.manifest.pointer(p).is_some();
    let mut all = Vec::new();
    for pointer in [label, note] {
        if has(&pointer) {
            all.push(Edit::Remove(pointer.clone()));
        }
        all.push(Edit::Set(pointer, format!("v{}", draw.below(1000)).into()));
    }
    for (pointer, values) in &object.kind.change {
        let value = draw.pick(values);
        let same = object.manifest.pointer(pointer) == Some(&value);
        if !same {
            all.push(Edit::Set(pointer.clone(), value.clone()));
            all.push(Edit::Set(pointer.clone(), value));
        }
        // What was not there at first may go again; a container has an image.
        if object.kind.object.pointer(pointer).is_none() && has(pointer) && !pointer.ends_with("/image") {
            all.push(Edit::Remove(pointer.clone()));
        }
    }
    let change = draw.pick(&all);
    edit(&mut object.manifest, &change).then(|| format!("specs: {change:?}"))
}

/// Something that is nobody's yet.
fn foreign(object: &Object, draw: &mut Draw) -> (String, Value) {
    let mut all = vec![
        ("/metadata/labels/theirs.example~1x".to_owned(), json!(format!("v{}", draw.below(1000)))),
        ("/metadata/annotations/theirs".to_owned(), json!(format!("ü {}", draw.below(1000)))),
    ];
    if object.kind.keep.is_none() {
        all.push(("/metadata/finalizers/-".into(), json!("theirs.example/x")));
    }
    all.extend(object.kind.foreign.iter().map(|(p, v)| (p.clone(), v.clone())));
    draw.pick(&all)
}

/// A field of ours, by its pointer in the live object.
fn spot(object: &Object, live: &Value, draw: &mut Draw) -> Option<String> {
    let known: Vec<String> = object.kind.change.keys().filter(|p| live.pointer(p).is_some()).cloned().collect();
    let mut all = Vec::new();
    leaves(&object.manifest, live, String::new(), &mut all);
    if object.kind.still {
        all.retain(|p| p.starts_with("/metadata/"));
    }
    // A Job that is not suspended runs, and its fields cannot be changed back.
    all.retain(|p| !["/apiVersion", "/kind", "/spec/suspend"].contains(&p.as_str()));
    // A container under another name stays behind as half of one when its owner gives it up: no server takes that.
    let renames = |p: &String| {
        let steps = super::edit::steps(p);
        let [.., list, _, name] = steps.as_slice() else { return false };
        list == "containers" && name == "name"
    };
    all.retain(|p| !object.kind.fixed.contains(p) && !renames(p));
    let from = if !known.is_empty() && draw.chance(50) { known } else { all };
    (!from.is_empty()).then(|| draw.pick(&from))
}

/// Another value for a field of ours.
fn other_value(object: &Object, live: &Value, draw: &mut Draw) -> Option<Edit> {
    let pointer = spot(object, live, draw)?;
    let now = live.pointer(&pointer)?;
    let value = match object.kind.change.get(&pointer) {
        Some(values) => draw.pick(values),
        None => match now {
            Value::String(text) => format!("{text}x").into(),
            Value::Number(n) => json!(n.as_f64().unwrap() + 1.0),
            Value::Bool(b) => (!b).into(),
            Value::Array(items) => items.iter().skip(1).cloned().collect(),
            Value::Object(_) | Value::Null => json!({}),
        },
    };
    Some(Edit::Set(pointer, value))
}

fn delete(server: &Server, url: &str, live: &Value) -> Option<()> {
    if live["metadata"]["finalizers"].is_array() {
        let patch = json!({"metadata": {"finalizers": null}});
        server.ask("PATCH", url, Some((Body::MergePatch, patch))).unwrap();
    }
    server.ask("DELETE", &format!("{url}?gracePeriodSeconds=0"), None).unwrap();
    for _ in 0..100 {
        if server.get(url).is_none() {
            return Some(());
        }
        sleep(Duration::from_millis(50));
    }
    panic!("{url} does not go: {}", server.get(url).unwrap_or_default());
}

/// Pointers to what is in both, without names; items stand at the same place in both as long as nobody has moved
/// them.
fn leaves(ours: &Value, live: &Value, pointer: String, out: &mut Vec<String>) {
    let identity = ["/metadata/name", "/metadata/namespace", "/status"].contains(&pointer.as_str());
    if identity {
        return;
    }
    match (ours, live) {
        (Value::Object(a), Value::Object(b)) if !a.is_empty() => {
            for (key, value) in a {
                if let Some(there) = b.get(key) {
                    leaves(value, there, format!("{pointer}{}", step(key)), out);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if !a.is_empty() && a.len() <= b.len() => {
            for (n, value) in a.iter().enumerate() {
                leaves(value, &b[n], format!("{pointer}/{n}"), out);
            }
        }
        _ => out.push(pointer),
    }
}

/// Pointers to lists of two items and more.
fn lists(ours: &Value, live: &Value, pointer: String, out: &mut Vec<String>) {
    match (ours, live) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                if let Some(there) = b.get(key) {
                    lists(value, there, format!("{pointer}{}", step(key)), out);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if b.len() > 1 => {
            for (n, value) in a.iter().enumerate().take(b.len()) {
                lists(value, &b[n], format!("{pointer}/{n}"), out);
            }
            out.push(pointer);
        }
        _ => {}
    }
}
