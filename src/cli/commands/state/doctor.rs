//! `skyplan state doctor`: what is wrong or unusual in the log, and how it is mended.
//!
//! [`examine`] looks at a state alone; no cluster is asked. What `--fix` does loses nothing that is somewhere else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    address::ResourceAddress,
    cli::{exit::Exit, output::Output},
    diagnostic::Diagnostic,
    driver::local::has_ended,
    render::{Style, plan::on_cluster},
    state::{Begin, Delta, Entry, Holder, Record, RecordDetail, State, store::Log},
};

/// Holds that are older are mentioned.
const OLD_HOLD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Addresses of one finding that are printed.
const MOST_SHOWN: usize = 5;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
enum Severity {
    /// Nothing can be planned.
    Error,
    /// Somebody should look, or run something.
    Warning,
    /// Worth knowing.
    Note,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    severity: Severity,
    /// `damaged`, `cut-off`, `at-work`, `uncertain`, `homeless`, `dangling`, `incarnation`, `held`, `void`.
    topic: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<ResourceAddress>,
    /// What to do.
    mend: String,
    /// Whether `--fix` does it.
    fixable: bool,
}

/// The whole report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    format_version: &'static str,
    /// First and last entry that are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<(u64, u64)>,
    resources: usize,
    findings: Vec<Finding>,
    /// What `--fix` has done.
    fixed: Vec<String>,
}

pub(super) fn run(log: Result<Log, Diagnostic>, fix: bool, json: bool, output: &Output) -> Exit {
    let report = match log.and_then(|log| whole(log, fix)) {
        Ok(report) => report,
        Err(d) if json => Report {
            format_version: "1.0",
            entries: None,
            resources: 0,
            findings: vec![damaged(&d)],
            fixed: Vec::new(),
        },
        Err(d) => return output.fault(d),
    };
    if json {
        output.json(&report);
    } else {
        output.print(&text(&report, output.style));
    }
    let bad = report.findings.iter().any(|f| f.severity < Severity::Note);
    if bad { Exit::Error } else { Exit::Done }
}

fn damaged(why: &Diagnostic) -> Finding {
    Finding {
        severity: Severity::Error,
        topic: "damaged",
        text: format!("{}: {}", why.code, why.summary),
        addresses: Vec::new(),
        mend: why.hints.join("; "),
        fixable: false,
    }
}

fn whole(mut log: Log, fix: bool) -> Result<Report, Diagnostic> {
    let now = Timestamp::now();
    let mut fixed = Vec::new();
    if fix {
        let state = log.state();
        if let Some(begin) = state.open.values().find(|b| b.at_work(now, &has_ended)) {
            return Err(Diagnostic::error("SKY0805", "an apply is at work: nothing is mended now")
                .detail(begin.span())
                .hint("wait until it has ended"));
        }
        let (outcomes, done) = remedy(state);
        if !outcomes.is_empty() {
            log.append(&Entry::Delta(Delta { outcomes }))?;
        }
        fixed.extend(done);
        let void = log.void()?;
        if void > 0 {
            log.collect()?;
            fixed.push(format!("{void} blobs that no entry needs were removed"));
        }
    }
    let mut findings = examine(log.state(), now, &has_ended);
    let void = log.void()?;
    if void > 0 {
        findings.push(Finding {
            severity: Severity::Note,
            topic: "void",
            text: format!("{void} blobs in the store belong to no entry that counts"),
            addresses: Vec::new(),
            mend: "they take room and do no harm; the next compaction removes them".into(),
            fixable: true,
        });
    }
    findings.sort_by_key(|f| f.severity);
    let kept = log.entries()?;
    let entries = kept.first().zip(kept.last()).map(|((first, _), (last, _))| (*first, *last));
    Ok(Report { format_version: "1.0", entries, resources: log.state().records.len(), findings, fixed })
}

/// Everything that is wrong or unusual in a state.
fn examine(state: &State, now: Timestamp, ended: &dyn Fn(&Holder) -> bool) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    let mut known: BTreeSet<&ResourceAddress> = BTreeSet::new();
    for (serial, begin) in &state.open {
        let left: Vec<&ResourceAddress> = begin.writes.iter().filter(|a| state.uncertain.contains_key(a)).collect();
        known.extend(&left);
        all.push(open(*serial, begin, left, begin.at_work(now, ended)));
    }
    let lost: Vec<&ResourceAddress> = state.uncertain.keys().filter(|a| !known.contains(a)).collect();
    if !lost.is_empty() {
        all.push(finding(
            Severity::Warning,
            "uncertain",
            format!("nobody knows whether an apply changed {}", resources(lost.len())),
            lost,
            "the next plan looks at them and settles them: `skyplan plan`",
        ));
    }
    let homeless = homeless(state);
    if !homeless.is_empty() {
        let text = format!("{} recorded on a cluster that is not recorded", are(homeless.len()));
        let mend =
            "nobody can look at them; `--fix` forgets them, and a plan finds again what is there and in the specs";
        all.push(Finding { fixable: true, ..finding(Severity::Warning, "homeless", text, homeless, mend) });
    }
    let others: Vec<&ResourceAddress> = state
        .records
        .iter()
        .filter(|(address, record)| match &record.detail {
            RecordDetail::Object(o) => cluster_uid(state, address).is_some_and(|uid| uid != o.cluster_uid),
            RecordDetail::Cluster(_) | RecordDetail::Null(_) => false,
        })
        .map(|(address, _)| address)
        .collect();
    if !others.is_empty() {
        let text = format!("{} of an earlier incarnation of a cluster", are(others.len()));
        all.push(finding(
            Severity::Warning,
            "incarnation",
            text,
            others,
            "the next apply makes them anew: `skyplan apply`",
        ));
    }
    let dangling: Vec<&ResourceAddress> =
        state.records.iter().filter(|(_, r)| gone(state, r).next().is_some()).map(|(a, _)| a).collect();
    if !dangling.is_empty() {
        let text = format!("{} to be deleted before something that is gone", are(dangling.len()));
        let mend = "that does no harm; `--fix` takes it out of their records";
        all.push(Finding { fixable: true, ..finding(Severity::Note, "dangling", text, dangling, mend) });
    }
    let old = |since: &str| since.parse::<Timestamp>().is_ok_and(|t| now.duration_since(t) > OLD_HOLD);
    let held: Vec<&ResourceAddress> = state.held.iter().filter(|(_, h)| old(&h.since)).map(|(a, _)| a).collect();
    if !held.is_empty() {
        let text = format!("{} held for more than 30 days", are(held.len()));
        all.push(finding(Severity::Note, "held", text, held, "if that is no longer meant: `skyplan state unhold`"));
    }
    all
}

fn finding(
    severity: Severity,
    topic: &'static str,
    text: String,
    addresses: Vec<&ResourceAddress>,
    mend: &str,
) -> Finding {
    let addresses = addresses.into_iter().cloned().collect();
    Finding { severity, topic, text, addresses, mend: mend.into(), fixable: false }
}

fn resources(n: usize) -> String {
    if n == 1 { "1 resource".into() } else { format!("{n} resources") }
}

fn are(n: usize) -> String {
    format!("{} {}", resources(n), if n == 1 { "is" } else { "are" })
}

/// An apply that has begun and not ended.
fn open(serial: u64, begin: &Begin, left: Vec<&ResourceAddress>, at_work: bool) -> Finding {
    let by = begin.holder.as_ref().map_or_else(String::new, |h| format!(", process {}", h.pid));
    if at_work {
        let text = format!("an apply is at work on {} (entry {serial}{by})", resources(begin.writes.len()));
        return Finding { mend: begin.span(), ..finding(Severity::Note, "at-work", text, left, "") };
    }
    let text = format!(
        "an apply that began at {} was cut off (entry {serial}{by}); whether it changed {} is not known",
        begin.at,
        resources(left.len())
    );
    let mend = "nobody has to clean up: the next plan looks at them; `skyplan apply` goes on, `skyplan apply --refresh-only` only \
                looks";
    finding(Severity::Warning, "cut-off", text, left, mend)
}

fn cluster_uid<'a>(state: &'a State, address: &ResourceAddress) -> Option<&'a str> {
    match &state.records.get(&ResourceAddress::Cluster(address.cluster().to_owned()))?.detail {
        RecordDetail::Cluster(c) => Some(&c.uid),
        RecordDetail::Object(_) | RecordDetail::Null(_) => None,
    }
}

/// Records whose cluster is neither recorded nor being made.
fn homeless(state: &State) -> Vec<&ResourceAddress> {
    let there = |a: &&ResourceAddress| {
        let cluster = ResourceAddress::Cluster(a.cluster().to_owned());
        a.object().is_none() || state.records.contains_key(&cluster) || state.uncertain.contains_key(&cluster)
    };
    state.records.keys().filter(|a| !there(a)).collect()
}

/// What a record is to be deleted before, and is gone.
fn gone<'a>(state: &'a State, record: &'a Record) -> impl Iterator<Item = &'a ResourceAddress> {
    record.depends_on.iter().filter(|a| !state.records.contains_key(a) && !state.uncertain.contains_key(a))
}

/// What `--fix` writes, and what that is in words.
fn remedy(state: &State) -> (BTreeMap<ResourceAddress, Option<Record>>, Vec<String>) {
    let mut outcomes: BTreeMap<ResourceAddress, Option<Record>> = BTreeMap::new();
    let mut done = Vec::new();
    let homeless: BTreeSet<&ResourceAddress> = homeless(state).into_iter().collect();
    if !homeless.is_empty() {
        done.push(format!("{} forgotten; nothing was deleted", resources(homeless.len())));
    }
    outcomes.extend(homeless.iter().map(|a| ((*a).clone(), None)));
    let mut trimmed = 0;
    for (address, record) in state.records.iter().filter(|(a, _)| !homeless.contains(a)) {
        let lost: BTreeSet<&ResourceAddress> =
            gone(state, record).chain(record.depends_on.iter().filter(|a| homeless.contains(a))).collect();
        if !lost.is_empty() {
            let depends_on = record.depends_on.iter().filter(|a| !lost.contains(a)).cloned().collect();
            outcomes.insert(address.clone(), Some(Record { depends_on, ..record.clone() }));
            trimmed += 1;
        }
    }
    if trimmed > 0 {
        done.push(format!("what is gone was taken out of the records of {}", resources(trimmed)));
    }
    // An outcome settles what is uncertain: that is for a plan to find out.
    outcomes.retain(|address, _| !state.uncertain.contains_key(address));
    (outcomes, done)
}

fn text(report: &Report, style: Style) -> String {
    let mut out: String = report.fixed.iter().map(|what| format!("{} {what}\n", style.good("mended:"))).collect();
    // What comes about by itself and does no harm is for programs to see.
    let shown: Vec<&Finding> = report.findings.iter().filter(|f| f.topic != "dangling").collect();
    for f in &shown {
        let head = match f.severity {
            Severity::Error => style.bad("error:"),
            Severity::Warning => style.warn("warning:"),
            Severity::Note => style.dim("note:"),
        };
        out.push_str(&format!("{head} {}\n", f.text));
        out.extend(f.addresses.iter().take(MOST_SHOWN).map(|a| format!("    {}\n", on_cluster(a))));
        if f.addresses.len() > MOST_SHOWN {
            out.push_str(&format!("    … and {} more\n", f.addresses.len() - MOST_SHOWN));
        }
        out.push_str(&format!("  {}\n", f.mend));
    }
    let log = match report.entries {
        Some((first, last)) => {
            format!("{}, entries {first} to {last}, every one in its place", resources(report.resources))
        }
        None => "nothing was applied yet".into(),
    };
    if shown.is_empty() {
        out.push_str(&format!("{} {log}.\n", style.bold(&style.good("The state is sound:"))));
        return out;
    }
    let fixable = shown.iter().filter(|f| f.fixable).count();
    let count = shown.len();
    out.push_str(&format!(
        "\n{} found; {log}.\n",
        if count == 1 { "1 thing".into() } else { format!("{count} things") }
    ));
    if fixable > 0 {
        out.push_str(&format!("`skyplan state doctor --fix` mends {fixable} of them.\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        spec::{ClusterDriver, DeletionPolicy},
        state::{ClusterRecord, Held, ObjectRecord, replay::Uncertain},
    };

    fn at(text: &str) -> ResourceAddress {
        text.parse().unwrap()
    }

    fn cluster(uid: &str) -> Record {
        let detail = RecordDetail::Cluster(ClusterRecord {
            driver: ClusterDriver::Existing,
            kubeconfig: None,
            context: None,
            uid: uid.into(),
            pools: Vec::new(),
            deletion_policy: DeletionPolicy::Delete,
            networks: crate::network::Networks::default(),
        });
        Record { serial: 1, detail, depends_on: Vec::new(), origin: None }
    }

    fn object(cluster_uid: &str, depends_on: &[&str]) -> Record {
        let detail = RecordDetail::Object(ObjectRecord {
            api_version: "v1".into(),
            uid: "o".into(),
            cluster_uid: cluster_uid.into(),
            sent: String::new(),
            owned: serde_json::json!({}).into(),
            projection: String::new(),
            left: Vec::new(),
            components: Vec::new(),
            unready: false,
            done: false,
            protection: crate::compile::model::Protection::default(),
        });
        Record { serial: 1, detail, depends_on: depends_on.iter().map(|t| at(t)).collect(), origin: None }
    }

    /// Everything at once that may be unusual.
    fn ill() -> State {
        let map = |name: &str| at(&format!("object/a/core/ConfigMap/n/{name}"));
        State {
            records: [
                (at("cluster/a"), cluster("1")),
                (map("well"), object("1", &["cluster/a"])),
                (map("old"), object("0", &["cluster/a"])),
                (map("late"), object("1", &["cluster/a", "object/a/core/ConfigMap/n/gone"])),
                (at("object/b/core/ConfigMap/n/homeless"), object("2", &["cluster/b"])),
            ]
            .into(),
            uncertain: [(map("cut"), Uncertain::default()), (map("lost"), Uncertain::default())].into(),
            open: [(
                7,
                Begin {
                    writes: vec![map("cut"), map("well")],
                    at: "2026-01-01T00:00:00Z".into(),
                    until: "2026-01-01T00:30:00Z".into(),
                    holder: Some(Holder { pid: 4711, started: 1, space: String::new() }),
                    ..Begin::default()
                },
            )]
            .into(),
            held: [(map("well"), Held { since: "2026-01-01T00:00:00Z".into(), reason: "r".into() })].into(),
            ..State::default()
        }
    }

    fn topics(state: &State, now: &str) -> Vec<&'static str> {
        examine(state, now.parse().unwrap(), &|_| false).iter().map(|f| f.topic).collect()
    }

    #[test]
    fn what_is_unusual_is_found_and_mended() {
        let state = ill();
        let later = "2026-03-01T00:00:00Z";
        assert_eq!(topics(&state, later), ["cut-off", "uncertain", "homeless", "incarnation", "dangling", "held"]);
        assert_eq!(topics(&state, "2026-01-01T00:10:00Z")[0], "at-work");
        assert_eq!(topics(&State::default(), later), [""; 0]);
        let (outcomes, done) = remedy(&state);
        assert_eq!((outcomes.len(), done.len()), (2, 2));
        let mended = state.after(8, &Entry::Delta(Delta { outcomes }));
        assert_eq!(topics(&mended, later), ["cut-off", "uncertain", "incarnation", "held"]);
        assert_eq!(remedy(&mended).0.len(), 0);
    }

    #[test]
    fn golden_of_a_report() {
        let findings = examine(&ill(), "2026-03-01T00:00:00Z".parse().unwrap(), &|_| false);
        let report = |findings: Vec<Finding>| Report {
            format_version: "1.0",
            entries: Some((1, 7)),
            resources: 5,
            findings,
            fixed: Vec::new(),
        };
        let said = text(&report(findings), Style { color: false })
            + "---\n"
            + &text(&report(Vec::new()), Style { color: false });
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/answers/doctor.txt");
        if std::env::var("SNAPSHOTS").is_ok_and(|v| v == "overwrite") {
            std::fs::write(path, &said).unwrap();
        }
        assert_eq!(said, std::fs::read_to_string(path).unwrap_or_default());
    }
}
