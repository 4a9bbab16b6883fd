//! Whether a plan is still true of the state. Pure: the time is given.

use jiff::Timestamp;

use super::meets::{Meeting, Scope};
use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::Fallible,
    plan::change::Plan,
    state::{Begin, Entry, Holder, Reservation, State},
};

/// Checks a plan against the state that it is about to change, and against the entries of others that
/// came `since` it was made. `ended` tells of a process whether it is known to have ended.
pub(super) fn check(
    plan: &Plan,
    state: &State,
    since: &[(u64, Entry)],
    now: Timestamp,
    ended: &dyn Fn(&Holder) -> bool,
) -> Fallible<()> {
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
    let scope = Scope::of(plan);
    for open in state.open.values() {
        if let Some(meeting) = scope.meets(open).filter(|_| open.at_work(now, ended)) {
            let both = plan.changes.iter().filter(|c| open.writes.contains(&c.address)).count();
            return Err(Box::new(busy(&meeting, both, open)));
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
    for (serial, entry) in since {
        if let Some(meeting) = scope.meets_entry(entry) {
            return Err(Box::new(overtaken(&meeting, *serial)));
        }
    }
    Ok(())
}

/// Another apply is at work: `both` = how many resources it changes that this plan changes, too.
fn busy(meeting: &Meeting, both: usize, open: &Begin) -> Diagnostic {
    let more = if both > 1 { format!(" and {} more", both - 1) } else { String::new() };
    let summary = match meeting {
        Meeting::Same(a) => format!("another apply is at work on {}{more}", a.short()),
        Meeting::BuildsOn(a) => format!("another apply changes {}, which this plan builds on", a.short()),
        Meeting::BuiltOn(a) => format!("another apply builds on {}, which this plan changes", a.short()),
        Meeting::Within(a) => format!("another apply is at work on {}, which this plan would take away", a.short()),
        Meeting::Takes(what, a) => match what {
            Reservation::Room(cluster) => format!("another apply takes room on cluster {cluster}, as this plan would"),
            Reservation::Network(what) => {
                format!("another apply leases networks of {}, as this plan would for {}", what.name(), a.short())
            }
            Reservation::Quota(provider) => {
                format!("another apply buys nodes of {provider}'s quota, as this plan would for {}", a.short())
            }
        },
    };
    Diagnostic::error("SKY0805", summary)
        .about(meeting.address())
        .detail(open.span())
        .hint("wait until it has ended, then plan again")
        .hint(format!("if it was killed: nobody has to clean up, after {} this one goes ahead", open.until))
}

/// Something that the plan counts on has changed since it was made.
fn overtaken(meeting: &Meeting, serial: u64) -> Diagnostic {
    let what = match meeting {
        Meeting::Same(_) => format!("entry {serial} changed it"),
        Meeting::BuildsOn(_) | Meeting::BuiltOn(_) => format!("entry {serial} changed it, and the plan builds on it"),
        Meeting::Within(_) => format!("entry {serial} changed it, and the plan takes away what it is in"),
        Meeting::Takes(what, _) => {
            let taken = match what {
                Reservation::Room(_) => "taken room there".to_owned(),
                Reservation::Network(what) => format!("leased networks of {}", what.name()),
                Reservation::Quota(provider) => format!("bought nodes of {provider}'s quota"),
            };
            format!("since it was made another apply has {taken} (entry {serial})")
        }
    };
    stale(&meeting.address(), &what)
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
        state::Delta,
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
        check(plan, state, &[], now, &|holder| holder.pid == 0).map_or_else(|d| d.code, |()| String::new())
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
                    writes: vec![write.parse().unwrap()],
                    holder: Some(Holder { pid: 1, started: 2, space: String::new() }),
                    until: until.into(),
                    at: "2026-01-01T00:00:00Z".into(),
                    ..Begin::default()
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

    #[test]
    fn what_came_since_the_plan_was_made_is_named() {
        let mut map = Change::new("object/a/core/ConfigMap/n/m".parse().unwrap(), Action::Create, ActionReason::New);
        map.requires = map.address.surroundings();
        let plan = Plan { changes: vec![map], ..plan(None) };
        let state = State { lineage: "l".into(), ..State::default() };
        let since = |text: &str| [(9, Entry::Delta(Delta { outcomes: [(text.parse().unwrap(), None)].into() }))];
        let now = "2026-01-01T00:10:00Z".parse().unwrap();
        assert!(check(&plan, &state, &since("cluster/b"), now, &|_| false).is_ok());
        let stale = check(&plan, &state, &since("object/a/core/Namespace/-/n"), now, &|_| false).unwrap_err();
        assert_eq!(
            (stale.code.as_str(), stale.summary.as_str()),
            ("SKY0501", "the plan is out of date for Namespace n")
        );
        assert!(stale.detail.contains("ntry 9 changed it"), "{}", stale.detail);
    }
}
