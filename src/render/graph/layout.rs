//! Boxes and arrows → integer coordinates: every cluster is a lane from left to right, what depends on
//! something stands to its right.
//!
//! As Sugiyama does it: ranks by longest path (arrows that close a circle are turned for that), long arrows
//! through slots of their own, order within a rank by the mean of neighbours. Deterministic.

use std::collections::BTreeSet;

use super::Graph;

/// Width of one character of the fixed-width face that is drawn with, in tenths.
const CHAR: i32 = 75;
const LABEL_CHAR: i32 = 66;
/// Longer names are cut.
pub(super) const MOST_CHARS: usize = 32;
const NODE_HEIGHT: i32 = 40;
const SLOT_HEIGHT: i32 = 14;
const GAP: i32 = 14;
const LANE_HEAD: i32 = 34;
const LANE_FOOT: i32 = 14;
const LANE_GAP: i32 = 18;
const MARGIN: i32 = 20;
const TOP: i32 = 56;
pub(super) const LINE: i32 = 14;
/// Rounds of ordering.
const SWEEPS: usize = 8;

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// Where everything stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) lanes: Vec<Rect>,
    pub(super) nodes: Vec<Rect>,
    /// Points that every edge goes through, from its source's side to its target's.
    pub(super) paths: Vec<Vec<(i32, i32)>>,
    /// Where labels stand.
    pub(super) labels: Vec<Rect>,
}

/// A node, or a slot that a long arrow goes through.
#[derive(Clone, Debug)]
struct Item {
    lane: usize,
    rank: usize,
    height: i32,
    before: Vec<usize>,
    after: Vec<usize>,
    y: i32,
}

/// Characters wide.
pub(super) fn width_of(text: &str, tenths: i32) -> i32 {
    let chars = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 1000);
    chars.saturating_mul(tenths) / 10
}

/// Places a graph.
pub(super) fn layout(graph: &Graph) -> Layout {
    let forward = forward(graph);
    let ranks = ranks(graph.nodes.len(), &forward);
    let mut items: Vec<Item> = graph
        .nodes
        .iter()
        .zip(&ranks)
        .map(|(n, rank)| Item {
            lane: n.group,
            rank: *rank,
            height: NODE_HEIGHT,
            before: Vec::new(),
            after: Vec::new(),
            y: 0,
        })
        .collect();
    let chains = slots(&forward, &mut items);
    let most = items.iter().map(|i| i.rank + 1).max().unwrap_or(0);
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); most];
    for (i, item) in items.iter().enumerate() {
        columns[item.rank].push(i);
    }
    order(&mut columns, &items);
    let lanes = heights(graph, &columns, &mut items);
    let (lefts, rights) = widths(graph, &items, &columns, &chains);
    let right = rights.last().copied().unwrap_or(MARGIN * 2);
    let titles = graph.groups.iter().map(|g| width_of(&format!("{}    {}", g.name, g.remark), CHAR) + 3 * MARGIN);
    let width = (right + 2 * MARGIN).max(titles.max().unwrap_or(0)).max(width_of(&graph.title, 90) + 2 * MARGIN);
    let mut out = Layout { width, ..Layout::default() };
    for (y, height) in &lanes {
        out.lanes.push(Rect { x: MARGIN, y: *y, width: width - 2 * MARGIN, height: *height });
    }
    out.height = lanes.last().map_or(TOP, |(y, height)| y + height) + MARGIN;
    let rect = |i: usize| {
        let item = &items[i];
        let (x, end) = (lefts[item.rank], rights[item.rank]);
        Rect { x, y: item.y, width: end - x, height: item.height }
    };
    out.nodes = (0..graph.nodes.len()).map(rect).collect();
    for (edge, chain) in graph.edges.iter().zip(&chains) {
        let mut points = Vec::new();
        let last = chain.len().saturating_sub(1);
        for (k, i) in chain.iter().enumerate() {
            let r = rect(*i);
            let middle = r.y + r.height / 2;
            if k > 0 {
                points.push((r.x, middle));
            }
            if k < last {
                points.push((r.x + r.width, middle));
            }
        }
        if chain.first() != Some(&edge.from) {
            points.reverse();
        }
        out.paths.push(points);
    }
    out.labels = labels(graph, &out.paths, &out.lanes);
    out
}

/// Every edge with the end that stands left first. Arrows that would close a circle are turned.
fn forward(graph: &Graph) -> Vec<(usize, usize)> {
    let count = graph.nodes.len();
    let mut kept: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut out = Vec::new();
    for edge in &graph.edges {
        let mut seen = vec![false; count];
        let mut open = vec![edge.to];
        let mut circle = false;
        while let Some(n) = open.pop() {
            circle |= n == edge.from;
            if !std::mem::replace(&mut seen[n], true) {
                open.extend(&next[n]);
            }
        }
        let pair = if circle { (edge.to, edge.from) } else { (edge.from, edge.to) };
        if kept.insert(pair) {
            next[pair.0].push(pair.1);
        }
        out.push(pair);
    }
    out
}

/// Ranks by longest path.
fn ranks(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks = vec![0; count];
    // There is no circle, so as many rounds as nodes are enough.
    for _ in 0..count {
        let mut moved = false;
        for (a, b) in edges.iter().filter(|(a, b)| a != b) {
            if ranks[*b] <= ranks[*a] {
                ranks[*b] = ranks[*a] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    ranks
}

/// Slots for edges over more than one rank; for every edge the items it goes through.
fn slots(edges: &[(usize, usize)], items: &mut Vec<Item>) -> Vec<Vec<usize>> {
    let mut chains = Vec::new();
    for (a, b) in edges {
        let mut chain = vec![*a];
        // In its own lane as long as it can: it changes lanes in the last gap.
        for rank in items[*a].rank + 1..items[*b].rank {
            let lane = items[*a].lane;
            items.push(Item { lane, rank, height: SLOT_HEIGHT, before: Vec::new(), after: Vec::new(), y: 0 });
            chain.push(items.len() - 1);
        }
        chain.push(*b);
        for pair in chain.windows(2) {
            items[pair[0]].after.push(pair[1]);
            items[pair[1]].before.push(pair[0]);
        }
        chains.push(chain);
    }
    chains
}

/// Orders every column: by lane, then by the mean position of neighbours, to and fro.
fn order(columns: &mut [Vec<usize>], items: &[Item]) {
    let mut position = vec![0_i64; items.len()];
    let settle = |columns: &[Vec<usize>], position: &mut [i64]| {
        for column in columns {
            for (k, i) in column.iter().enumerate() {
                position[*i] = i64::try_from(items[*i].lane * 10_000 + k).unwrap_or(i64::MAX);
            }
        }
    };
    for column in columns.iter_mut() {
        column.sort_by_key(|i| (items[*i].lane, *i));
    }
    settle(columns, &mut position);
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        for k in 0..columns.len() {
            let k = if down { k } else { columns.len() - 1 - k };
            let mean = |i: usize| {
                let near = if down { &items[i].before } else { &items[i].after };
                let count = i64::try_from(near.len()).unwrap_or(1);
                if count == 0 {
                    position[i] * 100
                } else {
                    near.iter().map(|n| position[*n] * 100).sum::<i64>() / count
                }
            };
            let mut sorted = columns[k].clone();
            sorted.sort_by_key(|i| (items[*i].lane, mean(*i), position[*i]));
            columns[k] = sorted;
            settle(columns, &mut position);
        }
    }
}

/// Gives every item its y and every lane its top and height.
fn heights(graph: &Graph, columns: &[Vec<usize>], items: &mut [Item]) -> Vec<(i32, i32)> {
    let mut lanes = Vec::new();
    let mut top = TOP;
    for lane in 0..graph.groups.len() {
        let inside = |items: &[Item], column: &[usize]| -> Vec<usize> {
            column.iter().copied().filter(|i| items[*i].lane == lane).collect()
        };
        let stack = |items: &[Item], column: &[usize]| -> i32 {
            inside(items, column).iter().map(|i| items[*i].height + GAP).sum::<i32>()
        };
        let room = columns.iter().map(|c| stack(items, c)).max().unwrap_or(0).max(NODE_HEIGHT + GAP) - GAP;
        let first = top + LANE_HEAD;
        for column in columns {
            let here = inside(items, column);
            // Each as near to what is before it as those above leave room for, and none below the lane.
            let mut y = first;
            let mut left: i32 = stack(items, column) - GAP;
            for i in here {
                let item = &items[i];
                let same: Vec<i32> = item
                    .before
                    .iter()
                    .filter(|b| items[**b].lane == lane)
                    .map(|b| items[*b].y + items[*b].height / 2)
                    .collect();
                let wanted = match i32::try_from(same.len()) {
                    Ok(n) if n > 0 => same.iter().sum::<i32>() / n - item.height / 2,
                    _ => y,
                };
                let lowest = first + room - left;
                left -= item.height + GAP;
                let at = wanted.max(y).min(lowest.max(y));
                y = at + item.height + GAP;
                items[i].y = at;
            }
        }
        let height = LANE_HEAD + room + LANE_FOOT;
        lanes.push((top, height));
        top += height + LANE_GAP;
    }
    lanes
}

/// Left and right of every column; gaps are as wide as their labels.
fn widths(graph: &Graph, items: &[Item], columns: &[Vec<usize>], chains: &[Vec<usize>]) -> (Vec<i32>, Vec<i32>) {
    let mut gaps = vec![56_i32; columns.len()];
    for (edge, chain) in graph.edges.iter().zip(chains) {
        let text = edge.label.iter().map(|l| width_of(l, LABEL_CHAR)).max().unwrap_or(0);
        if let Some(first) = chain.first().filter(|_| text > 0) {
            let gap = &mut gaps[items[*first].rank];
            *gap = (*gap).max(text + 44);
        }
    }
    let (mut lefts, mut rights) = (Vec::new(), Vec::new());
    let mut x = 2 * MARGIN;
    for (column, gap) in columns.iter().zip(&gaps) {
        let nodes = column.iter().filter_map(|i| graph.nodes.get(*i));
        let widest = nodes.flat_map(|n| [width_of(&cut(&n.name), CHAR), width_of(&cut(&n.remark), LABEL_CHAR)]).max();
        let width = widest.unwrap_or(0) + 46;
        lefts.push(x);
        rights.push(x + width);
        x += width + gap;
    }
    (lefts, rights)
}

/// A name that is not longer than there is room for.
pub(super) fn cut(text: &str) -> String {
    if text.chars().count() <= MOST_CHARS {
        return text.to_owned();
    }
    text.chars().take(MOST_CHARS - 1).chain(['…']).collect()
}

/// Labels in the first gap of their edges, none upon another. Where the arrow bends away the label stays
/// beside its source, so that no lane's heading is covered.
fn labels(graph: &Graph, paths: &[Vec<(i32, i32)>], lanes: &[Rect]) -> Vec<Rect> {
    let mut out: Vec<Rect> = Vec::new();
    for (edge, path) in graph.edges.iter().zip(paths) {
        let (Some(a), Some(b)) = (path.first(), path.get(1)) else {
            out.push(Rect::default());
            continue;
        };
        let width = edge.label.iter().map(|l| width_of(l, LABEL_CHAR)).max().unwrap_or(0) + 8;
        let lines = i32::try_from(edge.label.len()).unwrap_or(0);
        let height = lines * LINE + 4;
        let bend = b.1 - a.1;
        let (x, middle) = if bend.abs() < NODE_HEIGHT {
            ((a.0 + b.0) / 2 - width / 2, a.1 + bend / 2)
        } else {
            let aside = if a.0 < b.0 { a.0 + 12 } else { a.0 - 12 - width };
            (aside, a.1 + bend.signum() * 6)
        };
        let lane = lanes.get(graph.nodes[edge.from].group).copied().unwrap_or_default();
        let top = middle - height / 2;
        let y = top.min(lane.y + lane.height - height - 2).max(lane.y + LANE_HEAD - 8);
        let mut rect = Rect { x, y, width, height };
        // Down until nothing is in the way; every step leaves one label behind.
        let meets = |a: &Rect, b: &Rect| {
            b.height > 4 && b.x < a.x + a.width && a.x < b.x + b.width && b.y < a.y + a.height && a.y < b.y + b.height
        };
        while let Some(lowest) = out.iter().filter(|r| meets(&rect, r)).map(|r| r.y + r.height).max() {
            rect.y = lowest + 1;
        }
        out.push(rect);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::graph::{Edge, Group, Node, Tone};

    fn graphs() -> impl Strategy<Value = Graph> {
        (1_usize..5, 1_usize..30).prop_flat_map(|(groups, nodes)| {
            let edges = prop::collection::vec((0..nodes, 0..nodes, 0_usize..3), 0..60);
            (prop::collection::vec(0..groups, nodes), edges).prop_map(move |(of, edges)| Graph {
                groups: (0..groups).map(|g| Group { name: format!("g{g}"), remark: String::new() }).collect(),
                nodes: of
                    .iter()
                    .enumerate()
                    .map(|(i, group)| Node {
                        group: *group,
                        name: format!("node-{i}"),
                        remark: "x".repeat(i),
                        tone: Tone::Plain,
                        tooltip: String::new(),
                    })
                    .collect(),
                edges: edges
                    .into_iter()
                    .map(|(from, to, lines)| Edge { from, to, label: vec!["label".into(); lines] })
                    .collect(),
                ..Graph::default()
            })
        })
    }

    fn apart(a: &Rect, b: &Rect) -> bool {
        a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
    }

    proptest! {
        #[test]
        fn boxes_stand_apart_and_in_their_lanes(graph in graphs()) {
            let at = layout(&graph);
            prop_assert_eq!(&at, &layout(&graph));
            for (i, a) in at.nodes.iter().enumerate() {
                let lane = at.lanes[graph.nodes[i].group];
                prop_assert!(lane.x < a.x && a.x + a.width < lane.x + lane.width, "{:?} in {:?}", a, lane);
                prop_assert!(lane.y < a.y && a.y + a.height < lane.y + lane.height, "{:?} in {:?}", a, lane);
                for b in &at.nodes[..i] {
                    prop_assert!(apart(a, b), "{:?} {:?}", a, b);
                }
            }
            for (edge, path) in graph.edges.iter().zip(&at.paths).filter(|(e, _)| e.from != e.to) {
                let beside = |p: (i32, i32), r: &Rect| {
                    (p.0 == r.x || p.0 == r.x + r.width) && r.y < p.1 && p.1 < r.y + r.height
                };
                prop_assert!(beside(path[0], &at.nodes[edge.from]));
                prop_assert!(beside(path[path.len() - 1], &at.nodes[edge.to]));
            }
            for (i, a) in at.labels.iter().enumerate().filter(|(i, _)| !graph.edges[*i].label.is_empty()) {
                for b in at.labels[..i].iter().filter(|b| b.height > 4) {
                    prop_assert!(apart(a, b), "{:?} {:?}", a, b);
                }
            }
        }
    }
}
