//! Prices of rows: what the rest of a purchase costs at least.
//!
//! Any prices at which no node earns more than it costs prove something. Here: every row by itself, and
//! the best prices of all rows together, found by the simplex method on a table of a few numbers.

use super::{IMPOSSIBLE, Yard, rows::Row};

/// Exchanges of the simplex method; it stops with what it has.
const TURNS: usize = 60;

/// Prices by position in the order that offers are looked at: those of the offers from there on.
#[derive(Debug)]
pub(super) struct Floors {
    /// For every row and position: the least price of a unit, infinite when no offer serves it.
    alone: Vec<Vec<f64>>,
    /// For every position: prices of all rows together.
    joint: Vec<Vec<f64>>,
}

impl Floors {
    pub(super) fn new(yard: &Yard<'_>, rows: &[Row], order: &[usize]) -> Self {
        let unit = |row: &Row, t: usize| match row.per_node[t] {
            0 => f64::INFINITY,
            holds => yard.offers[t].price.0 as f64 / holds as f64,
        };
        let alone = rows.iter().map(|row| {
            let mut out = vec![f64::INFINITY; order.len() + 1];
            for k in (0..order.len()).rev() {
                out[k] = out[k + 1].min(unit(row, order[k]));
            }
            out
        });
        let joint = (0..=order.len()).map(|k| together(yard, rows, &order[k..]));
        Self { alone: alone.collect(), joint: joint.collect() }
    }

    /// Least cost of what rows lack, from the offers at `k` and after in order.
    pub(super) fn least(&self, k: usize, left: &[u64]) -> i64 {
        let mut floor = 0.0_f64;
        let mut sum = 0.0_f64;
        for ((alone, price), left) in self.alone.iter().zip(&self.joint[k]).zip(left) {
            if *left > 0 {
                floor = floor.max(alone[k] * *left as f64);
                sum += price * *left as f64;
            }
        }
        let floor = (floor * (1.0 - 1e-12)).max(sum * (1.0 - 1e-9)) - 1e-6;
        if floor >= IMPOSSIBLE.0 as f64 { IMPOSSIBLE.0 } else { floor.max(0.0).ceil() as i64 }
    }
}

/// Prices of rows that together are worth most of what the rows need, at which none of the offers earns
/// more than it costs.
fn together(yard: &Yard<'_>, rows: &[Row], offers: &[usize]) -> Vec<f64> {
    let (m, n) = (offers.len(), rows.len());
    let none = vec![0.0; n];
    // A row that no offer serves says by itself that nothing will do.
    if m < 2 || n < 2 || rows.iter().any(|row| offers.iter().all(|t| row.per_node[*t] == 0)) {
        return none;
    }
    // Rows in units of their need, offers in units of the dearest: numbers near one.
    let dear = offers.iter().map(|t| yard.offers[*t].price.0).max().unwrap_or(0).max(1) as f64;
    let need = |r: usize| rows[r].need.max(1) as f64;
    let width = n + m + 1;
    let mut table = vec![0.0_f64; (m + 1) * width];
    for (k, t) in offers.iter().enumerate() {
        for (r, row) in rows.iter().enumerate() {
            table[k * width + r] = row.per_node[*t] as f64 / need(r);
        }
        table[k * width + n + k] = 1.0;
        table[k * width + width - 1] = yard.offers[*t].price.0 as f64 / dear;
    }
    table[m * width..m * width + n].fill(-1.0);
    let mut basis: Vec<usize> = (n..n + m).collect();
    for turn in 0..TURNS {
        let last = &table[m * width..(m + 1) * width - 1];
        // The most promising at first, the first later: no circles.
        let enters = if turn < TURNS / 2 {
            (0..n + m).filter(|c| last[*c] < -1e-9).min_by(|a, b| last[*a].total_cmp(&last[*b]))
        } else {
            (0..n + m).find(|c| last[*c] < -1e-9)
        };
        let Some(c) = enters else { break };
        let ratio = |k: &usize| table[k * width + width - 1] / table[k * width + c];
        let leaves = (0..m).filter(|k| table[k * width + c] > 1e-9).min_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let Some(k) = leaves else { return none };
        let pivot = table[k * width + c];
        table[k * width..(k + 1) * width].iter_mut().for_each(|v| *v /= pivot);
        for other in (0..=m).filter(|o| *o != k) {
            let factor = table[other * width + c];
            if factor != 0.0 {
                for w in 0..width {
                    table[other * width + w] -= factor * table[k * width + w];
                }
            }
        }
        basis[k] = c;
    }
    let mut prices = none;
    for (k, c) in basis.iter().enumerate().filter(|(_, c)| **c < n) {
        prices[*c] = (table[k * width + width - 1] * dear / need(*c)).max(0.0);
    }
    // Not the table's word: what offers earn is counted again.
    let mut factor = 1.0_f64;
    for t in offers {
        let earns: f64 = rows.iter().zip(&prices).map(|(row, price)| row.per_node[*t] as f64 * price).sum();
        let costs = yard.offers[*t].price.0 as f64;
        if earns > costs {
            factor = factor.min(costs / earns);
        }
    }
    prices.iter_mut().for_each(|p| *p *= factor);
    prices
}
