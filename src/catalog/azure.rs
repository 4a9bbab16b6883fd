//! Azure: items of the Retail Prices API, and the list of sizes (`az vm list-skus`).

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde::Deserialize;

use super::{
    json::{Doc, Faults, Leaf, content, day, short},
    offers::{Band, Gpu, Imported, Offer, wanted},
};
use crate::{
    money::MicroUsd,
    spec::{CatalogEntry, EgressTo},
};

/// A page of prices, or of sizes.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow, rename = "Items")]
    items: Option<Vec<Item<'a>>>,
    #[serde(borrow)]
    value: Option<Vec<Size<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow, default)]
    currency_code: Cow<'a, str>,
    #[serde(borrow)]
    tier_minimum_units: Option<Leaf<'a>>,
    #[serde(borrow)]
    retail_price: Leaf<'a>,
    #[serde(borrow, default)]
    arm_region_name: Cow<'a, str>,
    #[serde(borrow)]
    effective_start_date: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    meter_id: Cow<'a, str>,
    #[serde(borrow, default)]
    meter_name: Cow<'a, str>,
    #[serde(borrow, default)]
    product_name: Cow<'a, str>,
    #[serde(borrow, default)]
    sku_name: Cow<'a, str>,
    #[serde(borrow, default)]
    service_name: Cow<'a, str>,
    #[serde(borrow, default)]
    unit_of_measure: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    arm_sku_name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Size<'a> {
    #[serde(borrow)]
    resource_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    // What a size has none of is written as `null`.
    locations: Option<Vec<String>>,
    location_info: Option<Vec<LocationInfo>>,
    #[serde(borrow)]
    capabilities: Option<Vec<Capability<'a>>>,
}

#[derive(Deserialize)]
struct LocationInfo {
    location: Option<String>,
    zones: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Capability<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: Leaf<'a>,
}

/// GPUs by what their sizes are called: the list only counts them. (Part of the name, model, GiB of each.)
const GPUS: [(&str, &str, u64); 8] = [
    ("_T4_", "T4", 16),
    ("_A10_", "A10", 24),
    ("A100_v4", "A100", 80),
    ("rs_v4", "A100", 40),
    ("H100", "H100", 80),
    ("H200", "H200", 141),
    ("s_v3", "V100", 16),
    ("rs_v2", "V100", 32),
];

/// What a size has.
struct Shape {
    milli_cpu: u64,
    memory: u64,
    gpu: Option<Gpu>,
    zones: BTreeSet<String>,
}

#[derive(Default)]
struct Prices {
    regular: BTreeMap<String, MicroUsd>,
    spot: BTreeMap<String, MicroUsd>,
    /// By how far, then by meter: (from, price).
    data: BTreeMap<EgressTo, BTreeMap<String, Vec<(u64, MicroUsd)>>>,
}

pub(super) fn read(entry: &CatalogEntry, docs: &[Doc<'_>], faults: &mut Faults) -> Imported {
    let mut found = Imported::default();
    let mut shapes: BTreeMap<String, Shape> = BTreeMap::new();
    let mut prices = Prices::default();
    for doc in docs {
        // The command line prints a bare list of sizes.
        let file = if doc.text.trim_start().starts_with('[') {
            doc.parse::<Vec<Size<'_>>>(faults).map(|value| File { items: None, value: Some(value) })
        } else {
            doc.parse::<File<'_>>(faults)
        };
        match file {
            Some(File { items: Some(items), .. }) => {
                items.iter().for_each(|item| read_item(entry, doc, item, &mut prices, &mut found, faults));
            }
            Some(File { value: Some(sizes), .. }) => {
                for size in &sizes {
                    if let Some(shape) = shape(entry, doc, size, faults) {
                        shapes.insert(size.name.clone().into_owned(), shape);
                    }
                }
            }
            Some(_) => faults.push(doc.unknown("`Items` of the Retail Prices API, or a list of sizes")),
            None => {}
        }
    }
    for (to, meters) in prices.data {
        found.take_egress(to, meters.into_values().map(bands).collect());
    }
    let mut unsized_ = Vec::new();
    for (name, price) in prices.regular {
        let Some(shape) = shapes.remove(&name) else {
            unsized_.push(name);
            continue;
        };
        let spot = prices.spot.get(&name).copied();
        let Shape { milli_cpu, memory, gpu, zones } = shape;
        found.offers.insert(name, Offer { milli_cpu, memory, gpu, price, spot, zones });
    }
    if let Some(first) = unsized_.first() {
        let n = unsized_.len();
        found.notes.push(format!("{n} prices are left out, as their sizes are in no list: {first}, …"));
    }
    found
}

/// Bands from where each begins.
fn bands(mut tiers: Vec<(u64, MicroUsd)>) -> Vec<Band> {
    tiers.sort_unstable();
    tiers.dedup_by_key(|t| t.0);
    let ends: Vec<Option<u64>> = tiers.iter().skip(1).map(|t| Some(t.0)).chain([None]).collect();
    tiers.iter().zip(ends).map(|((_, price), to_gb)| Band { to_gb, price: *price }).collect()
}

fn read_item(
    entry: &CatalogEntry,
    doc: &Doc<'_>,
    item: &Item<'_>,
    prices: &mut Prices,
    found: &mut Imported,
    faults: &mut Faults,
) {
    let here = entry.region.as_ref().is_none_or(|r| item.arm_region_name == r.value);
    if item.kind != "Consumption" || !here || faults.is_full() {
        return;
    }
    let name = match &*item.service_name {
        "Virtual Machines" => {
            let linux = !item.product_name.ends_with("Windows") && !item.product_name.contains("CloudServices");
            let plain = !item.sku_name.ends_with("Low Priority");
            let Some(name) = item.arm_sku_name.as_deref().filter(|n| !n.is_empty()) else { return };
            if !linux || !plain || item.unit_of_measure != "1 Hour" {
                return;
            }
            found.seen.insert(name.to_owned());
            if !wanted(entry, name) {
                return;
            }
            name.to_owned()
        }
        "Azure Kubernetes Service" if item.meter_name == "Standard Uptime SLA" => "AKS".into(),
        "Bandwidth" => match direction(item) {
            Some(to) => format!("data {}", to.word()),
            None => return,
        },
        _ => return,
    };
    if !["", "USD"].contains(&&*item.currency_code) {
        let currency = short(&item.currency_code);
        return faults.push(
            doc.wrong(item.retail_price, format!("this price is in {currency}, and skyplan counts in US dollars"))
                .hint("ask for `currencyCode='USD'`"),
        );
    }
    let what = format!("the price of {name}");
    let Some(price) = found.price(doc, item.retail_price, &name, &what, faults) else { return };
    found.valid(day(item.effective_start_date.as_deref()));
    match (&*item.service_name, direction(item)) {
        ("Bandwidth", Some(to)) => {
            let from = item.tier_minimum_units.map_or(Some(0), |leaf| {
                let n = doc.number(leaf, "the tier", faults)?.scaled(0).and_then(|(n, _)| u64::try_from(n).ok());
                let n = n.filter(|n| *n <= 1 << 50);
                if n.is_none() {
                    faults.push(doc.wrong(leaf, format!("the tier `{}` is too large", short(&content(leaf)))));
                }
                n
            });
            let meter = format!("{} {}", item.product_name, item.meter_id);
            let tiers = prices.data.entry(to).or_default().entry(meter).or_default();
            tiers.extend(from.map(|from| (from, price)));
        }
        ("Virtual Machines", _) => {
            let spot = item.sku_name.ends_with("Spot") || item.meter_name.ends_with("Spot");
            if price == MicroUsd::ZERO {
                return found.notes.push(format!("{name} is left out: its price is 0"));
            }
            let known = if spot { &mut prices.spot } else { &mut prices.regular };
            let known = known.entry(name).or_insert(price);
            *known = (*known).max(price);
        }
        _ => found.fee = found.fee.max(Some(price)),
    }
}

/// How far a meter of bandwidth counts data; `None` for others.
fn direction(item: &Item<'_>) -> Option<EgressTo> {
    if item.product_name.contains("Routing Preference: Internet") {
        return None;
    }
    let name = &*item.meter_name;
    if name == "Standard Data Transfer Out" {
        Some(EgressTo::Internet)
    } else if name.contains("Inter-Region Data Transfer") || name.starts_with("Intra Continent Data Transfer Out") {
        Some(EgressTo::InterRegion)
    } else if name.contains("Inter-Availability Zone Data Transfer Out") {
        Some(EgressTo::InterZone)
    } else {
        None
    }
}

fn shape(entry: &CatalogEntry, doc: &Doc<'_>, size: &Size<'_>, faults: &mut Faults) -> Option<Shape> {
    let name = &*size.name;
    let region = entry.region.as_ref();
    let same = |a: &str| region.is_none_or(|r| a.eq_ignore_ascii_case(r));
    if faults.is_full() {
        return None;
    }
    let here = size.locations.as_ref().is_none_or(|all| all.iter().any(|l| same(l)));
    let machine = size.resource_type.as_ref().is_none_or(|kind| kind == "virtualMachines");
    if !machine || !here || !wanted(entry, name) {
        return None;
    }
    let capability = |wanted: &str| size.capabilities.iter().flatten().find(|c| c.name == wanted).map(|c| c.value);
    let milli_cpu = doc.vcpus(capability("vCPUs")?, &format!("the CPUs of {name}"), faults)?;
    let memory = doc.memory(capability("MemoryGB")?, 1 << 30, &format!("the memory of {name}"), faults)?;
    let gpus = capability("GPUs").filter(|leaf| content(leaf) != "0");
    let gpu = match gpus {
        Some(leaf) => {
            let count = doc.vcpus(leaf, &format!("the GPUs of {name}"), faults)? / 1000;
            let known = GPUS.iter().find(|(part, ..)| name.contains(part));
            let model = known.map_or("unknown", |(_, model, _)| model).to_owned();
            // A part of a GPU counts as none.
            (count > 0).then(|| Gpu { model, count, memory: known.map(|(.., gib)| gib << 30) })
        }
        None => None,
    };
    let infos = size.location_info.iter().flatten().filter(|i| i.location.as_deref().is_none_or(same));
    let zones = infos.flat_map(|i| i.zones.iter().flatten().cloned()).collect();
    Some(Shape { milli_cpu, memory, gpu, zones })
}
