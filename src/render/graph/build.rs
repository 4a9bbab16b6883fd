//! A plan → what is to be seen of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Edge, Graph, Group, Node, Tone};
use crate::{
    address::ResourceAddress,
    money::MicroUsd,
    plan::{
        Plan,
        change::{Action, Change, FORMAT_VERSION, Target},
        order::topological,
    },
    render::{
        placement::{short, volume},
        plan::{place, reason},
    },
};

/// More changes than these are drawn together, one box per component and cluster.
pub const MOST_NODES: usize = 200;

/// What changes, in which order.
pub fn changes(plan: &Plan) -> Graph {
    let mut graph = Graph {
        format_version: FORMAT_VERSION.into(),
        title: format!("{}: {} changes, in the order of the arrows", plan.project, plan.changes.len()),
        ..Graph::default()
    };
    let clusters: BTreeSet<&str> = plan.changes.iter().map(|c| c.address.cluster()).collect();
    graph.groups = clusters.iter().map(|c| group(plan, c)).collect();
    let group_of = |cluster: &str| clusters.iter().position(|c| *c == cluster).unwrap_or_default();
    // Box of every change, by key; boxes keep the order of what depends on what.
    let together = plan.changes.len() > MOST_NODES;
    let order: Vec<&Change> = topological(&plan.changes).unwrap_or_default();
    let rank: BTreeMap<&ResourceAddress, usize> = order.iter().enumerate().map(|(i, c)| (&c.address, i)).collect();
    let mut sorted: Vec<&Change> = plan.changes.iter().collect();
    sorted.sort_by_key(|c| (rank.get(&c.address).copied(), c.address.clone()));
    let mut boxes: BTreeMap<String, usize> = BTreeMap::new();
    let mut of: BTreeMap<&ResourceAddress, usize> = BTreeMap::new();
    let mut members: Vec<Vec<&Change>> = Vec::new();
    for change in sorted {
        let key = if together { component_key(change) } else { change.address.to_string() };
        let next = members.len();
        let index = *boxes.entry(key).or_insert(next);
        if index == next {
            members.push(Vec::new());
        }
        members[index].push(change);
        of.insert(&change.address, index);
    }
    graph.nodes = members.iter().map(|all| node(all, group_of(all[0].address.cluster()), together)).collect();
    let mut edges = BTreeSet::new();
    for change in &plan.changes {
        for before in &change.depends_on {
            if let (Some(a), Some(b)) = (of.get(before), of.get(&change.address))
                && a != b
            {
                edges.insert((*a, *b));
            }
        }
    }
    graph.edges =
        direct(&edges, graph.nodes.len()).into_iter().map(|(from, to)| Edge { from, to, label: Vec::new() }).collect();
    graph
}

/// `cluster component`, for drawing together what belongs together.
fn component_key(change: &Change) -> String {
    let cluster = change.address.cluster();
    match (&change.address, &change.after) {
        (ResourceAddress::Null(_), _) => "- null Nulls".to_owned(),
        (ResourceAddress::Cluster(name), _) => format!("{name} cluster"),
        (_, Some(Target::Object { components, .. })) if !components.is_empty() => {
            format!("{cluster} component {}", components[0])
        }
        (ResourceAddress::Object(o), _) => format!("{cluster} namespace {}", o.namespace.as_deref().unwrap_or(&o.name)),
    }
}

fn node(all: &[&Change], group: usize, together: bool) -> Node {
    let change = all[0];
    let lines = all.iter().map(|c| {
        let why = reason(&c.reason);
        let at = c.origin.as_ref().map_or_else(String::new, |o| format!("  {o}"));
        let why = if why.is_empty() { String::new() } else { format!("  {why}") };
        format!("{} {}{why}{at}", c.action.sign(), c.address)
    });
    let tooltip = lines.take(20).collect::<Vec<_>>().join("\n");
    if together && all.len() > 1 {
        let same = all.iter().all(|c| c.action == change.action);
        let key = component_key(change);
        let name = key.splitn(3, ' ').nth(2).unwrap_or(&key).to_owned();
        let tone = if same { tone(change.action) } else { Tone::Update };
        return Node { group, name, remark: format!("{} changes", all.len()), tone, tooltip };
    }
    let (name, remark) = match &change.address {
        ResourceAddress::Cluster(name) => (name.clone(), "Cluster".to_owned()),
        ResourceAddress::Null(name) => (name.clone(), "Null".to_owned()),
        ResourceAddress::Object(o) => (o.name.clone(), o.kind.clone()),
    };
    Node { group, name, remark, tone: tone(change.action), tooltip }
}

fn tone(action: Action) -> Tone {
    match action {
        Action::Create => Tone::Create,
        Action::Update => Tone::Update,
        Action::Replace => Tone::Replace,
        Action::Delete => Tone::Delete,
        Action::Forget | Action::Import => Tone::Forget,
    }
}

/// Edges without those that follow from others.
fn direct(edges: &BTreeSet<(usize, usize)>, count: usize) -> BTreeSet<(usize, usize)> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (a, b) in edges {
        next[*a].push(*b);
    }
    let reaches = |from: usize, to: usize| {
        let mut seen = vec![false; count];
        let mut open: Vec<usize> = next[from].iter().copied().filter(|n| *n != to).collect();
        while let Some(n) = open.pop() {
            if n == to {
                return true;
            }
            if !std::mem::replace(&mut seen[n], true) {
                open.extend(&next[n]);
            }
        }
        false
    };
    edges.iter().copied().filter(|(a, b)| !reaches(*a, *b)).collect()
}

fn group(plan: &Plan, cluster: &str) -> Group {
    let placed = plan.placement.iter().flat_map(|p| &p.clusters).find(|c| c.cluster == cluster);
    let mut parts = Vec::new();
    if let Some(placed) = placed {
        if !placed.site.is_empty() {
            parts.push(placed.site.clone());
        }
        parts.extend(placed.nodes.iter().map(|n| format!("{} × {}", n.count, n.pool)));
        if placed.monthly != MicroUsd::ZERO {
            parts.push(format!("{}/month", placed.monthly));
        }
    }
    Group { name: place(cluster).to_owned(), remark: parts.join(" · ") }
}

/// Where components run, and what flows between them.
pub fn placement(plan: &Plan) -> Graph {
    let title = if plan.cost.monthly == MicroUsd::ZERO {
        format!("{}: where it runs", plan.project)
    } else {
        format!("{}: where it runs, {}/month", plan.project, plan.cost.monthly)
    };
    let mut graph = Graph { format_version: FORMAT_VERSION.into(), title, ..Graph::default() };
    let Some(report) = &plan.placement else { return graph };
    graph.groups = report.clusters.iter().map(|c| group(plan, &c.cluster)).collect();
    let mut index: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for placed in &report.components {
        let Some(group) = report.clusters.iter().position(|c| c.cluster == placed.cluster) else { continue };
        index.insert((&placed.component, &placed.cluster), graph.nodes.len());
        graph.nodes.push(Node {
            group,
            name: short(&placed.component).to_owned(),
            remark: if placed.monthly == MicroUsd::ZERO { String::new() } else { format!("{}/month", placed.monthly) },
            tone: Tone::Plain,
            tooltip: format!("{} on {}: {}\n{}", placed.component, placed.cluster, placed.reason, placed.origin),
        });
    }
    for flow in &report.flows {
        let from = index.get(&(flow.from.0.as_str(), flow.from.1.as_str()));
        let to = index.get(&(flow.to.0.as_str(), flow.to.1.as_str()));
        let (Some(from), Some(to)) = (from, to) else { continue };
        let mut label = Vec::new();
        match (flow.latency, flow.bound) {
            (Some(latency), Some(bound)) => label.push(format!("{latency} (≤ {bound})")),
            (Some(latency), None) => label.push(latency.to_string()),
            _ => {}
        }
        let bytes = volume(flow.bytes, flow.once);
        if !bytes.is_empty() {
            label.push(bytes);
        }
        if let Some(meter) = &flow.meter {
            label.push(format!("paid: {meter}"));
        }
        graph.edges.push(Edge { from: *from, to: *to, label });
    }
    // Labels stand beside their source: where several arrows leave it, each says where it goes.
    let mut leaving = vec![0; graph.nodes.len()];
    graph.edges.iter().for_each(|e| leaving[e.from] += 1);
    for edge in graph.edges.iter_mut().filter(|e| leaving[e.from] > 1) {
        edge.label.insert(0, format!("→ {}", graph.nodes[edge.to].name));
    }
    graph
}
