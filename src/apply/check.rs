//! Whether a plan is still true of the state. Pure: the time is given.

use jiff::Timestamp;

use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::Fallible,
    plan::change::Plan,
    state::{Holder, State},
};

/// Checks a plan against the state that it is about to change. `ended` tells of a process whether it
/// is known to have ended.
pub(super) fn check(plan: &Plan, state: &State, now: Timestamp, ended: &dyn Fn(&Holder) -> bool) -> Fallible<()> {
    if plan.base.lineage != state.lineage {
        return Err(Box::new(
            Diagnostic::error("SKY0501", "this plan is of another project")
                .detail(format!(
                    "It was made for lineage `{}`; the state is of `{}`.",
                    plan.base.lineage, state.lineage
                ))
                .hint("apply it in the project that it was made in, or plan again"),
        ));
    }
    for open in state.open.values() {
        let killed = open.holder.as_ref().is_some_and(ended);
        let active = !killed && open.until.parse::<Timestamp>().is_ok_and(|until| until > now);
        let both: Vec<&ResourceAddress> =
            plan.changes.iter().map(|c| &c.address).filter(|a| open.writes.contains(a)).collect();
        if let (true, Some(first)) = (active, both.first()) {
            let others = both.len() - 1;
            let more = if others > 0 { format!(" and {others} more") } else { String::new() };
            return Err(Box::new(
                Diagnostic::error("SKY0805", format!("another apply is at work on {}{more}", first.short()))
                    .about(first)
                    .detail(format!("It began at {} and gives up at {} at the latest.", open.at, open.until))
                    .hint("wait until it has ended, then plan again")
                    .hint(format!(
                        "if it was killed: nobody has to clean up, after {} this one goes ahead",
                        open.until
                    )),
            ));
        }
    }
    for change in &plan.changes {
        let recorded = state.records.get(&change.address).map(|r| r.serial);
        if recorded != change.precondition.record_serial {
            let what = match (change.precondition.record_serial, recorded) {
                (None, _) => "it was applied meanwhile".to_owned(),
                (Some(_), None) => "it was deleted meanwhile".to_owned(),
                (Some(planned), Some(now)) => format!("it was planned on entry {planned}, entry {now} changed it"),
            };
            return Err(Box::new(stale(&change.address, &what)));
        }
    }
    Ok(())
}

/// The plan is no longer true: `what` says of what.
pub(super) fn stale(address: &ResourceAddress, what: &str) -> Diagnostic {
    Diagnostic::error("SKY0501", format!("the plan is out of date for {}", address.short()))
        .about(address)
        .detail(format!("{}.", capital(what)))
        .hint("plan again: `skyplan plan`")
}

fn capital(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::change::{Action, ActionReason, Base, Change, FORMAT_VERSION, Precondition},
        state::Begin,
    };

    fn plan(record_serial: Option<u64>) -> Plan {
        Plan {
            format_version: FORMAT_VERSION.into(),
            base: Base { lineage: "l".into(), serial: 3 },
            changes: vec![Change {
                precondition: Precondition { record_serial, ..Precondition::default() },
                ..Change::new("cluster/a".parse().unwrap(), Action::Create, ActionReason::New)
            }],
            complete: true,
            applyable: true,
            ..Plan::default()
        }
    }

    fn code(plan: &Plan, state: &State) -> String {
        let now = "2026-01-01T00:10:00Z".parse().unwrap();
        check(plan, state, now, &|holder| holder.pid == 0).map_or_else(|d| d.code, |()| String::new())
    }

    #[test]
    fn a_plan_must_still_be_true() {
        let state = State { lineage: "l".into(), ..State::default() };
        assert_eq!(code(&plan(None), &state), "");
        assert_eq!(code(&plan(Some(2)), &state), "SKY0501");
        assert_eq!(code(&plan(None), &State { lineage: "m".into(), ..State::default() }), "SKY0501");
    }

    #[test]
    fn two_at_once_must_not_overlap() {
        let with = |write: &str, until: &str| State {
            lineage: "l".into(),
            open: [(
                7,
                Begin {
                    plan: String::new(),
                    writes: vec![write.parse().unwrap()],
                    clusters: std::collections::BTreeMap::new(),
                    api_versions: std::collections::BTreeMap::new(),
                    holder: Some(Holder { pid: 1, started: 2, space: String::new() }),
                    until: until.into(),
                    at: "2026-01-01T00:00:00Z".into(),
                },
            )]
            .into(),
            ..State::default()
        };
        assert_eq!(code(&plan(None), &with("cluster/a", "2026-01-01T00:30:00Z")), "SKY0805");
        assert_eq!(code(&plan(None), &with("cluster/b", "2026-01-01T00:30:00Z")), "");
        assert_eq!(code(&plan(None), &with("cluster/a", "2026-01-01T00:05:00Z")), "");
        // Nobody waits for a process that is known to have ended.
        let mut killed = with("cluster/a", "2026-01-01T00:30:00Z");
        killed.open.get_mut(&7).unwrap().holder.as_mut().unwrap().pid = 0;
        assert_eq!(code(&plan(None), &killed), "");
    }
}
