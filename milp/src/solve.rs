//! The one file that knows HiGHS.

use std::ffi::{CStr, c_char, c_int, c_void};

use highs::{HighsModelStatus, Model, RowProblem, Sense, SolvedModel};
use highs_sys::{HighsCallbackDataIn, HighsCallbackDataOut};

use super::{Budget, End, Found, Program};

/// The library's own words for its version.
#[must_use]
pub fn version() -> String {
    // SAFETY: the function takes nothing and returns a constant string that ends in 0.
    #[expect(unsafe_code, reason = "the safe crate has no such call")]
    let text = unsafe { CStr::from_ptr(highs_sys::Highs_version()) };
    text.to_string_lossy().into_owned()
}

/// Solves a program; `start` is a value for every column, `None` where it is for the solver to fill in.
/// `enough` is asked now and then whether to stop.
#[must_use]
pub fn minimise(program: &Program, start: Option<&[Option<f64>]>, budget: &Budget, enough: &dyn Fn() -> bool) -> Found {
    run(program, start, budget, enough).unwrap_or_else(failed)
}

fn failed() -> Found {
    Found { point: None, bound: f64::NEG_INFINITY, end: End::Failed, iterations: 0, nodes: 0 }
}

fn whole(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A model with everything set but how it is solved.
fn prepare(program: &Program, seconds: f64) -> Option<Model> {
    let mut problem = RowProblem::default();
    let columns: Vec<highs::Col> = program
        .columns
        .iter()
        .map(|c| problem.add_column_with_integrality(c.cost, c.least..=c.most, c.whole))
        .collect();
    for row in &program.rows {
        let entries: Vec<(highs::Col, f64)> =
            row.entries.iter().filter_map(|(c, value)| Some((*columns.get(*c)?, *value))).collect();
        problem.add_row(row.least..=row.most, entries);
    }
    let mut model = problem.try_optimise(Sense::Minimise).ok()?;
    model.make_quiet();
    model.try_set_option("threads", 1).ok()?;
    model.try_set_option("parallel", "off").ok()?;
    model.try_set_option("random_seed", 0).ok()?;
    model.try_set_option("time_limit", seconds).ok()?;
    Some(model)
}

/// What the callback sees, and what it came to.
struct Meter<'a> {
    iterations: u64,
    enough: &'a dyn Fn() -> bool,
    end: Option<End>,
}

/// Stops the solver when its iterations are spent.
extern "C" fn watch(
    _kind: c_int,
    _message: *const c_char,
    out: *const HighsCallbackDataOut,
    answer: *mut HighsCallbackDataIn,
    own: *mut c_void,
) {
    // SAFETY: HiGHS calls this with both of its structures valid for the call, or null; `own` is the `Meter`
    // that `run` passed, which outlives the solve and is not touched meanwhile.
    #[expect(unsafe_code, reason = "the solver's callback hands over pointers")]
    let (out, answer, meter) = unsafe { (out.as_ref(), answer.as_mut(), own.cast::<Meter<'_>>().as_mut()) };
    let (Some(out), Some(answer), Some(meter)) = (out, answer, meter) else { return };
    if count(out.mip_total_lp_iterations) >= meter.iterations {
        meter.end = Some(End::Work);
    } else if (meter.enough)() {
        meter.end = Some(End::Clock);
    }
    answer.user_interrupt = c_int::from(meter.end.is_some());
}

fn run(program: &Program, start: Option<&[Option<f64>]>, budget: &Budget, enough: &dyn Fn() -> bool) -> Option<Found> {
    let mut model = prepare(program, budget.seconds)?;
    model.try_set_option("mip_rel_gap", budget.gap).ok()?;
    model.try_set_option("mip_abs_gap", 1e-6).ok()?;
    model.try_set_option("mip_max_nodes", whole(budget.nodes)).ok()?;
    model.try_set_option("mip_max_stall_nodes", whole(budget.stall)).ok()?;
    if let Some(start) = start.filter(|s| s.len() == program.columns.len()) {
        let values: Vec<f64> = start.iter().map(|v| v.unwrap_or(f64::INFINITY)).collect();
        // A start that is refused is none.
        let _ = model.try_set_solution(Some(&values), None, None, None);
    }
    let mut meter = Box::new(Meter { iterations: budget.iterations, enough, end: None });
    let own: *mut Meter<'_> = &raw mut *meter;
    // SAFETY: the pointer to the model is its own, valid until it is solved and dropped below; `own` points to a
    // box that is dropped after that.
    #[expect(unsafe_code, reason = "the safe crate has no callbacks")]
    unsafe {
        highs_sys::Highs_setCallback(model.as_mut_ptr(), Some(watch), own.cast());
        highs_sys::Highs_startCallback(model.as_mut_ptr(), highs_sys::kHighsCallbackMipInterrupt);
    }
    let solved = model.try_solve().ok()?;
    let found = read(&solved, meter.end);
    drop(solved);
    drop(meter);
    Some(found)
}

fn read(solved: &SolvedModel, stopped: Option<End>) -> Found {
    let end = stopped.unwrap_or_else(|| end_of(solved.status()));
    let feasible = solved.int_info_value(c"primal_solution_status") == Ok(2);
    let bound = solved.double_info_value(c"mip_dual_bound").ok().filter(|b| b.is_finite());
    Found {
        point: feasible.then(|| solved.get_solution().columns().to_vec()),

        bound: bound.unwrap_or(f64::NEG_INFINITY),
        end,
        iterations: count(solved.simplex_iteration_count()),
        nodes: count(solved.int_info_value(c"mip_node_count").unwrap_or(0)),
    }
}

fn end_of(status: HighsModelStatus) -> End {
    match status {
        HighsModelStatus::Optimal | HighsModelStatus::ModelEmpty => End::Best,
        HighsModelStatus::Infeasible => End::Infeasible,
        HighsModelStatus::ReachedTimeLimit => End::Clock,
        HighsModelStatus::ReachedIterationLimit
        | HighsModelStatus::ReachedSolutionLimit
        | HighsModelStatus::ReachedInterrupt => End::Work,
        _ => End::Failed,
    }
}
