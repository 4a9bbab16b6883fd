//! Sources that are not in the project, from real servers: `git daemon`, an OCI registry, a chart repository.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use skyplan::sources::Tools;

use super::home::{Home, both};

fn tool(name: &str) -> PathBuf {
    let program = Tools::from_env().cache.expect("a home").join(name).join(name);
    assert!(program.is_file(), "{}: run `make tools`", program.display());
    program
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process that ends with its test.
struct Server(Child);

impl Server {
    fn start(command: &mut Command, port: u16) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self(child);
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nobody listens at {port}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn git_daemon(folder: &Path, port: u16) -> Server {
    let exec = Command::new("git").arg("--exec-path").output().unwrap();
    let daemon = Path::new(String::from_utf8_lossy(&exec.stdout).trim()).join("git-daemon");
    let mut command = Command::new(daemon);
    command.args(["--reuseaddr", "--export-all", "--listen=127.0.0.1"]).arg(format!("--port={port}"));
    command.arg(format!("--base-path={}", folder.display())).arg(folder);
    Server::start(&mut command, port)
}

/// A folder over HTTP, as a chart repository is served.
struct Files {
    port: u16,
    open: Arc<AtomicBool>,
}

impl Files {
    fn serve(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, open) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(true)));
        let (folder, is_open) = (folder.to_owned(), Arc::clone(&open));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = String::new();
                let _ = BufReader::new(&stream).read_line(&mut head);
                if !is_open.load(Ordering::SeqCst) {
                    continue;
                }
                let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
                let (status, body) = match fs::read(folder.join(path)) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { port, open }
    }
}

/// One request; the answer's head.
fn request(port: u16, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Puts an archive into a registry as an artifact with one layer.
fn push(port: u16, name: &str, tag: &str, archive: &[u8]) {
    let digest = |bytes: &[u8]| {
        let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        format!("sha256:{hex}")
    };
    for blob in [archive, b"{}"] {
        let begun = request(port, "POST", &format!("/v2/{name}/blobs/uploads/"), "", b"");
        let location = begun.lines().find_map(|l| l.strip_prefix("Location: ")).expect("a place for a blob").trim();
        let put =
            request(port, "PUT", &format!("{location}?digest={}", digest(blob)), "application/octet-stream", blob);
        assert!(put.starts_with("HTTP/1.1 201"), "{put}");
    }
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": kind,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/vnd.cncf.flux.content.v1.tar+gzip", "digest": digest(archive), "size": archive.len()}],
    });
    let put = request(port, "PUT", &format!("/v2/{name}/manifests/{tag}"), kind, manifest.to_string().as_bytes());
    assert!(put.starts_with("HTTP/1.1 201"), "{put}");
}

#[track_caller]
fn must(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", both(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{v: \"{value}\"}}\n")
}

/// A home whose cache is its own, with the programs of the real one.
fn home() -> Home {
    let mut home = Home::empty();
    let tools = skyplan::driver::local::LocalRoot::from_env().unwrap();
    let kubectl = skyplan::driver::local::kubectl(&tools).expect("kubectl: run `make control-plane`");
    let env = [
        ("XDG_CACHE_HOME", home.dir.path().join("cache")),
        ("SKYPLAN_HELM", tool("helm")),
        ("SKYPLAN_KUSTOMIZE", tool("kustomize")),
        ("SKYPLAN_CONTROL_PLANE", kubectl.parent().unwrap().to_owned()),
    ];
    home.env = env.map(|(name, value)| (name.to_owned(), value.display().to_string())).into();
    home
}

/// A Git repository of manifests and a kustomization, with a branch `main`.
struct Repository(PathBuf);

impl Repository {
    fn new(folder: &Path) -> Self {
        let own = Self(folder.join("shop.git"));
        fs::create_dir_all(&own.0).unwrap();
        own.git(&["init", "--quiet", "--initial-branch=main", "."]);
        put(&own.0.join("deploy/a.yaml"), &config("from-git", "1"));
        put(&own.0.join("over/kustomization.yaml"), "resources: [../base]\nnamePrefix: built-\n");
        put(&own.0.join("base/kustomization.yaml"), "resources: [b.yaml]\n");
        put(&own.0.join("base/b.yaml"), &config("from-git", "1"));
        own.commit();
        own
    }

    fn git(&self, args: &[&str]) -> String {
        let who = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false"];
        must(Command::new("git").current_dir(&self.0).args(who).args(args))
    }

    fn commit(&self) -> String {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "-m", "m"]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }
}

/// Packs a chart with one object.
fn package(folder: &Path, name: &str, value: &str) -> PathBuf {
    put(&folder.join(name).join("Chart.yaml"), &format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n"));
    put(&folder.join(name).join("templates/a.yaml"), &config(&format!("from-{name}"), value));
    must(Command::new(tool("helm")).arg("package").arg(name).current_dir(folder));
    folder.join(format!("{name}-1.0.0.tgz"))
}

#[test]
fn everything_from_elsewhere_is_locked_applied_and_checked() {
    let home = home();
    let served = tempfile::tempdir().unwrap();
    // Git.
    let repository = Repository::new(served.path());
    let git_port = free_port();
    let daemon = git_daemon(served.path(), git_port);
    // A chart repository.
    let charts = served.path().join("charts");
    fs::create_dir_all(&charts).unwrap();
    let index = || must(Command::new(tool("helm")).args(["repo", "index", "."]).current_dir(&charts));
    package(&charts, "listed", "1");
    index();
    let web = Files::serve(&charts);
    // A registry, with a chart and an artifact of manifests.
    let oci_port = free_port();
    let _registry = Server::start(Command::new(tool("registry")).arg(format!("-port={oci_port}")), oci_port);
    let pushed = package(served.path(), "pushed", "1");
    let to = format!("oci://localhost:{oci_port}/charts");
    must(Command::new(tool("helm")).args(["push", "--plain-http"]).arg(&pushed).arg(&to));
    put(&served.path().join("artifact/deploy/c.yaml"), &config("from-artifact", "1"));
    must(Command::new("tar").args(["-C", "artifact", "-czf", "artifact.tgz", "deploy"]).current_dir(served.path()));
    push(oci_port, "team/shop", "v1", &fs::read(served.path().join("artifact.tgz")).unwrap());

    let git = format!("{{url: 'git://127.0.0.1:{git_port}/shop.git', ref: main");
    put(
        &home.project().join("skyplan.yaml"),
        &format!(
            "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: far\n---\n\
             apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: far\ndriver: local\n---\n\
             apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources:\n\
             - git: {git}, path: deploy}}\n\
             - git: {git}}}\n  kustomize: over\n\
             - helm: {{repo: 'http://127.0.0.1:{}', chart: listed, version: 1.0.0}}\n\
             - helm: {{oci: '{to}/pushed', version: 1.0.0}}\n\
             - oci: {{url: 'oci://localhost:{oci_port}/team/shop:v1', path: deploy}}\n",
            web.port
        ),
    );
    let refused = home.said(&["validate"], 1);
    assert_eq!(refused.matches("error[SKY0150]").count(), 5, "{refused}");
    assert!(home.said(&["lock", "--check"], 1).contains("SKY0150"));
    let locked = home.run(&["lock"], 0);
    assert_eq!(locked.lines().filter(|l| l.starts_with("+ ")).count(), 4, "one repository is one source: {locked}");
    let file = || fs::read_to_string(home.project().join("skyplan.lock")).unwrap();
    let text = file();
    assert!(home.run(&["lock"], 0).contains("has them all") && file() == text);
    assert!(home.run(&["lock", "--check"], 0).contains("4 sources"));
    assert!(home.said(&["apply", "--yes"], 0).contains("7 done"));
    let names = home.kubectl("far", &["-n", "web", "get", "configmaps", "-o", "name"]);
    for name in ["from-git", "built-from-git", "from-listed", "from-pushed", "from-artifact"] {
        assert!(names.contains(&format!("configmap/{name}\n")), "{names}");
    }
    let no_changes = || assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));

    // What is locked is in the cache, whether anybody serves it or not. Without either there is no plan.
    drop(daemon);
    web.open.store(false, Ordering::SeqCst);
    no_changes();
    let forget = || fs::remove_dir_all(home.dir.path().join("cache/skyplan/sources")).unwrap();
    forget();
    assert_eq!(home.said(&["lock", "--fetch"], 1).matches("error[SKY0151]").count(), 2);
    let _daemon = git_daemon(served.path(), git_port);
    web.open.store(true, Ordering::SeqCst);
    // A plan fetches nothing, also where it could: whoever wrote the specs has no say in what is asked for.
    forget();
    for command in ["validate", "plan", "apply"] {
        let refused = home.said(&[command], 1);
        assert_eq!(refused.matches("error[SKY0151]").count(), 5, "{refused}");
        assert!(refused.contains("`skyplan lock --fetch`"), "{refused}");
    }
    let before = file();
    assert!(home.run(&["lock", "--fetch"], 0).contains("4 sources of skyplan.lock: on this machine, 4 fetched"));
    assert!(home.run(&["lock", "--fetch"], 0).contains("4 sources of skyplan.lock: on this machine\n"));
    assert_eq!(file(), before);
    no_changes();

    // The branch goes on; the lock does not.
    put(&repository.0.join("deploy/a.yaml"), &config("from-git", "2"));
    let commit = repository.commit();
    forget();
    home.run(&["lock", "--fetch"], 0);
    no_changes();
    assert!(home.said(&["lock", "--update", "none"], 1).contains("SKY0202"));
    let updated = home.run(&["lock", "--update", "shop.git"], 0);
    assert!(updated.contains(&format!(" → {}\n", &commit[..12])), "{updated}");
    let update = ("update".to_owned(), "object/far/core/ConfigMap/web/from-git".to_owned(), "specChanged".to_owned());
    assert_eq!(home.changes(), [update]);

    // What was kept is checked when it is read, and what is fetched again has to be the same.
    let kept = fs::read_dir(home.dir.path().join("cache/skyplan/sources")).unwrap();
    let chart = kept.map(|e| e.unwrap().path()).find(|p| p.join("templates/a.yaml").is_file()).unwrap();
    fs::write(chart.join("templates/a.yaml"), config("from-somebody", "1")).unwrap();
    assert_eq!(home.said(&["plan"], 1).matches("error[SKY0151]").count(), 1);
    home.run(&["lock", "--fetch"], 0);
    assert_eq!(home.changes().len(), 1);
    package(&charts, "listed", "2");
    index();
    assert_eq!(home.changes().len(), 1, "it is in the cache");
    forget();
    let refused = home.said(&["lock", "--fetch"], 1);
    assert!(refused.contains("error[SKY0152]") && refused.contains("The lock has "), "{refused}");
    home.run(&["lock", "--update"], 0);
    assert_eq!(home.changes().len(), 2);

    // What nobody asks for goes out of the lock.
    home.edit("skyplan.yaml", &format!("- helm: {{oci: '{to}/pushed', version: 1.0.0}}\n"), "");
    assert!(home.said(&["lock", "--check"], 1).contains("no source asks for"));
    assert!(home.run(&["lock"], 0).contains(&format!("- chart {to}/pushed:1.0.0")));
    home.run(&["destroy", "--yes"], 0);
}

#[test]
fn what_cannot_be_had_is_said() {
    let home = home();
    let served = tempfile::tempdir().unwrap();
    Repository::new(served.path());
    let charts = served.path().join("charts");
    fs::create_dir_all(&charts).unwrap();
    package(&charts, "listed", "1");
    must(Command::new(tool("helm")).args(["repo", "index", "."]).current_dir(&charts));
    let web = Files::serve(&charts);
    let said = |source: &str| {
        let text = format!(
            "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: far\n---\n\
             apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources:\n- {source}\n"
        );
        put(&home.project().join("skyplan.yaml"), &text);
        let said = home.said(&["lock"], 1);
        assert!(!home.project().join("skyplan.lock").exists());
        said
    };
    let file = served.path().join("shop.git");
    let of = |reference: &str| said(&format!("git: {{url: 'file://{}', ref: '{reference}', path: .}}", file.display()));
    assert!(of("none").contains("SKY0151"));
    for reference in ["--upload-pack=touch ran", "main:refs/heads/x", "-x", &"0".repeat(40)] {
        assert!(of(reference).contains("SKY0151"), "{reference}");
    }
    for url in ["ext::sh -c touch% ran", "http://127.0.0.1/x", "/etc", "-x", "ssh://-oProxyCommand=touch ran/x"] {
        assert!(said(&format!("git: {{url: '{url}', ref: main, path: .}}")).contains("SKY0151"), "{url}");
    }
    let chart = |repo: &str, chart: &str, version: &str| {
        said(&format!("helm: {{repo: '{repo}', chart: {chart}, version: {version}}}"))
    };
    let here = format!("http://127.0.0.1:{}", web.port);
    assert!(chart(&here, "lsited", "1.0.0").contains("did you mean `listed`?"));
    assert!(chart(&here, "listed", "2.0.0").contains("its latest are 1.0.0"));
    assert!(chart(&format!("{here}/x"), "listed", "1.0.0").contains("404"));
    assert!(chart("http://charts.example.com", "x", "1.0.0").contains("anybody on the way"));
    fs::write(charts.join("listed-1.0.0.tgz"), "changed").unwrap();
    assert!(chart(&here, "listed", "1.0.0").contains("the index says"));
    assert!(said("oci: {url: 'oci://localhost', path: .}").contains("write oci://HOST/NAME:TAG"));
    assert!(said(&format!("oci: {{url: 'oci://localhost:{}/a/b:v1', path: .}}", web.port)).contains("404"));
    assert!(!home.project().join("ran").exists());
}

#[test]
fn a_lock_for_one_environment_keeps_the_others() {
    let home = home();
    let served = tempfile::tempdir().unwrap();
    let repository = Repository::new(served.path());
    repository.git(&["branch", "next"]);
    let url = format!("file://{}", repository.0.display());
    put(
        &home.project().join("skyplan.yaml"),
        &format!(
            "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: far\nparameters: {{branch: main}}\n\
             environments:\n- {{name: prod, parameters: {{branch: main}}}}\n- {{name: test, parameters: {{branch: next}}}}\n---\n\
             apiVersion: skyplan.io/v1alpha1\nkind: Application\nname: web\nsources:\n\
             - git: {{url: '{url}', ref: '${{parameters.branch}}', path: deploy}}\n"
        ),
    );
    let file = || fs::read_to_string(home.project().join("skyplan.lock")).unwrap();
    home.run(&["lock"], 0);
    let both = file();
    assert_eq!(both.matches("- source: ").count(), 2, "{both}");
    for args in
        [&["lock", "--env", "prod"][..], &["lock", "--env", "test", "--update"], &["lock", "--env", "prod", "--check"]]
    {
        let said = home.run(args, 0);
        assert!(!said.contains("- git") && file() == both, "{args:?}: {said}");
    }
    fs::remove_file(home.project().join("skyplan.lock")).unwrap();
    home.run(&["lock", "--env", "test"], 0);
    assert!(home.said(&["lock", "--check"], 1).contains("SKY0150"));
    home.run(&["lock", "--env", "prod"], 0);
    assert_eq!(file(), both);
}
