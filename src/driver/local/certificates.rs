//! Who may talk to whom: authorities, certificates and keys of a cluster, made here, in memory.
//!
//! Three authorities, because a certificate of one must not open another's door: the cluster's (the
//! API and all its clients; the controller-manager signs with it what users ask for), the front
//! proxy's (who holds one of its certificates may claim to be anybody), and etcd's.
//! Knows files below `certificates/`, not who reads them.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use serde::{Deserialize, Serialize};

use super::folder::{self, Folder};
use crate::diagnostic::Diagnostic;

const DAY: Duration = Duration::from_secs(24 * 3600);
const VALID: Duration = DAY.saturating_mul(3653);
/// Renewed when less than this is left.
const MARGIN: Duration = DAY.saturating_mul(30);
/// For machines whose clocks were corrected since.
const BACKDATED: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Authority {
    Cluster,
    FrontProxy,
    Etcd,
}

impl Authority {
    const ALL: [Self; 3] = [Self::Cluster, Self::FrontProxy, Self::Etcd];

    fn file(self) -> &'static str {
        match self {
            Self::Cluster => "ca",
            Self::FrontProxy => "front-proxy-ca",
            Self::Etcd => "etcd-ca",
        }
    }
}

/// One certificate.
struct Leaf {
    file: &'static str,
    authority: Authority,
    /// The user name, where the holder is a client of the API.
    common_name: &'static str,
    /// The group.
    organization: Option<&'static str>,
    serves: bool,
}

const fn client(file: &'static str, common_name: &'static str, organization: Option<&'static str>) -> Leaf {
    Leaf { file, authority: Authority::Cluster, common_name, organization, serves: false }
}

const MASTERS: Option<&str> = Some("system:masters");

const LEAVES: [Leaf; 9] = [
    Leaf { serves: true, ..client("apiserver", "kube-apiserver", None) },
    client("admin", "skyplan:admin", MASTERS),
    client("controller-manager", "system:kube-controller-manager", None),
    client("scheduler", "system:kube-scheduler", None),
    // It plays every kubelet at once, for which there is no role.
    client("kwok", "skyplan:kwok", MASTERS),
    client("apiserver-kubelet-client", "kube-apiserver-kubelet-client", MASTERS),
    Leaf { authority: Authority::FrontProxy, ..client("front-proxy-client", "front-proxy-client", None) },
    Leaf { authority: Authority::Etcd, ..client("apiserver-etcd-client", "kube-apiserver-etcd-client", None) },
    Leaf { authority: Authority::Etcd, serves: true, ..client("etcd", "etcd", None) },
];

/// Written last: without it the set is not whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    /// Seconds since 1970.
    until: u64,
    service_address: Ipv4Addr,
}

const ISSUED: &str = "issued.json";

/// Whether the certificates are whole, for this cluster's address, and good for some time.
pub(super) fn are_good(folder: &Folder, service_address: Ipv4Addr, now: SystemTime) -> bool {
    let text = folder::read(&folder.certificate(ISSUED)).ok().flatten().unwrap_or_default();
    serde_json::from_str(&text)
        .is_ok_and(|issued: Issued| issued.service_address == service_address && seconds(now + MARGIN) < issued.until)
}

/// Makes all certificates anew. The keys of the authorities and of service accounts are kept where
/// there are any: tokens and certificates that workloads have go on being good.
pub(super) fn issue(
    folder: &Folder,
    cluster: &str,
    service_address: Ipv4Addr,
    now: SystemTime,
) -> Result<(), Diagnostic> {
    let write = |file: String, pem: String| folder::write_private(&folder.certificate(&file), pem.as_bytes());
    // The API server does not find the public half of an elliptic key in the private one's file.
    write("sa.pub".to_owned(), kept_key(folder, "sa")?.public_key_pem())?;
    for authority in Authority::ALL {
        let key = kept_key(folder, authority.file())?;
        let params = authority_params(authority, cluster, now);
        let certificate = params.self_signed(&key).map_err(fault)?;
        write(format!("{}.crt", authority.file()), certificate.pem())?;
        let issuer = Issuer::new(params, key);
        for leaf in LEAVES.iter().filter(|l| l.authority == authority) {
            let key = new_key()?;
            let certificate = leaf_params(leaf, service_address, now)?.signed_by(&key, &issuer).map_err(fault)?;
            write(format!("{}.key", leaf.file), key.serialize_pem())?;
            write(format!("{}.crt", leaf.file), certificate.pem())?;
        }
    }
    let issued = Issued { until: seconds(now + VALID), service_address };
    write(ISSUED.to_owned(), serde_json::to_string(&issued).unwrap_or_default())
}

fn authority_params(authority: Authority, cluster: &str, now: SystemTime) -> CertificateParams {
    let mut params = params(&format!("{cluster} {}", authority.file()), None, now);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(leaf: &Leaf, service_address: Ipv4Addr, now: SystemTime) -> Result<CertificateParams, Diagnostic> {
    let mut params = params(leaf.common_name, leaf.organization, now);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // etcd is its own client; the API server is nobody's with this certificate.
    params.extended_key_usages = match leaf.authority {
        Authority::Etcd if leaf.serves => {
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
        }
        _ if leaf.serves => vec![ExtendedKeyUsagePurpose::ServerAuth],
        _ => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    if leaf.serves {
        let mut names = vec!["localhost"];
        let mut addresses = vec![Ipv4Addr::LOCALHOST];
        if leaf.authority == Authority::Cluster {
            names.extend([
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ]);
            addresses.push(service_address);
        }
        for name in names {
            params.subject_alt_names.push(SanType::DnsName(name.try_into().map_err(fault)?));
        }
        params.subject_alt_names.extend(addresses.into_iter().map(|a| SanType::IpAddress(IpAddr::V4(a))));
    }
    Ok(params)
}

fn params(common_name: &str, organization: Option<&str>, now: SystemTime) -> CertificateParams {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = epoch + Duration::from_secs(seconds(now - BACKDATED));
    params.not_after = epoch + Duration::from_secs(seconds(now + VALID));
    params
}

fn new_key() -> Result<KeyPair, Diagnostic> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(fault)
}

/// The key of that name; a new one when there is none.
fn kept_key(folder: &Folder, name: &str) -> Result<KeyPair, Diagnostic> {
    let path = folder.certificate(&format!("{name}.key"));
    if let Some(pem) = folder::read(&path)? {
        return KeyPair::from_pem(&pem).map_err(|e| {
            Diagnostic::error("SKY0618", format!("{} is not a key", path.display()))
                .detail(format!("It was changed since it was made: {e}."))
                .hint("put it back, or remove it to have a new one; tokens and certificates made with it end")
        });
    }
    let key = new_key()?;
    folder::write_private(&path, key.serialize_pem().as_bytes())?;
    Ok(key)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn fault(error: rcgen::Error) -> Diagnostic {
    Diagnostic::error("SKY0618", "a certificate cannot be made")
        .detail(format!("{error}."))
        .hint("this is a fault in skyplan: please report it")
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use rustls::{
        RootCertStore,
        client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
        server::WebPkiClientVerifier,
    };

    use super::*;

    const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

    fn der(folder: &Folder, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(folder.certificate(&format!("{name}.crt"))).unwrap()
    }

    fn roots(folder: &Folder, authority: Authority) -> Arc<RootCertStore> {
        let mut store = RootCertStore::empty();
        store.add(der(folder, authority.file())).unwrap();
        Arc::new(store)
    }

    fn serves(folder: &Folder, authority: Authority, leaf: &str, name: &str, at: SystemTime) -> bool {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots(folder, authority), Arc::new(default_provider()))
                .build()
                .unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap());
        verifier.verify_server_cert(&der(folder, leaf), &[], &name, &[], at).is_ok()
    }

    fn is_client(folder: &Folder, authority: Authority, leaf: &str, at: SystemTime) -> bool {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots(folder, authority), Arc::new(default_provider()))
                .build()
                .unwrap();
        let at = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap());
        verifier.verify_client_cert(&der(folder, leaf), &[], at).is_ok()
    }

    fn issued() -> (tempfile::TempDir, Folder, SystemTime) {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().into());
        folder.create().unwrap();
        let now = SystemTime::now();
        issue(&folder, "dev", SERVICE, now).unwrap();
        (place, folder, now)
    }

    #[test]
    fn the_api_server_is_known_by_its_names_for_ten_years() {
        let (_place, folder, now) = issued();
        for name in ["127.0.0.1", "localhost", "10.96.0.1", "kubernetes", "kubernetes.default.svc.cluster.local"] {
            assert!(serves(&folder, Authority::Cluster, "apiserver", name, now), "{name}");
        }
        assert!(!serves(&folder, Authority::Cluster, "apiserver", "example.com", now));
        assert!(!serves(&folder, Authority::Etcd, "apiserver", "localhost", now));
        assert!(serves(&folder, Authority::Etcd, "etcd", "127.0.0.1", now));
        assert!(serves(&folder, Authority::Cluster, "apiserver", "localhost", now + DAY * 3650));
        assert!(!serves(&folder, Authority::Cluster, "apiserver", "localhost", now + DAY * 3660));
    }

    #[test]
    fn each_client_has_its_door_and_no_other() {
        let (_place, folder, now) = issued();
        for leaf in LEAVES {
            for authority in Authority::ALL {
                let expected = authority == leaf.authority && leaf.file != "apiserver";
                assert_eq!(is_client(&folder, authority, leaf.file, now), expected, "{} {authority:?}", leaf.file);
            }
            let der = der(&folder, leaf.file);
            let says = |text: &str| der.windows(text.len()).any(|w| w == text.as_bytes());
            assert!(says(leaf.common_name));
            assert_eq!(says("system:masters"), leaf.organization.is_some(), "{}", leaf.file);
            PrivateKeyDer::from_pem_file(folder.certificate(&format!("{}.key", leaf.file))).unwrap();
        }
    }

    #[test]
    fn golden_they_are_renewed_in_time_and_keys_that_others_trust_are_kept() {
        let (_place, folder, now) = issued();
        assert!(are_good(&folder, SERVICE, now));
        assert!(are_good(&folder, SERVICE, now + DAY * 3600));
        assert!(!are_good(&folder, SERVICE, now + DAY * 3630));
        assert!(!are_good(&folder, Ipv4Addr::new(10, 97, 0, 1), now));

        let read = |file: &str| fs::read_to_string(folder.certificate(file)).unwrap();
        let before = ["sa.key", "ca.key", "etcd-ca.key", "admin.key", "ca.crt"].map(read);
        let later = now + DAY * 3630;
        issue(&folder, "dev", SERVICE, later).unwrap();
        let after = ["sa.key", "ca.key", "etcd-ca.key", "admin.key", "ca.crt"].map(read);
        assert_eq!(before[..3], after[..3]);
        assert!(before[3] != after[3] && before[4] != after[4]);
        assert!(are_good(&folder, SERVICE, later));
        assert!(serves(&folder, Authority::Cluster, "apiserver", "localhost", later + DAY * 3650));

        // A run that was killed on the way leaves a set that is known to be incomplete.
        fs::remove_file(folder.certificate(ISSUED)).unwrap();
        assert!(!are_good(&folder, SERVICE, now));
        fs::write(folder.certificate("sa.key"), "x").unwrap();
        let fault = issue(&folder, "dev", SERVICE, now).unwrap_err();
        let path = folder.path().display().to_string();
        crate::render::diagnostics::golden(&fault, &[(&path, "/home/me/.local/state/skyplan/local/dev")]);
    }
}
