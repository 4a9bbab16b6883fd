//! The one integration-test binary: `pure::` needs nothing, `real::` starts control planes.

mod real {
    mod cli;
}
