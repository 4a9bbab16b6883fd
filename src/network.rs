//! IPv4 networks as CIDRs: which overlap, who has which, which of a pool is free.
//!
//! Arithmetic only: knows neither clusters nor where anything is written. IPv4 alone, as that is what clusters
//! have to be told apart by today.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// How the word for what is no network ends.
pub(crate) const NO_NETWORK: &str = "is not an IPv4 network such as 10.244.0.0/16";
/// The largest and the smallest networks that anybody writes for a cluster, as lengths of their prefixes.
const LENGTHS: std::ops::RangeInclusive<u8> = 8..=30;

/// Those that a control plane is made with.
pub const MADE: std::ops::RangeInclusive<u8> = 12..=24;

/// A network: `10.244.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    first: u32,
    length: u8,
}

impl Cidr {
    /// Parses `10.244.0.0/16`.
    ///
    /// # Errors
    /// Says what is wrong with it: no network, one that begins within another, one too large or too small.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = || {
            let (address, length) = text.split_once('/')?;
            let plain = (1..=2).contains(&length.len()) && length.bytes().all(|b| b.is_ascii_digit());
            let length: u8 = length.parse().ok().filter(|length| plain && *length <= 32)?;
            Some((address.parse::<Ipv4Addr>().ok()?.to_bits(), length))
        };
        let (address, length) = parts().ok_or_else(|| format!("`{text}` {NO_NETWORK}"))?;
        if !LENGTHS.contains(&length) {
            let (large, small) = (LENGTHS.start(), LENGTHS.end());
            return Err(format!("`{text}` is too {}: networks are from /{large} to /{small}", {
                if length < *large { "large" } else { "small" }
            }));
        }
        let network = Self { first: address & !rest(length), length };
        if network.first != address {
            return Err(format!("`{text}` begins within the network {network}"));
        }
        Ok(network)
    }

    /// Its `n`th address, from 0.
    pub fn address(self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.saturating_add(n))
    }

    /// Length of its prefix: 16 of `10.244.0.0/16`.
    pub fn length(self) -> u8 {
        self.length
    }

    fn last(self) -> u32 {
        self.first | rest(self.length)
    }

    /// Whether the two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last() && other.first <= self.last()
    }
}

/// All addresses of a network less the first.
fn rest(length: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(length)).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.first), self.length)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Cidr {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cidr".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An IPv4 network that begins at its first address, from /8 to /30: `10.244.0.0/16`.",
            "type": "string",
            "pattern": "^[0-9]{1,3}(\\.[0-9]{1,3}){3}/([89]|[12][0-9]|30)$",
        })
    }
}

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// Addresses of pods.
    Pods,
    /// Addresses of Services.
    Services,
}

impl Use {
    /// All.
    pub const ALL: [Self; 2] = [Self::Pods, Self::Services];

    /// The word in the specs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Services => "services",
        }
    }

    /// The word in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Services => "Services",
        }
    }
}

/// The networks of a cluster, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Networks {
    /// Addresses of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<Cidr>,
    /// Addresses of Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Cidr>,
}

impl Networks {
    /// What every cluster had that skyplan made before it leased networks.
    pub const FIRST: Self = Self {
        pods: Some(Cidr { first: u32::from_be_bytes([10, 244, 0, 0]), length: 16 }),
        services: Some(Cidr { first: u32::from_be_bytes([10, 96, 0, 0]), length: 16 }),
    };

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The one for this use.
    pub fn of(&self, what: Use) -> Option<Cidr> {
        match what {
            Use::Pods => self.pods,
            Use::Services => self.services,
        }
    }

    /// Sets the one for this use.
    pub fn set(&mut self, what: Use, network: Option<Cidr>) {
        match what {
            Use::Pods => self.pods = network,
            Use::Services => self.services = network,
        }
    }

    /// Those that are known, with their use.
    pub fn known(&self) -> impl Iterator<Item = (Use, Cidr)> + use<> {
        let all = *self;
        Use::ALL.into_iter().filter_map(move |what| Some((what, all.of(what)?)))
    }

    /// In words: `pods 10.244.0.0/16, services 10.96.0.0/16`.
    pub fn words(&self) -> String {
        self.known().map(|(what, network)| format!("{} {network}", what.word())).collect::<Vec<_>>().join(", ")
    }
}

/// What networks are leased from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// From the first one first.
    pub blocks: Vec<Cidr>,
    /// Length of the prefix of every network that is leased.
    pub length: u8,
}

impl Pool {
    /// What is leased where nothing is written: private addresses, the first of which are those that most clusters
    /// have. What is below 10.32.0.0 and from 10.224.0.0 on stays for nodes and others, but for those first.
    pub fn usual(what: Use) -> Self {
        let block = |b: u8, length: u8| Cidr { first: u32::from_be_bytes([10, b, 0, 0]), length };
        let blocks = match what {
            Use::Pods => vec![block(244, 14), block(128, 10), block(192, 11)],
            Use::Services => vec![block(96, 11), block(64, 11), block(32, 11)],
        };
        Self { blocks, length: 16 }
    }

    /// The lowest network that nobody has.
    pub fn free(&self, taken: &Taken) -> Option<Cidr> {
        self.blocks.iter().find_map(|block| self.free_in(*block, taken))
    }

    fn free_in(&self, block: Cidr, taken: &Taken) -> Option<Cidr> {
        let mut next = Cidr { first: block.first, length: self.length };
        while block.length <= self.length && next.last() <= block.last() {
            let Some(end) = taken.last_within(next) else { return Some(next) };
            // The first network that begins after what is taken.
            next.first = (end | rest(self.length)).checked_add(1)?;
        }
        None
    }
}

/// Addresses that somebody has: ranges by their first address, none of which meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken(BTreeMap<u32, u32>);

impl Taken {
    /// From then on somebody has it.
    pub fn add(&mut self, network: Cidr) {
        let (mut first, mut last) = (network.first, network.last());
        // What begins before its end and ends at its beginning or later becomes one with it.
        while let Some((from, to)) = self.0.range(..=last.saturating_add(1)).next_back().map(|(a, b)| (*a, *b)) {
            if to.saturating_add(1) < first {
                break;
            }
            self.0.remove(&from);
            (first, last) = (first.min(from), last.max(to));
        }
        self.0.insert(first, last);
    }

    /// The end of the last range that meets it.
    fn last_within(&self, network: Cidr) -> Option<u32> {
        self.0.range(..=network.last()).next_back().map(|(_, last)| *last).filter(|last| *last >= network.first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn a_network_is_an_address_and_a_length() {
        for good in ["10.244.0.0/16", "10.0.0.0/8", "192.168.7.4/30", "0.0.0.0/8", "255.255.255.252/30"] {
            assert_eq!(cidr(good).to_string(), good);
        }
        for (bad, why) in [
            ("10.244.0.0", NO_NETWORK),
            ("10.244.0.0/", NO_NETWORK),
            ("10.244.0.0/+16", NO_NETWORK),
            ("10.244.0.0/016", NO_NETWORK),
            ("10.244.0.0/33", NO_NETWORK),
            ("10.244.0/16", NO_NETWORK),
            ("fd00::/64", NO_NETWORK),
            ("", NO_NETWORK),
            ("0.0.0.0/0", "too large: networks are from /8 to /30"),
            ("10.244.0.0/31", "too small: networks are from /8 to /30"),
            ("10.244.0.1/16", "begins within the network 10.244.0.0/16"),
        ] {
            let said = Cidr::parse(bad).unwrap_err();
            assert!(said.ends_with(why), "{bad}: {said}");
        }
        assert_eq!(cidr("10.96.0.0/16").address(1), Ipv4Addr::new(10, 96, 0, 1));
        assert_eq!(Networks::FIRST.words(), "pods 10.244.0.0/16, services 10.96.0.0/16");
    }

    #[test]
    fn the_lowest_free_one_is_leased() {
        let pool = Pool { blocks: vec![cidr("10.0.0.0/22"), cidr("10.9.0.0/24")], length: 24 };
        let mut taken = Taken::default();
        taken.add(cidr("10.0.0.128/25"));
        taken.add(cidr("10.0.2.0/23"));
        assert_eq!(pool.free(&taken), Some(cidr("10.0.1.0/24")));
        taken.add(cidr("10.0.1.4/30"));
        assert_eq!(pool.free(&taken), Some(cidr("10.9.0.0/24")));
        taken.add(cidr("10.0.0.0/8"));
        assert_eq!(pool.free(&taken), None);
        // A pool that is smaller than what is to be leased has none; and there is no address after the last one.
        assert_eq!(Pool { blocks: vec![cidr("10.0.0.0/25")], length: 24 }.free(&Taken::default()), None);
        let mut taken = Taken::default();
        taken.add(cidr("255.255.255.0/24"));
        assert_eq!(Pool { blocks: vec![cidr("255.255.255.0/24")], length: 24 }.free(&taken), None);
    }

    #[test]
    fn usual_pools_do_not_meet_and_begin_with_what_clusters_had() {
        let (pods, services) = (Pool::usual(Use::Pods), Pool::usual(Use::Services));
        let all: Vec<Cidr> = pods.blocks.iter().chain(&services.blocks).copied().collect();
        for (i, a) in all.iter().enumerate() {
            assert!(cidr("10.0.0.0/8").overlaps(*a));
            assert!(all[..i].iter().all(|b| !a.overlaps(*b)), "{a}");
        }
        let none = Taken::default();
        let first = Networks { pods: pods.free(&none), services: services.free(&none) };
        assert_eq!(first, Networks::FIRST);
        for pool in [pods, services] {
            let mut taken = Taken::default();
            let count = std::iter::from_fn(|| pool.free(&taken).inspect(|n| taken.add(*n))).count();
            assert!(count >= 96, "{count}");
        }
    }

    fn any_cidr() -> impl Strategy<Value = Cidr> {
        // Few addresses, so that many meet.
        (0_u32..1 << 10, 22_u8..=30).prop_map(|(n, length)| Cidr { first: (10 << 24 | n) & !rest(length), length })
    }

    proptest! {
        #[test]
        fn what_is_leased_nobody_has(
            held in proptest::collection::vec(any_cidr(), 0..8), blocks in proptest::collection::vec(any_cidr(), 0..3),
            length in 22_u8..=30,
        ) {
            let mut taken = Taken::default();
            held.iter().for_each(|h| taken.add(*h));
            let pool = Pool { blocks, length };
            // The plain way: every network of the size, from the lowest.
            let all = pool.blocks.iter().filter(|b| b.length <= length).flat_map(|b| {
                (b.first..=b.last()).step_by(rest(length) as usize + 1).map(|first| Cidr { first, length })
            });
            let lowest = all.into_iter().find(|n| held.iter().all(|h| !h.overlaps(*n)));
            prop_assert_eq!(pool.free(&taken), lowest);
        }
    }
}
