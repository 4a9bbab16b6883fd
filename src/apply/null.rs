//! One change of a `Null`, or of whatever is made under names that are not ours to choose.

use serde_json::Value;

use super::{
    executor::Run,
    fault::{Failure, placed},
};
use crate::{
    digest::digest_bytes,
    driver::{Fallible, null::Maker},
    plan::change::{Action, Change, Target},
    state::{NullRecord, Record, RecordDetail},
};

/// Digits of a token: as many as of a UUID.
const TOKEN: usize = 32;

pub(super) async fn perform(run: &Run<'_>, change: &Change) -> Result<(), Failure> {
    let maker = run.sites.drivers().maker();
    let done = match change.action {
        Action::Forget | Action::Import => {
            run.record(change, change.record.as_deref().cloned());
            return Ok(());
        }
        Action::Create | Action::Update => make(run, change, maker, known(run, change)).await,
        // Nothing is recorded in between: cut off here, it is still known what was to be.
        Action::Replace => match remove(run, change, maker).await {
            Ok(()) => make(run, change, maker, None).await,
            failed => failed,
        },
        Action::Delete => remove(run, change, maker).await.map(|()| run.record(change, None)),
    };
    done.map_err(|why| Failure::unsettled(placed(*why, change)))
}

async fn make(run: &Run<'_>, change: &Change, maker: &dyn Maker, known: Option<String>) -> Fallible<()> {
    let input = match &change.after {
        Some(Target::Null { input }) => input.clone(),
        _ => Value::Null,
    };
    let token = token(run, change);
    let mut found = made_before(run, change, maker).await?;
    // The last one that was made is the one that stays.
    let mut id = found.pop();
    for surplus in found.into_iter().chain(known.clone().filter(|k| id.as_ref().is_some_and(|i| i != k))) {
        maker.delete(&surplus).await?;
    }
    id = id.or(known);
    if let Some(there) = &id
        && !maker.update(there, &input).await?
    {
        id = None;
    }
    let id = match id {
        Some(id) => id,
        None => maker.create(&token, &input).await?,
    };
    run.record(
        change,
        Some(Record {
            serial: 0,
            detail: RecordDetail::Null(NullRecord { id, input }),
            depends_on: change.requires.clone(),
            origin: change.origin.clone(),
        }),
    );
    Ok(())
}

async fn remove(run: &Run<'_>, change: &Change, maker: &dyn Maker) -> Fallible<()> {
    for id in made_before(run, change, maker).await?.into_iter().chain(known(run, change)) {
        maker.delete(&id).await?;
    }
    Ok(())
}

/// What is remembered.
fn known(run: &Run<'_>, change: &Change) -> Option<String> {
    match &run.records.get(&change.address)?.detail {
        RecordDetail::Null(null) => Some(null.id.clone()),
        RecordDetail::Cluster(_) | RecordDetail::Object(_) => None,
    }
}

/// What applies that were cut off have made, oldest first. One that is new to this apply nobody made.
async fn made_before(run: &Run<'_>, change: &Change, maker: &dyn Maker) -> Fallible<Vec<String>> {
    match run.since.get(&change.address) {
        Some(since) if *since < run.begin => maker.find(&token(run, change)).await,
        _ => Ok(Vec::new()),
    }
}

/// The same from the first `Begin` on until it is known what came of it.
fn token(run: &Run<'_>, change: &Change) -> String {
    let since = run.since.get(&change.address).copied().unwrap_or(run.begin);
    let mut digest = digest_bytes(format!("{} {since} {}", run.lineage(), change.address).as_bytes());
    digest.truncate(TOKEN);
    digest
}
