//! `skyplan state hold` and `unhold`: what is left alone where nobody looks at a plan.

use jiff::Timestamp;

use super::unknown;
use crate::{
    address::ResourceAddress,
    cli::{exit::Exit, output::Output},
    diagnostic::Diagnostic,
    state::{Entry, Hold, store::Log},
};

/// Holds resources, or (without a reason) ends that.
pub(super) fn hold(log: &mut Log, addresses: &[ResourceAddress], reason: Option<&str>, output: &Output) -> Exit {
    let at = Timestamp::now();
    match held(log, addresses, reason, at) {
        Ok(0) => output.say("Nothing is held."),
        Ok(n) if reason.is_some() => {
            output.say(&format!("{n} held: what is applied without anybody looking leaves them alone"));
        }
        Ok(n) => output.say(&format!("{n} no longer held")),
        Err(d) => return output.fault(*d),
    }
    Exit::Done
}

pub(in crate::cli) fn held(
    log: &mut Log,
    addresses: &[ResourceAddress],
    reason: Option<&str>,
    at: Timestamp,
) -> Result<usize, Box<Diagnostic>> {
    let changed = log.append_of(|state| {
        for address in addresses {
            let known = match reason {
                Some(_) => state.records.contains_key(address) || state.uncertain.contains_key(address),
                None => state.held.contains_key(address),
            };
            if !known && reason.is_some() {
                return Err(Box::new(unknown(state, &address.to_string())));
            }
            if !known {
                return Err(Box::new(
                    Diagnostic::error("SKY0905", format!("{address} is not held"))
                        .hint("`skyplan plan` and `skyplan state show` say what is held"),
                ));
            }
        }
        Ok((!addresses.is_empty()).then(|| (entry(addresses.to_vec(), reason, at), addresses.len())))
    })?;
    Ok(changed.unwrap_or_default())
}

pub(in crate::cli) fn entry(addresses: Vec<ResourceAddress>, reason: Option<&str>, at: Timestamp) -> Entry {
    Entry::Hold(Hold { at: at.to_string(), addresses, reason: reason.map(str::to_owned) })
}
