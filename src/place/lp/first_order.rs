//! A first-order method for the relaxation: primal-dual steps, reflected and drawn back to an anchor
//! that moves whenever enough is gained (restarts).
//!
//! Needs no factorisation: a step costs two looks at every entry, and memory little more than the
//! rows themselves. Good prices come early, exact ones late; what they prove is computed elsewhere.

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
    ahead: Vec<f64>,
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
    values: Vec<f64>,
    /// The same by column.
    from: Vec<u32>,
    rows: Vec<u32>,
    by_column: Vec<f64>,
    cost: Vec<f64>,
    limits: Vec<f64>,
    caps: Vec<f64>,
    boxes: Vec<(f64, f64)>,
    row_scale: Vec<f64>,
    column_scale: Vec<f64>,
}

/// A point and prices.
#[derive(Clone, Debug)]
struct State {
    x: Vec<f64>,
    y: Vec<f64>,
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
            values: lp.values.clone(),
            from: vec![0; columns + 1],
            rows: vec![0; lp.columns.len()],
            by_column: vec![0.0; lp.columns.len()],
            cost: lp.cost.iter().zip(&column_scale).map(|(c, s)| c * s).collect(),
            limits: lp.limits.iter().zip(&row_scale).map(|(l, s)| l * s).collect(),
            caps: lp.caps.iter().zip(&row_scale).map(|(c, s)| c / s).collect(),
            boxes: lp.boxes.iter().zip(&column_scale[blocked..]).map(|((a, b), s)| (a / s, b / s)).collect(),
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
                scaled.values[k] *= scaled.row_scale[row] * scaled.column_scale[column];
                let at = next[column] as usize;
                scaled.rows[at] = row as u32;
                scaled.by_column[at] = scaled.values[k];
                next[column] += 1;
            }
        }
        scaled
    }

    fn times(&self, row: usize, x: &[f64]) -> f64 {
        let all = self.starts[row] as usize..self.starts[row + 1] as usize;
        self.columns[all.clone()].iter().zip(&self.values[all]).map(|(c, v)| x[*c as usize] * v).sum()
    }

    fn across(&self, column: usize, y: &[f64]) -> f64 {
        let all = self.from[column] as usize..self.from[column + 1] as usize;
        self.rows[all.clone()].iter().zip(&self.by_column[all]).map(|(r, v)| y[*r as usize] * v).sum()
    }

    /// Largest singular value, by repeated multiplication.
    fn norm(&self) -> f64 {
        let (rows, columns) = (self.limits.len(), self.cost.len());
        let mut x: Vec<f64> = (0..columns).map(|c| 1.0 + (c % 7) as f64 * 0.1).collect();
        let mut size = 0.0;
        for _ in 0..25 {
            let length = x.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-300);
            x.iter_mut().for_each(|v| *v /= length);
            let y: Vec<f64> = (0..rows).map(|r| self.times(r, &x)).collect();
            size = y.iter().map(|v| v * v).sum::<f64>().sqrt();
            x = (0..columns).map(|c| self.across(c, &y)).collect();
        }
        size.max(1e-9)
    }
}

/// Nearest point with entries in 0..=1 that sum to `min..=max`.
fn project(values: &mut [f64], min: f64, max: f64, sorted: &mut Vec<f64>) {
    let clipped: f64 = values.iter().map(|v| v.clamp(0.0, 1.0)).sum();
    let target = if clipped < min {
        min
    } else if clipped > max {
        max
    } else {
        values.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
        return;
    };
    if target == 1.0 {
        // The usual case, without sorting: raise the threshold until it holds.
        let mut threshold = f64::NEG_INFINITY;
        let (mut sum, mut count) = (values.iter().sum::<f64>(), values.len() as f64);
        loop {
            let next = (sum - 1.0) / count;
            if next <= threshold {
                break;
            }
            threshold = next;
            let (mut kept, mut number) = (0.0, 0.0);
            for v in values.iter().filter(|v| **v > threshold) {
                kept += v;
                number += 1.0;
            }
            if number == count || number == 0.0 {
                break;
            }
            (sum, count) = (kept, number);
        }
        values.iter_mut().for_each(|v| *v = (*v - threshold).max(0.0));
        return;
    }
    // Between two breakpoints the sum is linear in the threshold.
    sorted.clear();
    sorted.extend(values.iter().flat_map(|v| [*v, *v - 1.0]));
    sorted.sort_by(|a, b| b.total_cmp(a));
    let sum = |t: f64, values: &[f64]| values.iter().map(|v| (v - t).clamp(0.0, 1.0)).sum::<f64>();
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
fn apart(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

impl FirstOrder {
    /// Prepares a relaxation; starts from nothing, or from where another run came to.
    pub(in super::super) fn new(lp: &Lp, start: Option<&Answer>) -> Self {
        let scaled = Scaled::new(lp);
        let mut now = State { x: vec![0.0; lp.cost.len()], y: vec![0.0; lp.limits.len()] };
        if let Some(start) = start {
            for (x, (v, s)) in now.x.iter_mut().zip(start.point.iter().zip(&scaled.column_scale)) {
                *x = v / s;
            }
            for (y, (v, s)) in now.y.iter_mut().zip(start.prices.iter().zip(&scaled.row_scale)) {
                *y = v / s;
            }
        } else {
            for block in &lp.blocks {
                let part = block.min / block.columns.len().max(1) as f64;
                now.x[block.columns.clone()].fill(part.min(1.0));
            }
        }
        let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
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

    /// One step from `now` to `next`.
    fn step(&mut self) {
        let Self { scaled, now, next, ahead, .. } = self;
        let (tau, sigma) = (self.step / self.weight, self.step * self.weight);
        for (column, x) in next.x.iter_mut().enumerate() {
            *x = now.x[column] - tau * (scaled.cost[column] + scaled.across(column, &now.y));
        }
        let mut sorted = Vec::new();
        for block in &self.blocks {
            project(&mut next.x[block.columns.clone()], block.min, block.max, &mut sorted);
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
            .map(|r| (next.y[r] - now.y[r]) * (scaled.times(r, ahead) - scaled.times(r, &now.x)) / 2.0)
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
            let part = 1.0 / f64::from(self.since + 2);
            let keep = 1.0 - part;
            let points = self.now.x.iter_mut().zip(self.next.x.iter().zip(&self.anchor.x));
            let prices = self.now.y.iter_mut().zip(self.next.y.iter().zip(&self.anchor.y));
            for (at, (to, anchor)) in points.chain(prices) {
                *at = keep * (2.0 * to - *at) + part * anchor;
            }
            self.since += 1;
        }
        Answer {
            point: self.next.x.iter().zip(&self.scaled.column_scale).map(|(x, s)| x * s).collect(),
            prices: self.next.y.iter().zip(&self.scaled.row_scale).map(|(y, s)| y * s).collect(),
        }
    }
}
