//! What nodes cost at a place, quickly: for searches that ask a million times.
//!
//! Counts that satisfy the cover rows, found by filling up with one kind of node and completing with
//! the cheapest few others. Never less than the rows ask; neither the least there is, nor simulated:
//! what is decided in the end is valued by `pack`.

use super::{
    lp::build::{Model, dollars},
    pack::each,
    problem::{Candidate, Demand, Problem},
};

/// Kinds of nodes that a place is filled with.
const BASES: usize = 4;
/// Most nodes in a completion, and most completions kept.
const FEW: usize = 3;
const COMPLETIONS: usize = 400;
/// Counts below the one that covers alone, which are tried with completions.
const BELOW: u32 = 3;

/// One place.
#[derive(Debug)]
pub(super) struct Room {
    /// Paid once something runs here: the fee and nodes bought in any case.
    pub(super) open: f64,
    /// Room there is without buying, by measure.
    pub(super) free: Vec<f64>,
    /// Price of a unit of every measure in the relaxation.
    pub(super) rates: Vec<f64>,
    kinds: Vec<Kind>,
    /// Positions of kinds that places are filled with.
    bases: Vec<usize>,
    /// For a measure that one kind alone serves: measure, kind.
    sole: Vec<(usize, usize)>,
    /// What may be bought beyond the minimum, by quota.
    quotas: Vec<f64>,
    completions: Vec<Lot>,
    /// What pods take more than their sizes: by experience with what the scheduler makes of them.
    pub(super) waste: f64,
    /// 1 for measures that it bears on.
    wasted: Vec<f64>,
}

/// A kind of node.
#[derive(Clone, Debug)]
struct Kind {
    price: f64,
    holds: Vec<f64>,
    gross: Vec<f64>,
    most: f64,
}

/// A few nodes together.
#[derive(Clone, Debug)]
struct Lot {
    price: f64,
    holds: Vec<f64>,
    gross: Vec<f64>,
}

/// What components take, by column of the relaxation, then measure.
#[derive(Debug)]
pub(super) struct Takes {
    starts: Vec<u32>,
    values: Vec<f64>,
}

impl Takes {
    pub(super) fn new(problem: &Problem, model: &Model) -> Self {
        let mut takes = Self { starts: vec![0], values: Vec::new() };
        for (i, block) in model.lp.blocks.iter().enumerate() {
            for column in block.columns.clone() {
                let l = model.places[column];
                if let Candidate::Allowed(Demand::Shared(groups)) = &problem.components[i].candidates[l] {
                    for (measure, _) in &model.sites[l].measures {
                        takes.values.push(groups.iter().map(|g| measure.of(&g.size) * f64::from(g.count)).sum());
                    }
                } else {
                    takes.values.resize(takes.values.len() + model.sites[l].measures.len(), 0.0);
                }
                takes.starts.push(u32::try_from(takes.values.len()).unwrap_or(u32::MAX));
            }
        }
        takes
    }

    /// What a column's component takes at its place.
    pub(super) fn of(&self, column: usize) -> &[f64] {
        &self.values[self.starts[column] as usize..self.starts[column + 1] as usize]
    }
}

impl Room {
    /// A place with the prices that a relaxation found for it.
    pub(super) fn new(problem: &Problem, model: &Model, l: usize, prices: &[f64]) -> Self {
        let (place, site) = (&problem.places[l], &model.sites[l]);
        let sunk: i64 = place.offers.iter().map(|o| o.price.times(u64::from(o.min)).0).fold(0, i64::saturating_add);
        let free: Vec<f64> = site
            .measures
            .iter()
            .map(|(m, _)| {
                place.free.iter().map(|f| m.of(f)).sum::<f64>()
                    + place.offers.iter().map(|o| m.of(&o.usable) * f64::from(o.min)).sum::<f64>()
            })
            .collect();
        let limits: Vec<(usize, f64)> = place
            .quota
            .iter()
            .flat_map(|q| {
                let least = |r: usize| -> u64 {
                    let size = |o: &super::problem::Offer| if r == 3 { 1 } else { each(&o.gross)[r] };
                    place.offers.iter().fold(0, |sum, o| sum.saturating_add(size(o).saturating_mul(o.min.into())))
                };
                (0..4)
                    .filter(|r| each(&q.limit)[*r] < u64::MAX)
                    .map(move |r| (r, each(&q.limit)[r].saturating_sub(least(r)) as f64))
            })
            .collect();
        let kinds: Vec<Kind> = site
            .useful
            .iter()
            .map(|(t, most)| {
                let offer = &place.offers[*t];
                let gross = |r: usize| if r == 3 { 1.0 } else { each(&offer.gross)[r] as f64 };
                Kind {
                    price: dollars(offer.price.0),
                    holds: site.measures.iter().map(|(m, _)| m.of(&offer.usable)).collect(),
                    gross: limits.iter().map(|(r, _)| gross(*r)).collect(),
                    most: f64::from(*most),
                }
            })
            .collect();
        // A row is in its own unit: its price for what is measured follows from any entry.
        let rates = site.measures.iter().enumerate().map(|(m, (_, row))| {
            let Some(row) = row else { return 0.0 };
            let unit = model.lp.entries(*row).find_map(|(column, value)| {
                let kind = column.checked_sub(first(model, *row)?)?;
                kinds.get(kind).filter(|k| k.holds[m] > 0.0).map(|k| -value / k.holds[m])
            });
            unit.map_or(0.0, |unit| prices[*row] * unit)
        });
        let rates: Vec<f64> = rates.collect();
        let mut bases: Vec<usize> = (0..kinds.len()).collect();
        let worth = |k: &usize| {
            let kind = &kinds[*k];
            let paid: f64 = kind.holds.iter().zip(&rates).map(|(h, r)| h * r).sum();
            if paid > 0.0 { kind.price / paid } else { f64::INFINITY }
        };
        let per_unit = |k: &usize| kinds[*k].price / kinds[*k].holds.first().copied().unwrap_or(0.0).max(1e-9);
        bases.sort_by(|a, b| worth(a).total_cmp(&worth(b)).then(per_unit(a).total_cmp(&per_unit(b))).then(a.cmp(b)));
        bases.truncate(BASES);
        let sole = (0..site.measures.len()).filter_map(|m| {
            let mut serve = (0..kinds.len()).filter(|k| kinds[*k].holds[m] > 0.0);
            match (serve.next(), serve.next()) {
                (Some(k), None) => Some((m, k)),
                _ => None,
            }
        });
        let mut room = Self {
            open: dollars(place.entry().0.saturating_add(sunk)),
            free,
            rates,
            bases,
            sole: sole.collect(),
            quotas: limits.iter().map(|(_, left)| *left).collect(),
            completions: Vec::new(),
            waste: 0.0,
            wasted: site.measures.iter().map(|(m, _)| f64::from(u8::from(m.divisible()))).collect(),
            kinds,
        };
        room.complete();
        room
    }

    /// Lists lots of a few nodes, cheapest first, without those that a cheaper one outdoes.
    fn complete(&mut self) {
        let Some(first) = self.kinds.first() else { return };
        let nothing = Lot { price: 0.0, holds: vec![0.0; first.holds.len()], gross: vec![0.0; first.gross.len()] };
        let mut all = Vec::new();
        let mut last = vec![(nothing, 0_usize)];
        for _ in 0..FEW {
            let mut next = Vec::new();
            for (lot, from) in &last {
                for (k, kind) in self.kinds.iter().enumerate().skip(*from) {
                    let mut more = lot.clone();
                    more.price += kind.price;
                    more.holds.iter_mut().zip(&kind.holds).for_each(|(a, b)| *a += b);
                    more.gross.iter_mut().zip(&kind.gross).for_each(|(a, b)| *a += b);
                    next.push((more, k));
                }
            }
            all.extend(next.iter().map(|(lot, _)| lot.clone()));
            last = next;
        }
        all.sort_by(|a, b| a.price.total_cmp(&b.price));
        for lot in all {
            let outdone = |l: &Lot| {
                l.holds.iter().zip(&lot.holds).all(|(a, b)| a >= b)
                    && l.gross.iter().zip(&lot.gross).all(|(a, b)| a <= b)
            };
            if self.completions.len() < COMPLETIONS && !self.completions.iter().any(outdone) {
                self.completions.push(lot);
            }
        }
    }

    /// Linear price of a load, without what is open.
    pub(super) fn linear(&self, need: &[f64]) -> f64 {
        let sum: f64 = need.iter().zip(&self.free).zip(&self.rates).map(|((n, f), r)| (n - f) * r).sum();
        sum.max(0.0)
    }

    /// Price of whole nodes that cover a load, without what is open; infinite when none was found.
    pub(super) fn nodes(&self, need: &[f64], left: &mut Vec<f64>) -> f64 {
        left.clear();
        left.extend(need.iter().zip(&self.free).zip(&self.wasted).map(|((n, f), w)| n * (1.0 + self.waste * w) - f));
        if left.iter().all(|n| *n <= 1e-6) {
            return 0.0;
        }
        let mut spent = 0.0;
        let mut quota = std::borrow::Cow::Borrowed(&self.quotas[..]);
        for (m, k) in &self.sole {
            if left[*m] > 1e-6 {
                let kind = &self.kinds[*k];
                let count = (left[*m] / kind.holds[*m]).ceil();
                if count > kind.most {
                    return f64::INFINITY;
                }
                spent += count * kind.price;
                left.iter_mut().zip(&kind.holds).for_each(|(n, h)| *n -= count * h);
                quota.to_mut().iter_mut().zip(&kind.gross).for_each(|(q, g)| *q -= count * g);
            }
        }
        if quota.iter().any(|q| *q < 0.0) {
            return f64::INFINITY;
        }
        if left.iter().all(|n| *n <= 1e-6) {
            return spent;
        }
        let mut best = f64::INFINITY;
        for k in &self.bases {
            let kind = &self.kinds[*k];
            let alone = left.iter().zip(&kind.holds).filter(|(n, h)| **n > 0.0 && **h > 0.0);
            let alone = alone.map(|(n, h)| ((n - 1e-6) / h).ceil()).fold(0.0, f64::max);
            let room = quota.iter().zip(&kind.gross).filter(|(_, g)| **g > 0.0).map(|(q, g)| (q / g).floor());
            let most = room.fold(kind.most, f64::min).min(alone);
            let mut count = most;
            for _ in 0..=BELOW {
                if count < 0.0 {
                    break;
                }
                let price = spent + count * kind.price;
                let worth: f64 =
                    left.iter().zip(&kind.holds).zip(&self.rates).map(|((n, h), r)| (n - count * h).max(0.0) * r).sum();
                if price + worth < best {
                    let covered = |holds: Option<&[f64]>| {
                        (0..left.len()).all(|m| left[m] - count * kind.holds[m] - holds.map_or(0.0, |h| h[m]) <= 1e-6)
                    };
                    if covered(None) {
                        best = price;
                    } else {
                        let from = self.completions.partition_point(|lot| lot.price < worth * 0.999);
                        for lot in &self.completions[from..] {
                            if price + lot.price >= best {
                                break;
                            }
                            let within =
                                (0..quota.len()).all(|q| lot.gross[q] + count * kind.gross[q] <= quota[q] + 1e-6);
                            if within && covered(Some(&lot.holds)) {
                                best = price + lot.price;
                                break;
                            }
                        }
                    }
                }
                count -= 1.0;
            }
        }
        best
    }
}

/// First column of the nodes that a capacity row is about.
fn first(model: &Model, row: usize) -> Option<usize> {
    model.lp.yards.iter().find(|y| y.rows.contains(&row)).map(|y| y.nodes.start)
}
