//! GCP: SKUs of the Cloud Billing Catalog, which price cores, memory and GPUs apart, and machine types of
//! the Compute API, which say how much of each a machine has.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde::Deserialize;

use super::{
    decimal::Decimal,
    json::{Doc, Faults, Leaf, content, day, short},
    offers::{Band, Gpu, Imported, Offer, wanted},
};
use crate::spec::{CatalogEntry, EgressTo};

/// A page of SKUs, or a list of machine types.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    skus: Option<Vec<Sku<'a>>>,
    /// A list, or an aggregated one: a map of zones.
    #[serde(borrow)]
    items: Option<Leaf<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sku<'a> {
    #[serde(borrow)]
    description: Cow<'a, str>,
    #[serde(borrow, default)]
    category: Category<'a>,
    #[serde(default)]
    service_regions: Vec<String>,
    #[serde(borrow, default)]
    pricing_info: Vec<PricingInfo<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Category<'a> {
    #[serde(borrow)]
    resource_family: Cow<'a, str>,
    #[serde(borrow)]
    resource_group: Cow<'a, str>,
    #[serde(borrow)]
    usage_type: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PricingInfo<'a> {
    #[serde(borrow)]
    effective_time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pricing_expression: Expression<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expression<'a> {
    #[serde(borrow, default)]
    usage_unit: Cow<'a, str>,
    #[serde(borrow, default)]
    tiered_rates: Vec<Rate<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rate<'a> {
    #[serde(borrow)]
    start_usage_amount: Option<Leaf<'a>>,
    #[serde(borrow)]
    unit_price: UnitPrice<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnitPrice<'a> {
    #[serde(borrow, default)]
    currency_code: Cow<'a, str>,
    #[serde(borrow)]
    units: Option<Leaf<'a>>,
    #[serde(borrow)]
    nanos: Option<Leaf<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope<'a> {
    #[serde(borrow, default)]
    machine_types: Vec<Machine<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Machine<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    guest_cpus: Leaf<'a>,
    #[serde(borrow)]
    memory_mb: Leaf<'a>,
    #[serde(borrow)]
    zone: Option<Cow<'a, str>>,
    #[serde(default)]
    is_shared_cpu: bool,
    #[serde(borrow)]
    bundled_local_ssds: Option<Leaf<'a>>,
    #[serde(borrow, default)]
    accelerators: Vec<Accelerator<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accelerator<'a> {
    #[serde(borrow)]
    guest_accelerator_type: Cow<'a, str>,
    #[serde(borrow)]
    guest_accelerator_count: Leaf<'a>,
}

/// 2³⁰ / 10⁹.
const GIB_IN_GB: &str = "1.073741824";
/// SKUs for machines that are cut, bought or kept in other ways.
const OTHERS: [&str; 8] =
    ["Custom", "Sole Tenancy", "Extended", "Premium", "Commitment", "Reserved", "DWS", "Calendar"];

/// Part of a machine, by family, and whether it may be taken away: `("n2", "core", false)`.
type Part = (String, &'static str, bool);

#[derive(Default)]
struct Prices {
    parts: BTreeMap<Part, Decimal>,
    data: BTreeMap<EgressTo, Vec<Vec<Band>>>,
}

pub(super) fn read(entry: &CatalogEntry, docs: &[Doc<'_>], faults: &mut Faults) -> Imported {
    let mut found = Imported::default();
    let mut prices = Prices::default();
    let mut machines: Vec<(&Doc<'_>, Machine<'_>)> = Vec::new();
    for doc in docs {
        // The command line prints a bare list of machine types.
        if doc.text.trim_start().starts_with('[') {
            let read = doc.parse::<Vec<Machine<'_>>>(faults);
            machines.extend(read.into_iter().flatten().map(|m| (doc, m)));
            continue;
        }
        match doc.parse::<File<'_>>(faults) {
            Some(File { skus: Some(skus), .. }) => {
                skus.iter().for_each(|sku| read_sku(entry, doc, sku, &mut prices, &mut found, faults));
            }
            Some(File { items: Some(items), .. }) if items.get().starts_with('{') => {
                let scopes = doc.part::<BTreeMap<String, Scope<'_>>>(items.get(), faults);
                machines.extend(
                    scopes.into_iter().flat_map(BTreeMap::into_values).flat_map(|s| s.machine_types).map(|m| (doc, m)),
                );
            }
            Some(File { items: Some(items), .. }) => {
                let read = doc.part::<Vec<Machine<'_>>>(items.get(), faults);
                machines.extend(read.into_iter().flatten().map(|m| (doc, m)));
            }
            Some(_) => faults.push(doc.unknown("`skus` of the Cloud Billing Catalog, or `items` of machine types")),
            None => {}
        }
    }
    for (to, lists) in std::mem::take(&mut prices.data) {
        found.take_egress(to, lists);
    }
    put_together(entry, &machines, &prices, &mut found, faults);
    found
}

fn read_sku(
    entry: &CatalogEntry,
    doc: &Doc<'_>,
    sku: &Sku<'_>,
    prices: &mut Prices,
    found: &mut Imported,
    faults: &mut Faults,
) {
    if faults.is_full() {
        return;
    }
    let here = |r: &String| entry.region.as_ref().is_none_or(|wanted| *r == wanted.value || r == "global");
    let Some(info) = sku.pricing_info.last().filter(|_| sku.service_regions.iter().any(here)) else { return };
    let unit = &*info.pricing_expression.usage_unit;
    if let Some(to) = direction(sku).filter(|_| unit == "GiBy") {
        if let Some(list) = bands(doc, info, to, found, faults) {
            found.valid(day(info.effective_time.as_deref()));
            prices.data.entry(to).or_default().push(list);
        }
        return;
    }
    // Rates of an hour have no tiers, but for a free one before.
    let last = || info.pricing_expression.tiered_rates.last();
    if sku.description == "Regional Kubernetes Clusters" && unit == "h" {
        let Some(rate) = last() else { return };
        let Some((exact, leaf)) = rate_price(doc, rate, faults) else { return };
        found.fee = found.settle_price(Some(exact), "GKE", doc, leaf, faults);
        return;
    }
    let Some(part) = part(sku) else { return };
    let fits = if part.1 == "ram" { unit == "GiBy.h" } else { unit == "h" };
    let Some(rate) = last().filter(|_| fits) else { return };
    let Some((exact, _)) = rate_price(doc, rate, faults) else { return };
    found.valid(day(info.effective_time.as_deref()));
    let known = prices.parts.entry(part).or_insert(exact);
    // Several may only differ in what nobody asks for: the dearest is never too little.
    if known.micro() < exact.micro() {
        *known = exact;
    }
}

/// Which part of which machines a SKU prices.
fn part(sku: &Sku<'_>) -> Option<Part> {
    if sku.category.resource_family != "Compute" || OTHERS.iter().any(|o| sku.description.contains(o)) {
        return None;
    }
    let spot = match &*sku.category.usage_type {
        "Preemptible" => true,
        "OnDemand" => false,
        _ => return None,
    };
    let text = sku.description.trim_start_matches("Spot ").trim_start_matches("Preemptible ");
    let (head, _) = text.split_once(" running in ")?;
    if let Some(model) = head.strip_suffix(" GPU").or_else(|| head.strip_suffix(" GPU attached to Spot VMs")) {
        return Some((gpu_model(model), "gpu", spot));
    }
    let (family, what) = match head.rsplit_once(' ')? {
        (family, "Core") => (family, "core"),
        (family, "Ram") => (family, "ram"),
        _ => return None,
    };
    let mut family = family.strip_suffix(" Instance").unwrap_or(family);
    for word in [" Predefined", " AMD", " Arm"] {
        family = family.strip_suffix(word).unwrap_or(family);
    }
    let family = match family {
        "Compute optimized" => "c2".to_owned(),
        // Other words than a family's own name are something else.
        word if word.contains(' ') => return None,
        word => word.to_lowercase(),
    };
    Some((family, what, spot))
}

/// `Nvidia Tesla T4` and `nvidia-tesla-t4` → `T4`.
fn gpu_model(text: &str) -> String {
    let words = text.split([' ', '-']).map(str::to_uppercase);
    words.filter(|w| !["NVIDIA", "TESLA", ""].contains(&w.as_str())).collect::<Vec<_>>().join("-")
}

/// How far a SKU counts data; `None` for others.
fn direction(sku: &Sku<'_>) -> Option<EgressTo> {
    match &*sku.category.resource_group {
        "PremiumInternetEgress" => Some(EgressTo::Internet),
        "InterregionEgress" => Some(EgressTo::InterRegion),
        "InterzoneEgress" => Some(EgressTo::InterZone),
        _ => None,
    }
}

/// Dollars and billionths, exactly, and where they stand.
fn rate_price<'a>(doc: &Doc<'a>, rate: &Rate<'a>, faults: &mut Faults) -> Option<(Decimal, Leaf<'a>)> {
    let price = &rate.unit_price;
    let leaf = price.nanos.or(price.units)?;
    if !["", "USD"].contains(&&*price.currency_code) {
        let currency = short(&price.currency_code);
        faults.push(
            doc.wrong(leaf, format!("this price is in {currency}, and skyplan counts in US dollars"))
                .hint("ask for `currencyCode=USD`"),
        );
        return None;
    }
    let mut whole = |leaf: Option<Leaf<'a>>, most: u128, what: &str| -> Option<u128> {
        let Some(leaf) = leaf else { return Some(0) };
        let n = doc.number(leaf, what, faults)?.scaled(0).filter(|(n, rounded)| *n <= most && !rounded);
        if n.is_none() {
            faults.push(doc.wrong(leaf, format!("{what} `{}` cannot be", short(&content(leaf)))));
        }
        n.map(|(n, _)| n)
    };
    let units = whole(price.units, 1_000_000, "the dollars")?;
    let nanos = whole(price.nanos, 999_999_999, "the billionths of a dollar")?;
    let exact = Decimal::units_and_nanos(u64::try_from(units).ok()?, u32::try_from(nanos).ok()?);
    Some((exact, leaf))
}

/// A price list per gibibyte as one per gigabyte.
fn bands(
    doc: &Doc<'_>,
    info: &PricingInfo<'_>,
    to: EgressTo,
    found: &mut Imported,
    faults: &mut Faults,
) -> Option<Vec<Band>> {
    let name = format!("data {}", to.word());
    let mut tiers = Vec::new();
    for rate in &info.pricing_expression.tiered_rates {
        let (exact, leaf) = rate_price(doc, rate, faults)?;
        let price = found.settle_price(exact.times(Decimal::GB_IN_GIB), &name, doc, leaf, faults)?;
        let from = match rate.start_usage_amount {
            Some(leaf) => {
                let gb = doc.number(leaf, "the tier", faults)?.times(Decimal::parse(GIB_IN_GB).ok()?);
                let gb = gb.and_then(|gb| gb.scaled(0)).and_then(|(n, _)| u64::try_from(n).ok());
                let Some(gb) = gb.filter(|n| *n <= 1 << 50) else {
                    faults.push(doc.wrong(leaf, format!("the tier `{}` is too large", short(&content(leaf)))));
                    return None;
                };
                gb
            }
            None => 0,
        };
        tiers.push((from, price));
    }
    tiers.sort_by_key(|t| t.0);
    let ends = tiers.iter().skip(1).map(|t| Some(t.0)).chain([None]);
    let list: Vec<(u64, Band)> =
        tiers.iter().zip(ends).map(|((from, price), to_gb)| (*from, Band { to_gb, price: *price })).collect();
    // A tier that is less than a gigabyte wide is none.
    let wide = list.into_iter().filter(|(from, band)| band.to_gb.is_none_or(|end| end > *from));
    let bands: Vec<Band> = wide.map(|(_, band)| band).collect();
    (!bands.is_empty()).then_some(bands)
}

/// Machines with what their parts cost.
fn put_together(
    entry: &CatalogEntry,
    machines: &[(&Doc<'_>, Machine<'_>)],
    prices: &Prices,
    found: &mut Imported,
    faults: &mut Faults,
) {
    let mut left_out: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (doc, machine) in machines {
        let name = &*machine.name;
        let zone = machine.zone.as_deref().map(|z| z.rsplit('/').next().unwrap_or(z));
        let here = match (zone, &entry.region) {
            (Some(zone), Some(region)) => zone.rsplit_once('-').is_some_and(|(r, _)| r == region.value),
            _ => true,
        };
        if !here || faults.is_full() {
            continue;
        }
        found.seen.insert(name.to_owned());
        if !wanted(entry, name) {
            continue;
        }
        if let Some(known) = found.offers.get_mut(name) {
            known.zones.extend(zone.map(str::to_owned));
            continue;
        }
        let why = if machine.is_shared_cpu {
            Some("shared CPUs")
        } else if machine.bundled_local_ssds.is_some() || name.ends_with("-lssd") {
            Some("disks that are priced apart")
        } else {
            None
        };
        if let Some(why) = why {
            left_out.entry(why).or_default().insert(name);
            continue;
        }
        let Some(milli_cpu) = doc.vcpus(machine.guest_cpus, &format!("the CPUs of {name}"), faults) else { continue };
        let what = format!("the memory of {name}");
        let Some(memory) = doc.memory(machine.memory_mb, 1 << 20, &what, faults) else { continue };
        let Some(gpu) = gpu(doc, machine, faults) else { continue };
        let total = |spot: bool| -> Option<Decimal> {
            let family = name.split('-').next().unwrap_or(name);
            let price = |family: &str, what| prices.parts.get(&(family.to_owned(), what, spot)).copied();
            let gib = Decimal::whole((memory >> 20).into()).times(Decimal::MIB_IN_GIB)?;
            let cores = price(family, "core")?.times(Decimal::whole((milli_cpu / 1000).into()))?;
            let total = cores.plus(price(family, "ram")?.times(gib)?)?;
            match &gpu {
                Some(gpu) => total.plus(price(&gpu.model, "gpu")?.times(Decimal::whole(gpu.count.into()))?),
                None => Some(total),
            }
        };
        let Some(exact) = total(false) else {
            left_out.entry("no price of their parts").or_default().insert(name);
            continue;
        };
        let Some(price) = found.settle_price(Some(exact), name, doc, machine.guest_cpus, faults) else { continue };
        let spot = total(true).and_then(|spot| found.settle_price(Some(spot), name, doc, machine.guest_cpus, faults));
        let zones = zone.map(str::to_owned).into_iter().collect();
        found.offers.insert(name.to_owned(), Offer { milli_cpu, memory, gpu, price, spot, zones });
    }
    for (why, names) in left_out {
        let first: Vec<&str> = names.iter().take(3).copied().collect();
        let more = if names.len() > 3 { ", …" } else { "" };
        let n = names.len();
        let types = if n == 1 { "1 machine type is" } else { &format!("{n} machine types are") };
        found.notes.push(format!("{types} left out ({why}): {}{more}", first.join(", ")));
    }
}

/// The GPUs of a machine: `None` for a fault, `Some(None)` for none.
#[expect(clippy::option_option, reason = "a fault and no GPU are different")]
fn gpu(doc: &Doc<'_>, machine: &Machine<'_>, faults: &mut Faults) -> Option<Option<Gpu>> {
    let Some(first) = machine.accelerators.first() else { return Some(None) };
    let what = format!("the GPUs of {}", machine.name);
    let count = doc.vcpus(first.guest_accelerator_count, &what, faults)? / 1000;
    Some(Some(Gpu { model: gpu_model(&first.guest_accelerator_type), count, memory: None }))
}
