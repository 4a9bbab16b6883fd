//! Linear programs, some of whose columns are whole numbers: written down here, solved by HiGHS where the
//! feature `highs` is on.
//!
//! Knows numbers only. The same program with the same budget gives the same answer: one thread, a fixed
//! seed, budgets in simplex iterations and nodes; a clock is a last resort that the answer tells of.

#[cfg(feature = "highs")]
mod solve;

#[cfg(all(test, feature = "highs"))]
mod known_programs;

#[cfg(feature = "highs")]
pub use solve::{minimise, version};

/// Minimise cost · x, with every column between its bounds and every row at most its limit.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Rows in order.
    pub rows: Vec<Row>,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Cost of a unit.
    pub cost: f64,
    /// Lower bound.
    pub least: f64,
    /// Upper bound.
    pub most: f64,
    /// Whether it takes whole numbers only.
    pub whole: bool,
}

/// A row: `least ≤ Σ value · x ≤ most`.
#[derive(Clone, Debug)]
pub struct Row {
    /// Column and value.
    pub entries: Vec<(usize, f64)>,
    /// Lower limit.
    pub least: f64,
    /// Upper limit.
    pub most: f64,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Simplex iterations in all.
    pub iterations: u64,
    /// Nodes of the tree.
    pub nodes: u64,
    /// Nodes without an improvement.
    pub stall: u64,
    /// Stop when (cost − bound) / cost is at most this.
    pub gap: f64,
    /// Seconds of wall time: never the usual end.
    pub seconds: f64,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The best within the tolerances asked for.
    Best,
    /// No point meets all rows.
    Infeasible,
    /// The budget of work ended.
    Work,
    /// The wall clock ended it: another run may come to something else.
    Clock,
    /// The solver failed, or says what makes no sense.
    Failed,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The best point, if any.
    pub point: Option<Vec<f64>>,
    /// The solver's word for a lower bound on the cost of every point; within its tolerances only.
    pub bound: f64,
    /// How it ended.
    pub end: End,
    /// Simplex iterations.
    pub iterations: u64,
    /// Nodes.
    pub nodes: u64,
}
