//! Applies whose way to the API server breaks: cut and back, silent for good, and a server that is
//! killed and started again.

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    existing::guest,
    home::{Home, both},
};

const PASS: u8 = 0;
const STALL: u8 = 1;
const DROP: u8 = 2;

/// Stands between skyplan and an API server, and does what it is told.
struct Proxy {
    port: u16,
    mode: Arc<AtomicU8>,
}

impl Proxy {
    fn new(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, mode) = (listener.local_addr().unwrap().port(), Arc::<AtomicU8>::default());
        let shared = mode.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, mode) = (target.clone(), shared.clone());
                thread::spawn(move || {
                    if mode.load(Ordering::SeqCst) == DROP {
                        return;
                    }
                    let Ok(server) = TcpStream::connect(target) else { return };
                    let back = (server.try_clone().unwrap(), client.try_clone().unwrap(), mode.clone());
                    thread::spawn(move || pump(back.0, back.1, &back.2));
                    pump(client, server, &mode);
                });
            }
        });
        Self { port, mode }
    }

    fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, mode: &AtomicU8) {
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer);
        while mode.load(Ordering::SeqCst) == STALL {
            thread::sleep(Duration::from_millis(10));
        }
        if mode.load(Ordering::SeqCst) == DROP {
            break;
        }
        match read {
            Ok(0) => break,
            Ok(n) => {
                if to.write_all(&buffer[..n]).is_err() {
                    break;
                }
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// A project on a cluster that is reached through a proxy, with enough objects that an apply has a
/// middle.
fn behind_a_proxy() -> (Home, Proxy) {
    let home = guest();
    let config = home.dir.path().join("state/skyplan/local/host/kubeconfig");
    let text = fs::read_to_string(&config).unwrap();
    let server =
        text.split("https://").nth(1).and_then(|t| t.split_whitespace().next()).unwrap().trim_matches('"').to_owned();
    let proxy = Proxy::new(server.clone());
    fs::write(home.project().join("far.kubeconfig"), text.replace(&server, &format!("127.0.0.1:{}", proxy.port)))
        .unwrap();
    home.edit("clusters.yaml", &config.display().to_string(), "far.kubeconfig");
    let maps: String = (0..40)
        .map(|n| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m{n:02}}}\ndata: {{n: \"{n}\"}}\n---\n"))
        .collect();
    fs::write(home.project().join("hello/manifests/maps.yaml"), maps).unwrap();
    (home, proxy)
}

/// Runs an apply; after so many lines of progress something happens to the network. The answer is the
/// exit status, all that was said, and how long it took.
fn apply(home: &Home, more: &[&str], lines: usize, event: impl FnOnce()) -> (i32, String, Duration) {
    let args: Vec<&str> = ["apply", "--yes", "--parallelism", "2"].iter().chain(more).copied().collect();
    let begun = Instant::now();
    let mut child = home.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let (mut said, mut seen) = (String::new(), 0);
    while seen < lines {
        let before = said.len();
        assert!(reader.read_line(&mut said).unwrap() > 0, "it ended before its middle: {said}");
        seen += usize::from(said[before..].starts_with("  ["));
    }
    event();
    reader.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), format!("{}{said}", both(&output)), begun.elapsed())
}

fn assert_converged(home: &Home) {
    assert!(home.run(&["plan", "--detailed-exitcode"], 0).contains("No changes."));
    let maps = home.kubectl("host", &["-n", "hello", "get", "configmaps", "-l", "skyplan.io/lineage", "-o", "name"]);
    assert_eq!(maps.lines().count(), 41, "{maps}");
}

#[test]
fn a_network_that_is_away_for_a_moment_is_waited_for() {
    let (home, proxy) = behind_a_proxy();
    for (mode, lines) in [(DROP, 8), (STALL, 20)] {
        let (status, said, _) = apply(&home, &[], lines, || {
            proxy.set(mode);
            thread::sleep(Duration::from_secs(3));
            proxy.set(PASS);
        });
        assert_eq!(status, 0, "{said}");
        assert_converged(&home);
        home.run(&["destroy", "--yes"], 0);
    }
}

#[test]
fn a_network_that_stays_away_holds_nothing_up_for_ever() {
    let (home, proxy) = behind_a_proxy();
    for (mode, lines) in [(STALL, 10), (DROP, 10)] {
        let (status, said, took) = apply(&home, &["--timeout", "3s", "--deadline", "6s"], lines, || proxy.set(mode));
        assert_eq!(status, 1, "{said}");
        // The deadline, what is on its way, the last questions about what was waited for.
        assert!(took < Duration::from_secs(40), "{took:?}: {said}");
        assert!(said.contains("SKY0701") || said.contains("does not answer"), "{said}");
        assert!(said.contains(" failed") && (said.contains("not begun") || said.contains("left out")), "{said}");
        assert!(said.contains("skyplan apply --yes --parallelism 2 --timeout 3s --deadline 6s"), "{said}");
        // The state says what is known, and a plan without the cluster does not pretend to know more.
        assert!(home.run(&["state", "list"], 0).lines().count() >= 10);
        proxy.set(PASS);
        home.run(&["apply", "--yes"], 0);
        assert_converged(&home);
        home.run(&["destroy", "--yes"], 0);
    }
}

#[test]
fn an_api_server_that_is_killed_and_comes_back_is_waited_for() {
    let (home, _proxy) = behind_a_proxy();
    let mark = format!("{}/", home.dir.path().join("state/skyplan/local/host").display());
    let (status, said, _) = apply(&home, &[], 12, || {
        let mut killed = 0;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.split('\0').next().is_some_and(|p| p.ends_with("kube-apiserver")) && line.contains(&mark) {
                let pid = entry.file_name().into_string().unwrap();
                killed +=
                    usize::from(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
            }
        }
        assert_eq!(killed, 1);
        home.run(&["local", "up", "host"], 0);
    });
    assert_eq!(status, 0, "{said}");
    assert_converged(&home);
}
