//! The `local` cluster driver: real Kubernetes control planes as child processes of nobody.
//!
//! A cluster is a folder (certificates, etcd's data, logs, what runs) and up to five processes that
//! outlive the command that started them. Nothing but that folder is remembered: whatever was killed
//! in whatever order, the next [`up`] or [`down`] sees from the folder and from `/proc` what is left
//! and goes on from there. Nodes are simulated (kwok), the API and its controllers are not.
//!
//! | file | knows |
//! | --- | --- |
//! | `root` | where clusters and binaries are looked for; the only reader of the environment |
//! | `folder` | which file of a cluster lies where, and how files are written |
//! | `binaries` | what a set of binaries must hold and what it can do |
//! | `components` | the five processes: names, flags, order |
//! | `certificates`, `kubeconfig` | who may talk to whom |
//! | `ports`, `record`, `lock` | what must stay the same between two runs, and one run at a time |
//! | `process` | how to start, recognise and end a process, and never another |
//! | `start`, `ready`, `stop`, `list` | the verbs |
//! | `node_objects`, `nodes` | simulated nodes: what they are, and making them so |
//!
//! It knows nothing of plans, specs or State: the caller translates. Faults are SKY0601 to SKY0621.
// A diagnostic is large, and every error here is one; none of these calls is hot.
#![allow(clippy::result_large_err)]

mod binaries;
mod certificates;
mod components;
mod folder;
mod kubeconfig;
mod list;
mod lock;
mod node_objects;
mod nodes;
mod ports;
mod process;
mod ready;
mod record;
mod root;
mod start;
mod stop;

pub use list::{LocalInfo, LocalState, find, list};
pub use node_objects::{NodePool, Taint};
pub use nodes::{NodeChanges, sync_nodes};
pub use process::{has_ended, this_process};
pub use record::Networks;
pub use root::{Candidate, LocalRoot, kubectl};
pub use start::{LocalSpec, Progress, Running, up};
pub use stop::{Data, down};
