//! skyplan: one reviewed, priced plan over the clusters and workloads of a Kubernetes fleet.
//!
//! The modules stand in the order in which data flows; a module uses only those above it.
//!
//! ```text
//! folder ─► load ─► SpecSet ─► compile ─► Model ─► place ─► Placement ─► plan ─► Plan ─► render
//!                                                    ▲        Questions │ ▲
//!                                      Observed ◄────┴──── observe ◄────┘ │
//!                                      State ◄── log ◄── apply ◄── Plan ──┘
//! ```
//!
//! | module | pure | holds |
//! | --- | --- | --- |
//! | [`diagnostic`] | yes | the one type for everything that is wrong; places in sources |
//! | [`address`] | yes | names of resources |
//! | [`digest`], [`quantity`], [`money`] | yes | SHA-256, sizes and times, dollars, as integers |
//! | [`network`] | yes | IPv4 networks: which overlap, which is free |
//! | [`trust`] | yes | who may sign what is applied; keys and signatures of OpenSSH |
//! | [`seal`] | yes, but randomness | what age encrypts and opens |
//! | [`packed`] | yes | objects at rest, as compact text |
//! | [`spec`] | yes | the words a user may write |
//! | [`load`] | reads | folder or Git revision → texts → specs; only `load::disk` and `load::git` touch the disk |
//! | [`sources`] | acts | runs kustomize and helm on files of the project, shut off from everything else |
//! | [`catalog`] | yes | price files → profiles; what the lock remembers |
//! | [`compile`] | yes | specs → model: names resolved, policies joined |
//! | [`observed`] | yes | questions to the world, and its answers |
//! | [`state`] | yes, but `store` | the log, its entries, what they come to |
//! | [`place`] | yes | model → where everything runs, at what price, why |
//! | [`plan`] | yes | what shall be, what differs, in which order |
//! | [`render`] | yes | plans and diagnostics as text |
//! | [`driver`] | acts | Kubernetes objects; clusters on this machine |
//! | [`observe`] | asks | answers the planner's questions |
//! | [`apply`] | acts | carries out a plan, writing the log |
//! | [`cli`] | acts | arguments in, text out; the only place that prints |
//!
//! Files on disk: `load::disk` reads the project's `*.yaml`, `load::git` a repository's objects; `state::store` reads and appends to
//! `.skyplan/state/`; `driver::local` keeps clusters below `$XDG_STATE_HOME/skyplan/local/`;
//! `cli` writes plan and replay files where it is told to; `sources` keeps renderings below `$XDG_CACHE_HOME/skyplan/`.
//!
//! "Pure" means: no clock, randomness, network, disk, environment, threads, or order of hashing. Clippy holds
//! it (`clippy.toml`), and a test holds the order of modules.

pub mod diagnostic;
pub mod address;
pub mod digest;
pub mod trust;
pub mod seal;
pub mod packed;
pub mod quantity;
pub mod money;
pub mod network;
pub mod spec;
pub mod load;
pub mod sources;
pub mod catalog;
pub mod compile;
pub mod observed;
pub mod state;
pub mod place;
pub mod plan;
pub mod render;
pub mod driver;
pub mod observe;
pub mod apply;
pub mod cli;
