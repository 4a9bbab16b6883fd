//! Where components may still run: marks for every component and place, and what follows from them.
//!
//! Removes only what no solution can contain, and remembers why, so that an empty domain explains
//! itself. Knows constraints, not costs.

use super::{
    evaluate::pinned,
    problem::{Candidate, Component, Problem},
    site,
};

/// What is known of a component at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// It does not run there.
    Out,
    /// Not decided.
    Free,
    /// It runs there.
    In,
}

/// Why a place is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Still in, or taken out by a decision of the search.
    Decided,
    /// The candidate says so.
    Excluded,
    /// It is pinned elsewhere.
    Pinned,
    /// No nodes that could be bought or are free serve it there, even alone.
    NoRoom,
    /// This flow could not keep its bounds.
    Flow(usize),
    /// Its instances are needed elsewhere.
    Instances,
    /// This spread has no more room there.
    Crowd(usize),
}

/// How a domain turned out to be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead {
    /// Fewer places than `min` are left for a component.
    Few(usize),
    /// No place of a group is left: component, group.
    Group(usize, usize),
    /// More groups than instances: component.
    Many(usize),
    /// More instances than the domains of a spread may hold.
    Crowd(usize),
}

/// Marks of all components at all places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Domain {
    pub(super) marks: Vec<Vec<Mark>>,
    pub(super) why: Vec<Vec<Why>>,
}

impl Domain {
    /// What candidates, pins and the size of places leave.
    pub(super) fn new(problem: &Problem) -> Self {
        let mut domain = Self {
            marks: vec![vec![Mark::Free; problem.places.len()]; problem.components.len()],
            why: vec![vec![Why::Decided; problem.places.len()]; problem.components.len()],
        };
        for (i, component) in problem.components.iter().enumerate() {
            for l in 0..problem.places.len() {
                let why = if !matches!(component.candidates[l], Candidate::Allowed(_)) {
                    Why::Excluded
                } else if pinned(component) && !component.incumbent.contains(&l) {
                    Why::Pinned
                } else if site::hopeless(problem, l, i) {
                    Why::NoRoom
                } else {
                    continue;
                };
                domain.marks[i][l] = Mark::Out;
                domain.why[i][l] = why;
            }
            if pinned(component) {
                for l in &component.incumbent {
                    if domain.marks[i][*l] == Mark::Free {
                        domain.marks[i][*l] = Mark::In;
                    }
                }
            }
        }
        domain
    }

    /// Places where a component may or does run.
    pub(super) fn possible(&self, i: usize) -> impl Iterator<Item = usize> + '_ {
        self.marks[i].iter().enumerate().filter(|(_, m)| **m != Mark::Out).map(|(l, _)| l)
    }

    /// Places where it does run.
    pub(super) fn sure(&self, i: usize) -> impl Iterator<Item = usize> + '_ {
        self.marks[i].iter().enumerate().filter(|(_, m)| **m == Mark::In).map(|(l, _)| l)
    }

    /// Whether nothing is open for the component.
    pub(super) fn fixed(&self, i: usize) -> bool {
        self.marks[i].iter().all(|m| *m != Mark::Free)
    }

    /// The assignment, once everything is fixed.
    pub(super) fn assignment(&self) -> Option<Vec<Vec<usize>>> {
        (0..self.marks.len()).map(|i| self.fixed(i).then(|| self.sure(i).collect())).collect()
    }

    fn out(&mut self, i: usize, l: usize, why: Why) -> bool {
        if self.marks[i][l] != Mark::Free {
            return false;
        }
        self.marks[i][l] = Mark::Out;
        self.why[i][l] = why;
        true
    }

    /// Draws all conclusions.
    pub(super) fn propagate(&mut self, problem: &Problem) -> Result<(), Dead> {
        loop {
            let mut changed = false;
            for (i, component) in problem.components.iter().enumerate() {
                changed |= self.instances(i, component)?;
            }
            for f in 0..problem.flows.len() {
                changed |= self.flow(problem, f)?;
            }
            for s in 0..problem.spreads.len() {
                changed |= self.spread(problem, s)?;
            }
            if !changed {
                return Ok(());
            }
        }
    }

    /// Number of instances and required groups of one component.
    fn instances(&mut self, i: usize, component: &Component) -> Result<bool, Dead> {
        let mut changed = false;
        let (min, max) = (component.min as usize, component.max as usize);
        let possible = self.possible(i).count();
        if possible < min {
            return Err(Dead::Few(i));
        }
        let mut unmet: Vec<usize> = Vec::new();
        for (g, group) in component.groups.iter().enumerate() {
            if group.places.iter().any(|l| self.marks[i][*l] == Mark::In) {
                continue;
            }
            let mut open = group.places.iter().filter(|l| self.marks[i][**l] == Mark::Free);
            match (open.next(), open.next()) {
                (None, _) => return Err(Dead::Group(i, g)),
                (Some(l), None) => {
                    self.marks[i][*l] = Mark::In;
                    changed = true;
                }
                _ => unmet.push(g),
            }
        }
        if changed {
            return Ok(true);
        }
        let sure = self.sure(i).count();
        if sure > max {
            return Err(Dead::Many(i));
        }
        if possible == sure {
            return Ok(false);
        }
        if sure == max {
            for l in 0..self.marks[i].len() {
                changed |= self.out(i, l, Why::Instances);
            }
            return Ok(changed);
        }
        if possible == min {
            for mark in &mut self.marks[i] {
                if *mark == Mark::Free {
                    *mark = Mark::In;
                }
            }
            return Ok(true);
        }
        // Groups with no open place in common need an instance each.
        let mut apart: Vec<usize> = Vec::new();
        for g in unmet {
            let open = |g: usize, l: usize| self.marks[i][l] == Mark::Free && component.groups[g].places.contains(&l);
            let meets = |h: &usize| component.groups[g].places.iter().any(|l| open(g, *l) && open(*h, *l));
            if !apart.iter().any(meets) {
                apart.push(g);
            }
        }
        if sure + apart.len() > max {
            return Err(Dead::Many(i));
        }
        if sure + apart.len() == max {
            for l in 0..self.marks[i].len() {
                if !apart.iter().any(|g| component.groups[*g].places.contains(&l)) {
                    changed |= self.out(i, l, Why::Instances);
                }
            }
        }
        Ok(changed)
    }

    /// Domains that are full take no more, and all of them together hold what is needed.
    fn spread(&mut self, problem: &Problem, s: usize) -> Result<bool, Dead> {
        let spread = &problem.spreads[s];
        let most = spread.most as usize;
        let mut changed = false;
        // Places outside of all domains hold any number.
        let mut room: usize = spread.components.iter().map(|i| self.possible(*i).count()).sum();
        for places in &spread.domains {
            let marks = || spread.components.iter().flat_map(|i| places.iter().map(|l| (*i, *l)));
            let sure = marks().filter(|(i, l)| self.marks[*i][*l] == Mark::In).count();
            if sure > most {
                return Err(Dead::Crowd(s));
            }
            let open = marks().filter(|(i, l)| self.marks[*i][*l] == Mark::Free).count();
            room -= (sure + open).saturating_sub(most);
            if sure == most && open > 0 {
                for (i, l) in marks() {
                    changed |= self.out(i, l, Why::Crowd(s));
                }
            }
        }
        let needed = spread.components.iter().map(|i| self.sure(*i).count().max(problem.components[*i].min as usize));
        if room < needed.sum() { Err(Dead::Crowd(s)) } else { Ok(changed) }
    }

    /// Latency of one flow, from its source on and back from its target.
    fn flow(&mut self, problem: &Problem, f: usize) -> Result<bool, Dead> {
        let flow = &problem.flows[f];
        if !flow.bounded() {
            return Ok(false);
        }
        let mut changed = false;
        let reaches = |a: usize, b: usize| problem.reaches(flow, a, b);
        for a in 0..problem.places.len() {
            if self.marks[flow.from][a] == Mark::Out {
                continue;
            }
            let mut near = self.possible(flow.to).filter(|b| reaches(a, *b));
            let (first, second) = (near.next(), near.next());
            drop(near);
            match (self.marks[flow.from][a], first, second) {
                (Mark::In, None, _) => return Err(Dead::Few(flow.from)),
                (_, None, _) => changed |= self.out(flow.from, a, Why::Flow(f)),
                // The only one within reach of an instance that is there.
                (Mark::In, Some(b), None) if self.marks[flow.to][b] == Mark::Free => {
                    self.marks[flow.to][b] = Mark::In;
                    changed = true;
                }
                _ => {}
            }
        }
        // The only instance of a target serves all instances of the source.
        if problem.components[flow.to].max == 1 {
            for b in 0..problem.places.len() {
                if self.marks[flow.to][b] == Mark::Out {
                    continue;
                }
                let least = problem.components[flow.from].min as usize;
                let serves = self.sure(flow.from).all(|a| reaches(a, b))
                    && self.possible(flow.from).filter(|a| reaches(*a, b)).take(least).count() == least;
                if !serves {
                    if self.marks[flow.to][b] == Mark::In {
                        return Err(Dead::Few(flow.to));
                    }
                    changed |= self.out(flow.to, b, Why::Flow(f));
                }
            }
        }
        Ok(changed)
    }
}
