//! Secret values stay out of plans: what a `Secret` holds is taken out when the desired objects are
//! made and put back only in the bytes that are sent.
//!
//! In place of a value stands a keyed digest (HMAC-SHA-256 under the state's key), so that a change
//! is visible and the value is not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::change::{Plan, Target};
use crate::{
    address::{ObjectAddress, ResourceAddress},
    digest::{base64, from_base64, hex},
};

/// Prefix of a digest that stands for a value.
const MARK: &str = "hmac-sha256:";
/// Stands for a value in what servers and programs say.
const HIDDEN: &str = "(secret value)";
/// Characters of a value that is taken out of texts.
const SHORTEST: usize = 4;

/// The values of planned Secrets: address → key of `data` → base64 texts, of which the planned one is told
/// by its digest. Never serialised.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeMap<ResourceAddress, BTreeMap<String, BTreeSet<String>>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets of {} objects", self.0.len())
    }
}

impl Secrets {
    /// Takes the values out of an object that shall be applied: `stringData` becomes `data`, every
    /// value a digest. Other kinds are left alone.
    pub fn seal(&mut self, address: &ResourceAddress, object: &mut Value, key: &str) {
        if !is_secret(object) {
            return;
        }
        let mut data = BTreeMap::new();
        for (name, value) in object["data"].as_object().into_iter().flatten() {
            data.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
        }
        for (name, value) in object["stringData"].as_object().into_iter().flatten() {
            data.insert(name.clone(), base64(value.as_str().unwrap_or_default().as_bytes()));
        }
        if let Some(map) = object.as_object_mut() {
            map.remove("stringData");
            if !data.is_empty() {
                map.insert("data".into(), data.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect());
            }
        }
        redact(object, key);
        let held = self.0.entry(address.clone()).or_default();
        for (name, value) in data {
            held.entry(name).or_default().insert(value);
        }
    }

    /// Puts the values back, for the bytes that are sent.
    ///
    /// # Errors
    /// The name of a value that is not held, or is not the one that was planned.
    pub fn unseal(&self, address: &ResourceAddress, object: &mut Value, key: &str) -> Result<(), String> {
        if !is_secret(object) {
            return Ok(());
        }
        let Some(data) = object.get_mut("data").and_then(Value::as_object_mut) else { return Ok(()) };
        let held = self.0.get(address);
        for (name, value) in data.iter_mut() {
            let values = held.and_then(|h| h.get(name)).into_iter().flatten();
            let planned = |real: &&String| value.as_str() == Some(&keyed_digest(key, real));
            let real = values.into_iter().find(planned).ok_or_else(|| name.clone())?;
            *value = Value::from(real.as_str());
        }
        Ok(())
    }
}

impl Secrets {
    /// The planned values of an object, by key of `data`, as far as they are held.
    pub fn values(&self, address: &ResourceAddress, object: &Value, key: &str) -> BTreeMap<String, String> {
        let planned = object["data"].as_object().filter(|_| is_secret(object));
        let found = planned.into_iter().flatten().filter_map(|(name, digest)| {
            let held = self.0.get(address)?.get(name)?;
            let real = held.iter().find(|real| digest.as_str() == Some(&keyed_digest(key, real)))?;
            Some((name.clone(), real.clone()))
        });
        found.collect()
    }

    /// Takes in values that were held elsewhere.
    pub fn take_in(&mut self, address: &ResourceAddress, values: BTreeMap<String, String>) {
        let held = self.0.entry(address.clone()).or_default();
        for (name, value) in values {
            held.entry(name).or_default().insert(value);
        }
    }

    /// The secret values that a plan's changes need and that are not held here: object and key of `data`.
    /// Where there is one, an apply would end in the middle.
    pub fn not_at_hand(&self, plan: &Plan, key: &str) -> Vec<(ResourceAddress, String)> {
        let objects = plan.changes.iter().filter_map(|change| match &change.after {
            Some(Target::Object { object, .. }) if is_secret(object) => Some((&change.address, object)),
            _ => None,
        });
        let missing = objects.flat_map(|(address, object)| {
            let held = self.values(address, object, key);
            let names = object["data"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
            let names: Vec<String> = names.filter(|name| !held.contains_key(name)).collect();
            names.into_iter().map(|name| (address.clone(), name))
        });
        missing.collect()
    }
}

impl Secrets {
    /// Holds the values of further Secrets, so that [`hider`](Self::hider) knows them.
    pub fn hold<'a>(&mut self, objects: impl Iterator<Item = &'a Value>) {
        for object in objects.filter(|o| is_secret(o)) {
            let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
            let address = ResourceAddress::Object(ObjectAddress {
                cluster: String::new(),
                group: String::new(),
                kind: "Secret".into(),
                namespace: text("namespace"),
                name: text("name").unwrap_or_default(),
            });
            self.seal(&address, &mut object.clone(), "");
        }
    }

    /// The words of the values that are held here, made ready for many texts.
    pub fn hider(&self) -> Hider {
        let mut words = BTreeSet::new();
        for value in self.0.values().flat_map(BTreeMap::values).flatten() {
            words.insert(value.trim().to_owned());
            if let Some(plain) = from_base64(value).and_then(|bytes| String::from_utf8(bytes).ok()) {
                words.extend(plain.lines().map(|line| line.trim().to_owned()));
            }
        }
        // The longer ones first: one may be part of another.
        let mut words: Vec<String> = words.into_iter().filter(|w| w.chars().count() >= SHORTEST).collect();
        words.sort_by_key(|w| std::cmp::Reverse(w.len()));
        Hider(words)
    }
}

/// Takes secret values out of texts: as they are and in base64; of values with several lines, each. What
/// is shorter than four characters is no secret, and would hit anything.
#[derive(Clone)]
pub struct Hider(Vec<String>);

impl Hider {
    /// A text without the values.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, word| text.replace(word, HIDDEN))
    }
}

impl std::fmt::Debug for Hider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hider of {} words", self.0.len())
    }
}

/// Whether an object holds secret values.
pub fn is_secret(object: &Value) -> bool {
    object["apiVersion"] == "v1" && object["kind"] == "Secret"
}

/// Whether a text stands for a secret value.
pub(super) fn is_digest(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Replaces the values of a Secret by keyed digests; also the copy that `kubectl apply` leaves in an
/// annotation.
pub fn redact(object: &mut Value, key: &str) {
    if !is_secret(object) {
        return;
    }
    for (_, value) in object.get_mut("data").and_then(Value::as_object_mut).into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        if !text.starts_with(MARK) {
            *value = Value::from(keyed_digest(key, text));
        }
    }
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// HMAC-SHA-256 (RFC 2104) of a value, marked.
fn keyed_digest(key: &str, value: &str) -> String {
    const BLOCK: usize = 64;
    let mut pad = [0_u8; BLOCK];
    let short = if key.len() > BLOCK { Sha256::digest(key.as_bytes()).to_vec() } else { key.as_bytes().to_vec() };
    pad[..short.len()].copy_from_slice(&short);
    let inner = Sha256::new().chain_update(pad.map(|b| b ^ 0x36)).chain_update(value.as_bytes()).finalize();
    let outer = Sha256::new().chain_update(pad.map(|b| b ^ 0x5c)).chain_update(inner).finalize();
    format!("{MARK}{}", hex(&outer))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::change::{Action, ActionReason, Change};

    #[test]
    fn known_answers() {
        // RFC 4231, test case 2.
        assert_eq!(
            keyed_digest("Jefe", "what do ya want for nothing?"),
            "hmac-sha256:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        for (text, want) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(text.as_bytes()), want);
            assert_eq!(from_base64(want).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn values_are_taken_out_of_what_programs_say() {
        let mut object = json!({"apiVersion": "v1", "kind": "Secret",
            "stringData": {"p": "hunter2", "long": "hunter2-and-more", "key": "-----BEGIN\nAAAABBBB\n", "no": "no"}});
        let mut secrets = Secrets::default();
        secrets.seal(&"object/a/core/Secret/shop/db".parse().unwrap(), &mut object, "k");
        let said = "login hunter2-and-more/hunter2 refused (aHVudGVyMg==); key: AAAABBBB; no";
        let hidden = "login (secret value)/(secret value) refused ((secret value)); key: (secret value); no";
        assert_eq!(secrets.hider().hide(said), hidden);
        assert_eq!(Secrets::default().hider().hide(said), said);
    }

    #[test]
    fn values_leave_and_come_back() {
        let address: ResourceAddress = "object/a/core/Secret/shop/db".parse().unwrap();
        let mut object =
            json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"p": "hunter2"}, "data": {"u": "Zm9v"}});
        let mut secrets = Secrets::default();
        secrets.seal(&address, &mut object, "k");
        let text = object.to_string();
        assert!(!text.contains("hunter2") && !text.contains("Zm9v") && !text.contains("stringData"), "{text}");
        let mut sent = object.clone();
        secrets.unseal(&address, &mut sent, "k").unwrap();
        assert_eq!(sent["data"], json!({"p": "aHVudGVyMg==", "u": "Zm9v"}));
        assert_eq!(Secrets::default().unseal(&address, &mut object.clone(), "k"), Err("p".into()));
        assert_eq!(secrets.unseal(&address, &mut object.clone(), "other key"), Err("p".into()));
        let mut change = Change::new(address.clone(), Action::Create, ActionReason::New);
        let digest = String::new();
        change.after = Some(Target::Object {
            object: object.clone().into(),
            digest,
            components: Vec::new(),
            protection: crate::compile::model::Protection::default(),
        });
        let plan = Plan { changes: vec![change], ..Plan::default() };
        assert!(secrets.not_at_hand(&plan, "k").is_empty());
        let mut other = Secrets::default();
        assert_eq!(other.not_at_hand(&plan, "k").len(), 2);
        other.take_in(&address, [("u".into(), "Zm9v".into()), ("p".into(), "b2xk".into())].into());
        assert_eq!(other.not_at_hand(&plan, "k"), [(address.clone(), "p".to_owned())]);
        other.take_in(&address, secrets.values(&address, &object, "k"));
        assert!(other.not_at_hand(&plan, "k").is_empty());
        assert!(!format!("{secrets:?}").contains("Zm9v"));
    }
}
