//! A first-order method for the relaxation: primal-dual steps, reflected and drawn back to an anchor
//! that moves whenever enough is gained (restarts).
//!
//! Needs no factorisation: a step costs two looks at every entry, and memory little more than the
//! rows themselves. Good prices come early, exact ones late; what they prove is computed elsewhere.

#![allow(clippy::cast_possible_truncation, reason = "what prices prove is computed elsewhere, in full")]

use super::{Answer, Block, Lp, Solver};

/// A run of the method.
#[derive(Debug)]
pub(in super::super) struct FirstOrder {
    scaled: Scaled,
    blocks: Vec<Block>,
    step: f64,
    /// Balance between point and prices.
    weight: f64,
    now: State,
    next: State,
    anchor: State,
    ahead: Vec<f32>,
    /// Steps since the last restart, and in all.
    since: u32,
    done: u32,
    /// How far a step went after the last restart and when last looked at.
    first: f64,
    last: f64,
}

/// Steps between two looks at the progress.
const LOOK: u32 = 40;
/// Progress since the last restart that is enough for the next, and that is enough when it ebbs.
const ENOUGH: f64 = 0.4;
const SOME: f64 = 0.8;

/// The relaxation scaled so that rows are about equally long.
#[derive(Debug)]
struct Scaled {
    starts: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
    /// The same by column.
    from: Vec<u32>,
    rows: Vec<u32>,
    by_column: Vec<f32>,
    cost: Vec<f32>,
    limits: Vec<f32>,
    caps: Vec<f32>,
    boxes: Vec<(f32, f32)>,
    row_scale: Vec<f64>,
    column_scale: Vec<f64>,
}

/// A point and prices.
#[derive(Clone, Debug)]
struct State {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Scaled {
    fn new(lp: &Lp) -> Self {
        let (rows, columns) = (lp.limits.len(), lp.cost.len());
        let blocked = lp.blocked();
        let (mut row_scale, mut column_scale) = (vec![1.0_f64; rows], vec![1.0_f64; columns]);
        // Columns of blocks keep their scale: their sums are taken.
        for _ in 0..8 {
            let (mut most, mut high) = (vec![0.0_f64; rows], vec![0.0_f64; columns]);
            for row in 0..rows {
                for (column, value) in lp.entries(row) {
                    let size = (value * row_scale[row] * column_scale[column]).abs();
                    most[row] = most[row].max(size);
                    high[column] = high[column].max(size);
                }
            }
            for (scale, most) in row_scale.iter_mut().zip(most) {
                *scale /= most.sqrt().max(1e-12);
            }
            for (scale, high) in column_scale[blocked..].iter_mut().zip(&high[blocked..]).filter(|(_, h)| **h > 0.0) {
                *scale /= high.sqrt();
            }
        }
        // Then by sums, which bounds the length of steps.
        let mut sums = vec![0.0_f64; rows];
        for (row, sum) in sums.iter_mut().enumerate() {
            *sum = lp.entries(row).map(|(c, v)| (v * column_scale[c]).abs()).sum::<f64>() * row_scale[row];
        }
        for (scale, sum) in row_scale.iter_mut().zip(sums) {
            *scale /= sum.sqrt().max(1e-12);
        }
        let mut scaled = Self {
            starts: lp.starts.iter().map(|s| *s as u32).collect(),
            columns: lp.columns.clone(),
            values: vec![0.0; lp.columns.len()],
            from: vec![0; columns + 1],
            rows: vec![0; lp.columns.len()],
            by_column: vec![0.0; lp.columns.len()],
            cost: lp.cost.iter().zip(&column_scale).map(|(c, s)| (c * s) as f32).collect(),
            limits: lp.limits.iter().zip(&row_scale).map(|(l, s)| (l * s) as f32).collect(),
            caps: lp.caps.iter().zip(&row_scale).map(|(c, s)| (c / s) as f32).collect(),
            boxes: lp
                .boxes
                .iter()
                .zip(&column_scale[blocked..])
                .map(|((a, b), s)| ((a / s) as f32, (b / s) as f32))
                .collect(),
            row_scale,
            column_scale,
        };
        for column in &lp.columns {
            scaled.from[*column as usize + 1] += 1;
        }
        for column in 0..columns {
            scaled.from[column + 1] += scaled.from[column];
        }
        let mut next = scaled.from.clone();
        for row in 0..rows {
            for k in lp.starts[row]..lp.starts[row + 1] {
                let column = lp.columns[k] as usize;
                scaled.values[k] = (lp.values[k] * scaled.row_scale[row] * scaled.column_scale[column]) as f32;
                let at = next[column] as usize;
                scaled.rows[at] = row as u32;
                scaled.by_column[at] = scaled.values[k];
                next[column] += 1;
            }
        }
        scaled
    }

    fn times(&self, row: usize, x: &[f32]) -> f32 {
        let all = self.starts[row] as usize..self.starts[row + 1] as usize;
        product(&self.columns[all.clone()], &self.values[all], x)
    }

    fn across(&self, column: usize, y: &[f32]) -> f32 {
        let all = self.from[column] as usize..self.from[column + 1] as usize;
        product(&self.rows[all.clone()], &self.by_column[all], y)
    }

    /// Largest singular value, by repeated multiplication.
    fn norm(&self) -> f64 {
        let (rows, columns) = (self.limits.len(), self.cost.len());
        let mut x: Vec<f32> = (0..columns).map(|c| 1.0 + (c % 7) as f32 * 0.1).collect();
        let mut norm = 0.0;
        for _ in 0..25 {
            let size = length(&x).max(1e-30) as f32;
            x.iter_mut().for_each(|v| *v /= size);
            let y: Vec<f32> = (0..rows).map(|r| self.times(r, &x)).collect();
            norm = length(&y);
            x = (0..columns).map(|c| self.across(c, &y)).collect();
        }
        norm.max(1e-9)
    }
}

/// Σ values · x over positions, in four sums that do not wait for each other.
fn product(positions: &[u32], values: &[f32], x: &[f32]) -> f32 {
    let (mut positions, mut values) = (positions.chunks_exact(4), values.chunks_exact(4));
    let mut sums = [0.0; 4];
    for (p, v) in positions.by_ref().zip(values.by_ref()) {
        for k in 0..4 {
            sums[k] += x[p[k] as usize] * v[k];
        }
    }
    for (p, v) in positions.remainder().iter().zip(values.remainder()) {
        sums[0] += x[*p as usize] * v;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Sum and number of the values above a threshold, without branches.
fn above(values: &[f32], threshold: f32) -> (f32, f32) {
    let (mut sums, mut counts) = ([0.0_f32; 4], [0.0_f32; 4]);
    let mut fours = values.chunks_exact(4);
    for four in fours.by_ref() {
        for k in 0..4 {
            let one = if four[k] > threshold { 1.0 } else { 0.0 };
            sums[k] += one * four[k];
            counts[k] += one;
        }
    }
    for v in fours.remainder() {
        if *v > threshold {
            sums[0] += v;
            counts[0] += 1.0;
        }
    }
    (sums.iter().sum(), counts.iter().sum())
}

/// Nearest point with entries in 0..=1 that sum to `min..=max`.
fn project(values: &mut [f32], min: f32, max: f32, sorted: &mut Vec<f32>) {
    let clipped = || values.iter().map(|v| v.clamp(0.0, 1.0)).sum::<f32>();
    let target = if min == max || clipped() < min {
        min
    } else if clipped() > max {
        max
    } else {
        values.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
        return;
    };
    if target == 1.0 {
        // The usual case, without sorting: raise the threshold until it holds. It is above the largest less one.
        let mut threshold = values.iter().copied().fold(f32::NEG_INFINITY, f32::max) - 1.0;
        let mut last = 0.0;
        loop {
            let (sum, count) = above(values, threshold);
            if count == last || count == 0.0 {
                break;
            }
            last = count;
            threshold = threshold.max((sum - 1.0) / count);
        }
        values.iter_mut().for_each(|v| *v = (*v - threshold).max(0.0));
        return;
    }
    // Between two breakpoints the sum is linear in the threshold.
    sorted.clear();
    sorted.extend(values.iter().flat_map(|v| [*v, *v - 1.0]));
    sorted.sort_by(|a, b| b.total_cmp(a));
    let sum = |t: f32, values: &[f32]| values.iter().map(|v| (v - t).clamp(0.0, 1.0)).sum::<f32>();
    let (mut low, mut high) = (0, sorted.len() - 1);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if sum(sorted[middle], values) < target { low = middle } else { high = middle }
    }
    let (a, b) = (sorted[low], sorted[high]);
    let (fa, fb) = (sum(a, values), sum(b, values));
    let t = if fb > fa { a + (b - a) * ((target - fa) / (fb - fa)).clamp(0.0, 1.0) } else { a };
    values.iter_mut().for_each(|v| *v = (*v - t).clamp(0.0, 1.0));
}

/// Squared distance.
fn apart(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum()
}

fn length(v: &[f32]) -> f64 {
    v.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt()
}

impl FirstOrder {
    /// Prepares a relaxation; starts from nothing, or from where another run came to.
    pub(in super::super) fn new(lp: &Lp, start: Option<&Answer>) -> Self {
        let scaled = Scaled::new(lp);
        let mut now = State { x: vec![0.0; lp.cost.len()], y: vec![0.0; lp.limits.len()] };
        if let Some(start) = start {
            for (x, (v, s)) in now.x.iter_mut().zip(start.point.iter().zip(&scaled.column_scale)) {
                *x = (v / s) as f32;
            }
            for (y, (v, s)) in now.y.iter_mut().zip(start.prices.iter().zip(&scaled.row_scale)) {
                *y = (v / s) as f32;
            }
        } else {
            for block in &lp.blocks {
                let part = block.min / block.columns.len().max(1) as f64;
                now.x[block.columns.clone()].fill(part.min(1.0) as f32);
            }
        }
        let (c, b) = (length(&scaled.cost), length(&scaled.limits));
        Self {
            step: 0.998 / scaled.norm(),
            weight: if c > 0.0 && b > 0.0 { c / b } else { 1.0 },
            blocks: lp.blocks.clone(),
            anchor: now.clone(),
            next: now.clone(),
            ahead: vec![0.0; lp.cost.len()],
            now,
            scaled,
            since: 0,
            done: 0,
            first: f64::INFINITY,
            last: f64::INFINITY,
        }
    }

    /// The same for a relaxation with more rows, from where this one came to.
    pub(in super::super) fn resume(&self, lp: &Lp, mut answer: Answer) -> Self {
        answer.prices.resize(lp.limits.len(), 0.0);
        let mut next = Self::new(lp, Some(&answer));
        next.weight = self.weight;
        next.done = self.done / 2;
        next
    }

    /// One step from `now` to `next`.
    fn step(&mut self) {
        let Self { scaled, now, next, ahead, .. } = self;
        let (tau, sigma) = ((self.step / self.weight) as f32, (self.step * self.weight) as f32);
        for (column, x) in next.x.iter_mut().enumerate() {
            *x = now.x[column] - tau * (scaled.cost[column] + scaled.across(column, &now.y));
        }
        let mut sorted = Vec::new();
        for block in &self.blocks {
            project(&mut next.x[block.columns.clone()], block.min as f32, block.max as f32, &mut sorted);
        }
        let blocked = next.x.len() - scaled.boxes.len();
        for (x, (least, most)) in next.x[blocked..].iter_mut().zip(&scaled.boxes) {
            *x = x.clamp(*least, *most);
        }
        for (ahead, (next, now)) in ahead.iter_mut().zip(next.x.iter().zip(&now.x)) {
            *ahead = 2.0 * next - now;
        }
        for (row, y) in next.y.iter_mut().enumerate() {
            let over = scaled.times(row, ahead) - scaled.limits[row];
            *y = (now.y[row] + sigma * over).clamp(0.0, scaled.caps[row]);
        }
    }

    /// How far a step still goes, in the norm that shrinks.
    fn error(&self) -> f64 {
        let Self { scaled, now, next, ahead, .. } = self;
        let cross: f64 = (0..now.y.len())
            .map(|r| {
                f64::from(next.y[r] - now.y[r]) * f64::from(scaled.times(r, ahead) - scaled.times(r, &now.x)) / 2.0
            })
            .sum();
        let (dx, dy) = (apart(&next.x, &now.x), apart(&next.y, &now.y));
        (self.weight * dx + dy / self.weight - 2.0 * self.step * cross).max(0.0).sqrt()
    }

    /// Moves the anchor here, and balances point and prices by how far each came.
    fn restart(&mut self) {
        let (dx, dy) = (apart(&self.next.x, &self.anchor.x).sqrt(), apart(&self.next.y, &self.anchor.y).sqrt());
        if dx > 1e-12 && dy > 1e-12 {
            self.weight = (0.8 * (dy / dx).ln() + 0.2 * self.weight.ln()).exp();
        }
        std::mem::swap(&mut self.now, &mut self.next);
        self.anchor.clone_from(&self.now);
        self.since = 0;
    }
}

impl Solver for FirstOrder {
    fn advance(&mut self, lp: &Lp, work: u64) -> Answer {
        let size = (2 * lp.columns.len() + lp.limits.len() + 2 * lp.cost.len()) as u64;
        for _ in 0..work.div_ceil(size.max(1)) {
            self.step();
            self.done += 1;
            if self.since.is_multiple_of(LOOK) {
                let error = self.error();
                if self.since == 0 {
                    self.first = error;
                    self.last = f64::INFINITY;
                } else {
                    let ebbs = error <= SOME * self.first && error > self.last;
                    let long = self.since >= self.done / 5 && self.since > 4 * LOOK;
                    if error <= ENOUGH * self.first || ebbs || long {
                        self.restart();
                        continue;
                    }
                    self.last = error;
                }
            }
            let part = 1.0 / (self.since + 2) as f32;
            let keep = 1.0 - part;
            let points = self.now.x.iter_mut().zip(self.next.x.iter().zip(&self.anchor.x));
            let prices = self.now.y.iter_mut().zip(self.next.y.iter().zip(&self.anchor.y));
            for (at, (to, anchor)) in points.chain(prices) {
                *at = keep * (2.0 * to - *at) + part * anchor;
            }
            self.since += 1;
        }
        Answer {
            point: self.next.x.iter().zip(&self.scaled.column_scale).map(|(x, s)| f64::from(*x) * s).collect(),
            prices: self.next.y.iter().zip(&self.scaled.row_scale).map(|(y, s)| f64::from(*y) * s).collect(),
        }
    }
}
