//! What skyplan remembers: a log of immutable, numbered entries, and the [`State`] they come to.
//!
//! Only [`store`] touches the world, through `skyplan-state-backends`, and waits for its turn there; the rest is pure.

mod chain;
pub mod entry;
pub mod moves;
pub mod record;
pub mod replay;
pub mod reservation;
pub mod store;
mod turns;

pub use entry::{Begin, Delta, End, Entry, Hold, Holder, Moved, Outputs, Sealed, Snapshot, Source, seconds};
pub use moves::Move;
pub use record::{
    ClusterRecord, NullRecord, ObjectRecord, PlacedInstance, PlacementRecord, Record, RecordDetail, RecordedOutput,
};
pub use replay::{Held, State};
pub use reservation::Reservation;
pub(crate) use turns::Turns;
