//! Lookups by name and dry-runs: questions about single objects.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, future::join_all, stream};
use serde_json::Value;

use super::{AT_ONCE, cluster::fault};
use crate::{
    address::ResourceAddress,
    diagnostic::Diagnostic,
    driver::{
        Drivers, Fallible,
        kubernetes::{Cluster, Fault, Id, Mode, clean},
    },
    observed::{DryRun, DryRunQuestion, KindRef, Questions, Stranger},
};

/// What the questions of one round are asked with.
pub(super) struct Context<'a> {
    pub(super) drivers: &'a Drivers,
    pub(super) questions: &'a Questions,
    pub(super) secret_key: &'a str,
}

/// Answers, and clusters that gave none.
pub(super) struct Answers<T> {
    pub(super) answers: BTreeMap<ResourceAddress, T>,
    pub(super) failed: BTreeMap<String, Box<Diagnostic>>,
}

impl Context<'_> {
    pub(super) async fn lookups(&self) -> Answers<Option<Stranger>> {
        gather(&self.questions.lookups, |address, kind| self.look_up(address, kind)).await
    }

    pub(super) async fn imports(&self) -> Answers<Option<Value>> {
        gather(&self.questions.imports, |address, kind| self.whole(address, kind)).await
    }

    pub(super) async fn dry_runs(&self) -> Answers<DryRun> {
        gather(&self.questions.dry_runs, |address, question| self.dry_run(address, question)).await
    }

    pub(super) async fn cluster(&self, name: &str) -> Fallible<Cluster> {
        if let Some(cluster) = self.drivers.connected(name).await {
            return Ok(cluster);
        }
        match self.questions.clusters.get(name) {
            Some(question) => self.drivers.cluster(name, &question.connection).await,
            None => Err(fault(name, "be asked", &Fault::Unreachable("nobody said how to get at it".into()))),
        }
    }

    async fn look_up(&self, address: &ResourceAddress, kind: &KindRef) -> Fallible<Option<Stranger>> {
        let Some(object) = address.object() else { return Ok(None) };
        let cluster = self.cluster(&object.cluster).await?;
        let what = format!("look for {}", address.short());
        let failed = |f: Fault| fault(&object.cluster, &what, &f);
        let Some(served) = cluster.kind(kind).await.map_err(failed)? else { return Ok(None) };
        let id = Id { namespace: object.namespace.as_deref(), name: &object.name };
        let found = cluster.stamp(&served, id).await.map_err(failed)?;
        Ok(found.map(|stamp| {
            let managers = stamp.metadata["managedFields"].as_array().into_iter().flatten();
            let managers: BTreeSet<&str> = managers.filter_map(|m| m["manager"].as_str()).collect();
            Stranger {
                uid: stamp.uid,
                managers: managers.into_iter().map(str::to_owned).collect(),
                lineage: stamp.metadata["labels"]["skyplan.io/lineage"].as_str().map(str::to_owned),
            }
        }))
    }

    /// An object as it is, whosever it is.
    async fn whole(&self, address: &ResourceAddress, kind: &KindRef) -> Fallible<Option<Value>> {
        let Some(object) = address.object() else { return Ok(None) };
        let cluster = self.cluster(&object.cluster).await?;
        let what = format!("look at {}", address.short());
        let failed = |f: Fault| fault(&object.cluster, &what, &f);
        let Some(served) = cluster.kind(kind).await.map_err(failed)? else { return Ok(None) };
        let id = Id { namespace: object.namespace.as_deref(), name: &object.name };
        let found = cluster.get(&served, id).await.map_err(failed)?;
        Ok(found.map(|o| clean(o, self.secret_key)))
    }

    async fn dry_run(&self, address: &ResourceAddress, question: &DryRunQuestion) -> Fallible<DryRun> {
        let cluster = self.cluster(address.cluster()).await?;
        let what = format!("try {}", address.short());
        let failed = |f: Fault| fault(address.cluster(), &what, &f);
        let text = |field: &str| question.object[field].as_str().unwrap_or_default().to_owned();
        let kind = KindRef { api_version: text("apiVersion"), kind: text("kind") };
        let Some(served) = cluster.kind(&kind).await.map_err(failed)? else {
            return Ok(DryRun::Refused { code: 404, message: format!("the cluster does not serve {}", kind.key()) });
        };
        let mode = if question.force { Mode::ForcedDryRun } else { Mode::DryRun };
        match cluster.apply(&served, &question.object, &question.manager, mode).await {
            Ok(object) => Ok(DryRun::Applied { object: clean(object, self.secret_key) }),
            Err(Fault::Conflict(causes)) => Ok(DryRun::Conflict { causes }),
            Err(Fault::Immutable(message)) => Ok(DryRun::Immutable { message }),
            // It fails at this one, however often it is asked.
            Err(Fault::Refused(code, message) | Fault::Failing(code @ 500, message)) => {
                Ok(DryRun::Refused { code, message })
            }
            Err(Fault::Stale(message)) => Ok(DryRun::Refused { code: 409, message }),
            Err(Fault::Forbidden(message)) => Ok(DryRun::Refused { code: 403, message }),
            Err(Fault::NotFound) => {
                Ok(DryRun::Refused { code: 404, message: "its namespace or kind is not there".into() })
            }
            Err(fault) => Err(failed(fault)),
        }
    }
}

/// Asks every cluster on its own; one that fails to answer is asked nothing more.
pub(super) async fn gather<'q, Q, T, F>(
    questions: &'q BTreeMap<ResourceAddress, Q>,
    one: impl Fn(&'q ResourceAddress, &'q Q) -> F,
) -> Answers<T>
where
    F: Future<Output = Fallible<T>>,
{
    let mut clusters: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (address, question) in questions {
        clusters.entry(address.cluster()).or_default().push((address, question));
    }
    let one = &one;
    let clusters = clusters.into_iter().map(|(cluster, questions)| async move {
        let asked = questions
            .into_iter()
            .map(|(address, question)| async move { Fallible::Ok((address.clone(), one(address, question).await?)) });
        // Collected, because a stream that holds the closure could not move between threads.
        let asked: Vec<_> = asked.collect();
        (cluster, stream::iter(asked).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await)
    });
    let mut answers = Answers { answers: BTreeMap::new(), failed: BTreeMap::new() };
    for (cluster, answered) in join_all(clusters).await {
        match answered {
            Ok(answered) => answers.answers.extend(answered),
            Err(why) => {
                answers.failed.insert(cluster.to_owned(), why);
            }
        }
    }
    answers
}
