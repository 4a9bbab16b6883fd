//! Taking over what another tool made: its part in the object ends, and no field is lost.
//!
//! As long as both own a field, it stays when one of them no longer has it. The other's entry is taken out once ours
//! is there: without any entry the server would give all fields to an owner of its own making.

use serde_json::Value;

use super::{ATTEMPTS, After, Write};
use crate::{
    apply::fault::{Failure, refused},
    driver::kubernetes::{Fault, Served},
    plan::managed::without_tools,
};

impl Write<'_, '_> {
    /// Records what was taken over, once nobody else brings it to the cluster.
    pub(super) async fn taken_over(&self, kind: &Served, answer: Value) -> Result<After, Failure> {
        let mut seen = answer;
        let mut left = None;
        for attempt in 1.. {
            let Some(owners) = without_tools(&seen) else { break };
            match self.site.cluster.disown(kind, &seen, &owners, &self.run.manager).await {
                Ok(disowned) => seen = disowned,
                // A controller wrote its status in between, or nobody knows what was done.
                Err(fault) if attempt < ATTEMPTS && (fault.is_unanswered() || matches!(fault, Fault::Stale(_))) => {
                    match self.patiently(async || self.site.cluster.get(kind, self.id()).await).await {
                        Ok(Some(live)) => seen = live,
                        _ => {
                            left = Some(fault);
                            break;
                        }
                    }
                }
                Err(fault) => {
                    left = Some(fault);
                    break;
                }
            }
        }
        let after = self.applied(kind, seen)?;
        match left {
            None => Ok(after),
            // It is recorded as ours: what is left is told, and does no harm.
            Some(fault) => Err(Failure::settled(refused(self.change, "end the part of other tools in", &fault))),
        }
    }
}
