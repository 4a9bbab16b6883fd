//! A client certificate that ends while an apply is under way.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};

use super::{assert_sound, behind, timed, write_maps};
use crate::real::home::{Home, both};

/// A kubeconfig for the administrator that is good for so long, in whole seconds.
fn short_lived(folder: &Path, far: &Path, good: Duration) {
    let file = |name: &str| fs::read_to_string(folder.join("certificates").join(name)).unwrap();
    let mut ca = CertificateParams::default();
    ca.distinguished_name = DistinguishedName::new();
    ca.distinguished_name.push(DnType::CommonName, "host ca");
    let authority = Issuer::new(ca, KeyPair::from_pem(&file("ca.key")).unwrap());
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.distinguished_name.push(DnType::CommonName, "short");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + (now - Duration::from_secs(60));
    params.not_after = epoch + (now + good);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let text = fs::read_to_string(folder.join("kubeconfig")).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut replaced = 0;
    for line in &mut lines {
        for (field, pem) in [("client-certificate-data", certificate.pem()), ("client-key-data", key.serialize_pem())] {
            if let Some(place) = line.find(&format!("{field}:")) {
                *line = format!("{}{field}: {}", &line[..place], STANDARD.encode(pem));
                replaced += 1;
            }
        }
    }
    assert_eq!(replaced, 2, "{text}");
    fs::write(far, lines.join("\n")).unwrap();
}

fn host(home: &Home) -> std::path::PathBuf {
    home.dir.path().join("state/skyplan/local/host")
}

#[test]
fn a_certificate_that_ends_in_the_middle_is_said_and_the_apply_is_resumed() {
    let (home, _meddler) = behind(1);
    let (folder, far) = (host(&home), home.project().join("far.kubeconfig"));
    fs::copy(folder.join("kubeconfig"), &far).unwrap();
    home.run(&["apply", "--yes"], 0);
    write_maps(&home, 300, "1");
    home.run(&["plan", "-o", "p.plan"], 0);
    // Long enough for some, too short for all.
    short_lived(&folder, &far, Duration::from_secs(3));
    let begun = Instant::now();
    let mut child = home
        .command(&["apply", "--yes", "--json", "--parallelism", "1", "p.plan"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It sleeps through the end: this machine may be quick.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = String::new();
    for line in lines.by_ref().take(100) {
        said += &(line.unwrap() + "\n");
    }
    let pid = child.id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    thread::sleep(Duration::from_secs(4).saturating_sub(begun.elapsed()));
    signal("-CONT");
    for line in lines {
        said += &(line.unwrap() + "\n");
    }
    let output = child.wait_with_output().unwrap();
    said += &both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(
        said.contains("SKY0702")
            && said.contains("cluster `prod` does not accept the credentials")
            && said.contains("log in again, or renew the certificate or token in the kubeconfig"),
        "{said}"
    );
    home.run(&["state", "doctor"], 0);
    let (said, _) = timed(&home, &["plan"], 0);
    assert!(said.contains("cluster prod was not compared: cluster `prod` does not accept the credentials"), "{said}");
    fs::copy(folder.join("kubeconfig"), &far).unwrap();
    home.run(&["apply", "--yes"], 0);
    assert_sound(&home, 300, "1");
}

/// While it is awaited, nothing is written: only the watch is refused.
#[test]
fn a_certificate_that_ends_during_the_wait_is_said_soon() {
    let (home, _meddler) = behind(1);
    let (folder, far) = (host(&home), home.project().join("far.kubeconfig"));
    fs::copy(folder.join("kubeconfig"), &far).unwrap();
    home.run(&["apply", "--yes"], 0);
    write_maps(&home, 1, "2");
    let (now, never) = ("  replicas: 2\n", "  replicas: 2\n  minReadySeconds: 500\n");
    home.edit("hello/manifests/web.yaml", now, never);
    // New pods: those that are there may count as available for a moment more.
    home.edit("hello/manifests/web.yaml", "agnhost:2.53", "agnhost:2.54");
    home.run(&["plan", "-o", "p.plan"], 0);
    short_lived(&folder, &far, Duration::from_secs(6));
    // A watch that is open stays so until its round is over.
    let (said, took) = timed(&home, &["apply", "--yes", "--timeout", "100s", "p.plan"], 1);
    assert!(took < Duration::from_secs(80), "{took:?}: {said}");
    assert!(said.contains("error[SKY0702]: cluster `prod` does not accept the credentials"), "{said}");
    home.run(&["state", "doctor"], 0);
    fs::copy(folder.join("kubeconfig"), &far).unwrap();
    home.edit("hello/manifests/web.yaml", never, now);
    home.run(&["apply", "--yes"], 0);
    assert_sound(&home, 1, "2");
}
