//! Where components run, on what, at what price, and why.

use super::{Style, table::columns};
use crate::{
    money::MicroUsd,
    plan::change::{Cost, PlacedComponent, PlacementReport, PlannedMove, PricesReport, ProfilePrices},
    quantity::{Bytes, Day},
};

/// Moves that are shown one by one.
const MOST_MOVES: usize = 20;

/// The placement as tables.
pub fn render(report: &PlacementReport, cost: &Cost, style: Style) -> String {
    let mut out = format!("{}  {}\n", style.bold("Placement"), style.dim(&method(report)));
    let priced = cost.monthly != MicroUsd::ZERO;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for placed in &report.components {
        let mut row = vec![placed.component.clone(), style.bold(&placed.cluster)];
        if priced {
            row.push(format!("{}/month", placed.monthly));
        }
        row.push(why(placed));
        rows.push(row);
    }
    out.push_str(&columns(&rows, 2));
    out.push_str(&moves(report, style));
    let nodes: Vec<Vec<String>> = report
        .clusters
        .iter()
        .map(|c| {
            let pools: Vec<String> = c.nodes.iter().map(|n| format!("{} × {}", n.count, n.pool)).collect();
            let mut row = vec![style.bold(&c.cluster), style.dim(&c.site), pools.join(", ")];
            if priced {
                let fee = if c.fee == MicroUsd::ZERO { String::new() } else { format!(" (control plane {})", c.fee) };
                row.push(format!("{}/month{fee}", c.monthly));
            }
            row
        })
        .collect();
    if priced || report.clusters.len() > 1 {
        out.push_str(&format!("{}\n", style.bold("Clusters")));
        out.push_str(&columns(&nodes, 2));
    }
    if let Some(report) = report.prices.as_ref().filter(|_| priced) {
        out.push_str(&format!("  {}\n", style.dim(&prices(report))));
    }
    let flows: Vec<Vec<String>> = report
        .flows
        .iter()
        .map(|f| {
            let latency = match (f.latency, f.bound) {
                (Some(latency), Some(bound)) => format!("{latency} (≤ {bound})"),
                (Some(latency), None) => latency.to_string(),
                _ => String::new(),
            };
            let volume = volume(f.bytes, f.once);
            vec![
                format!("{} → {}", short(&f.from.0), short(&f.to.0)),
                if f.from.1 == f.to.1 {
                    format!("within {}", f.from.1)
                } else {
                    format!("{} → {}", f.from.1, f.to.1)
                },
                latency,
                volume,
                f.meter.clone().map_or_else(String::new, |m| style.dim(&m)),
            ]
        })
        .collect();
    if !flows.is_empty() {
        let note = "priced and bounded; no mesh link carries them yet";
        out.push_str(&format!("{}  {}\n", style.bold("Flows"), style.dim(note)));
        out.push_str(&columns(&flows, 2));
    }
    out
}

/// `prices: aws-eu 12 days old (2026-11-09), others written by hand`, the oldest first.
fn prices(report: &PricesReport) -> String {
    const MOST: usize = 4;
    let mut all: Vec<&ProfilePrices> = report.profiles.iter().collect();
    all.sort_by_key(|p| (p.as_of, &p.profile));
    let mut words: Vec<String> = all.iter().take(MOST).map(|p| one_price(p, report.planned_on)).collect();
    if all.len() > MOST {
        words.push(format!("{} newer", all.len() - MOST));
    }
    if report.others_by_hand {
        words.push("others written by hand".into());
    }
    format!("prices: {}", words.join(", "))
}

fn one_price(prices: &ProfilePrices, today: Option<Day>) -> String {
    let ProfilePrices { profile, as_of, edited } = prices;
    let edited = if *edited { ", edited since" } else { "" };
    match today {
        Some(today) => format!("{profile} {} ({as_of}{edited})", age(*as_of, today)),
        None => format!("{profile} of {as_of}{edited}"),
    }
}

/// `12 days old`.
pub fn age(from: Day, today: Day) -> String {
    match from.days_until(today) {
        0 => "of today".into(),
        1 => "1 day old".into(),
        days => format!("{days} days old"),
    }
}

pub(super) fn method(report: &PlacementReport) -> String {
    match report.method.as_str() {
        // What nothing bears on stays where it is, whatever it would save.
        "exact" if report.components.iter().any(saves_elsewhere) => {
            "cheapest for what had to be placed anew (proven); the rest stays".into()
        }
        "exact" | "steady" if divided(report) && report.cost <= report.bound => {
            "divided by strategies; the rest cheapest beside them (proven)".into()
        }
        "exact" => "cheapest that meets all constraints (proven)".into(),
        "recorded" => "as it was: nothing that bears on it changed".into(),
        "steady" => format!("fewest moves for about the least cost; {}", gap(report)),
        "deadline" => format!("cut off by the deadline: best found by then; {}", gap(report)),
        _ => format!("best found; {}", gap(report)),
    }
}

fn divided(report: &PlacementReport) -> bool {
    report.components.iter().any(|c| c.replicas.is_some())
}

/// How far above the cheapest it is at most.
fn gap(report: &PlacementReport) -> String {
    let gap = (report.cost - report.bound).0;
    let percent = if report.cost.0 == 0 { 0 } else { gap.saturating_mul(1000) / report.cost.0 };
    format!("at most {}.{} % above the cheapest", percent / 10, percent % 10)
}

/// What moves, and what for.
fn moves(report: &PlacementReport, style: Style) -> String {
    let Some(_) = report.moves.first() else { return String::new() };
    let what = match report.saves {
        Some(saves) if saves > MicroUsd::ZERO => format!("they save {saves}/month against staying"),
        Some(saves) if saves < MicroUsd::ZERO => {
            format!("they cost {}/month more than staying", MicroUsd::ZERO - saves)
        }
        Some(_) => "they cost as much as staying".into(),
        None => "staying is not possible".into(),
    };
    let row = |m: &PlannedMove| vec![m.component.clone(), format!("{} → {}", m.from.join(", "), m.to.join(", "))];
    let rows: Vec<Vec<String>> = report.moves.iter().take(MOST_MOVES).map(row).collect();
    let more = report.moves.len().saturating_sub(MOST_MOVES);
    let more = if more == 0 { String::new() } else { format!("  … and {more} more\n") };
    format!("{}  {}\n{}{more}", style.bold("Moves"), style.dim(&what), columns(&rows, 2))
}

fn saves_elsewhere(placed: &PlacedComponent) -> bool {
    // Where it is preferred it was meant to cost more.
    let preferred = placed.reason.starts_with("preferred");
    !preferred && placed.runner_up.as_ref().is_some_and(|next| next.extra < MicroUsd::ZERO)
}

fn why(placed: &PlacedComponent) -> String {
    match &placed.runner_up {
        Some(next) if next.extra == MicroUsd::ZERO => {
            format!("{}; {} would cost the same", placed.reason, next.cluster)
        }
        // Only where the search did not end, or where it stays although prices changed.
        Some(next) if next.extra < MicroUsd::ZERO => {
            let saving = MicroUsd::ZERO - next.extra;
            let reason = if placed.reason == "cheapest" { "stays where it is" } else { &placed.reason };
            format!("{reason}; {} would be {saving} cheaper", next.cluster)
        }
        Some(next) => format!("{}; next best {} +{}", placed.reason, next.cluster, next.extra),
        None => placed.reason.clone(),
    }
}

/// `60 GB/month`, `500 GB once`; empty for nothing.
pub(super) fn volume(bytes: u64, once: bool) -> String {
    match (bytes, once) {
        (0, _) => String::new(),
        (_, true) => format!("{} once", gigabytes(bytes)),
        (_, false) => format!("{}/month", gigabytes(bytes)),
    }
}

pub(super) fn short(component: &str) -> &str {
    component.split_once('/').map_or(component, |(_, name)| name)
}

fn gigabytes(bytes: u64) -> String {
    if bytes >= 1_000_000_000 && bytes.is_multiple_of(100_000_000) {
        let tenths = bytes / 100_000_000;
        if tenths.is_multiple_of(10) {
            format!("{} GB", tenths / 10)
        } else {
            format!("{}.{} GB", tenths / 10, tenths % 10)
        }
    } else {
        Bytes(bytes).to_string() + "B"
    }
}
