//! AWS: offer files of the bulk price list (`AmazonEC2`, `AmazonEKS`, `AWSDataTransfer`), and what
//! `aws ec2 describe-spot-price-history` prints.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;

use super::{
    decimal::Decimal,
    json::{Doc, Faults, Leaf, content, day, short},
    offers::{Band, Gpu, Imported, Offer, wanted},
};
use crate::{
    money::MicroUsd,
    quantity::Day,
    spec::{CatalogEntry, EgressTo},
};

/// An offer file, or a history of spot prices.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(borrow, default)]
    offer_code: Cow<'a, str>,
    #[serde(borrow, default)]
    publication_date: Cow<'a, str>,
    // A region has a hundred thousand products and terms: they are only looked at one by one.
    #[serde(borrow, default)]
    products: BTreeMap<String, Leaf<'a>>,
    #[serde(borrow, default)]
    terms: Terms<'a>,
    #[serde(borrow, rename = "SpotPriceHistory")]
    spot: Option<Vec<Spot<'a>>>,
}

#[derive(Default, Deserialize)]
struct Terms<'a> {
    #[serde(borrow, default, rename = "OnDemand")]
    on_demand: BTreeMap<String, Leaf<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product<'a> {
    #[serde(borrow, default)]
    product_family: Cow<'a, str>,
    #[serde(borrow)]
    attributes: Attributes<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Attributes<'a> {
    #[serde(borrow)]
    instance_type: Cow<'a, str>,
    #[serde(borrow)]
    region_code: Cow<'a, str>,
    #[serde(borrow)]
    location_type: Cow<'a, str>,
    #[serde(borrow)]
    operating_system: Cow<'a, str>,
    #[serde(borrow)]
    tenancy: Cow<'a, str>,
    #[serde(borrow)]
    capacitystatus: Cow<'a, str>,
    #[serde(borrow, rename = "preInstalledSw")]
    software: Cow<'a, str>,
    #[serde(borrow)]
    license_model: Cow<'a, str>,
    #[serde(borrow)]
    marketoption: Cow<'a, str>,
    #[serde(borrow)]
    usagetype: Cow<'a, str>,
    #[serde(borrow)]
    transfer_type: Cow<'a, str>,
    #[serde(borrow)]
    from_region_code: Cow<'a, str>,
    #[serde(borrow)]
    from_location_type: Cow<'a, str>,
    #[serde(borrow)]
    to_location_type: Cow<'a, str>,
    #[serde(borrow)]
    vcpu: Option<Leaf<'a>>,
    #[serde(borrow)]
    memory: Option<Leaf<'a>>,
    #[serde(borrow)]
    gpu: Option<Leaf<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term<'a> {
    #[serde(borrow, default)]
    effective_date: Cow<'a, str>,
    #[serde(borrow)]
    price_dimensions: BTreeMap<String, Dimension<'a>>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension<'a> {
    #[serde(borrow, default)]
    unit: Cow<'a, str>,
    #[serde(borrow)]
    begin_range: Option<Leaf<'a>>,
    #[serde(borrow)]
    end_range: Option<Leaf<'a>>,
    #[serde(borrow)]
    price_per_unit: BTreeMap<String, Leaf<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spot<'a> {
    #[serde(borrow)]
    instance_type: Cow<'a, str>,
    #[serde(borrow, default)]
    product_description: Cow<'a, str>,
    #[serde(borrow, default)]
    availability_zone: Cow<'a, str>,
    #[serde(borrow)]
    spot_price: Leaf<'a>,
    #[serde(borrow, default)]
    timestamp: Cow<'a, str>,
}

/// GPUs by the family of instances: the price list only counts them. (Family, model, GiB of each.)
const GPUS: [(&str, &str, u64); 14] = [
    ("g4dn", "T4", 16),
    ("g5", "A10G", 24),
    ("g5g", "T4G", 16),
    ("g6", "L4", 24),
    ("g6e", "L40S", 48),
    ("gr6", "L4", 24),
    ("p2", "K80", 12),
    ("p3", "V100", 16),
    ("p3dn", "V100", 32),
    ("p4d", "A100", 40),
    ("p4de", "A100", 80),
    ("p5", "H100", 80),
    ("p5e", "H200", 141),
    ("p5en", "H200", 141),
];

pub(super) fn read(entry: &CatalogEntry, docs: &[Doc<'_>], faults: &mut Faults) -> Imported {
    let mut found = Imported::default();
    let mut spots = Vec::new();
    let mut lists: BTreeMap<EgressTo, Vec<Vec<Band>>> = BTreeMap::new();
    for doc in docs {
        let Some(file) = doc.parse::<File<'_>>(faults) else { continue };
        if let Some(spot) = file.spot {
            spots.extend(spot.into_iter().map(|s| (doc, s)));
            continue;
        }
        if !["AmazonEC2", "AmazonEKS", "AWSDataTransfer"].contains(&&*file.offer_code) {
            faults.push(doc.unknown("offer files of AmazonEC2, AmazonEKS and AWSDataTransfer, or a SpotPriceHistory"));
            continue;
        }
        found.published(day(Some(&file.publication_date)));
        for (sku, product) in &file.products {
            if faults.is_full() {
                return found;
            }
            let Some(product) = doc.part::<Product<'_>>(product.get(), faults) else { continue };
            let offered = Offered { entry, doc, sku, term: file.terms.on_demand.get(sku).copied() };
            match of_interest(entry, &product) {
                Some(Kind::Node) => offered.node(&product.attributes, &mut found, faults),
                Some(Kind::Cluster) => {
                    let price = offered.hourly("EKS", &mut found, faults);
                    found.fee = price.or(found.fee);
                }
                Some(Kind::Data(to)) => {
                    if let Some(list) = offered.bands(to, &mut found, faults) {
                        lists.entry(to).or_default().push(list);
                    }
                }
                None => {}
            }
        }
    }
    for (to, lists) in lists {
        found.take_egress(to, lists);
    }
    spot(entry, &spots, &mut found, faults);
    found
}

enum Kind {
    Node,
    Cluster,
    Data(EgressTo),
}

/// What of the price list counts: Linux on shared machines, clusters with standard support, data out.
fn of_interest(entry: &CatalogEntry, product: &Product<'_>) -> Option<Kind> {
    let a = &product.attributes;
    let is = |have: &str, want: &str| have.is_empty() || have == want;
    let region = |code: &str| entry.region.as_ref().is_none_or(|r| code == r.value);
    match &*product.product_family {
        "Compute Instance" | "Compute Instance (bare metal)" => {
            let linux =
                a.operating_system == "Linux" && is(&a.software, "NA") && is(&a.license_model, "No License required");
            let plain = a.tenancy == "Shared" && is(&a.capacitystatus, "Used") && is(&a.marketoption, "OnDemand");
            (linux && plain && is(&a.location_type, "AWS Region") && region(&a.region_code)).then_some(Kind::Node)
        }
        "Compute" if a.usagetype.ends_with("AmazonEKS-Hours:perCluster") => {
            region(&a.region_code).then_some(Kind::Cluster)
        }
        "Data Transfer" if region(&a.from_region_code) && is(&a.from_location_type, "AWS Region") => {
            match &*a.transfer_type {
                "AWS Outbound" => Some(Kind::Data(EgressTo::Internet)),
                "InterRegion Outbound" if is(&a.to_location_type, "AWS Region") => {
                    Some(Kind::Data(EgressTo::InterRegion))
                }
                "IntraRegion" if a.usagetype.ends_with("DataTransfer-Regional-Bytes") => {
                    Some(Kind::Data(EgressTo::InterZone))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// A product and its price.
struct Offered<'a, 'd> {
    entry: &'d CatalogEntry,
    doc: &'d Doc<'a>,
    sku: &'d str,
    term: Option<Leaf<'a>>,
}

impl<'a> Offered<'a, '_> {
    fn node(&self, a: &Attributes<'_>, found: &mut Imported, faults: &mut Faults) {
        let name = &*a.instance_type;
        found.seen.insert(name.to_owned());
        if !wanted(self.entry, name) {
            return;
        }
        let (Some(vcpu), Some(memory)) = (a.vcpu, a.memory) else {
            return found.notes.push(format!("{name} is left out: its size is not in the file"));
        };
        let Some(price) = self.hourly(name, found, faults) else { return };
        if price == MicroUsd::ZERO {
            return found.notes.push(format!("{name} is left out: its price is 0"));
        }
        let milli_cpu = self.doc.vcpus(vcpu, &format!("the CPUs of {name}"), faults);
        let memory = self.memory(memory, name, faults);
        let gpu = a.gpu.and_then(|count| self.gpu(count, name, faults));
        let (Some(milli_cpu), Some(memory)) = (milli_cpu, memory) else { return };
        let offer = Offer { milli_cpu, memory, gpu, price, ..Offer::default() };
        match found.offers.get_mut(name) {
            Some(known) if known.price == price => {}
            Some(known) => {
                let text = format!("{name} has several prices in the file; the dearest counts");
                if !found.notes.contains(&text) {
                    found.notes.push(text);
                }
                if known.price < price {
                    *known = offer;
                }
            }
            None => {
                found.offers.insert(name.to_owned(), offer);
            }
        }
    }

    /// `1,952 GiB`.
    fn memory(&self, leaf: Leaf<'_>, name: &str, faults: &mut Faults) -> Option<u64> {
        let what = format!("the memory of {name}");
        let text = content(leaf);
        let Some(number) = text.strip_suffix("GiB") else {
            faults.push(self.doc.wrong(leaf, format!("{what} `{}` is not a size such as `8 GiB`", short(&text))));
            return None;
        };
        match Decimal::parse(&number.trim().replace(',', "")) {
            Ok(number) => self.doc.memory_of(number, leaf, 1 << 30, &what, faults),
            Err(why) => {
                faults.push(self.doc.wrong(leaf, format!("{what} `{}` {why}", short(&text))));
                None
            }
        }
    }

    fn gpu(&self, count: Leaf<'_>, name: &str, faults: &mut Faults) -> Option<Gpu> {
        if ["NA", "0"].contains(&&*content(count)) {
            return None;
        }
        let count = self.doc.vcpus(count, &format!("the GPUs of {name}"), faults)? / 1000;
        let family = name.split('.').next().unwrap_or(name);
        let known = GPUS.iter().find(|(f, ..)| *f == family);
        let model = known.map_or("unknown", |(_, model, _)| model).to_owned();
        Some(Gpu { model, count, memory: known.map(|(.., gib)| gib << 30) })
    }

    /// The price lines of the newest terms.
    fn dimensions(&self, found: &mut Imported, faults: &mut Faults) -> Vec<Dimension<'a>> {
        let Some(term) = self.term else { return Vec::new() };
        let Some(terms) = self.doc.part::<BTreeMap<String, Term<'a>>>(term.get(), faults) else { return Vec::new() };
        let newest = terms.into_values().max_by(|a, b| a.effective_date.cmp(&b.effective_date));
        newest.map_or_else(Vec::new, |term| {
            found.valid(Day::parse(&term.effective_date).ok());
            term.price_dimensions.into_values().collect()
        })
    }

    /// The price in dollars, as it is written.
    fn dollars(&self, dimension: &Dimension<'a>, faults: &mut Faults) -> Option<Leaf<'a>> {
        let price = dimension.price_per_unit.get("USD").copied();
        if let (None, Some((currency, leaf))) = (price, dimension.price_per_unit.first_key_value()) {
            faults.push(
                self.doc
                    .wrong(leaf, format!("this price is in {}, and skyplan counts in US dollars", short(currency)))
                    .hint("take the file of a region that is billed in dollars"),
            );
        }
        price
    }

    fn hourly(&self, name: &str, found: &mut Imported, faults: &mut Faults) -> Option<MicroUsd> {
        let dimensions = self.dimensions(found, faults);
        let hours = |d: &&Dimension<'a>| ["hrs", "hours", "hour"].contains(&&*d.unit.to_ascii_lowercase());
        let price = self.dollars(dimensions.iter().find(hours)?, faults)?;
        found.price(self.doc, price, name, &format!("the price of {name}"), faults)
    }

    fn bands(&self, to: EgressTo, found: &mut Imported, faults: &mut Faults) -> Option<Vec<Band>> {
        let what = format!("the price of data {}", to.word());
        let mut bands: Vec<(u64, Option<u64>, MicroUsd)> = Vec::new();
        for dimension in self.dimensions(found, faults).iter().filter(|d| d.unit == "GB") {
            let price = self.dollars(dimension, faults)?;
            let price = found.price(self.doc, price, &format!("data {}", to.word()), &what, faults)?;
            let begin = match dimension.begin_range {
                Some(leaf) => self.gigabytes(leaf, faults)?,
                None => 0,
            };
            let end = match dimension.end_range {
                Some(leaf) if content(leaf) != "Inf" => Some(self.gigabytes(leaf, faults)?),
                _ => None,
            };
            bands.push((begin, end, price));
        }
        bands.sort_unstable();
        let follow = bands.windows(2).all(|w| w[0].1 == Some(w[1].0));
        let whole = bands.first().is_some_and(|b| b.0 == 0) && bands.last().is_some_and(|b| b.1.is_none()) && follow;
        if !whole {
            if let (false, Some(term)) = (bands.is_empty(), self.term) {
                faults.push(self.doc.wrong(term, format!("the tiers of {} do not follow each other", short(self.sku))));
            }
            return None;
        }
        Some(bands.into_iter().map(|(_, to_gb, price)| Band { to_gb, price }).collect())
    }

    fn gigabytes(&self, leaf: Leaf<'_>, faults: &mut Faults) -> Option<u64> {
        let number = self.doc.number(leaf, "the range", faults)?;
        let gb = number.scaled(0).and_then(|(n, _)| u64::try_from(n).ok()).filter(|n| *n <= 1 << 50);
        if gb.is_none() {
            faults.push(self.doc.wrong(leaf, format!("the range `{}` is too large", short(&content(leaf)))));
        }
        gb
    }
}

/// The last price of each zone counts, and of the zones the dearest: whichever is taken, it is no more.
fn spot(entry: &CatalogEntry, all: &[(&Doc<'_>, Spot<'_>)], found: &mut Imported, faults: &mut Faults) {
    let mut last: BTreeMap<(&str, &str), (&str, &Doc<'_>, Leaf<'_>)> = BTreeMap::new();
    for (doc, spot) in all {
        let linux = spot.product_description.is_empty() || spot.product_description.starts_with("Linux/UNIX");
        let here = entry.region.as_ref().is_none_or(|r| spot.availability_zone.starts_with(r.as_str()));
        if !linux || !here || !found.offers.contains_key(&*spot.instance_type) {
            continue;
        }
        let known = last.entry((&spot.instance_type, &spot.availability_zone)).or_insert(("", doc, spot.spot_price));
        if known.0 <= &*spot.timestamp {
            *known = (&spot.timestamp, doc, spot.spot_price);
        }
    }
    for ((name, _), (_, doc, leaf)) in last {
        if faults.is_full() {
            return;
        }
        let Some(price) = found.price(doc, leaf, name, &format!("the spot price of {name}"), faults) else { continue };
        if let Some(offer) = found.offers.get_mut(name) {
            offer.spot = offer.spot.max(Some(price));
        }
    }
}
