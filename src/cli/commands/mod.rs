//! One file per command: a `run` that shows, asks, and gives an exit status.

pub(super) mod apply;
pub(super) mod catalog;
pub(super) mod completions;
pub(super) mod contingency;
pub(super) mod destroy;
pub(super) mod diff;
pub(super) mod explain;
pub(super) mod graph;
pub(super) mod import;
pub(super) mod init;
pub(super) mod local;
pub(super) mod lock;
pub(super) mod output;
pub(super) mod plan;
pub(super) mod rollback;
pub(super) mod schema;
pub(super) mod show;
pub(super) mod sign;
pub(super) mod state;
pub(super) mod status;
pub(super) mod validate;
