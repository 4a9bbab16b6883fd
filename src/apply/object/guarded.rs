//! Making and deleting what others may have made or changed since: the server decides, not luck.
//!
//! A request may come long after it was meant: its process was stopped, the network held it back. Then
//! another apply may have been there, as nobody waits for one whose time is up. So each request says
//! what must still be so.

use serde_json::Value;

use super::{ATTEMPTS, After, Write};
use crate::{
    apply::fault::{Failure, refused},
    driver::kubernetes::{Deleted, Fault, Mode, Served, clean, strangers},
    observed::HoldingQuestion,
    plan::{
        change::Action,
        projection::{owned_fields, projection_digest},
    },
    state::RecordDetail,
};

/// Kinds that own pods: they go only when what they own is gone.
const OWNERS: [&str; 6] = ["CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"];
/// A version that no object has: the store counts from 2 on.
const NO_VERSION: &str = "1";

impl Write<'_, '_> {
    /// Makes what is not there. A plain apply would as well change what is there by now; with a version
    /// that no object has the server takes it only where there is nothing.
    pub(super) async fn make(&self, kind: &Served, body: &Value) -> Result<After, Failure> {
        let mut fresh = body.clone();
        fresh["metadata"]["resourceVersion"] = NO_VERSION.into();
        let apply = async || self.heard(self.site.cluster.apply(kind, &fresh, &self.run.manager, Mode::Real).await);
        match self.patiently(apply).await {
            Ok(answer) => self.applied(kind, answer),
            Err(Fault::Stale(words)) => match self.as_wanted(kind, body).await? {
                // Made by us, and the answer was lost.
                Some(live) => self.applied(kind, live),
                None => {
                    self.absent(kind).await?;
                    Err(self.stale(&format!("cluster {} says: {words}", self.site.cluster.name())))
                }
            },
            Err(fault) => Err(Failure::of_write(self.change, "apply", &fault)),
        }
    }

    /// What is there, if it is ours and an apply would change nothing of it.
    async fn as_wanted(&self, kind: &Served, body: &Value) -> Result<Option<Value>, Failure> {
        // What is there may have come of our own request.
        let unsettled = |fault: &Fault| Failure::unsettled(refused(self.change, "read", fault));
        let mark = |object: &Value| object["metadata"]["annotations"][crate::plan::desired::ADDRESS_ANNOTATION].clone();
        let seen = |object: &Value| {
            let seen = clean(object.clone(), &self.run.secret_key);
            owned_fields(&seen, &self.run.manager).map(|owned| projection_digest(&seen, owned))
        };
        for attempt in 1.. {
            let live = self.patiently(async || self.site.cluster.get(kind, self.id()).await).await;
            let live = live.map_err(|f| unsettled(&f))?;
            let ours = |l: &Value| mark(l) == mark(body) && !l["metadata"]["deletionTimestamp"].is_string();
            let Some(live) = live.filter(ours) else { return Ok(None) };
            let mut again = body.clone();
            for name in ["uid", "resourceVersion"] {
                again["metadata"][name] = live["metadata"][name].clone();
            }
            let ask = async || self.site.cluster.apply(kind, &again, &self.run.manager, Mode::DryRun).await;
            match self.patiently(ask).await {
                Ok(would) => return Ok((seen(&live).is_some() && seen(&live) == seen(&would)).then_some(live)),
                // A controller wrote its status in between.
                Err(Fault::Stale(_)) if attempt < ATTEMPTS => {}
                Err(fault) if fault.is_unanswered() => return Err(unsettled(&fault)),
                Err(fault @ Fault::Stale(_)) => return Err(unsettled(&fault)),
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// What others have put into it since it was planned is not to go with it.
    async fn nothing_new_in_it(&self) -> Result<(), Failure> {
        let Some(planned) = &self.change.holds else { return Ok(()) };
        let question = HoldingQuestion { kind: planned.kind.clone(), lineage: self.run.lineage().to_owned() };
        let ask = async || strangers(&self.site.cluster, &self.change.address, &question).await;
        let found = self.patiently(ask).await;
        let found = found.map_err(|f| Failure::settled(refused(self.change, "look into", &f)))?;
        if found.digest == planned.digest || found.count == 0 {
            return Ok(());
        }
        let new: Vec<&str> = found.some.iter().filter(|n| !planned.some.contains(n)).map(String::as_str).collect();
        let named = if new.is_empty() { String::new() } else { format!(" ({})", new.join(", ")) };
        Err(self.stale(&format!("others have put something into it since the plan was made{named}")))
    }

    /// Deletes the object that was planned on, as it was then: one that another apply has changed since
    /// is wanted by somebody.
    pub(super) async fn request_delete(&self, kind: &Served) -> Result<Deleted, Failure> {
        let uid = self.change.precondition.uid.as_deref().or_else(|| {
            match &self.run.records.get(&self.change.address)?.detail {
                RecordDetail::Object(record) => Some(record.uid.as_str()),
                RecordDetail::Cluster(_) | RecordDetail::Null(_) => None,
            }
        });
        let deletes = self.change.action == Action::Delete;
        self.nothing_new_in_it().await?;
        let foreground = self.run.options.wait && OWNERS.contains(&self.object.kind.as_str());
        for attempt in 1.. {
            let mut version = None;
            if let Some(planned) = &self.change.precondition.projection {
                let live = self.patiently(async || self.site.cluster.get(kind, self.id()).await).await;
                let live = live.map_err(|f| Failure::settled(refused(self.change, "read", &f)))?;
                let Some(live) = live else { return Ok(Deleted::Gone) };
                let metadata = &live["metadata"];
                if deletes && uid.is_some_and(|uid| metadata["uid"] != uid) {
                    return Ok(Deleted::Gone);
                }
                if metadata["deletionTimestamp"].is_string() {
                    return Ok(Deleted::Going(Box::new(live)));
                }
                self.unchanged(&live, Some(planned))?;
                version = metadata["resourceVersion"].as_str().map(str::to_owned);
            }
            let delete = async || {
                self.heard(self.site.cluster.delete(kind, self.id(), uid, version.as_deref(), foreground).await)
            };
            match self.patiently(delete).await {
                Ok(deleted) => return Ok(deleted),
                // A controller wrote its status in between: look again whether ours is as planned.
                Err(Fault::Stale(_)) if version.is_some() && attempt < ATTEMPTS => {}
                // Another object of the same name: ours is gone, and that one is none of our business.
                Err(Fault::Stale(_)) if version.is_none() && uid.is_some() && deletes => return Ok(Deleted::Gone),
                Err(fault) => return Err(Failure::of_write(self.change, "delete", &fault)),
            }
        }
        Ok(Deleted::Gone)
    }
}
