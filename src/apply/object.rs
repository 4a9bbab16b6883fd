//! One change of an object: what is asked, what is sent, what is recorded.

mod guarded;
mod takeover;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    check::stale,
    executor::Run,
    fault::{Failure, not_held, occupied, placed, refused, unsaid},
    patience::{OVER, Patience, patiently},
    site::Site,
    wait,
};
use crate::{
    address::ObjectAddress,
    diagnostic::Diagnostic,
    driver::kubernetes::{Deleted, Fault, Health, Id, Mode, Served, clean, health},
    observed::KindRef,
    plan::{
        change::{Action, ActionReason, Change, Target},
        projection::{owned_fields, projection_digest, whole_digest},
    },
    state::{ObjectRecord, Record, RecordDetail},
};

/// How often an update is tried while others write the same object.
const ATTEMPTS: usize = 8;
/// The first pause between questions whether a kind is served, and the longest.
const SERVED: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What is still to be awaited once all requests are done.
pub(super) enum After {
    /// Nothing.
    Nothing,
    /// That the object becomes ready; the answer of its apply, and its record once it is.
    Ready(Box<(Site, Served, Value, Record)>),
    /// That the object is gone; the answer of its deletion.
    Gone(Box<(Site, Served, Value)>),
}

impl After {
    pub(super) async fn wait(self, run: &Run<'_>, change: &Change) -> Result<(), Failure> {
        match self {
            Self::Nothing => Ok(()),
            Self::Ready(all) => {
                let (site, kind, answer, record) = *all;
                wait::ready(run, change, &site, &kind, &answer).await?;
                run.record(change, Some(record));
                Ok(())
            }
            Self::Gone(all) => {
                let (site, kind, going) = *all;
                wait::gone(run, change, &site, &kind, &going, false).await?;
                run.record(change, None);
                Ok(())
            }
        }
    }
}

/// Waits until the kind of an object is served, where the plan could not try it: a definition takes a moment, an operator
/// that brings its own some more. Nothing was sent before that.
pub(super) async fn awaited(run: &Run<'_>, change: &Change, object: &ObjectAddress) -> Result<(), Failure> {
    let makes = matches!(change.action, Action::Create | Action::Update | Action::Replace);
    if !change.unverified || !makes {
        return Ok(());
    }
    let kind = kind_ref(change, object);
    let site = run.sites.site(run, change).await.map_err(|why| Failure::settled(placed(*why, change)))?;
    let deadline = (Instant::now() + run.options.timeout).min(run.deadline);
    let mut pause = SERVED.0;
    loop {
        let asked = patiently(run, change, async || site.cluster.kind_by_now(&kind).await).await;
        if asked.map_err(|f| Failure::settled(refused(change, "apply", &f)))?.is_some() {
            return Ok(());
        }
        if Instant::now() + pause >= deadline {
            return Err(Failure::settled(unserved(change, &kind)));
        }
        run.waits(change, &format!("nothing serves {} {} yet", kind.api_version, kind.kind));
        sleep(pause).await;
        pause = (pause * 2).min(SERVED.1);
    }
}

fn kind_ref(change: &Change, object: &ObjectAddress) -> KindRef {
    KindRef { api_version: change.api_version.clone(), kind: object.kind.clone() }
}

fn unserved(change: &Change, kind: &KindRef) -> Diagnostic {
    let cluster = change.address.cluster();
    let summary = format!("cluster `{cluster}` does not serve {} {}", kind.api_version, kind.kind);
    placed(
        Diagnostic::error("SKY0718", summary)
            .hint(
                "see whether its CustomResourceDefinition is there and established, and whether what installs it runs",
            )
            .hint("then plan again"),
        change,
    )
}

/// Sends all requests of a change.
pub(super) async fn perform(run: &Run<'_>, change: &Change, object: &ObjectAddress) -> Result<After, Failure> {
    if matches!(change.action, Action::Forget | Action::Import) {
        run.record(change, change.record.as_deref().cloned());
        return Ok(After::Nothing);
    }
    let site = run.sites.site(run, change).await.map_err(|why| Failure::settled(placed(*why, change)))?;
    let write = Write { run, change, object, site: &site, unanswered: AtomicBool::new(false) };
    let done = match change.action {
        Action::Delete => write.delete().await,
        Action::Create => write.create().await,
        Action::Update => write.update().await,
        Action::Replace => write.replace().await,
        Action::Forget | Action::Import => Ok(After::Nothing),
    };
    done.map_err(|failure| write.judged(failure))
}

/// One change on its cluster.
struct Write<'a, 'r> {
    run: &'a Run<'r>,
    change: &'a Change,
    object: &'a ObjectAddress,
    site: &'a Site,
    /// The last write that could have done something got no answer.
    unanswered: AtomicBool,
}

impl Write<'_, '_> {
    /// Hears the answer of a write.
    fn heard<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        match &answer {
            Ok(_) => self.unanswered.store(false, Ordering::Relaxed),
            Err(fault) if fault.is_unanswered() => self.unanswered.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        answer
    }

    fn unanswered(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Whatever is said last, nobody knows what a write without an answer has done.
    fn judged(&self, failure: Failure) -> Failure {
        Failure { settled: failure.settled && !self.unanswered(), ..failure }
    }

    fn id(&self) -> Id<'_> {
        Id { namespace: self.object.namespace.as_deref(), name: &self.object.name }
    }

    async fn create(&self) -> Result<After, Failure> {
        let kind = self.kind().await?;
        if !self.run.sites.is_new(self.change) {
            self.absent(&kind).await?;
        }
        let body = self.body()?;
        self.make(&kind, &body).await
    }

    async fn update(&self) -> Result<After, Failure> {
        let kind = self.kind().await?;
        let mut body = self.body()?;
        let precondition = &self.change.precondition;
        if let Some(uid) = &precondition.uid {
            body["metadata"]["uid"] = uid.clone().into();
        }
        let Some(planned) = &precondition.projection else { return self.send(&kind, &body).await };
        // Held to the object as it was looked at, whole.
        let mode = if self.takes_over() { Mode::Forced } else { Mode::Real };
        let mut patience = Patience::new(self.run, self.change);
        for attempt in 1.. {
            let live = self.patiently(async || self.site.cluster.get(&kind, self.id()).await).await;
            let live = live.map_err(|f| Failure::settled(refused(self.change, "read", &f)))?;
            let Some(live) = live else { return Err(self.stale("it has been deleted since the plan was made")) };
            // Together: a resourceVersion alone lets an apply make what is no longer there.
            body["metadata"]["uid"] = live["metadata"]["uid"].clone();
            body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            // What got no answer may have been done: then our fields are no longer as planned, and no
            // one else writes under our name.
            self.unchanged(&live, (!self.unanswered()).then_some(planned))?;
            if self.run.is_over() {
                return Err(Failure::of_write(self.change, "apply", &Fault::Unreachable(OVER.into())));
            }
            match self.heard(self.site.cluster.apply(&kind, &body, &self.run.manager, mode).await) {
                Ok(answer) if self.may_be_taken_over() => {
                    return self.taken_over(&kind, answer).await;
                }
                Ok(answer) => return self.applied(&kind, answer),
                // A controller wrote its status in between: look again whether ours is as planned.
                Err(Fault::Stale(_)) if attempt < ATTEMPTS => {}
                Err(fault) if fault.is_unanswered() && patience.again(&fault.words()).await => {}
                Err(fault) => return Err(Failure::of_write(self.change, "apply", &fault)),
            }
        }
        Ok(After::Nothing)
    }

    async fn replace(&self) -> Result<After, Failure> {
        let kind = self.kind().await?;
        let body = self.body()?;
        match self.request_delete(&kind).await? {
            Deleted::Gone => {}
            Deleted::Going(going) => wait::gone(self.run, self.change, self.site, &kind, &going, true).await?,
        }
        // The old one's record stays until there is a new one: killed in between, the address is
        // still one that the next plan looks for.
        let sent = self.make(&kind, &body).await.map_err(|failure| self.judged(failure));
        if let Err(Failure { settled: true, .. }) = &sent {
            self.run.record(self.change, None);
        }
        sent
    }

    async fn delete(&self) -> Result<After, Failure> {
        let asked = self.patiently(async || self.site.cluster.kind_by_now(&self.kind_ref()).await).await;
        let asked = asked.map_err(|f| Failure::settled(refused(self.change, "delete", &f)))?;
        // A kind that is gone has taken its objects along.
        let Some(kind) = asked else {
            self.run.record(self.change, None);
            return Ok(After::Nothing);
        };
        match self.request_delete(&kind).await? {
            Deleted::Going(going) => Ok(After::Gone(Box::new((self.site.clone(), kind, *going)))),
            Deleted::Gone => {
                self.run.record(self.change, None);
                Ok(After::Nothing)
            }
        }
    }

    /// Sends the object; the answer is recorded at once, then its readiness is awaited.
    async fn send(&self, kind: &Served, body: &Value) -> Result<After, Failure> {
        let apply = async || self.heard(self.site.cluster.apply(kind, body, &self.run.manager, Mode::Real).await);
        match self.patiently(apply).await {
            Ok(answer) => self.applied(kind, answer),
            Err(fault) => Err(Failure::of_write(self.change, "apply", &fault)),
        }
    }

    async fn patiently<T>(&self, ask: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
        patiently(self.run, self.change, ask).await
    }

    /// The object has been taken: recorded, and its readiness is awaited.
    fn applied(&self, kind: &Served, answer: Value) -> Result<After, Failure> {
        let Some(Target::Object { digest, components, protection, .. }) = &self.change.after else {
            return Ok(After::Nothing);
        };
        // As `observe` will see it: a Secret's values are digests there.
        let seen = clean(answer.clone(), &self.run.secret_key);
        let owned = owned_fields(&seen, &self.run.manager).cloned().unwrap_or_default();
        let unready = wait::is_awaited(self.run, self.site, &answer);
        let known = ObjectRecord {
            api_version: self.change.api_version.clone(),
            uid: seen["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            cluster_uid: self.site.uid.clone(),
            sent: digest.clone(),
            projection: projection_digest(&seen, &owned),
            owned: owned.into(),
            left: self.change.left_fields().map(str::to_owned).collect(),
            components: components.clone(),
            // One that nobody waited for is not known to have come to its end.
            unready: unready || ends(&answer) && health(&answer) != Health::Ready,
            done: ends(&answer) && has_ended(&answer),
            protection: *protection,
        };
        let record = |known: ObjectRecord| Record {
            serial: 0,
            detail: RecordDetail::Object(known),
            depends_on: self.change.requires.clone(),
            origin: self.change.origin.clone(),
        };
        self.run.record(self.change, Some(record(known.clone())));
        if !unready {
            return Ok(After::Nothing);
        }
        // Until then the record says so: what waits for it (the old place of a move) is not taken away
        // by a plan that knows nothing of this apply.
        let ready =
            record(ObjectRecord { unready: false, done: ends(&answer) && answer["spec"]["suspend"] != true, ..known });
        Ok(After::Ready(Box::new((self.site.clone(), kind.clone(), answer, ready))))
    }

    /// What is sent: the planned object with its secret values.
    fn body(&self) -> Result<Value, Failure> {
        let Some(Target::Object { object, .. }) = &self.change.after else {
            return Err(Failure::settled(unsaid(self.change)));
        };
        let mut body = self.change.sent(object);
        self.run
            .secrets
            .unseal(&self.change.address, &mut body, &self.run.secret_key)
            .map_err(|name| Failure::settled(not_held(self.change, &name)))?;
        Ok(body)
    }

    fn kind_ref(&self) -> KindRef {
        kind_ref(self.change, self.object)
    }

    /// How its kind is served.
    async fn kind(&self) -> Result<Served, Failure> {
        let kind = self.kind_ref();
        match self.patiently(async || self.site.cluster.kind_by_now(&kind).await).await {
            Ok(Some(served)) => Ok(served),
            Ok(None) => Err(Failure::settled(unserved(self.change, &kind))),
            Err(fault) => Err(Failure::settled(refused(self.change, "apply", &fault))),
        }
    }

    /// What is to be made must not be there.
    async fn absent(&self, kind: &Served) -> Result<(), Failure> {
        let found = self.patiently(async || self.site.cluster.stamp(kind, self.id()).await).await;
        match found.map_err(|f| Failure::settled(refused(self.change, "look for", &f)))? {
            None => Ok(()),
            Some(stamp) => Err(Failure::settled(occupied(self.change, &stamp, self.run.lineage()))),
        }
    }

    /// The live object must be as it was planned on: the same one, and (with a digest) the same in our
    /// fields.
    fn unchanged(&self, live: &Value, planned: Option<&String>) -> Result<(), Failure> {
        let metadata = &live["metadata"];
        if self.change.precondition.uid.as_deref().is_some_and(|uid| metadata["uid"] != uid) {
            return Err(self.stale("it has been deleted and made again since the plan was made"));
        }
        if metadata["deletionTimestamp"].is_string() {
            return Err(self.stale("it is being deleted"));
        }
        let Some(planned) = planned else { return Ok(()) };
        let seen = clean(live.clone(), &self.run.secret_key);
        if self.takes_over() {
            return if whole_digest(&seen) == *planned {
                Ok(())
            } else {
                Err(self.stale("it has been changed since the plan was made"))
            };
        }
        let recorded = match self.run.records.get(&self.change.address).map(|r| &r.detail) {
            Some(RecordDetail::Object(record)) => Some(record.owned.unpack()),
            _ => None,
        };
        let same = [recorded.as_ref(), owned_fields(&seen, &self.run.manager)]
            .into_iter()
            .flatten()
            .any(|owned| projection_digest(&seen, owned) == *planned);
        if same { Ok(()) } else { Err(self.stale("its fields have been changed since the plan was made")) }
    }

    /// Whether somebody else made it, and it is ours from now on; also where an apply was cut off in the middle of that.
    fn may_be_taken_over(&self) -> bool {
        let cut_off =
            self.change.reason == ActionReason::Uncertain && !self.run.records.contains_key(&self.change.address);
        self.change.reason == ActionReason::Imported || cut_off
    }

    /// Whether it, or some of it, is somebody else's until now.
    fn takes_over(&self) -> bool {
        self.change.reason == ActionReason::Imported || self.change.takes_fields()
    }

    fn stale(&self, what: &str) -> Failure {
        Failure::settled(placed(stale(&self.change.address, what), self.change))
    }
}

/// Whether being ready is having come to its end.
fn ends(object: &Value) -> bool {
    object["kind"] == "Job" && object["apiVersion"].as_str().is_some_and(|v| v.starts_with("batch/"))
}

fn has_ended(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|c| c["type"] == "Complete" && c["status"] == "True")
}
