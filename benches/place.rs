//! The problems that are timed: those of the tests' generator, which stands in the library.

#[path = "../src/place/dice.rs"]
mod dice;
#[path = "../src/place/samples.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod samples;
#[path = "../src/place/skybench.rs"]
#[allow(dead_code, reason = "each benchmark uses its own")]
pub(crate) mod skybench;

use skyplan::place::problem;

/// Problems by name, each with a seed.
#[allow(dead_code, reason = "each benchmark uses its own")]
pub(crate) fn cases() -> Vec<(&'static str, u64, problem::Problem)> {
    use samples::Shape;
    let ten = || Shape {
        components: 10,
        places: 10,
        offers: 3,
        replicas: 3,
        excluded: 20,
        several: 0,
        dedicated: 0,
        scarce: 0,
        bounded: 30,
        apart: 0,
        picky: 0,
    };
    let kinds = [
        ("10 × 10 plain", ten()),
        ("10 × 10 all permitted", Shape { excluded: 0, bounded: 0, ..ten() }),
        ("10 × 10 scarce", Shape { scarce: 40, ..ten() }),
        ("10 × 10 several instances", Shape { several: 30, ..ten() }),
        ("10 × 10 everything", Shape { several: 20, scarce: 30, dedicated: 20, ..ten() }),
        ("20 × 20", Shape { components: 20, places: 20, ..ten() }),
        (
            "30 × 50",
            Shape { components: 30, places: 50, several: 10, scarce: 15, dedicated: 10, excluded: 40, ..ten() },
        ),
    ];
    let mut cases = Vec::new();
    for (name, shape) in kinds {
        cases.extend((0..5).map(|seed| (name, seed, samples::problem(shape, seed))));
    }
    cases
}
