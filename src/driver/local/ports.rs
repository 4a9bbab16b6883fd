//! Which ports a cluster listens on.
//!
//! Not those that the kernel offers for port 0: they are from the range of which it also takes the
//! near end of outgoing connections, so while a cluster is stopped anybody might sit on its port.
//! These are from below that range, and the same for the same cluster wherever that is possible.
//! Knows numbers, not what listens.

use std::{collections::BTreeSet, net::TcpListener};

use sha2::{Digest as _, Sha256};

use crate::diagnostic::Diagnostic;

/// Below the NodePorts (30000) and Linux' ephemeral ports (32768), above what is commonly used.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// `N` ports that are free now and not in `taken`. Different seeds start at different places, so that
/// two runs that do not know of each other hardly meet.
pub(super) fn pick<const N: usize>(seed: &str, taken: &BTreeSet<u16>) -> Result<[u16; N], Diagnostic> {
    let digest = Sha256::digest(seed.as_bytes());
    let start = digest.iter().take(8).fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let start = u16::try_from(start % u64::from(COUNT)).unwrap_or_default();
    let mut free =
        (0..COUNT).map(|step| FIRST + (start + step) % COUNT).filter(|port| !taken.contains(port) && is_free(*port));
    let mut ports = [0; N];
    for port in &mut ports {
        *port = free.next().ok_or_else(|| {
            Diagnostic::error("SKY0609", format!("no port from {FIRST} to {} is free", FIRST + COUNT - 1))
                .hint("stop local clusters that are not needed: skyplan local list")
        })?;
    }
    Ok(ports)
}

/// Whether nobody listens there.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_ports_are_stable_distinct_and_free() {
        let first: [u16; 3] = pick("/s/a", &BTreeSet::new()).unwrap();
        assert_eq!(pick("/s/a", &BTreeSet::new()), Ok(first));
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3);
        assert!(first.iter().all(|p| (FIRST..FIRST + COUNT).contains(p)));

        let listener = TcpListener::bind(("127.0.0.1", first[0])).unwrap();
        assert!(!is_free(first[0]));
        let [second] = pick("/s/a", &BTreeSet::from([first[1]])).unwrap();
        assert!(second != first[0] && second != first[1]);
        drop(listener);

        let all = (FIRST..FIRST + COUNT).collect();
        crate::render::diagnostics::golden(&pick::<1>("/s/a", &all).unwrap_err(), &[]);
    }
}
