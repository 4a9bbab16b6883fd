//! Objects of any kind on a Kubernetes cluster, as JSON.
//!
//! | file | knows |
//! | --- | --- |
//! | `requests` | which request each verb is, pages, time limits, preconditions |
//! | `ask` | when a request is sent, and what it is repeated after |
//! | `pace`, `gate` | how many requests a cluster is asked at once: the number, and the waiting for it |
//! | `served` | which kinds a server has (discovery), asked once per group and version |
//! | `fault` | what the server's refusals mean |
//! | `object` | which parts of an object are noise |
//! | `health` | whether an object is as its spec wants it |
//! | `strangers` | what of others is in a namespace, or of a kind |
//! | `explain` | why a workload's pods do not run: states, logs, events |
//!
//! Knows nothing of plans or State. Faults are SKY0701 to SKY0709.

mod ask;
mod explain;
#[cfg(test)]
pub(crate) mod fake;
mod fault;
mod gate;
mod health;
mod object;
mod pace;
mod requests;
mod served;
mod strangers;

pub use explain::explain;
pub use fault::{Fault, diagnose};
pub use health::{Health, health, replicas};
pub use object::{address, clean};
pub use pace::MOST;
pub use requests::{Cluster, Deleted, Id, Mode, Stamp};
pub use served::Served;
pub use strangers::strangers;
