//! Secrets are planted wherever one may have them, a project lives its whole life, and then every byte that
//! was printed or kept is searched for them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use skyplan::{
    seal::Keyring,
    state::store::{Location, Log},
};

use super::home::{Home, both};

/// Keys and encrypted files, made by sops and age.
fn sealed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/sealed").join(name)
}

const PROJECT: &str =
    "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: vault\nstate:\n  encryption:\n    recipients: [RECIPIENT]\n";
const CLUSTER: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: vault\ndriver: local\nlocal: {nodes: 1}\n";
const APPLICATION: &str =
    "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: shop\nnamespace: shop\nsources: [{path: manifests}]\n";
const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  replicas: 1\n  \
    selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      \
    - name: web\n        image: busybox\n        envFrom: [{secretRef: {name: plain}}, {secretRef: {name: db}}]\n        \
    resources: {requests: {cpu: 10m, memory: 16Mi}}\n";
const PLAIN: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: plain, namespace: shop}\nstringData:\n  text: planted-in-the-specs\n\
    data:\n  bytes: cGxhbnRlZC1hcy1kYXRh\n";

/// What is searched for.
const PLANTED: [&str; 10] = [
    "planted-in-the-specs",
    "planted-as-data",
    "planted-hunter2",
    "planted-line-one",
    "planted-line-two",
    "planted-tls-key",
    "planted-rotated",
    "planted-refused",
    "planted-credential",
    "AGE-SECRET-KEY-",
];

/// All that was printed.
struct Life {
    home: Home,
    said: Vec<u8>,
    key: String,
}

impl Life {
    #[track_caller]
    fn run(&mut self, words: &str, status: i32) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut command = self.home.command(&words);
        command.env("SOPS_AGE_KEY_FILE", &self.key).env("RUST_LOG", "trace").env("SKYPLAN_LOG", "trace");
        for name in ["AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "AZURE_STORAGE_KEY", "GITHUB_TOKEN"] {
            command.env(name, "planted-credential");
        }
        let output = command.output().unwrap();
        self.said.extend([output.stdout.as_slice(), &output.stderr].concat());
        assert_eq!(output.status.code(), Some(status), "skyplan {words:?}: {}", both(&output));
        both(&output)
    }
}

/// All files below a folder.
pub(super) fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

/// Where these words are, as they are or in base64: in files, or in what was printed.
pub(super) fn found(words: &[String], kept: &[PathBuf], said: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut search = |name: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for word in words {
            for form in [word.clone(), base64(word), base64(&format!("{word}\n"))] {
                if text.contains(form.trim_end_matches('=')) {
                    found.push(format!("{name}: {word}"));
                }
            }
        }
    };
    for path in kept {
        search(&path.display().to_string(), &fs::read(path).unwrap());
    }
    search("printed", said);
    found
}

fn base64(text: &str) -> String {
    skyplan::digest::base64(text.as_bytes())
}

#[test]
fn planted_secrets_are_nowhere_to_be_found() {
    let home = Home::empty();
    let put = |name: &str, text: &str| {
        let path = home.project().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let key = fs::read_to_string(sealed("key.txt")).unwrap();
    let recipient = key.split("public key: ").nth(1).unwrap().lines().next().unwrap();
    put("skyplan.yaml", &PROJECT.replace("RECIPIENT", recipient));
    put("clusters.yaml", CLUSTER);
    put("shop/application.yaml", APPLICATION);
    put("shop/manifests/web.yaml", WEB);
    put("shop/manifests/plain.yaml", PLAIN);
    fs::copy(sealed("regex.yaml"), home.project().join("shop/manifests/sops.yaml")).unwrap();
    let mut life = Life { home, said: Vec::new(), key: sealed("key.txt").display().to_string() };

    life.run("validate", 0);
    life.run("plan -o plan.json --record replay.json", 0);
    life.run("plan --replay replay.json", 0);
    life.run("plan --json", 0);
    life.run("show plan.json", 0);
    life.run("show plan.json --json", 0);
    life.run("graph plan.json -o plan.svg", 0);
    life.run("graph plan.json --format json", 0);
    life.run("apply plan.json", 0);
    for words in [
        "explain",
        "explain web --json",
        "explain object/vault/core/Secret/shop/db",
        "explain object/vault/core/Secret/shop/plain --field data.text",
        "explain object/vault/core/Secret/shop/db --field stringData.password",
        "status --json",
        "show",
        "show object/vault/core/Secret/shop/db --json",
        "state show",
        "state show object/vault/core/Secret/shop/db",
        "state log",
        "output",
    ] {
        // Some of these ask for what there is not: what they say then counts, too.
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut command = life.home.command(&words);
        let output = command.env("SOPS_AGE_KEY_FILE", &life.key).env("RUST_LOG", "trace").output().unwrap();
        life.said.extend([output.stdout, output.stderr].concat());
    }
    // The cluster has what the specs say: nothing was lost on the way.
    let data = life.home.kubectl("vault", &["get", "secret", "db", "-n", "shop", "-o", "jsonpath={.data.password}"]);
    assert_eq!(data, base64("planted-hunter2"));

    // A value changes, and somebody else changes one: that is a conflict, until it is gone.
    life.home.edit("shop/manifests/plain.yaml", "planted-in-the-specs", "planted-rotated");
    let patch = "{\"stringData\":{\"password\":\"planted-as-data\"}}";
    life.home.kubectl("vault", &["patch", "secret", "db", "-n", "shop", "--type=merge", "-p", patch]);
    life.run("plan -o next.json", 1);
    life.run("plan --json", 1);
    life.home.kubectl("vault", &["delete", "secret", "db", "-n", "shop"]);
    let plan = life.run("plan -o next.json", 0);
    assert!(plan.contains("Secret shop/plain"), "{plan}");
    life.run("apply --yes --json", 0);
    // One is refused by the server, which says why.
    put_refused(&life.home);
    life.run("plan --record refused.json", 1);
    life.run("apply --yes", 1);
    fs::remove_file(life.home.project().join("shop/manifests/refused.yaml")).unwrap();
    // Faults of the specs show lines of theirs.
    let twice =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  a: planted-refused\n  a: planted-rotated\n";
    fs::write(life.home.project().join("shop/manifests/twice.yaml"), twice).unwrap();
    let open = "apiVersion: v1\nkind: Secret\nmetadata: {name: y}\nstringData:\n  a: \"planted-refused\n  b: planted-rotated\n";
    fs::write(life.home.project().join("shop/manifests/open.yaml"), open).unwrap();
    assert!(life.run("validate", 1).contains("2 errors"));
    for name in ["twice.yaml", "open.yaml"] {
        fs::remove_file(life.home.project().join("shop/manifests").join(name)).unwrap();
    }
    let rekeyed = life.run("state rekey", 0);
    assert!(rekeyed.contains("3 Secrets"), "{rekeyed}");
    life.run("state log", 0);
    life.run("destroy --yes", 0);

    // What the state held could be opened by the recipient all the time, and by nobody else.
    let mut kept = Vec::new();
    files(&life.home.project(), &mut kept);
    kept.retain(|path| !path.starts_with(life.home.project().join("shop")));
    assert!(kept.len() > 8, "{kept:?}");
    let found = found(&PLANTED.map(str::to_owned), &kept, &life.said);
    assert!(found.is_empty(), "{found:#?}");
    assert!(life.said.len() > 20_000, "much was printed: {}", life.said.len());
}

/// Whatever an apply was about when it was killed: a Secret is never remembered without the values that it was
/// given, and once somebody has gone on, they are those of now.
#[test]
fn values_are_held_wherever_an_apply_is_killed() {
    let home = Home::empty();
    let key = fs::read_to_string(sealed("key.txt")).unwrap();
    let recipient = key.split("public key: ").nth(1).unwrap().lines().next().unwrap();
    fs::create_dir_all(home.project().join("shop/manifests")).unwrap();
    for (name, text) in [
        ("skyplan.yaml", &*PROJECT.replace("RECIPIENT", recipient)),
        ("clusters.yaml", CLUSTER),
        ("shop/application.yaml", APPLICATION),
        ("shop/manifests/plain.yaml", PLAIN),
    ] {
        fs::write(home.project().join(name), text).unwrap();
    }
    home.run(&["apply", "--yes"], 0);
    let folder = home.project().join(".skyplan/state");
    let address = "object/vault/core/Secret/shop/plain".parse().unwrap();
    let mut keys = Keyring::default();
    keys.add(&key).unwrap();
    // Serial of the log and of the record, and what is held.
    let look = || {
        let log = Log::open(&Location::folder(&folder), "vault", || "key".into()).unwrap();
        let state = log.state();
        let values = keys.open(state.sealed[&address].as_bytes()).unwrap();
        let values: serde_json::Value = serde_json::from_slice(&values).unwrap();
        (state.serial, state.records[&address].serial, values["text"].as_str().unwrap().to_owned())
    };
    let mut old = "planted-in-the-specs".to_owned();
    // Begin, the values, what came of it, End: each before it is there, and as soon as it is.
    for (n, place) in [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3), (1, 4), (2, 4)] {
        let new = format!("planted-{place}-{n}");
        home.edit("shop/manifests/plain.yaml", &old, &new);
        let base = look().0;
        let mut child = home.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let entry = folder.join(format!("{:012}.json", base + place));
        let draft = format!(".draft-{}-", base + place);
        let is_draft = |f: &fs::DirEntry| f.file_name().to_str().is_some_and(|name| name.starts_with(&draft));
        let drafted = || fs::read_dir(&folder).unwrap().flatten().any(|f| is_draft(&f));
        while !(entry.exists() || n == 1 && drafted()) && child.try_wait().unwrap().is_none() {}
        let _ = child.kill();
        child.wait().unwrap();
        let (serial, record, held) = look();
        println!("killed at {place} ({n}): {} entries; remembered: {}", serial - base, record > base);
        assert!(held == base64(&new) || held == base64(&old) && record <= base, "{place}: {held}");
        home.run(&["apply", "--yes"], 0);
        let (_, record, held) = look();
        assert!(record > base && held == base64(&new), "{place}: {held}");
        old = new;
    }
    home.run(&["destroy", "--yes"], 0);
}

/// A Secret that the API server does not take.
fn put_refused(home: &Home) {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: refused, namespace: shop}\ntype: kubernetes.io/dockerconfigjson\n\
                stringData: {.dockerconfigjson: planted-refused}\n";
    fs::write(home.project().join("shop/manifests/refused.yaml"), text).unwrap();
}
