//! Answers to "what if" as text: the placement as a whole, a component elsewhere, a cluster lost.

use super::{
    Style,
    placement::{method, short},
    table::columns,
};
use crate::{
    money::MicroUsd,
    plan::{
        answer::{Bill, ContingencyAnswer, LossAnswer, WholeAnswer, WhyNotAnswer},
        change::{PlannedMove, PriceRange},
    },
    quantity::counted,
};

/// Moves of one loss that are told by name.
const MOST_MOVES: usize = 6;

/// A difference with its sign.
fn signed(more: MicroUsd) -> String {
    if more < MicroUsd::ZERO { more.to_string() } else { format!("+{more}") }
}

/// The placement as a whole.
pub fn whole(answer: &WholeAnswer, style: Style) -> String {
    let (report, cost) = (&answer.placement, &answer.cost);
    let components: std::collections::BTreeSet<&str> = report.components.iter().map(|c| c.component.as_str()).collect();
    let mut out = format!(
        "{}: {} on {}, {}/month\n",
        style.bold(&answer.project),
        counted(components.len(), "component"),
        counted(report.clusters.len(), "cluster"),
        cost.monthly
    );
    let over = cost.horizon.as_ref().map(|(time, _)| format!(" over {time}")).unwrap_or_default();
    let mut rows = vec![
        ["because", &method(report)].map(str::to_owned),
        ["proven", &format!("{} is the least anything could cost{over}; this costs {}", report.bound, report.cost)]
            .map(str::to_owned),
        ["by", &report.solver].map(str::to_owned),
    ];
    // What is kept was not searched for.
    rows.retain(|row| row[0] != "proven" || report.method != "recorded" && report.bound < report.cost);
    out.push_str(&columns(&rows.iter().map(|[a, b]| vec![style.dim(a), b.clone()]).collect::<Vec<_>>(), 2));
    if !report.sensitivity.is_empty() {
        out.push_str(&format!("\n{}\n", style.bold("Largest prices, and how far they may move")));
        let rows: Vec<Vec<String>> = report.sensitivity.iter().map(range).collect();
        out.push_str(&columns(&rows, 2));
    }
    if !report.savings.is_empty() {
        let how = style.dim("made only where `--reoptimize` asks for it");
        out.push_str(&format!("\n{}  {how}\n", style.bold("Moves that would pay")));
        let row = |s: &crate::plan::change::Saving| {
            vec![s.components.join(", "), format!("{} → {}", s.from, s.to), format!("saves {}/month", s.monthly)]
        };
        out.push_str(&columns(&report.savings.iter().map(row).collect::<Vec<_>>(), 2));
    }
    out
}

fn percent(thousandths: u64) -> String {
    if thousandths.is_multiple_of(10) {
        format!("{} %", thousandths / 10)
    } else {
        format!("{}.{} %", thousandths / 10, thousandths % 10)
    }
}

fn range(range: &PriceRange) -> Vec<String> {
    let rise = match (range.rise, range.exact) {
        (Some(0), _) => "something else is cheaper already".to_owned(),
        (Some(rise), true) => format!("from +{} on another placement is cheaper", percent(rise)),
        (Some(rise), false) => format!("at +{} one move is cheaper, if not several before", percent(rise)),
        (None, true) => format!("the cheapest at least up to +{}", percent(range.looked_up_to)),
        (None, false) => format!("no single move is cheaper up to +{}", percent(range.looked_up_to)),
    };
    let fall = match (range.fall, range.exact) {
        (Some(fall), true) => format!("; from -{} on, too", percent(fall)),
        (Some(fall), false) => format!("; at -{} one move is", percent(fall)),
        (None, _) => String::new(),
    };
    vec![range.price.clone(), format!("{}/month", range.monthly), rise + &fall]
}

fn bill(bill: &Bill) -> String {
    let parts = [("nodes", bill.nodes), ("control planes", bill.fees), ("data", bill.transfer)];
    let parts: Vec<String> =
        parts.iter().filter(|(_, m)| *m != MicroUsd::ZERO).map(|(what, m)| format!("{what} {}", signed(*m))).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!("{}/month{parts}", signed(bill.total))
}

/// Why a component does not run on a cluster, where it could.
pub fn why_not(answer: &WhyNotAnswer, style: Style) -> String {
    let (component, cluster) = (style.bold(&answer.component), style.bold(&answer.cluster));
    if answer.runs_there {
        return format!("{component} does run on {cluster}: see `skyplan explain {}`\n", answer.component);
    }
    let mut out = format!("{component} does not run on {cluster}\n");
    let mut rows: Vec<[String; 2]> = Vec::new();
    if answer.possible.is_none() {
        rows.push(["because".into(), "no placement with it there was found within the work budget".into()]);
    }
    match (&answer.alone, &answer.cheapest) {
        (Some(alone), _) if alone.total > MicroUsd::ZERO => {
            rows.push(["because".into(), "it would cost more there".into()]);
        }
        (Some(alone), _) if alone.total < MicroUsd::ZERO => {
            let text = "it stays where it is: nothing moves for a price alone (`--reoptimize` reconsiders)";
            rows.push(["because".into(), text.into()]);
        }
        (Some(_), _) => rows.push(["because".into(), "it would cost the same there".into()]),
        (None, Some(_)) => {
            let origin = answer.origin.as_ref().map(|o| format!("  # {o}")).unwrap_or_default();
            rows.push(["because".into(), format!("not alone: {}{}", answer.reason, style.dim(&origin))]);
        }
        (None, None) => {}
    }
    if let Some(alone) = &answer.alone {
        rows.push(["alone".into(), bill(alone)]);
    }
    if let Some(cheapest) = answer.cheapest.as_ref().filter(|c| Some(*c) != answer.alone.as_ref()) {
        rows.push(["cheapest".into(), format!("{}, with what moves along", bill(cheapest))]);
    }
    for (k, m) in answer.moves.iter().enumerate() {
        let name = if k == 0 { "moves along" } else { "" };
        rows.push([name.into(), format!("{} {} → {}", m.component, m.from.join(", "), m.to.join(", "))]);
    }
    out.push_str(&columns(&rows.iter().map(|[a, b]| vec![style.dim(a), b.clone()]).collect::<Vec<_>>(), 2));
    out
}

/// What the loss of each cluster would mean.
pub fn contingency(answer: &ContingencyAnswer, style: Style) -> String {
    if answer.losses.is_empty() {
        return "Nothing runs anywhere: nothing can be lost.\n".into();
    }
    let mut out = format!("{}\n", style.bold("If this is lost"));
    let rows: Vec<Vec<String>> = answer
        .losses
        .iter()
        .map(|loss| {
            let price = match loss.extra {
                Some(extra) if answer.monthly != MicroUsd::ZERO || extra != MicroUsd::ZERO => {
                    format!("{}/month", signed(extra))
                }
                Some(_) => style.good("holds"),
                None => style.bad("fails"),
            };
            vec![style.bold(&loss.clusters.join(" and ")), price, consequence(loss)]
        })
        .collect();
    out.push_str(&columns(&rows, 2));
    if !answer.idle.is_empty() {
        out.push_str(&format!("Nothing runs on {}.\n", answer.idle.join(", ")));
    }
    let failing = answer.losses.iter().filter(|l| !l.holds).count();
    out.push('\n');
    out.push_str(&match (failing, answer.losses.len()) {
        (0, _) => style.good("Everything finds another place, whichever is lost.\n"),
        (n, all) => style.bad(&format!("{n} of {all} losses leave something without a place.\n")),
    });
    out
}

fn consequence(loss: &LossAnswer) -> String {
    if !loss.holds {
        let all: Vec<&str> = loss.cannot_run.iter().map(String::as_str).collect();
        return match all.is_empty() {
            true => loss.reason.clone(),
            false => format!("nowhere to run: {} ({})", all.join(", "), loss.reason),
        };
    }
    let word = |m: &PlannedMove| format!("{} → {}", short(&m.component), m.to.join(", "));
    let mut words: Vec<String> = loss.moves.iter().take(MOST_MOVES).map(word).collect();
    if loss.moves.len() > MOST_MOVES {
        words.push(format!("{} more", loss.moves.len() - MOST_MOVES));
    }
    format!("moves {}", words.join(", "))
}
