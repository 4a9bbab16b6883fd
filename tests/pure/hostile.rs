//! Hostile input, as much of it as is quick; the rest is in `hard`.

use crate::support::{
    child::{try_all, try_mutated},
    hostile::{disks, texts},
};

#[test]
fn odd_texts_end_well() {
    try_all(texts());
}

#[test]
fn odd_disks_end_well() {
    try_all(disks());
}

#[test]
fn some_mutated_projects_end_well() {
    try_mutated(2);
}
