//! Importers, by the price files of `examples/catalog`, and by what hostile files do to them.

use super::*;
use crate::{
    catalog::{decimal::Decimal, lock::Locked},
    load::{self, tree::SourceTree},
    money::MicroUsd,
    quantity::Day,
    spec::{EgressTo, SpecSet},
};

const AWS: &str = include_str!("../../examples/catalog/prices/aws-ec2.json");
const EKS: &str = include_str!("../../examples/catalog/prices/aws-eks.json");
const DATA: &str = include_str!("../../examples/catalog/prices/aws-data.json");
const SPOT: &str = include_str!("../../examples/catalog/prices/aws-spot.json");
const SKUS: &str = include_str!("../../examples/catalog/prices/gcp-skus.json");
const MACHINES: &str = include_str!("../../examples/catalog/prices/gcp-machine-types.json");
const PRICES: &str = include_str!("../../examples/catalog/prices/azure-prices.json");
const SIZES: &str = include_str!("../../examples/catalog/prices/azure-sizes.json");
const FLAVORS: &str = include_str!("../../examples/catalog/prices/flavors.json");
const PROJECT: &str = include_str!("../../examples/catalog/skyplan.yaml");

fn set(project: &str) -> SpecSet {
    let (set, out) = load::read(&SourceTree { files: [("skyplan.yaml".into(), project.into())].into() });
    assert!(out.is_empty(), "{out:?}");
    set
}

/// An entry of the example.
fn entry(name: &str) -> CatalogEntry {
    let project = set(PROJECT).project.unwrap();
    project.spec.catalog.iter().find(|e| e.name.value == name).unwrap().value.clone()
}

fn source(name: &str, pages: &[&str]) -> SourceText {
    SourceText { name: name.into(), pages: pages.iter().map(|p| (*p).to_owned()).collect(), remote: false }
}

fn read(name: &str, files: &[&str]) -> Imported {
    let sources: Vec<SourceText> = files.iter().map(|text| source("f.json", &[text])).collect();
    import(&entry(name), &sources).unwrap_or_else(|out| panic!("{out:?}"))
}

/// Code, place and words of the faults.
fn faults(name: &str, files: &[&str]) -> Vec<String> {
    let sources: Vec<SourceText> = files.iter().map(|text| source("f.json", &[text])).collect();
    let out = import(&entry(name), &sources).expect_err("there are faults");
    let told = |d: &crate::diagnostic::Diagnostic| {
        let at = d.labels.first().map(|l| format!("{}:{}", l.origin, l.origin.column)).unwrap_or_default();
        assert!(!d.hints.is_empty(), "{d:?}");
        format!("{} {at} {}", d.code, d.summary)
    };
    out.iter().map(told).collect()
}

fn price(found: &Imported, name: &str) -> i64 {
    found.offers[name].price.0
}

#[test]
fn aws_takes_linux_on_shared_machines() {
    let found = read("aws-eu", &[AWS, EKS, DATA, SPOT]);
    let names: Vec<&str> = found.offers.keys().map(String::as_str).collect();
    assert_eq!(names, ["c7i.xlarge", "g6.xlarge", "m7i.large"]);
    let large = &found.offers["m7i.large"];
    assert_eq!((large.milli_cpu, large.memory, large.price), (2_000, 8 << 30, MicroUsd(120_800)));
    // The last price of each zone, and of those the dearer; not Windows, and not elsewhere.
    assert_eq!((large.spot, found.offers["c7i.xlarge"].spot), (Some(MicroUsd(46_300)), None));
    let gpu = found.offers["g6.xlarge"].gpu.clone().unwrap();
    assert_eq!((gpu.model.as_str(), gpu.count, gpu.memory), ("L4", 1, Some(24 << 30)));
    assert_eq!(price(&found, "g6.xlarge"), 1_006_123);
    assert!(found.notes.iter().any(|n| n.contains("rounded half up: g6.xlarge")), "{:?}", found.notes);
    assert_eq!(found.fee, Some(MicroUsd(100_000)));
    let day = |text: &str| Some(Day::parse(text).unwrap());
    assert_eq!((found.valid_from, found.published), (day("2026-11-01"), day("2026-10-30")));
    let band = |to_gb, price| Band { to_gb, price: MicroUsd(price) };
    assert_eq!(
        found.egress[&EgressTo::Internet],
        [band(Some(10_240), 90_000), band(Some(51_200), 85_000), band(None, 70_000)]
    );
    // Two of three regions have it.
    assert_eq!(found.egress[&EgressTo::InterRegion], [band(None, 20_000)]);
    assert_eq!(found.egress[&EgressTo::InterZone], [band(None, 10_000)]);
}

#[test]
fn aws_memory_has_commas_and_metal_is_a_machine_too() {
    let mut all = entry("aws-eu");
    all.offerings.clear();
    let found = import(&all, &[source("f", &[AWS])]).unwrap();
    let metal = &found.offers["x2idn.metal"];
    assert_eq!((metal.milli_cpu, metal.memory), (128_000, 2_048 << 30));
}

#[test]
fn gcp_puts_machines_together_from_their_parts() {
    let found = read("gcp-eu", &[SKUS, MACHINES]);
    // 2 × 0.040738 + 8 × 0.0054621 = 0.1251728
    assert_eq!(price(&found, "n2-standard-2"), 125_173);
    assert_eq!(found.offers["n2-standard-2"].spot, Some(MicroUsd(30_280)));
    assert_eq!(found.offers["n2-standard-2"].zones.len(), 2);
    // 4 × 0.0322 + 16 × 0.00377 + 0.721 = 0.91012
    assert_eq!(price(&found, "g2-standard-4"), 910_120);
    assert_eq!(found.offers["g2-standard-4"].gpu.as_ref().map(|g| g.model.as_str()), Some("L4"));
    assert!(!found.offers.contains_key("e2-micro") && !found.offers.contains_key("z9-standard-2"));
    assert_eq!(found.fee, Some(MicroUsd(100_000)));
    // Per gibibyte there, per gigabyte here.
    let internet = &found.egress[&EgressTo::Internet];
    assert_eq!(internet[0], Band { to_gb: Some(1), price: MicroUsd::ZERO });
    assert_eq!(internet[1], Band { to_gb: Some(1_100), price: MicroUsd(111_759) });
    assert_eq!(found.egress[&EgressTo::InterRegion], [Band { to_gb: None, price: MicroUsd(18_626) }]);
}

#[test]
fn gcp_reads_machine_types_in_all_their_forms() {
    let list = MACHINES.split_once('[').unwrap().1.rsplit_once(']').unwrap().0;
    let want = read("gcp-eu", &[SKUS, MACHINES]);
    assert_eq!(read("gcp-eu", &[SKUS, &format!("[{list}]")]), want);
    let aggregated =
        format!(r#"{{"items": {{"zones/x": {{"machineTypes": [{list}]}}, "zones/y": {{"warning": 1}}}}}}"#);
    assert_eq!(read("gcp-eu", &[SKUS, &aggregated]), want);
    // In whichever order the files come.
    assert_eq!(read("gcp-eu", &[MACHINES, SKUS]), want);
}

#[test]
fn azure_joins_prices_and_sizes() {
    let found = read("azure-eu", &[PRICES, SIZES]);
    assert_eq!((price(&found, "Standard_D2s_v5"), price(&found, "Standard_D4s_v5")), (120_000, 240_000));
    assert_eq!(found.offers["Standard_D2s_v5"].spot, Some(MicroUsd(23_457)));
    assert_eq!(found.offers["Standard_D4s_v5"].zones.len(), 2);
    assert_eq!(found.fee, Some(MicroUsd(100_000)));
    let tiers: Vec<_> = found.egress[&EgressTo::Internet].iter().map(|b| (b.to_gb, b.price.0)).collect();
    assert_eq!(tiers, [(Some(100), 0), (Some(10_335), 87_000), (None, 83_000)]);
    assert_eq!(found.egress[&EgressTo::InterZone][0].price.0, 10_000);
    // The answer of the API has the sizes below `value`.
    assert_eq!(read("azure-eu", &[PRICES, &format!("{{\"value\": {SIZES}}}")]), found);
}

#[test]
fn what_is_null_is_as_if_it_were_not_there() {
    let sizes = SIZES.replacen("\"zones\": [\"1\", \"2\"]", "\"zones\": null", 1);
    let bare =
        r#"{"resourceType": "hostGroups", "name": "x", "capabilities": null, "locations": null, "locationInfo": null}"#;
    let found = read("azure-eu", &[PRICES, &sizes.replacen('[', &format!("[{bare},"), 1)]);
    assert_eq!(found.offers["Standard_D4s_v5"].zones.len(), 0);
    let flavors = FLAVORS.replacen("\"extra_specs\": {}", "\"extra_specs\": null", 1);
    assert_eq!(read("lab", &[&flavors]).offers.len(), 2);
}

#[test]
fn azure_pages_are_read_one_after_the_other() {
    let item = |name: &str, price: &str| {
        format!(
            r#"{{"Items": [{{"retailPrice": {price}, "armRegionName": "westeurope", "serviceName": "Virtual Machines", "productName": "x", "skuName": "x", "unitOfMeasure": "1 Hour", "type": "Consumption", "armSkuName": "{name}"}}]}}"#
        )
    };
    let pages = [item("Standard_D2s_v5", "9E-05"), item("Standard_D4s_v5", "0.24")];
    let prices = source("p", &[&pages[0], &pages[1]]);
    let found = import(&entry("azure-eu"), &[prices, source("s", &[SIZES])]).unwrap();
    assert_eq!((price(&found, "Standard_D2s_v5"), price(&found, "Standard_D4s_v5")), (90, 240_000));
}

#[test]
fn openstack_prices_come_from_the_entry() {
    let found = read("lab", &[FLAVORS]);
    // 4 × 0.012 + 8 × 0.003, and what is disabled is none.
    assert_eq!((price(&found, "m1.large"), found.offers.len()), (72_000, 2));
    let mut all = entry("lab");
    all.offerings.clear();
    let found = import(&all, &[source("f", &[FLAVORS])]).unwrap();
    assert_eq!(found.offers["g1.a100"].gpu.as_ref().map(|g| (g.model.as_str(), g.count)), Some(("a100", 1)));
    all.prices.clear();
    let out = import(&all, &[source("f", &[FLAVORS])]).unwrap_err();
    assert_eq!(out.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["SKY0231"; 3]);
}

#[test]
fn figures_that_cannot_be_are_told_at_their_place() {
    const NODE: &str = "memory of a node is from 1 byte to 1 PiB";
    const PRICE: &str = "\"0.1208000000\"}, \"appliesTo\"";
    const SIZE: &str = "\"8 GiB\", \"storage\"";
    let price = |text: &str| format!("\"{text}\"}}, \"appliesTo\"");
    let size = |text: &str| format!("\"{text}\", \"storage\"");
    let (aws, gcp, azure) = ("aws-eu", "gcp-eu", "azure-eu");
    let large = "1000000000000000000";
    for (name, files, from, to, want) in [
        (aws, [AWS, EKS], PRICE, price("NaN"), "the price of m7i.large `NaN` is not a number".to_owned()),
        (aws, [AWS, EKS], PRICE, price("-0.1"), "the price of m7i.large `-0.1` is negative".into()),
        (aws, [AWS, EKS], PRICE, price("1e30"), "the price of m7i.large `1e30` is more than 1000000 dollars".into()),
        (
            aws,
            [AWS, EKS],
            SIZE,
            size("1000000000000000000 GiB"),
            format!("the memory of m7i.large `{large} GiB` cannot be: {NODE}"),
        ),
        (aws, [AWS, EKS], SIZE, size("much"), "the memory of m7i.large `much` is not a size such as `8 GiB`".into()),
        (
            gcp,
            [SKUS, MACHINES],
            "40738000}",
            "4073800000000}".into(),
            "the billionths of a dollar `4073800000000` cannot be".into(),
        ),
        (gcp, [SKUS, MACHINES], "40738000}", "-1}".into(), "the billionths of a dollar `-1` is negative".into()),
        (
            gcp,
            [MACHINES, SKUS],
            "8192, \"zone\"",
            "1e18, \"zone\"".into(),
            format!("the memory of n2-standard-2 `1e18` cannot be: {NODE}"),
        ),
        (
            azure,
            [PRICES, SIZES],
            "0.12, \"unit",
            "-5, \"unit".into(),
            "the price of Standard_D2s_v5 `-5` is negative".into(),
        ),
        (
            azure,
            [SIZES, PRICES],
            "\"8\"",
            format!("\"{large}\""),
            format!("the memory of Standard_D2s_v5 `{large}` cannot be: {NODE}"),
        ),
        (
            "lab",
            [FLAVORS, FLAVORS],
            "2048,",
            "18446744073709551616,".into(),
            format!("the memory of m1.small `18446744073709551616` cannot be: {NODE}"),
        ),
    ] {
        assert!(files[0].contains(from), "{from}");
        let text = files[0].replacen(from, &to, 1);
        let before = &text[..text.find(&to).unwrap()];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        assert_eq!(faults(name, &[&text, files[1]]), [format!("SKY0131 f.json:{line}:{column} {want}")]);
    }
}

#[test]
fn other_money_and_no_cpus_are_refused() {
    let told = faults("aws-eu", &[&AWS.replacen("\"USD\": \"0.1208000000\"}, \"app", "\"CNY\": \"0.7\"}, \"app", 1)]);
    assert!(told[0].ends_with("this price is in CNY, and skyplan counts in US dollars"), "{told:?}");
    let told = faults("aws-eu", &[&AWS.replacen("\"vcpu\": \"2\"", "\"vcpu\": \"0\"", 1)]);
    assert!(told[0].ends_with("`0` cannot be: CPUs of a node are from 1 to 100000"), "{told:?}");
    let told = faults("gcp-eu", &[&SKUS.replacen("USD", "EUR", 1), MACHINES]);
    assert!(told[0].ends_with("this price is in EUR, and skyplan counts in US dollars"), "{told:?}");
    let told =
        faults("azure-eu", &[&PRICES.replacen("\"currencyCode\": \"USD\"", "\"currencyCode\": \"EUR\"", 1), SIZES]);
    assert!(told[0].ends_with("this price is in EUR, and skyplan counts in US dollars"), "{told:?}");
}

#[test]
fn texts_that_are_no_price_files_are_told() {
    for (name, text, want) in [
        ("aws-eu", "", "SKY0130 f.json:1:1 this is not the JSON that is expected here: EOF while parsing a value"),
        ("aws-eu", "<html>", "SKY0130 f.json:1:1 this is not the JSON that is expected here: expected value"),
        (
            "aws-eu",
            "{\n  \"products\": [1]\n}",
            "SKY0130 f.json:2:14 this is not the JSON that is expected here: invalid type: sequence, expected a map",
        ),
        (
            "aws-eu",
            "{}",
            "SKY0130 f.json:1:1 this file is none of those that are read here: offer files of AmazonEC2, AmazonEKS and AWSDataTransfer, or a SpotPriceHistory",
        ),
        (
            "gcp-eu",
            "{}",
            "SKY0130 f.json:1:1 this file is none of those that are read here: `skus` of the Cloud Billing Catalog, or `items` of machine types",
        ),
        (
            "azure-eu",
            "{}",
            "SKY0130 f.json:1:1 this file is none of those that are read here: `Items` of the Retail Prices API, or a list of sizes",
        ),
        (
            "lab",
            "{\"error\": {\"code\": 401}}",
            "SKY0130 f.json:1:1 this file is none of those that are read here: an answer with `flavors`, of `GET /flavors/detail`",
        ),
    ] {
        assert_eq!(faults(name, &[text]), [want]);
    }
    // Nothing is as deep as the stack, and nothing is taken from a part of a file.
    let deep = format!("{{\"products\": {}", "[".repeat(200_000));
    assert_eq!(faults("aws-eu", &[&deep]).len(), 1);
}

#[test]
fn a_broken_product_is_told_where_it_stands() {
    let text = AWS.replacen("\"instanceType\": \"m7i.large\"", "\"instanceType\": 7", 1);
    let told = faults("aws-eu", &[&text]);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("SKY0130 f.json:12:"), "{told:?}");
}

#[test]
fn many_faults_are_not_all_told() {
    let flavors: Vec<String> =
        (0..500).map(|i| format!("{{\"name\": \"m1.{i}\", \"vcpus\": -1, \"ram\": 1}}")).collect();
    let told = faults("lab", &[&format!("{{\"flavors\": [{}]}}", flavors.join(",\n"))]);
    assert_eq!(told.len(), 21);
    assert!(told[20].contains("more faults, which are not shown"), "{}", told[20]);
}

#[test]
fn patterns_and_regions_that_fit_nothing_are_told() {
    let project = |from: &str, to: &str| {
        assert!(PROJECT.contains(from));
        let set = set(&PROJECT.replacen(from, to, 1));
        let entry = set.project.unwrap().spec.catalog[0].value.clone();
        let out = import(&entry, &[source("f", &[AWS])]).unwrap_err();
        let d = out.iter().next().unwrap().clone();
        (d.code, d.labels[0].origin.to_string(), d.hints[0].clone())
    };
    let (code, at, hint) = project("m7i.*, c7i.*", "m7i.lage");
    assert_eq!(
        (code.as_str(), at.as_str(), hint.as_str()),
        ("SKY0231", "skyplan.yaml:13", "did you mean `m7i.large`?")
    );
    let (_, _, hint) = project("m7i.*, c7i.*", "zz*");
    assert_eq!(hint, "`*` stands for any characters, as in `m7i.*`");
}

#[test]
fn regions_that_the_files_do_not_have_are_told() {
    let mut other = entry("aws-eu");
    other.offerings.clear();
    other.region.as_mut().unwrap().value = "eu-west-9".into();
    let out = import(&other, &[source("f", &[AWS, EKS, DATA])]).unwrap_err();
    assert!(out.iter().next().unwrap().summary.contains("no prices of region `eu-west-9`"));
}

#[test]
fn what_is_written_is_read_again() {
    for (name, files) in [
        ("aws-eu", vec![AWS, EKS, DATA, SPOT]),
        ("gcp-eu", vec![SKUS, MACHINES]),
        ("azure-eu", vec![PRICES, SIZES]),
        ("lab", vec![FLAVORS]),
    ] {
        let (entry, found) = (entry(name), read(name, &files));
        let text = profile::write(&entry, &found);
        let tree = SourceTree { files: [("p.yaml".into(), text.as_str().into())].into() };
        let (set, out) = load::read(&tree);
        assert!(out.iter().all(|d| d.code == "SKY0114"), "{out:?}\n{text}");
        let spec = &set.providers[0].spec;
        assert_eq!(spec.offerings.len(), found.offers.len());
        for offering in &spec.offerings {
            let offer = &found.offers[&offering.name.value];
            assert_eq!((offering.price.value, offering.vcpus.0), (offer.price, offer.milli_cpu));
            assert_eq!((offering.memory.0, offering.spot_price.as_ref().map(|p| p.value)), (offer.memory, offer.spot));
        }
        assert_eq!(spec.control_plane.price.as_ref().map(|p| p.value), found.fee);
        // And a note that wants out of its comment stays in it.
        let noted = Imported { notes: vec!["x\nkind: Secret".into()], ..found };
        assert!(profile::write(&entry, &noted).contains("# x kind: Secret\n"));
    }
}

#[test]
fn the_lock_is_read_as_it_is_written() {
    let locked = Locked {
        profile: "a: b".into(),
        file: "catalog/a.yaml".into(),
        sha256: "12e4".into(),
        importer: Importer::Gcp,
        importer_version: 1,
        entry: "0".into(),
        fetched: Day(20_000),
        valid_from: Some(Day(19_000)),
        as_of: Day(20_000),
        sources: vec![("https://a.b/c?d=e#f".into(), "1".into())],
    };
    let all = [("a: b".to_owned(), locked.clone())].into();
    let project = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: p\n";
    let files = [("skyplan.yaml", project.to_owned()), ("skyplan.lock", lock::write(&all, &[]))];
    let (set, out) = load::read(&SourceTree { files: files.map(|(p, t)| (p.into(), t.as_str().into())).into() });
    assert!(out.is_empty(), "{out:?}");
    assert_eq!(Locked::from(&set.lock.unwrap().spec.catalog[0].value), locked);
    assert!(lock::write(&std::collections::BTreeMap::new(), &[]).ends_with("catalog: []\n"));
}

#[test]
fn measurements_are_merged_by_their_day() {
    let csv = "a,b,p95,measuredAt,samples\neu,us,90ms,2026-01-01,10\nus,eu,80ms,2026-02-01,\neu,ap,200ms,,\n";
    let json = r#"{"measurements": [{"a": "eu", "b": "us", "p50": "1ms", "p95": "85ms", "measuredAt": "2026-01-15T10:00:00Z"}]}"#;
    let merged = latency::merge(&[source("m.csv", &[csv]), source("m.json", &[json])], None).unwrap();
    let told: Vec<String> = merged
        .iter()
        .map(|((a, b), m)| {
            format!("{a} {b} {:?} {:?}", m.quantiles[1].map(|t| t.to_string()), m.at.map(|d| d.to_string()))
        })
        .collect();
    assert_eq!(told, ["ap eu Some(\"200ms\") None", "eu us Some(\"80ms\") Some(\"2026-02-01\")"]);
    // What is not measured any more stays, with its day.
    let text = latency::write(&entry("measured"), &merged);
    let (set, _) = load::read(&SourceTree { files: [("p.yaml".into(), text.as_str().into())].into() });
    let again =
        latency::merge(&[source("m", &["a,b,p95,measuredAt\neu,ap,190ms,2026-03-01\n"])], Some(&set.latencies[0].spec))
            .unwrap();
    assert_eq!(again.len(), 2);
    assert_eq!(again[&("eu".into(), "us".into())], merged[&("eu".into(), "us".into())]);
    assert_eq!(latency::oldest(&again), Day::parse("2026-02-01").ok());
    assert_eq!(latency::oldest(&merged), None);
}

#[test]
fn measurements_with_faults_are_told_at_their_place() {
    let told = |text: &str| -> Vec<String> {
        let out = latency::merge(&[source("m", &[text])], None).unwrap_err();
        out.iter().map(|d| format!("{} {}:{}", d.code, d.labels[0].origin, d.labels[0].origin.column)).collect()
    };
    assert_eq!(told("x,y\n1,2\n"), ["SKY0130 m:1:1"]);
    assert_eq!(told("a,b,p95\neu,us,NaN\n"), ["SKY0131 m:2:7", "SKY0131 m:2:1"]);
    assert_eq!(told("a,b,p50,p95\neu,us,5ms,4ms\n"), ["SKY0131 m:2:1"]);
    assert_eq!(told("a,b,p95,measuredAt,samples\neu,us,5ms,2026-02-30,-1\n"), ["SKY0131 m:2:11", "SKY0131 m:2:22"]);
    assert_eq!(told("a,b,p95\n,us,5ms\n"), ["SKY0131 m:2:2"]);
    assert_eq!(told("[{\"a\": \"x\", \"b\": \"y\", \"p95\": 5}]"), ["SKY0131 m:1:30", "SKY0131 m:1:8"]);
    assert_eq!(told("{\"measurements\": 5}").len(), 1);
}

#[test]
fn arithmetic_is_bounded() {
    // The largest that every part may be, together.
    let most = Decimal::units_and_nanos(1_000_000, 999_999_999);
    assert_eq!(most.times(Decimal::whole(100_000)).and_then(Decimal::micro), None);
}

#[test]
fn any_change_of_a_price_file_is_read_or_refused() {
    // Each byte range of each file is cut out or replaced in turn: nothing panics, and no price grows out of nothing.
    for (name, text, rest) in [("aws-eu", AWS, EKS), ("gcp-eu", SKUS, MACHINES), ("azure-eu", PRICES, SIZES)] {
        for at in (0..text.len() - 8).step_by(389) {
            if !text.is_char_boundary(at) || !text.is_char_boundary(at + 7) {
                continue;
            }
            for with in ["", "\"", "-", "9999999", "{}"] {
                let changed = format!("{}{with}{}", &text[..at], &text[at + 7..]);
                let sources = [source("f", &[&changed]), source("g", &[rest])];
                if let Ok(found) = import(&entry(name), &sources) {
                    assert!(found.offers.values().all(|o| o.price.0 > 0 && o.memory > 0 && o.milli_cpu > 0));
                }
            }
        }
    }
}
