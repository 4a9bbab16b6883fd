//! What the tests of the pure pipeline share: projects in memory, and a world that answers questions
//! and carries out plans without a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod child;
pub(crate) mod codes;
pub(crate) mod generated;
pub(crate) mod hostile;
pub(crate) mod log;
pub(crate) mod project;
pub(crate) mod server_side_apply;
pub(crate) mod world;
