//! That every change is of the resource it says: name, marks, digest; and that no secret is in the clear.

use serde_json::Value;

use super::{Checker, stays};
use crate::{
    address::{ObjectAddress, ResourceAddress},
    digest::digest,
    plan::change::{Action, Change, Target},
};

/// What no name holds: templates and unknowns that were never filled in.
const UNFILLED: [&str; 6] = ["${", "{{", "<", ">", "(known", "%!"];

impl Checker<'_> {
    pub(super) fn identity(&mut self) {
        for change in &self.plan.changes {
            self.filled(&change.address);
            self.shape(change);
            if let (Some(address), Some(Target::Object { object, digest: said, .. })) =
                (change.address.object(), &change.after)
            {
                self.object(change, address, object);
                if *said != digest(object) {
                    self.error("digest", &change.address, "the object is not the one that its digest is of");
                }
            }
            self.secrets(change);
        }
    }

    /// Nothing in a name is open.
    fn filled(&mut self, address: &ResourceAddress) {
        let parts: Vec<&str> = match address {
            ResourceAddress::Cluster(name) | ResourceAddress::Null(name) => vec![name],
            ResourceAddress::Object(o) => {
                let optional = o.namespace.as_deref();
                [o.cluster.as_str(), &o.kind, &o.name].into_iter().chain(optional).collect()
            }
        };
        let open = |p: &&str| {
            p.is_empty()
                || p.chars().any(|c| c.is_whitespace() || c.is_control())
                || UNFILLED.iter().any(|u| p.contains(u))
        };
        if let Some(part) = parts.into_iter().find(open) {
            self.error("unknown", address, format!("`{part}` is not a name but a place for one"));
        }
    }

    /// What stays says what it shall be; what goes does not.
    fn shape(&mut self, change: &Change) {
        let fits = match (&change.address, &change.after) {
            (_, None) => !stays(change),
            (ResourceAddress::Cluster(_), Some(Target::Cluster { .. }))
            | (ResourceAddress::Null(_), Some(Target::Null { .. }))
            | (ResourceAddress::Object(_), Some(Target::Object { .. })) => stays(change),
            _ => false,
        };
        if !fits {
            self.error("shape", &change.address, "what it shall be does not go with what happens to it");
        }
        if (change.action == Action::Import) != change.record.is_some() {
            self.error("shape", &change.address, "what is to be remembered of it does not go with what happens to it");
        }
    }

    /// The object is the one of the address, and says so.
    fn object(&mut self, change: &Change, address: &ObjectAddress, object: &Value) {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let version = text(&object["apiVersion"]);
        let group = version.split_once('/').map_or("", |(g, _)| g);
        let metadata = &object["metadata"];
        let differs = group != address.group
            || object["kind"] != *address.kind
            || metadata["name"] != *address.name
            || metadata["namespace"].as_str() != address.namespace.as_deref();
        if differs || version != change.api_version {
            self.error("identity", &change.address, "the object in the plan is another one than its address names");
        }
        let lineage = &self.plan.base.lineage;
        let named = metadata["annotations"]["skyplan.io/address"] == format!("{lineage}:{}", change.address);
        if !named || metadata["labels"]["skyplan.io/lineage"] != **lineage {
            self.error("marks", &change.address, "the object does not carry the marks that say whose it is");
        }
    }

    /// Values of Secrets are digests everywhere in the plan.
    fn secrets(&mut self, change: &Change) {
        let Some(address) = change.address.object() else { return };
        if !(address.kind == "Secret" && address.group.is_empty()) {
            return;
        }
        let object = match &change.after {
            Some(Target::Object { object, .. }) => Some(object),
            _ => None,
        };
        let kept = object.is_none_or(|o| {
            o["data"].as_object().into_iter().flatten().all(|(_, v)| sealed(v))
                && o.get("stringData").is_none()
                && o["metadata"]["annotations"].get("kubectl.kubernetes.io/last-applied-configuration").is_none()
        });
        let fields = change.fields.iter().filter(|f| f.path.starts_with("data") || f.path.starts_with("stringData"));
        let shown = fields.flat_map(|f| f.before.iter().chain(&f.after)).all(sealed);
        if !(kept && shown) {
            self.error("secret", &change.address, "a value of the Secret is in the plan as it is");
        }
    }
}

/// Whether a value, or every value below it, is a keyed digest.
fn sealed(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text
            .strip_prefix("hmac-sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit())),
        Value::Object(map) => map.values().all(sealed),
        _ => false,
    }
}
