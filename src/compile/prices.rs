//! How old the prices are that a plan counts with, by profile.

use std::collections::BTreeSet;

use super::model::{Cluster, Model, Prices, PricesOf};
use crate::{
    catalog::lock::{MAX_AGE, find, is_as_written, old as old_prices},
    diagnostic::Diagnostics,
    quantity::Day,
    spec::{Project, SpecSet},
};

/// Days of the profiles that clusters stand on; `None` where none of them is in the lock.
pub(super) fn ages(set: &SpecSet, project: &Project, clusters: &[Cluster]) -> Option<Prices> {
    let used: BTreeSet<&str> = clusters.iter().filter_map(|c| Some(c.site.as_ref()?.provider.as_str())).collect();
    let mut by_hand = false;
    let mut profiles = Vec::new();
    for profile in used {
        let Some(locked) = find(set, profile) else {
            by_hand = true;
            continue;
        };
        profiles.push(PricesOf {
            profile: profile.to_owned(),
            as_of: locked.as_of.value,
            edited: !is_as_written(set, locked),
            origin: locked.as_of.origin.clone(),
        });
    }
    let max_age = project.placement.prices_max_age.as_ref().map_or(MAX_AGE, |age| age.value);
    (!profiles.is_empty()).then_some(Prices { max_age, profiles, by_hand })
}

/// Warnings of prices that are older than the Project wants them.
pub fn too_old(model: &Model, today: Day) -> Diagnostics {
    let prices = model.prices.iter();
    let all = prices.flat_map(|p| p.profiles.iter().map(move |of| (p.max_age.seconds() / 86_400, of)));
    let old = all.filter(|(days, of)| u64::from(of.as_of.days_until(today)) > *days);
    old.map(|(days, of)| old_prices(&of.profile, of.as_of, days, &of.origin)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compile::compile, load, load::tree::SourceTree};

    #[test]
    fn a_price_is_old_when_its_days_are_over() {
        let lock = "version: 1\ncatalog:\n- {profile: p, file: p.yaml, sha256: x, importer: aws, importerVersion: 1, \
                    entry: x, fetched: 2026-01-31, asOf: 2026-01-01, sources: []}\n";
        let specs = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: p\nplacement: {pricesMaxAge: 10d}\n---\n\
                     apiVersion: skyplan.io/v1alpha1\nkind: ProviderProfile\nname: p\nplatform: aws\n---\n\
                     apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: c\nproviderRef: p\ndriver: local\n";
        let files = [("skyplan.lock", lock), ("skyplan.yaml", specs)];
        let tree = SourceTree { files: files.iter().map(|(p, t)| ((*p).into(), (*t).into())).collect() };
        let (set, out) = load::read(&tree);
        assert!(out.is_empty(), "{out:?}");
        let (model, out) = compile(&set);
        assert!(out.is_empty(), "{out:?}");
        let model = model.unwrap();
        let day = |text: &str| Day::parse(text).unwrap();
        assert!(too_old(&model, day("2026-01-11")).is_empty());
        let told = too_old(&model, day("2026-01-12"));
        let d = told.iter().next().unwrap();
        assert_eq!((d.code.as_str(), d.labels[0].origin.to_string().as_str()), ("SKY0232", "skyplan.lock:3"));
        // A clock that is behind is no reason to warn.
        assert!(too_old(&model, day("2020-01-01")).is_empty());
        assert!(model.prices.unwrap().profiles[0].edited);
    }
}
