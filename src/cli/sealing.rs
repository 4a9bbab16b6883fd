//! Secret values that are kept outside the specs: in plan files and in the state, and only as age sealed
//! them for the project's recipients.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{exit::Exit, identities::keyring, output::Output, session::Session};
use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    plan::{
        Plan,
        change::{Change, Target},
        secret::Secrets,
    },
    seal::{Closed, Keyring, seal},
    state::{Entry, Sealed, State, store::Log},
};

/// Values by key of `data`.
type Values = BTreeMap<String, String>;

fn values(change: &Change, secrets: &Secrets, key: &str) -> Option<(ResourceAddress, Values)> {
    let Some(Target::Object { object, .. }) = &change.after else { return None };
    let values = secrets.values(&change.address, object, key);
    (!values.is_empty()).then(|| (change.address.clone(), values))
}

fn sealed(values: &impl serde::Serialize, recipients: &[String]) -> Result<String, Diagnostic> {
    serde_json::to_vec(values).map_err(|e| e.to_string()).and_then(|plain| seal(&plain, recipients)).map_err(|why| {
        Diagnostic::error("SKY0821", format!("secret values cannot be sealed: {why}"))
            .hint("look at `state.encryption.recipients` in skyplan.yaml")
    })
}

/// The secret values of a plan for its file; `None` where there are none, or no recipients.
pub(super) fn for_file(
    plan: &Plan,
    secrets: &Secrets,
    recipients: &[String],
    key: &str,
) -> Result<Option<String>, Diagnostic> {
    let all: BTreeMap<ResourceAddress, Values> = plan.changes.iter().filter_map(|c| values(c, secrets, key)).collect();
    if all.is_empty() || recipients.is_empty() {
        return Ok(None);
    }
    sealed(&all, recipients).map(Some)
}

/// Takes in what a plan file holds, if a key is at hand. What is missing then is told when it is needed.
pub(super) fn of_file(plan: &Plan, secrets: &mut Secrets) -> Result<(), Diagnostic> {
    let Some(plain) = plan.sealed.as_ref().and_then(|s| keyring().map(|keys| keys.open(s.as_bytes()).ok()).transpose())
    else {
        return Ok(());
    };
    let all: BTreeMap<ResourceAddress, Values> = serde_json::from_slice(&plain?).unwrap_or_default();
    all.into_iter().for_each(|(address, values)| secrets.take_in(&address, values));
    Ok(())
}

/// The values of the Secrets that a plan changes, each sealed, for the log; without recipients none.
pub(super) fn for_state(
    plan: &Plan,
    secrets: &Secrets,
    recipients: &[String],
    key: &str,
) -> Result<BTreeMap<ResourceAddress, String>, Diagnostic> {
    let changes = plan.changes.iter().filter(|_| !recipients.is_empty());
    let all = changes.filter_map(|change| values(change, secrets, key));
    all.map(|(address, values)| Ok((address, sealed(&values, recipients)?))).collect()
}

/// `skyplan state rekey`: what is held is sealed anew, for the recipients of now.
pub(super) fn rekey(session: &Session, log: &mut Log, output: &Output) -> Exit {
    let recipients = &session.model.recipients;
    let done = keyring().map_err(Box::new).and_then(|keys| {
        log.append_of(|state| {
            let values = anew(state, &keys, recipients)?;
            let count = values.len();
            let entry = || Entry::Sealed(Sealed { at: Timestamp::now().to_string(), values });
            Ok((count > 0).then(|| (entry(), count)))
        })
    });
    match done.map(Option::unwrap_or_default) {
        Ok(0) => output.say("The state holds no secret values; nothing was written."),
        Ok(n) if recipients.is_empty() => output.print(&format!(
            "The values of {n} Secrets are no longer held: skyplan.yaml names no recipients. Older entries of the log have \
             them until they are compacted away.\n"
        )),
        Ok(n) => output.print(&format!(
            "The values of {n} Secrets are sealed for {} recipients. Whoever could read older entries of the log still can: \
             where a key was lost, change the values, too.\n",
            recipients.len()
        )),
        Err(d) => return output.fault(*d),
    }
    Exit::Done
}

fn anew(
    state: &State,
    keys: &Keyring,
    recipients: &[String],
) -> Result<BTreeMap<ResourceAddress, Option<String>>, Diagnostic> {
    let mut all = BTreeMap::new();
    for (address, text) in &state.sealed {
        if recipients.is_empty() {
            all.insert(address.clone(), None);
            continue;
        }
        let values: Values = open(address, text, keys)?;
        all.insert(address.clone(), Some(sealed(&values, recipients)?));
    }
    Ok(all)
}

fn open(address: &ResourceAddress, text: &str, keys: &Keyring) -> Result<Values, Diagnostic> {
    let why = match keys.open(text.as_bytes()) {
        Ok(plain) => return Ok(serde_json::from_slice(&plain).unwrap_or_default()),
        Err(Closed::NoKey(0)) => "no key is at hand".to_owned(),
        Err(Closed::NoKey(n)) => format!("none of the {n} keys at hand fits"),
        Err(Closed::Damaged(why)) => why,
    };
    Err(Diagnostic::error("SKY0822", format!("the sealed values of {} cannot be opened: {why}", address.short()))
        .about(address)
        .hint("name the file of a recipient's key in SKYPLAN_AGE_IDENTITY_FILE, or give it in SKYPLAN_AGE_IDENTITY"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::diagnostics::golden;

    #[test]
    fn golden_of_what_is_not_sealed_or_opened() {
        golden(&sealed(&Values::new(), &[]).unwrap_err(), &[]);
        let recipient = "age1jr3fzu68xr0dfwtgj3v8avcx22ht643png3zx267fpash8948fgsawhuug".to_owned();
        let text = sealed(&Values::new(), &[recipient]).unwrap();
        let address = "object/a/core/Secret/shop/db".parse().unwrap();
        golden(&open(&address, &text, &Keyring::default()).unwrap_err(), &[]);
    }

    #[test]
    fn what_is_held_is_sealed_anew_for_others() {
        let file = |name: &str| format!("{}/testdata/sealed/{name}", env!("CARGO_MANIFEST_DIR"));
        let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
        let (mut old, mut new) = (Keyring::default(), Keyring::default());
        old.add(&read("key.txt")).unwrap();
        new.add(&read("ssh")).unwrap();
        let recipient = |text: &str| crate::seal::recipient(text).unwrap();
        let one = recipient(read("key.txt").split("public key: ").nth(1).unwrap());
        let two = recipient(&read("ssh.pub"));
        let address: ResourceAddress = "object/a/core/Secret/shop/db".parse().unwrap();
        let values: Values = [("p".to_owned(), "aHVudGVyMg==".to_owned())].into();
        let mut state = State::default();
        state.sealed.insert(address.clone(), sealed(&values, &[one]).unwrap());
        assert_eq!(anew(&state, &new, std::slice::from_ref(&two)).unwrap_err().code, "SKY0822");
        let held = anew(&state, &old, std::slice::from_ref(&two)).unwrap();
        state.sealed.insert(address.clone(), held[&address].clone().unwrap());
        assert_eq!(open(&address, &state.sealed[&address], &new), Ok(values));
        assert!(open(&address, &state.sealed[&address], &old).is_err());
        assert_eq!(anew(&state, &Keyring::default(), &[]).unwrap()[&address], None);
    }
}
