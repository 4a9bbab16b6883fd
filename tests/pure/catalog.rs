//! `skyplan catalog` as it is typed: refresh from files and from a server, the lock, files that were edited.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::support::project::checkout;

/// 2026-11-21.
const TODAY: &str = "1795219200";
const FLAVORS: &str = r#"{"flavors": [{"name": "m1.small", "vcpus": 1, "ram": 2048}]}"#;

/// What a command printed, and its exit status.
#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    status: i32,
}

fn skyplan(folder: &Path, args: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skyplan"));
    command.arg("-C").arg(folder).args(args).env("SOURCE_DATE_EPOCH", TODAY).env("CATALOG_KEY", "k3y");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { out: text(output.stdout), err: text(output.stderr), status: output.status.code().unwrap() }
}

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        put(dir.path(), path, text);
    }
    dir
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn text(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// A Project with one entry for flavors.
fn flavors(source: &str) -> String {
    format!(
        "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: fleet\ncatalog:\n- name: lab\n  importer: openstack\n  \
         prices: [{{perVcpu: 0.012, perGib: 0.003}}]\n  into: catalog/lab.yaml\n  sources:\n  - {source}\n"
    )
}

/// Copies a folder, but for what is made in it.
fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copied(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn the_example_is_as_refresh_writes_it() {
    let example = checkout("examples/catalog");
    let check = skyplan(&example, &["catalog", "refresh", "--check"]);
    assert_eq!((check.status, check.err.as_str()), (0, ""), "run `skyplan -C examples/catalog catalog refresh`");
    let dir = tempfile::tempdir().unwrap();
    copied(&example, dir.path());
    fs::remove_dir_all(dir.path().join("catalog")).unwrap();
    fs::remove_file(dir.path().join("skyplan.lock")).unwrap();
    let said = skyplan(dir.path(), &["catalog", "refresh"]);
    assert_eq!(said.status, 0, "{said:?}");
    for entry in fs::read_dir(example.join("catalog")).unwrap() {
        let path = format!("catalog/{}", entry.unwrap().file_name().to_str().unwrap());
        assert_eq!(text(dir.path(), &path), text(&example, &path), "{path}");
    }
    assert_eq!(text(dir.path(), "skyplan.lock"), text(&example, "skyplan.lock"));
    // A second time nothing changes, and nothing is left beside the files.
    let again = skyplan(dir.path(), &["catalog", "refresh"]);
    assert!(again.out.lines().filter(|l| !l.starts_with(' ')).all(|l| l.contains("nothing changed")), "{}", again.out);
    assert_eq!(text(dir.path(), "skyplan.lock"), text(&example, "skyplan.lock"));
    assert_eq!(fs::read_dir(dir.path().join("catalog")).unwrap().count(), 5);
}

#[test]
fn golden_show_and_refresh() {
    let dir = tempfile::tempdir().unwrap();
    copied(&checkout("examples/catalog"), dir.path());
    let change = |path: &str, from: &str, to: &str| {
        let was = text(dir.path(), path);
        assert!(was.contains(from), "{path} has no {from}");
        put(dir.path(), path, &was.replacen(from, to, 1));
    };
    let mut all = String::new();
    let mut run = |args: &[&str]| {
        let said = skyplan(dir.path(), args);
        all.push_str(&format!("$ skyplan {}\n{}{}", args.join(" "), said.out, said.err));
        all.push_str(&if said.status == 0 { "\n".into() } else { format!("exit status {}\n\n", said.status) });
    };
    run(&["catalog", "show"]);
    run(&["catalog", "show", "lab", "--json"]);
    change("prices/aws-ec2.json", "\"0.1208000000\"}, \"appliesTo\"", "\"0.1310000000\"}, \"appliesTo\"");
    change("prices/gcp-skus.json", "\"nanos\": 40738000", "\"nanos\": 38738000");
    run(&["catalog", "refresh", "--check"]);
    run(&["catalog", "refresh", "aws-eu", "gcp-eu", "--dry-run"]);
    run(&["catalog", "refresh", "aws-eu", "gcp-eu"]);
    run(&["catalog", "refresh", "aws-eu", "--json"]);
    change("catalog/aws-eu.yaml", "price: 0.131,", "price: 0.001,");
    run(&["catalog", "refresh", "--check"]);
    run(&["catalog", "refresh", "aws-eu"]);
    run(&["plan", "--offline"]);
    run(&["catalog", "refresh", "aws-eu", "--overwrite"]);
    run(&["catalog", "refresh", "--check"]);
    let path = checkout("testdata/answers/catalog.txt");
    if std::env::var("SNAPSHOTS").is_ok_and(|v| v == "overwrite") {
        fs::write(&path, &all).unwrap();
    }
    let was = fs::read_to_string(&path).unwrap_or_default();
    assert!(was == all, "testdata/answers/catalog.txt differs; `make bless` writes it:\n{all}");
}

#[test]
fn a_lock_without_its_entry_is_stale_and_goes() {
    let dir = project(&[("skyplan.yaml", &flavors("path: flavors.json")), ("flavors.json", FLAVORS)]);
    assert_eq!(skyplan(dir.path(), &["catalog", "refresh"]).status, 0);
    assert_eq!(skyplan(dir.path(), &["catalog", "refresh", "--check"]).status, 0);
    // Another entry than the one that was fetched.
    put(dir.path(), "skyplan.yaml", &flavors("path: flavors.json").replace("0.012", "0.013"));
    let said = skyplan(dir.path(), &["catalog", "refresh", "--check"]);
    assert!(said.status == 4 && said.err.contains("is another than the one that was fetched"), "{said:?}");
    put(dir.path(), "skyplan.yaml", "apiVersion: skyplan.io/v1alpha1\nkind: Project\nname: fleet\n");
    let said = skyplan(dir.path(), &["catalog", "refresh", "--check", "--json"]);
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (said.status, json["agrees"].as_bool(), json["diagnostics"][0]["code"].as_str()),
        (4, Some(false), Some("SKY0923"))
    );
    assert_eq!(skyplan(dir.path(), &["catalog", "refresh"]).status, 0);
    assert!(text(dir.path(), "skyplan.lock").contains("catalog: []"));
    assert_eq!(skyplan(dir.path(), &["catalog", "refresh", "--check"]).status, 0);
    // The file itself is the user's to remove.
    assert!(dir.path().join("catalog/lab.yaml").exists());
}

#[test]
fn one_bad_source_leaves_its_profile_and_the_others_are_written() {
    let project_text = flavors("path: flavors.json")
        + &flavors("path: bad.json").split_once("catalog:\n").unwrap().1.replace("lab", "bad");
    let dir =
        project(&[("skyplan.yaml", &project_text), ("flavors.json", FLAVORS), ("bad.json", "{\"flavors\": [{}]}")]);
    let said = skyplan(dir.path(), &["catalog", "refresh"]);
    assert!(said.status == 1 && said.err.contains("error[SKY0130]") && said.err.contains("bad.json:1:"), "{said:?}");
    assert!(dir.path().join("catalog/lab.yaml").exists() && !dir.path().join("catalog/bad.yaml").exists());
    let lock = text(dir.path(), "skyplan.lock");
    assert!(lock.contains("profile: lab") && !lock.contains("profile: bad"));
}

#[test]
fn links_lead_nowhere_out_of_the_project() {
    let outside = project(&[("flavors.json", FLAVORS)]);
    let dir = project(&[("skyplan.yaml", &flavors("path: in/flavors.json"))]);
    std::os::unix::fs::symlink(outside.path(), dir.path().join("in")).unwrap();
    let said = skyplan(dir.path(), &["catalog", "refresh"]);
    assert!(said.status == 1 && said.err.contains("a link out of the project"), "{said:?}");
    put(dir.path(), "skyplan.yaml", &flavors("path: flavors.json"));
    put(dir.path(), "flavors.json", FLAVORS);
    std::os::unix::fs::symlink(outside.path(), dir.path().join("catalog")).unwrap();
    let said = skyplan(dir.path(), &["catalog", "refresh"]);
    assert!(said.status == 1 && said.err.contains("a link leads out of the project"), "{said:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn the_lock_of_a_revision_counts_there() {
    let dir = project(&[("skyplan.yaml", &flavors("path: flavors.json")), ("flavors.json", FLAVORS)]);
    assert_eq!(skyplan(dir.path(), &["catalog", "refresh"]).status, 0);
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(dir.path()).args(["-c", "user.name=x", "-c", "user.email=x@x"]).args(args);
        assert!(command.output().unwrap().status.success(), "{args:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "x"]);
    fs::remove_file(dir.path().join("skyplan.lock")).unwrap();
    assert!(skyplan(dir.path(), &["catalog", "show"]).out.contains("written by hand"));
    assert!(skyplan(dir.path(), &["catalog", "show", "--rev", "HEAD"]).out.contains("of today: fetched 2026-11-21"));
}

/// Answers of a server by path; what it was asked.
type Answers = BTreeMap<&'static str, (&'static str, String)>;

struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A server on this machine that knows a few paths, until the test ends.
fn serve(answers: impl FnOnce(u16) -> Answers) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = answers(port);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
            while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => request.extend_from_slice(&buffer[..n]),
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            log.lock().unwrap().push(request);
            let (head, body) = answers.get(path.as_str()).cloned().unwrap_or(("404 Not Found", String::new()));
            if head == "silence" {
                std::thread::sleep(std::time::Duration::from_secs(20));
                continue;
            }
            // A head may bring headers with it; of a length that is wrong the body is not all.
            let length = if head.contains("Content-Length") {
                String::new()
            } else {
                format!("Content-Length: {}\r\n", body.len())
            };
            let _ = write!(stream, "HTTP/1.1 {head}\r\n{length}Connection: close\r\n\r\n{body}");
        }
    });
    Server { port, asked }
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

#[test]
fn sources_are_fetched_with_their_pages_and_keys() {
    let server = serve(|port| {
        let page = |name: &str, next: &str| {
            let links = format!(r#""flavors_links": [{{"rel": "next", "href": "http://127.0.0.1:{port}{next}"}}]"#);
            let links = if next.is_empty() { r#""flavors_links": []"#.to_owned() } else { links };
            format!(r#"{{"flavors": [{{"name": "{name}", "vcpus": 1, "ram": 2048}}], {links}}}"#)
        };
        BTreeMap::from([
            ("/old", ("302 Found\r\nLocation: /flavors", String::new())),
            ("/flavors", ("200 OK", page("m1.a", "/flavors?marker=a"))),
            ("/flavors?marker=a", ("200 OK", page("m1.b", ""))),
        ])
    });
    let source = format!("{{url: \"{}\", headers: {{X-Auth-Token: CATALOG_KEY}}}}", server.url("/old"));
    let dir = project(&[("skyplan.yaml", &flavors(&source))]);
    let said = skyplan(dir.path(), &["catalog", "refresh"]);
    assert_eq!(said.status, 0, "{said:?}");
    let profile = text(dir.path(), "catalog/lab.yaml");
    assert!(profile.contains("m1.a") && profile.contains("m1.b"), "{profile}");
    let lock = text(dir.path(), "skyplan.lock");
    assert!(lock.contains("/old") && lock.contains("asOf: 2026-11-21") && !lock.contains("k3y"), "{lock}");
    let asked = server.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|r| r.to_lowercase().contains("x-auth-token: k3y")), "{asked:?}");
    // A check asks nobody.
    assert_eq!(skyplan(dir.path(), &["catalog", "refresh", "--check"]).status, 0);
    assert_eq!(server.asked.lock().unwrap().len(), 3);
}

#[test]
fn servers_that_do_not_do_their_part_are_told() {
    let server = serve(|_| {
        let elsewhere = r#"{"flavors": [], "flavors_links": [{"rel": "next", "href": "https://evil.example/x"}]}"#;
        BTreeMap::from([
            ("/loop", ("302 Found\r\nLocation: /loop", String::new())),
            ("/away", ("302 Found\r\nLocation: http://prices.example.com/", String::new())),
            ("/next", ("200 OK", elsewhere.to_owned())),
            ("/large", ("200 OK\r\nContent-Length: 99999999999", "x".to_owned())),
            ("/short", ("200 OK\r\nContent-Length: 1000", "{}".to_owned())),
            ("/packed", ("200 OK\r\nContent-Encoding: gzip", "x".to_owned())),
            ("/html", ("200 OK", "<html>".to_owned())),
            ("/slow", ("silence", String::new())),
        ])
    });
    for (path, code, words) in [
        ("/none", "SKY0922", "answers 404 Not Found"),
        ("/loop", "SKY0922", "leads from one address to the next"),
        ("/away", "SKY0922", "leads to `http://prices.example.com/`, which is not read"),
        ("/next", "SKY0922", "says that the next is at https://evil.example/x"),
        ("/large", "SKY0922", "is larger than what is read: 1024 MiB"),
        ("/short", "SKY0922", "broke off"),
        ("/packed", "SKY0922", "answers packed (gzip)"),
        ("/html", "SKY0130", "this is not the JSON that is expected here"),
        ("/slow", "SKY0922", "was not read in 1 s"),
    ] {
        let dir = project(&[("skyplan.yaml", &flavors(&format!("url: \"{}\"", server.url(path))))]);
        let said = skyplan(dir.path(), &["catalog", "refresh", "--timeout", "1s"]);
        assert!(said.status == 1 && said.err.contains(code) && said.err.contains(words), "{path}: {said:?}");
        assert!(!dir.path().join("catalog").exists(), "{path}");
    }
    // A key that is not there is told before anybody is asked.
    let before = server.asked.lock().unwrap().len();
    let source = format!("{{url: \"{}\", headers: {{X-Key: NO_SUCH_VARIABLE}}}}", server.url("/html"));
    let dir = project(&[("skyplan.yaml", &flavors(&source))]);
    let said = skyplan(dir.path(), &["catalog", "refresh"]);
    assert!(said.status == 1 && said.err.contains("NO_SUCH_VARIABLE, which is not set"), "{said:?}");
    assert_eq!(server.asked.lock().unwrap().len(), before);
}

#[test]
fn old_prices_are_warned_of_when_one_plans() {
    let dir = project(&[("skyplan.yaml", &flavors("path: flavors.json")), ("flavors.json", FLAVORS)]);
    let cluster = "apiVersion: skyplan.io/v1alpha1\nkind: Cluster\nname: lab\nproviderRef: lab\ndriver: local\nnodePools: [{offering: m1.small}]\n";
    put(dir.path(), "clusters.yaml", cluster);
    assert_eq!(skyplan(dir.path(), &["catalog", "refresh"]).status, 0);
    assert_eq!(skyplan(dir.path(), &["plan", "--offline"]).err, "");
    let lock = text(dir.path(), "skyplan.lock").replace("asOf: 2026-11-21", "asOf: 2026-08-01");
    put(dir.path(), "skyplan.lock", &lock);
    let said = skyplan(dir.path(), &["plan", "--offline"]);
    assert!(said.status == 0 && said.err.contains("warning[SKY0232]"), "{said:?}");
    assert!(said.err.contains("the figures of `lab` are of 2026-08-01, older than 90 days"), "{said:?}");
    assert!(said.err.contains("--> skyplan.lock:"), "{said:?}");
    put(dir.path(), "skyplan.yaml", &(flavors("path: flavors.json") + "placement: {pricesMaxAge: 120d}\n"));
    assert_eq!(skyplan(dir.path(), &["plan", "--offline"]).err, "");
}
