//! Real servers, started on free ports in temporary folders, gone when their test is.
//!
//! For the tests of this crate, and those of skyplan that keep a state there.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rustix::process::{Pid, Signal, getuid, kill_process};
use sha2::{Digest as _, Sha256};
use skyplan_state_backends::{OpenLog, open};
use tempfile::TempDir;

/// A place for logs: an address with `LOG` where the name of the log goes, and the environment that
/// leads there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) env: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn url(&self, log: &str) -> String {
        self.url.replace("LOG", log)
    }

    pub(crate) fn open(&self, log: &str) -> OpenLog {
        let lookup = |name: &str| self.env.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        open(&self.url(log), Path::new("/"), &lookup).unwrap()
    }
}

/// A server that runs.
pub(crate) struct Server {
    pub(crate) place: Place,
    #[allow(dead_code, reason = "not all tests look into it; it is there as long as the server is")]
    pub(crate) dir: TempDir,
    pub(crate) children: Vec<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // For Postgres: now, but with all of its processes. The others know it as well.
            let _ = kill_process(Pid::from_child(child), Signal::INT);
            let end = Instant::now() + Duration::from_secs(5);
            while Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Says that something was not run, past the capture of tests that pass.
pub(crate) fn not_run(name: &str, why: &str) {
    let _ = std::io::stderr().write_all(format!("not run: {name} ({why})\n").as_bytes());
}

/// Where `make tools` installs.
fn tools() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    cache.unwrap_or_default().join("skyplan")
}

fn installed(path: &str) -> Result<PathBuf, String> {
    let path = tools().join(path);
    if path.exists() { Ok(path) } else { Err(format!("{} is not there: make tools", path.display())) }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The user that servers run as which refuse to be root; `None` where we are not root ourselves.
pub(crate) fn unprivileged() -> Option<(u32, u32)> {
    if !getuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let id = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let fields: Vec<&str> = line.split(':').collect();
        Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
    };
    id("postgres").or_else(|| id("nobody")).or(Some((65534, 65534)))
}

/// A command that ends with us, also when we are killed.
fn bound(program: &Path) -> Command {
    if Path::new("/usr/bin/setpriv").exists() {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn start(mut command: Command, log: &Path) -> Result<Child, String> {
    let output = fs::File::create(log).unwrap();
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    command.spawn().map_err(|e| format!("{command:?}: {e}"))
}

/// Waits until it answers; a server that ends instead is a failure, not something that is not there.
fn answers(child: &mut Child, log: &Path, mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !ready() {
        let ended = child.try_wait().unwrap();
        let said = || fs::read_to_string(log).unwrap_or_default();
        assert!(ended.is_none(), "the server ended ({ended:?}): {}", said());
        assert!(Instant::now() < end, "the server does not answer: {}", said());
        thread::sleep(Duration::from_millis(50));
    }
}

/// One request; the status, 0 = no answer.
fn http(port: u16, head: &str, headers: &str, body: &str) -> u16 {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let length = body.len();
        let text = format!(
            "{head} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes())?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    ask().ok().and_then(|answer| answer.get(9..12)?.parse().ok()).unwrap_or(0)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) const ID: &str = "skyplan-tests";
pub(crate) const KEY: &str = "skyplan-tests-secret";

fn s3(port: u16) -> Place {
    Place {
        url: format!("s3://bucket/some/where/LOG?endpoint=http://127.0.0.1:{port}&region=us-east-1"),
        env: pairs(&[("AWS_ACCESS_KEY_ID", ID), ("AWS_SECRET_ACCESS_KEY", KEY)]),
    }
}

pub(crate) fn versitygw() -> Result<Server, String> {
    let program = installed("tools/versitygw/versitygw")?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let (root, log) = (dir.path().join("root"), dir.path().join("log"));
    fs::create_dir_all(root.join("bucket")).unwrap();
    let mut command = bound(&program);
    command.args(["--quiet", "--port", &format!("127.0.0.1:{port}"), "--access", ID, "--secret", KEY, "posix"]);
    command.args(["--sidecar".as_ref(), dir.path().join("meta").as_os_str(), root.as_os_str()]);
    fs::create_dir_all(dir.path().join("meta")).unwrap();
    let mut child = start(command, &log)?;
    answers(&mut child, &log, || http(port, "GET /", "", "") != 0);
    Ok(Server { place: s3(port), dir, children: vec![child] })
}

/// One request at a time: moto looks whether the name is free and writes then, and two threads of it may
/// look at once. Any two that come at the same time still race for who is first.
const MOTO: &str = "\
import sys
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
app = DomainDispatcherApplication(create_backend_app)
run_simple('127.0.0.1', int(sys.argv[1]), app, threaded=False)
";

pub(crate) fn moto() -> Result<Server, String> {
    let library = installed("tools/moto/lib")?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let log = dir.path().join("log");
    let mut command = bound(Path::new("python3"));
    command.args(["-c", MOTO, &port.to_string()]).env("PYTHONPATH", library);
    let mut child = start(command, &log)?;
    answers(&mut child, &log, || http(port, "PUT /bucket", "", "") == 200);
    Ok(Server { place: s3(port), dir, children: vec![child] })
}

pub(crate) fn fake_gcs() -> Result<Server, String> {
    let program = installed("tools/fake-gcs-server/fake-gcs-server")?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let log = dir.path().join("log");
    let mut command = bound(&program);
    command.args(["-scheme", "http", "-host", "127.0.0.1", "-port", &port.to_string(), "-backend", "memory"]);
    command.args(["-log-level", "warn", "-external-url", &format!("http://127.0.0.1:{port}")]);
    let mut child = start(command, &log)?;
    let json = "Content-Type: application/json\r\n";
    answers(&mut child, &log, || http(port, "POST /storage/v1/b?project=x", json, r#"{"name":"bucket"}"#) == 200);
    let env = pairs(&[("STORAGE_EMULATOR_HOST", &format!("http://127.0.0.1:{port}"))]);
    Ok(Server { place: Place { url: "gs://bucket/some/where/LOG".into(), env }, dir, children: vec![child] })
}

/// The account that every azurite has, and its published key.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let with = |pad: u8| block.map(|b| b ^ pad);
    let inner = Sha256::new().chain_update(with(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(with(0x5c)).chain_update(inner).finalize().to_vec()
}

pub(crate) fn azurite() -> Result<Server, String> {
    let main = installed("tools/azurite/node_modules/azurite/dist/src/blob/main.js")?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let log = dir.path().join("log");
    let mut command = bound(Path::new("node"));
    command.arg(main).args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--silent"]);
    command.args(["--skipApiVersionCheck", "--disableTelemetry", "--location"]).arg(dir.path());
    let mut child = start(command, &log)?;
    let headers = "x-ms-date:Sat, 21 Nov 2026 00:00:00 GMT\nx-ms-version:2021-12-02";
    let text = format!("PUT\n\n\n\n\n\n\n\n\n\n\n\n{headers}\n/{ACCOUNT}/{ACCOUNT}/container\nrestype:container");
    let signature = BASE64.encode(hmac_sha256(&BASE64.decode(ACCOUNT_KEY).unwrap(), text.as_bytes()));
    let headers = headers.replace('\n', "\r\n");
    let headers = format!("{headers}\r\nAuthorization: SharedKey {ACCOUNT}:{signature}\r\n");
    let head = format!("PUT /{ACCOUNT}/container?restype=container");
    let mut status = 0;
    answers(&mut child, &log, || {
        status = http(port, &head, &headers, "");
        status != 0
    });
    assert_eq!(status, 201, "the container is made");
    let url = format!("azblob://container/some/where/LOG?endpoint=http://127.0.0.1:{port}/{ACCOUNT}");
    let env = pairs(&[("AZURE_STORAGE_ACCOUNT", ACCOUNT), ("AZURE_STORAGE_KEY", ACCOUNT_KEY)]);
    Ok(Server { place: Place { url, env }, dir, children: vec![child] })
}

/// An API server with its etcd, nothing else: Secrets need no more.
pub(crate) fn kubernetes() -> Result<Server, String> {
    let binaries = tools().join("control-plane/current");
    let program = |name: &str| {
        let path = binaries.join(name);
        if path.exists() { Ok(path) } else { Err(format!("{} is not there: make control-plane", path.display())) }
    };
    let (etcd, api) = (program("etcd")?, program("kube-apiserver")?);
    let (dir, [client, peer, port]) = (tempfile::tempdir().unwrap(), [free_port(), free_port(), free_port()]);
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let mut command = bound(&etcd);
    command.args([
        format!("--data-dir={}", file("etcd")),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--log-level=warn".into(),
    ]);
    let mut children = vec![start(command, &dir.path().join("etcd.log"))?];

    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(file("sa.key"), key.serialize_pem()).unwrap();
    fs::write(file("sa.pub"), key.public_key_pem()).unwrap();
    fs::write(file("tokens"), "right,tester,1,system:masters\nweak,nobody,2,\n").unwrap();
    let mut command = bound(&api);
    command.args([
        format!("--etcd-servers={client}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--cert-dir={}", file("certificates")),
        format!("--token-auth-file={}", file("tokens")),
        "--authorization-mode=RBAC".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        "--endpoint-reconciler-type=none".into(),
        // Nobody makes the account that it would ask for.
        "--disable-admission-plugins=ServiceAccount".into(),
    ]);
    let log = dir.path().join("api.log");
    children.push(start(command, &log)?);
    let kubeconfig = |token: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{port}', insecure-skip-tls-verify: true}}}}]\n\
             users: [{{name: u, user: {{token: {token}}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
        )
    };
    for token in ["right", "weak", "wrong"] {
        fs::write(file(token), kubeconfig(token)).unwrap();
    }
    let kubectl = program("kubectl")?;
    let api = children.last_mut().unwrap();
    answers(api, &log, || {
        // The namespace is there some seconds after the server answers.
        let get = ["get", "namespace", "default", "--kubeconfig", &file("right")];
        Command::new(&kubectl).args(get).output().is_ok_and(|output| output.status.success())
    });
    let place = Place { url: "kubernetes://default/LOG".into(), env: pairs(&[("KUBECONFIG", &file("right"))]) };
    Ok(Server { place, dir, children })
}

/// `initdb` and `postgres`, wherever the distribution keeps them.
fn postgres_binaries() -> Result<PathBuf, String> {
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    folders.reverse();
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    let found = folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    found.ok_or_else(|| "initdb is not there: make tools, or the package postgresql".into())
}

pub(crate) fn postgres() -> Result<Server, String> {
    let binaries = postgres_binaries()?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    fs::write(dir.path().join("password"), KEY).unwrap();
    let certificate = || rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (own, other) = (certificate(), certificate());
    fs::write(dir.path().join("server.crt"), own.cert.pem()).unwrap();
    fs::write(dir.path().join("server.key"), own.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(dir.path().join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.path().join("other.crt"), other.cert.pem()).unwrap();
    let user = unprivileged();
    let as_user = |mut command: Command| {
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command.current_dir(dir.path());
        command
    };
    if let Some((uid, gid)) = user {
        for name in ["", "password", "server.crt", "server.key"] {
            chown(dir.path().join(name), Some(uid), Some(gid)).unwrap();
        }
    }
    let mut initdb = as_user(Command::new(binaries.join("initdb")));
    initdb.args(["--auth=scram-sha-256", "--username=skyplan", "--pwfile=password", "--no-sync", "--encoding=UTF8"]);
    let made = initdb.arg(&data).output().map_err(|e| e.to_string())?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut command = as_user(bound(&binaries.join("postgres")));
    command.arg("-D").arg(&data).arg("-k").arg(dir.path()).args(["-p", &port.to_string()]);
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=50", "-c", "ssl=on"]);
    for (setting, file) in [("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")] {
        command.args(["-c", &format!("{setting}={}", dir.path().join(file).display())]);
    }
    // What a careless server does: answer before the disk has it.
    command.args(["-c", "synchronous_commit=off"]);
    let mut child = start(command, &log)?;
    answers(&mut child, &log, || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("ready to accept connections"))
    });
    let url = format!("postgres://skyplan@127.0.0.1:{port}/postgres?log=LOG");
    Ok(Server { place: Place { url, env: pairs(&[("PGPASSWORD", KEY)]) }, dir, children: vec![child] })
}
