//! Plan files: one way to write a plan, and a digest of what it means.
//!
//! A file is JSON with sorted keys and without white space, so that the same plan is the same bytes
//! wherever it is written. What only people read does not count for what it means. Knows bytes, neither
//! where they are kept nor who has signed them.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use serde_json::Value;

use super::{Plan, change::FORMAT_VERSION};
use crate::{diagnostic::Diagnostic, digest::digest};

/// What is there for people, for the file itself, or made anew by every apply.
const ASIDE: [&str; 8] = ["checks", "cost", "digest", "notes", "placement", "revision", "sealed", "skyplanVersion"];

/// A plan as it was read.
#[derive(Clone, Debug)]
pub struct PlanFile {
    /// The plan.
    pub plan: Plan,
    /// All of it as it is written by the rules, however the file was laid out: what signatures are over.
    pub canonical: Vec<u8>,
}

impl Plan {
    /// Digest of what it means: of all that an apply does and heeds, not of prices, notes and places in the
    /// sources, which are for people.
    pub fn meaning(&self) -> String {
        meaning(serde_json::to_value(self).unwrap_or_default())
    }

    /// The bytes of a plan file.
    pub fn to_file(&self) -> Vec<u8> {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value["digest"] = meaning(value.clone()).into();
        canonical(&value)
    }
}

/// The one way to write a value: keys sorted by their bytes, no white space, a line end after the last byte.
/// (RFC 8785 but for that line end, for fractions, which keep their point, and for keys beyond the basic
/// plane.)
fn canonical(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

fn meaning(mut value: Value) -> String {
    if let Some(plan) = value.as_object_mut() {
        plan.retain(|name, _| !ASIDE.contains(&name.as_str()));
        for change in plan.get_mut("changes").and_then(Value::as_array_mut).into_iter().flatten() {
            change.as_object_mut().map(|change| change.remove("origin"));
        }
    }
    digest(&value)
}

/// Reads the bytes of a plan file that is called `name`.
///
/// # Errors
/// It is none, or not a whole one (`SKY0901`); it is of another format (`SKY0521`); it was changed after
/// it was written (`SKY0520`).
pub fn read(name: &str, bytes: &[u8]) -> Result<PlanFile, Box<Diagnostic>> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| no_plan(name, &e))?;
    let format = value["formatVersion"].as_str().unwrap_or_default();
    if !understood(format) {
        return Err(Box::new(other_format(name, format)));
    }
    let plan: Plan = serde_json::from_slice(bytes).map_err(|e| no_plan(name, &e))?;
    let canonical = canonical(&value);
    if plan.digest.as_ref().is_some_and(|said| *said != meaning(value)) {
        return Err(Box::new(changed(name)));
    }
    Ok(PlanFile { plan, canonical })
}

/// Versions up to this one's: a newer minor may ask for what this skyplan would leave out.
fn understood(format: &str) -> bool {
    let parts = |text: &str| -> Option<(u32, u32)> {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    // What says no format at all is told as what it is: no plan.
    format.is_empty()
        || matches!((parts(format), parts(FORMAT_VERSION)), (Some(is), Some(own)) if is.0 == own.0 && is.1 <= own.1)
}

fn no_plan(name: &str, error: &serde_json::Error) -> Diagnostic {
    if error.is_eof() {
        return Diagnostic::error("SKY0901", format!("{name} is not whole: it ends within the plan"))
            .hint("copy it once more, or write it anew with `skyplan plan -o FILE`");
    }
    Diagnostic::error("SKY0901", format!("{name} is not a plan: {error}")).hint("write one with `skyplan plan -o FILE`")
}

pub(crate) fn other_format(name: &str, format: &str) -> Diagnostic {
    Diagnostic::error("SKY0521", format!("{name} has format {format}, and this skyplan reads {FORMAT_VERSION}"))
        .hint("use the version of skyplan that wrote it, or plan again with this one: `skyplan plan -o FILE`")
}

fn changed(name: &str) -> Diagnostic {
    Diagnostic::error("SKY0520", format!("{name} was changed after it was written"))
        .detail("What it says no longer has the digest that is written in it.")
        .hint("change the specs and plan again: `skyplan plan -o FILE`; `--target` and `--exclude` plan a part")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::plan::change::{Action, ActionReason, Change, FieldChange, Note, Target};

    fn plan() -> Plan {
        let mut change =
            Change::new("object/a/apps/Deployment/n/web".parse().unwrap(), Action::Create, ActionReason::New);
        let object = json!({"spec": {"z": 1, "a": 1.5, "é": "\u{1f600}\n\"", "big": u64::MAX}, "kind": "Deployment"});
        change.after = Some(Target::Object {
            object: object.into(),
            digest: "d".into(),
            components: vec!["w".into()],
            protection: crate::compile::model::Protection::default(),
        });
        Plan { format_version: FORMAT_VERSION.into(), project: "p".into(), changes: vec![change], ..Plan::default() }
    }

    fn code(bytes: &[u8]) -> String {
        read("plan.json", bytes).map_or_else(|d| d.code, |_| "read".into())
    }

    #[test]
    fn a_plan_is_the_same_bytes_wherever_it_is_written() {
        let bytes = plan().to_file();
        let file = read("plan.json", &bytes).unwrap();
        assert_eq!((&file.canonical, &file.plan.to_file()), (&bytes, &bytes));
        assert_eq!(file.plan.digest, Some(plan().meaning()));
        // However somebody laid it out.
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(read("plan.json", pretty.as_bytes()).unwrap().canonical, bytes);
    }

    #[test]
    fn what_is_for_people_has_no_meaning_and_the_rest_has() {
        let mut other = plan();
        other.notes.push(Note { topic: "idle".into(), text: "nothing".into() });
        other.skyplan_version = "9".into();
        // The same texts may be in many commits.
        other.revision = Some("c".into());
        assert_eq!(other.meaning(), plan().meaning());
        let changes: [fn(&mut Plan); 5] = [
            |p| p.base.serial = 7,
            |p| p.changes[0].action = Action::Delete,
            |p| p.changes[0].fields.push(FieldChange { path: "a".into(), before: None, after: None, by: None }),
            |p| p.guards.push("all".into()),
            |p| p.inputs_digest = "other".into(),
        ];
        for change in changes {
            let mut other = plan();
            change(&mut other);
            assert_ne!(other.meaning(), plan().meaning());
        }
    }

    #[test]
    fn files_that_are_not_what_was_written() {
        let bytes = plan().to_file();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(code(&bytes), "read");
        // One letter of an object, or a field that nobody knows.
        assert_eq!(code(text.replace("\"z\":1", "\"z\":2").as_bytes()), "SKY0520");
        assert_eq!(code(text.replace("\"complete\"", "\"more\":1,\"complete\"").as_bytes()), "SKY0520");
        for cut in [1, 20, bytes.len() / 2, bytes.len() - 2] {
            let fault = read("plan.json", &bytes[..cut]).unwrap_err();
            assert!(fault.code == "SKY0901" && fault.summary.contains("not whole"), "{fault:?}");
        }
        for newer in ["1.1", "2.0", "x"] {
            let text = text.replace("\"formatVersion\":\"1.0\"", &format!("\"formatVersion\":\"{newer}\""));
            assert_eq!(code(text.as_bytes()), "SKY0521");
        }
        assert_eq!(code(b"{}"), "SKY0901");
    }

    proptest! {
        #[test]
        fn what_was_read_is_written_as_it_was(
            text in ".*", number in any::<f64>(), whole in any::<i64>(), keys in proptest::collection::vec("\\PC{0,6}", 0..6),
        ) {
            let mut plan = plan();
            let map: serde_json::Map<String, Value> = keys.into_iter().map(|k| (k, json!(number))).collect();
            let object = json!({"text": text, "whole": whole, "map": map});
            plan.changes[0].after =
                Some(Target::Object { object: object.into(), digest: String::new(), components: Vec::new(), protection: crate::compile::model::Protection::default() });
            let bytes = plan.to_file();
            let file = read("plan.json", &bytes).unwrap();
            prop_assert_eq!(&file.canonical, &bytes);
            prop_assert_eq!(file.plan.to_file(), bytes);
        }
    }
}
