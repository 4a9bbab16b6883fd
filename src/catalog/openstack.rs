//! OpenStack: the answer of `GET /flavors/detail`. It has no prices: those are in the entry.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;

use super::{
    decimal::Decimal,
    fits,
    json::{Doc, Faults, Leaf, content},
    offers::{Gpu, Imported, Offer, wanted},
};
use crate::{
    diagnostic::Diagnostic,
    money::MicroUsd,
    spec::{CatalogEntry, PriceRule},
};

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    flavors: Option<Vec<Flavor<'a>>>,
}

#[derive(Deserialize)]
struct Flavor<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    vcpus: Leaf<'a>,
    /// In MiB.
    #[serde(borrow)]
    ram: Leaf<'a>,
    #[serde(default, rename = "OS-FLV-DISABLED:disabled")]
    disabled: bool,
    #[serde(borrow)]
    extra_specs: Option<BTreeMap<String, Leaf<'a>>>,
}

pub(super) fn read(entry: &CatalogEntry, docs: &[Doc<'_>], faults: &mut Faults) -> Imported {
    let mut found = Imported::default();
    for doc in docs {
        let Some(file) = doc.parse::<File<'_>>(faults) else { continue };
        let Some(flavors) = file.flavors else {
            faults.push(doc.unknown("an answer with `flavors`, of `GET /flavors/detail`"));
            continue;
        };
        for flavor in flavors.iter().filter(|f| !f.disabled) {
            found.seen.insert(flavor.name.clone().into_owned());
            if wanted(entry, &flavor.name) && !faults.is_full() {
                read_one(entry, doc, flavor, &mut found, faults);
            }
        }
    }
    found
}

fn read_one(entry: &CatalogEntry, doc: &Doc<'_>, flavor: &Flavor<'_>, found: &mut Imported, faults: &mut Faults) {
    let name = &*flavor.name;
    let milli_cpu = doc.vcpus(flavor.vcpus, &format!("the CPUs of {name}"), faults);
    let memory = doc.memory(flavor.ram, 1 << 20, &format!("the memory of {name}"), faults);
    let (Some(milli_cpu), Some(memory)) = (milli_cpu, memory) else { return };
    let gpu = gpu(doc, flavor, faults);
    let rule = entry.prices.iter().find(|r| fits(name, r.offering.iter().map(|o| o.as_str())));
    let Some(rule) = rule else {
        return faults.push(
            Diagnostic::error("SKY0231", format!("there is no price for flavor `{name}`"))
                .at(&entry.name.origin)
                .hint("add to `prices` of the entry, such as `{offering: \"m1.*\", perVcpu: 0.02, perGib: 0.003}`, or say with `offerings` which flavors are meant"),
        );
    };
    let Some(price) = found.settle_price(price(rule, milli_cpu, memory), name, doc, flavor.vcpus, faults) else {
        return;
    };
    found.offers.insert(name.to_owned(), Offer { milli_cpu, memory, gpu, price, ..Offer::default() });
}

/// The price of a size by a rule.
fn price(rule: &PriceRule, milli_cpu: u64, memory: u64) -> Option<Decimal> {
    let of = |price: &Option<crate::spec::At<MicroUsd>>| {
        price.as_ref().map_or(Decimal::ZERO, |p| Decimal::of_micro(p.value))
    };
    let cpus = Decimal::parse("0.001").ok()?.times(Decimal::whole(milli_cpu.into()))?;
    // Flavors are in whole MiB.
    let gib = Decimal::whole((memory >> 20).into()).times(Decimal::MIB_IN_GIB)?;
    of(&rule.price).plus(of(&rule.per_vcpu).times(cpus)?)?.plus(of(&rule.per_gib).times(gib)?)
}

/// `pci_passthrough:alias: a100:2`, or `resources:VGPU: 1`.
fn gpu(doc: &Doc<'_>, flavor: &Flavor<'_>, faults: &mut Faults) -> Option<Gpu> {
    let specs = flavor.extra_specs.as_ref()?;
    if let Some(alias) = specs.get("pci_passthrough:alias") {
        let text = content(alias);
        let (model, count) = text.split_once(':').unwrap_or((&text, "1"));
        let count = count.parse::<u64>().ok().filter(|n| (1..=64).contains(n));
        if count.is_none() {
            faults.push(doc.wrong(
                alias,
                format!("`{}` is not a device and a number such as `a100:2`", super::json::short(&text)),
            ));
        }
        return Some(Gpu { model: model.to_owned(), count: count?, memory: None });
    }
    let count = specs.get("resources:VGPU")?;
    let count = doc.vcpus(count, &format!("the GPUs of {}", flavor.name), faults)? / 1000;
    Some(Gpu { model: "vgpu".into(), count, memory: None })
}
