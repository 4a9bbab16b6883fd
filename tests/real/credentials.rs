//! Credentials are planted wherever people keep them: in kubeconfigs, in what credential plugins are given and
//! print, in the environment, for clusters and for stores of state. A project lives with them, and with such as
//! fail; then all that was printed or kept is searched for them.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::PathBuf,
    process::Command,
    thread,
};

use super::{
    home::{Home, both},
    secrets::{files, found},
};

const PROJECT: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: guest\noutputs:\n- {name: way, cluster: prod, path: kubeconfig}\n\
    - {name: colour, object: {kind: ConfigMap, name: paint}, path: data.colour}\n";
const CLUSTER: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: prod\ndriver: existing\nexisting: {kubeconfig: ../keys/current}\n";
const APPLICATION: &str = "apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: shop\nnamespace: default\nsources:\n- objects:\n  \
    - {apiVersion: v1, kind: ConfigMap, metadata: {name: paint}, data: {colour: red}}\n";
/// A credential plugin: says its token to whoever looks, too.
const PLUGIN: &str = "#!/bin/sh\ntest \"$PLUGIN_KEY\" = planted-for-the-plugin || exit 9\n\
    token=$(cat \"$(dirname \"$0\")/token.txt\")\necho \"have got $token\" >&2\n\
    echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"'\"$token\"'\"}}'\n";

struct Life {
    home: Home,
    said: Vec<u8>,
    /// What is searched for.
    words: Vec<String>,
    server: String,
}

impl Life {
    /// Runs skyplan with credentials in its environment; the answer is all that it says.
    fn run(&mut self, words: &str) -> (i32, String) {
        let words: Vec<&str> = words.split_whitespace().collect();
        let mut command = self.home.command(&words);
        let key = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/sealed/key.txt")).unwrap();
        command.env("SOPS_AGE_KEY", key).env("SKYPLAN_LOG", "trace").env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
        for name in ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "AZURE_STORAGE_KEY"] {
            command.env(name, "planted-in-the-environment");
        }
        let output = command.output().unwrap();
        self.said.extend([output.stdout.as_slice(), &output.stderr].concat());
        (output.status.code().unwrap(), both(&output))
    }

    #[track_caller]
    fn good(&mut self, words: &str) -> String {
        let (status, said) = self.run(words);
        assert_eq!(status, 0, "skyplan {words}: {said}");
        said
    }

    fn keys(&self) -> PathBuf {
        self.home.dir.path().join("keys")
    }

    /// The cluster is from now on reached with a user of these credentials.
    fn log_in(&self, user: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: a, user: u}}}}]\n\
             clusters:\n- name: a\n  cluster:\n{}users:\n- name: u\n  user:\n{user}\n",
            self.server
        );
        fs::write(self.keys().join("current"), text).unwrap();
    }

    fn git(&self, args: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]);
        let output = git.args(args).current_dir(self.home.project()).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", both(&output));
    }
}

/// A store that knows nobody, and repeats what it was asked.
fn store() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut asked = [0; 4096];
            let n = stream.read(&mut asked).unwrap_or(0);
            let asked = String::from_utf8_lossy(&asked[..n]);
            let body = format!("<Error><Code>AccessDenied</Code><Message>who are you? {asked}</Message></Error>");
            let head = format!("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    port
}

#[test]
fn planted_credentials_are_nowhere_to_be_found() {
    let home = Home::empty();
    home.run(&["local", "up", "host"], 0);
    home.kubectl("host", &["create", "serviceaccount", "deployer"]);
    home.kubectl("host", &["create", "serviceaccount", "nobody"]);
    let admin =
        ["create", "clusterrolebinding", "d", "--clusterrole=cluster-admin", "--serviceaccount=default:deployer"];
    home.kubectl("host", &admin);
    let token = home.kubectl("host", &["create", "token", "deployer"]).trim().to_owned();
    let nobody = home.kubectl("host", &["create", "token", "nobody"]).trim().to_owned();
    let own = fs::read_to_string(home.dir.path().join("state/skyplan/local/host/kubeconfig")).unwrap();
    let field = |name: &str| {
        let line = own.lines().find(|l| l.trim_start_matches(['-', ' ']).starts_with(&format!("{name}:"))).unwrap();
        line.split_once(": ").unwrap().1.trim_matches('"').to_owned()
    };
    let (certificate, key) = (field("client-certificate-data"), field("client-key-data"));
    let server = format!(
        "    server: {}\n    certificate-authority-data: {}\n",
        field("server"),
        field("certificate-authority-data")
    );
    let pem = String::from_utf8(skyplan::digest::from_base64(&key).unwrap()).unwrap();
    let mut words: Vec<String> = [
        "planted-for-the-plugin",
        "planted-in-the-environment",
        "planted-as-argument",
        "planted-in-the-address",
        "planted-token",
        "AGE-SECRET-KEY-",
    ]
    .map(str::to_owned)
    .into();
    // Of a token its signature, of a key its lines: a part is bad enough.
    words.extend([&token, &nobody].map(|t| t.rsplit('.').next().unwrap().to_owned()));
    words.push(key[40..80].to_owned());
    words.extend(pem.lines().filter(|l| !l.starts_with("---")).map(|l| l[..l.len().min(40)].to_owned()));
    let mut life = Life { home, said: Vec::new(), words, server };

    fs::create_dir(life.keys()).unwrap();
    fs::write(life.keys().join("token.txt"), &token).unwrap();
    fs::write(life.keys().join("plugin"), PLUGIN).unwrap();
    let failing = "#!/bin/sh\necho planted-token\necho planted-token >&2\nexit 4\n";
    fs::write(life.keys().join("failing"), failing).unwrap();
    fs::write(life.keys().join("garbled"), "#!/bin/sh\necho '{status: {token: planted-token'\n").unwrap();
    let plugin = |name: &str| {
        format!(
            "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: sh\n      args: ['{}', planted-as-argument]\n      \
             env: [{{name: PLUGIN_KEY, value: planted-for-the-plugin}}]\n      interactiveMode: IfAvailable\n",
            life.keys().join(name).display()
        )
    };
    let (working, failing, garbled) = (plugin("plugin"), plugin("failing"), plugin("garbled"));
    for (name, text) in [("skyplan.yaml", PROJECT), ("clusters.yaml", CLUSTER), ("shop.yaml", APPLICATION)] {
        fs::write(life.home.project().join(name), text).unwrap();
    }
    fs::write(life.home.project().join(".gitignore"), ".skyplan\n*.json\n*.svg\n").unwrap();
    life.git(&["init", "-q"]);

    let by_token = format!("    token: {token}");
    let ways = [
        (by_token.clone(), "red", "green"),
        (format!("    client-certificate-data: {certificate}\n    client-key-data: {key}"), "green", "blue"),
        (working, "blue", "white"),
    ];
    for (user, before, after) in &ways {
        life.log_in(user);
        life.home.edit("shop.yaml", before, after);
        life.git(&["add", "-A", "."]);
        life.git(&["commit", "-q", "-m", "x"]);
        for words in [
            "validate",
            "plan",
            "plan --json",
            "plan -o plan.json --record replay.json",
            "plan --replay replay.json",
            "show plan.json",
            "show plan.json --json",
            "graph plan.json -o plan.svg",
            "graph plan.json --format json",
            "apply plan.json",
            "status",
            "status --json",
            "show",
            "state show",
            "state log",
            "output",
            "output --json",
            "explain",
        ] {
            life.good(words);
        }
        assert!(life.good("output").contains(after));
    }
    life.good("state diff 1");
    // The entry at which the first apply had ended.
    let log = life.good("state log");
    let ended = log.lines().find(|l| l.split_whitespace().any(|w| w == "end")).unwrap();
    let serial = ended.split_whitespace().next().unwrap().to_owned();
    life.good(&format!("rollback {serial} --yes"));
    assert!(life.good("output").contains("green"));
    life.good("state unhold --all");

    // Such as fail, each in its way.
    let elsewhere = "    server: https://127.0.0.1:1\n    insecure-skip-tls-verify: true\n".to_owned();
    for (user, server, said) in [
        (format!("    token: {nobody}"), None, "forbids"),
        ("    token: planted-token".into(), None, "does not accept the credentials"),
        (failing.clone(), None, "the credential plugin failed (exit status: 4)"),
        (garbled, None, "is no ExecCredential"),
        ("    token: [planted-token, planted-token]".into(), None, "is not the YAML of a kubeconfig"),
        (format!("    token: \"planted-token\\u000a{token}\""), None, "control character"),
        (by_token.clone(), Some(elsewhere), "not"),
        (by_token.clone(), Some(format!("{}    proxy-url: http://me:planted-token@p:1\n", life.server)), "the proxy"),
    ] {
        let usual = life.server.clone();
        life.server = server.unwrap_or(usual.clone());
        life.log_in(&user);
        life.server = usual;
        let mut heard = String::new();
        for words in
            ["plan", "plan --json", "apply --yes", "apply --yes --json", "status --json", "destroy --yes", "output"]
        {
            heard += &life.run(words).1;
        }
        assert!(heard.contains(said), "{user}: {said}: {heard}");
    }

    // Stores of state that do not take what is in the environment, or in an address.
    life.log_in(&failing);
    fs::rename(life.keys().join("current"), life.keys().join("failing.config")).unwrap();
    life.log_in("    token: [planted-token]");
    fs::rename(life.keys().join("current"), life.keys().join("broken.config")).unwrap();
    life.log_in("    token: planted-token");
    fs::rename(life.keys().join("current"), life.keys().join("unknown.config")).unwrap();
    life.log_in(&by_token);
    for url in [
        format!("s3://bucket/guest?region=r&endpoint=http://127.0.0.1:{}", store()),
        format!("postgres://me@127.0.0.1:{}/guest?sslmode=disable", store()),
        "postgres://me:planted-in-the-address@127.0.0.1:1/guest".into(),
        "postgres://me:planted-in-the-address/@127.0.0.1:1/guest".into(),
        "kubernetes://default/guest?kubeconfig=../keys/failing.config".into(),
        "kubernetes://default/guest?kubeconfig=../keys/broken.config".into(),
        "kubernetes://default/guest?kubeconfig=../keys/unknown.config".into(),
    ] {
        let (status, heard) = life.run(&format!("state migrate --to {url}"));
        assert_eq!(status, 1, "{url}: {heard}");
        let project = life.home.project().join("skyplan.yaml");
        fs::write(&project, format!("{PROJECT}state: {{url: \"{url}\"}}\n")).unwrap();
        for words in ["plan", "plan --json", "state log", "state doctor --json"] {
            let (status, heard) = life.run(words);
            assert_eq!(status, 1, "{url}: {words}: {heard}");
        }
        fs::remove_file(project).unwrap();
        assert_eq!(life.run(&format!("init --state {url}")).0, 1);
        fs::write(life.home.project().join("skyplan.yaml"), PROJECT).unwrap();
    }
    life.good("destroy --yes");

    let mut kept = Vec::new();
    files(&life.home.project(), &mut kept);
    assert!(kept.len() > 20, "{kept:?}");
    let found = found(&life.words, &kept, &life.said);
    assert!(found.is_empty(), "{found:#?}");
    assert!(life.said.len() > 100_000, "much was printed: {}", life.said.len());
}
