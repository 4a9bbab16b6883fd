//! Profiles as YAML documents, as a person would write them. What is written here is read like any spec.

use std::collections::BTreeSet;

use super::{Imported, importer_version, offers::Band};
use crate::{
    quantity::{Bytes, MilliCpu},
    spec::{API_VERSION, CatalogEntry, Importer, LOCK_FILE},
};

/// A `ProviderProfile` of what was found.
pub fn write(entry: &CatalogEntry, found: &Imported) -> String {
    let mut out = head(entry, "ProviderProfile", &found.notes);
    let mut line = |name: &str, value: &str| out.push_str(&format!("{name}: {}\n", scalar(value)));
    line("name", &entry.name);
    let platform = match entry.importer.value {
        Importer::Latency => "other",
        known => known.word(),
    };
    line("platform", platform);
    entry.region.iter().for_each(|r| line("region", r));
    entry.region_alias.iter().for_each(|r| line("regionAlias", r));
    entry.continent.iter().for_each(|c| line("continent", c));
    let zones: BTreeSet<&str> = if entry.zones.is_empty() {
        found.offers.values().flat_map(|o| &o.zones).map(String::as_str).collect()
    } else {
        entry.zones.iter().map(String::as_str).collect()
    };
    if !zones.is_empty() {
        out.push_str("zones:\n");
        zones.iter().for_each(|z| out.push_str(&format!("- name: {}\n", scalar(z))));
    }
    if !entry.attributes.is_empty() {
        let all: Vec<String> = entry.attributes.iter().map(|a| scalar(a)).collect();
        out.push_str(&format!("attributes: [{}]\n", all.join(", ")));
    }
    if let Some(quota) = &entry.quota {
        let parts = [
            quota.vcpus.map(|n| format!("vcpus: {n}")),
            quota.memory.map(|n| format!("memory: {n}")),
            quota.gpus.map(|n| format!("gpus: {n}")),
            quota.nodes.map(|n| format!("nodes: {n}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        out.push_str(&format!("quota: {{{}}}\n", parts.join(", ")));
    }
    if let Some(fee) = found.fee {
        out.push_str(&format!("controlPlane: {{price: {}}}\n", fee.exact()));
    }
    if !found.egress.is_empty() {
        out.push_str("egress:\n");
    }
    for (to, bands) in &found.egress {
        out.push_str(&format!("- to: {}\n  tiers:\n", to.word()));
        bands.iter().for_each(|b| out.push_str(&band(b)));
    }
    if !found.offers.is_empty() {
        out.push_str("offerings:\n");
    }
    for (name, offer) in &found.offers {
        let mut parts = vec![
            format!("name: {}", scalar(name)),
            format!("vcpus: {}", MilliCpu(offer.milli_cpu)),
            format!("memory: {}", Bytes(offer.memory)),
        ];
        if let Some(gpu) = &offer.gpu {
            let memory = gpu.memory.map_or_else(String::new, |m| format!(", memory: {}", Bytes(m)));
            parts.push(format!("gpu: {{model: {}, count: {}{memory}}}", scalar(&gpu.model), gpu.count));
        }
        parts.push(format!("price: {}", offer.price.exact()));
        parts.extend(offer.spot.map(|spot| format!("spotPrice: {}", spot.exact())));
        let own: BTreeSet<&str> = offer.zones.iter().map(String::as_str).collect();
        if !own.is_empty() && own != zones {
            let own: Vec<String> = own.into_iter().map(scalar).collect();
            parts.push(format!("zones: [{}]", own.join(", ")));
        }
        out.push_str(&format!("- {{{}}}\n", parts.join(", ")));
    }
    out
}

fn band(band: &Band) -> String {
    let end = band.to_gb.map_or_else(String::new, |gb| format!("toGb: {gb}, "));
    format!("  - {{{end}pricePerGb: {}}}\n", band.price.exact())
}

/// What stands above every file of the catalogue.
pub(super) fn head(entry: &CatalogEntry, kind: &str, notes: &[String]) -> String {
    let importer = entry.importer.word();
    let version = importer_version(entry.importer.value);
    let mut out = format!(
        "# Written by `skyplan catalog refresh {}`: what is changed here is lost with the next one.\n\
         # Importer {importer}, version {version}; where it came from, and when, is in {LOCK_FILE}.\n",
        entry.name
    );
    for note in notes {
        // A note repeats what files say.
        let note: String = note.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        out.push_str(&format!("# {note}\n"));
    }
    out.push_str(&format!("apiVersion: {API_VERSION}\nkind: {kind}\n"));
    out
}

/// A text as YAML: plain where it can be nothing else.
pub(super) fn scalar(text: &str) -> String {
    const WORDS: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn texts_that_yaml_takes_for_something_else_are_quoted() {
        for (text, want) in [
            ("m7i.large", "m7i.large"),
            ("1", "\"1\""),
            ("No", "\"No\""),
            ("a: b", "\"a: b\""),
            ("x\n- y", "\"x\\n- y\""),
            ("", "\"\""),
            ("${parameters.x}", "\"${parameters.x}\""),
        ] {
            assert_eq!(scalar(text), want);
        }
    }
}
