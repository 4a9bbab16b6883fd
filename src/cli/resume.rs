//! The command that goes on where this run ended: the one that was typed, less what is done for good.

use std::{collections::BTreeSet, ffi::OsString};

use crate::{
    apply::{Outcome, Report},
    plan::{Plan, change::ActionReason},
};

/// That command, for a shell. A plan file cannot be taken up again: the state has moved on, so it is
/// written anew first, of the same part. What was asked to be made again is not asked for twice.
pub(super) fn command(plan: &Plan, report: &Report) -> String {
    let asked = plan.changes.iter().filter(|c| c.reason == ActionReason::Requested);
    let begun = |c: &&crate::plan::change::Change| {
        matches!(report.outcomes.get(&c.address), Some(Outcome::Done { .. } | Outcome::Failed(_)))
    };
    let (done, left): (Vec<_>, Vec<_>) = asked.partition(begun);
    let words = |all: Vec<&crate::plan::change::Change>| all.into_iter().map(|c| c.address.to_string()).collect();
    of(std::env::args_os().skip(1), plan, &words(done), &words(left))
}

fn of(
    args: impl IntoIterator<Item = OsString>,
    plan: &Plan,
    done: &BTreeSet<String>,
    left: &BTreeSet<String>,
) -> String {
    let typed: Vec<String> = args.into_iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let args = without(&typed, "--replace", |address| done.contains(address));
    let whole = line(&args);
    let Some(verb) = args.iter().position(|a| a == "apply") else { return whole };
    // Values of options are no files: the plan is the one argument that is neither.
    let mut value = false;
    let file = args.iter().skip(verb + 1).find(|a| {
        let own = !value && !a.starts_with('-');
        value = VALUED.contains(&a.as_str());
        own
    });
    let Some(file) = file else { return whole };
    let mut again: Vec<String> = args.iter().take(verb).cloned().collect();
    again.push("plan".to_owned());
    if plan.destroy {
        again.push("--destroy".to_owned());
    }
    if plan.reoptimize.iter().any(|word| word == "*") {
        again.push("--reoptimize".to_owned());
    }
    let mut option = |name: &str, value: &str| again.extend([name.to_owned(), value.to_owned()]);
    plan.reoptimize.iter().filter(|word| *word != "*").for_each(|name| option("--reoptimize", name));
    plan.targets.iter().for_each(|t| option("--target", t));
    plan.excludes.iter().for_each(|e| option("--exclude", e));
    left.iter().for_each(|address| option("--replace", address));
    plan.environment.iter().for_each(|name| option("--env", name));
    for (at, word) in args.iter().enumerate() {
        for name in ["--set", "--rev"] {
            let next = args.get(at + 1).map(String::as_str).filter(|_| word == name);
            if let Some(value) = next.or_else(|| word.strip_prefix(name)?.strip_prefix('=')) {
                option(name, value);
            }
        }
    }
    option("-o", file);
    format!("{} && {whole}", line(&again))
}

/// Words without an option and its value, where the value is one of some.
fn without(args: &[String], option: &str, drop: impl Fn(&str) -> bool) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = args.iter().peekable();
    while let Some(word) = words.next() {
        let joined = word.strip_prefix(option).and_then(|rest| rest.strip_prefix('='));
        if word == option && words.peek().is_some_and(|value| drop(value)) {
            words.next();
        } else if !joined.is_some_and(&drop) {
            kept.push(word.clone());
        }
    }
    kept
}

/// Options of `apply` that take a value in the next word.
const VALUED: [&str; 14] = [
    "--gap",
    "--reoptimize",
    "--parallelism",
    "--timeout",
    "--deadline",
    "--target",
    "--exclude",
    "--replace",
    "--env",
    "--set",
    "--rev",
    "--color",
    "-C",
    "--directory",
];

fn line(args: &[String]) -> String {
    let words: Vec<String> = std::iter::once("skyplan".to_owned()).chain(args.iter().map(|a| quoted(a))).collect();
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_was_typed() {
        let plain =
            |words: &[&str]| of(words.iter().map(OsString::from), &Plan::default(), &BTreeSet::new(), &BTreeSet::new());
        assert_eq!(plain(&["-C", "my dir", "apply", "--yes"]), "skyplan -C 'my dir' apply --yes");
        assert_eq!(plain(&["apply", "--timeout", "10s", "-y"]), "skyplan apply --timeout 10s -y");
        assert_eq!(plain(&["destroy", "-y", "--deadline=1h"]), "skyplan destroy -y --deadline=1h");
        assert_eq!(plain(&["apply", "--rev", "v1", "-y"]), "skyplan apply --rev v1 -y");
        assert_eq!(
            plain(&["-C", "x", "apply", "--parallelism", "4", "p.json"]),
            "skyplan -C x plan -o p.json && skyplan -C x apply --parallelism 4 p.json"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn what_is_made_again_is_not_made_again_twice() {
        let args = ["apply", "--replace", "cluster/a", "--replace=cluster/b", "-y"].map(OsString::from);
        let done = BTreeSet::from(["cluster/a".to_owned()]);
        assert_eq!(of(args, &Plan::default(), &done, &BTreeSet::new()), "skyplan apply --replace=cluster/b -y");
    }

    #[test]
    fn what_is_reconsidered_is_reconsidered_again() {
        let again = |words: &[&str], reoptimize: &[&str]| {
            let plan = Plan { reoptimize: reoptimize.iter().map(|w| (*w).to_owned()).collect(), ..Plan::default() };
            of(words.iter().map(OsString::from), &plan, &BTreeSet::new(), &BTreeSet::new())
        };
        // Otherwise what has moved by then would move back.
        assert_eq!(again(&["apply", "p.json"], &["*"]), "skyplan plan --reoptimize -o p.json && skyplan apply p.json");
        assert_eq!(
            again(&["apply", "p.json"], &["shop/web"]),
            "skyplan plan --reoptimize shop/web -o p.json && skyplan apply p.json"
        );
        let typed = ["apply", "--reoptimize", "shop/web", "--gap", "1%", "-y"];
        assert_eq!(again(&typed, &["shop/web"]), "skyplan apply --reoptimize shop/web --gap 1% -y");
    }

    #[test]
    fn a_plan_file_is_made_anew_of_the_same_part() {
        let plan =
            Plan { destroy: true, targets: vec!["shop".into()], environment: Some("prod".into()), ..Plan::default() };
        let args = ["apply", "--set", "a=b", "p.json"].map(OsString::from);
        assert_eq!(
            of(args, &plan, &BTreeSet::new(), &BTreeSet::from(["cluster/a".to_owned()])),
            "skyplan plan --destroy --target shop --replace cluster/a --env prod --set a=b -o p.json \
             && skyplan apply --set a=b p.json"
        );
    }
}
