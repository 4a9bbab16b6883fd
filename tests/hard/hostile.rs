//! Hostile input at length: large files, many files, a minute of mutated projects.

use crate::support::{
    child::{try_all, try_mutated},
    hostile::large,
};

#[test]
fn large_input_ends_well() {
    try_all(large());
}

#[test]
fn mutated_projects_end_well() {
    try_mutated(60);
}
