//! Stands between skyplan and an API server like [`super::proxy`], but understands what passes: it ends TLS with
//! the cluster's own certificates and does with each request what a rule says.

use std::{
    fs,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) verb: String,
    /// With its query.
    pub(super) path: String,
}

impl Asked {
    /// A change that is meant.
    pub(super) fn writes(&self) -> bool {
        self.verb != "GET" && !self.path.contains("dryRun")
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    /// It is answered as the server answers it.
    Pass,
    /// It does not arrive, and this comes back: status, a header, words.
    Answer(&'static str, &'static str, &'static str),
    /// It arrives and is done, and that comes back.
    Instead(&'static str, &'static str),
    /// The answer breaks off after so many bytes.
    Cut(usize),
    /// Nothing comes back, and nobody hangs up.
    Hang,
}

type Rule = Box<dyn FnMut(&Asked) -> Fate + Send>;

pub(super) struct Meddler {
    rule: Arc<Mutex<Rule>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

struct Ends {
    target: String,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Meddler {
    /// Before the local cluster whose folder this is; `far` becomes a kubeconfig that goes by it.
    pub(super) fn before(folder: &Path, far: &Path) -> Self {
        let text = fs::read_to_string(folder.join("kubeconfig")).unwrap();
        let target = text.split("https://").nth(1).and_then(|t| t.split_whitespace().next()).unwrap();
        let target = target.trim_matches('"').to_owned();
        let file = |name: &str| folder.join("certificates").join(name);
        let certificate = |name: &str| CertificateDer::from_pem_file(file(name)).unwrap();
        let key = |name: &str| PrivateKeyDer::from_pem_file(file(name)).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate("ca.crt")).unwrap();
        let provider = Arc::new(default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let ends = Arc::new(Ends {
            target: target.clone(),
            server: Arc::new(
                server
                    .unwrap()
                    .with_no_client_auth()
                    .with_single_cert(vec![certificate("apiserver.crt")], key("apiserver.key"))
                    .unwrap(),
            ),
            client: Arc::new(
                client
                    .unwrap()
                    .with_root_certificates(roots)
                    .with_client_auth_cert(vec![certificate("admin.crt")], key("admin.key"))
                    .unwrap(),
            ),
        });
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(|_| Fate::Pass)));
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let meddler = Self { rule: rule.clone(), asked: asked.clone() };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (ends, rule, asked) = (ends.clone(), rule.clone(), asked.clone());
                // What breaks is part of what is tested.
                thread::spawn(move || drop(serve(stream, &ends, &rule, &asked)));
            }
        });
        fs::write(far, text.replace(&target, &format!("127.0.0.1:{port}"))).unwrap();
        meddler
    }

    pub(super) fn rule(&self, rule: impl FnMut(&Asked) -> Fate + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
        self.asked.lock().unwrap().clear();
    }

    /// What was asked under the present rule.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Requests of one connection, one after the other; each has a connection of its own to the server.
fn serve(stream: TcpStream, ends: &Ends, rule: &Mutex<Rule>, asked: &Mutex<Vec<Asked>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let connection = ServerConnection::new(ends.server.clone()).map_err(io::Error::other)?;
    let mut near = StreamOwned::new(connection, stream);
    let request = read_request(&mut near)?;
    let head = String::from_utf8_lossy(&request).into_owned();
    let mut words = head.split_whitespace().map(str::to_owned);
    let ask = Asked { verb: words.next().unwrap_or_default(), path: words.next().unwrap_or_default() };
    let fate = (rule.lock().unwrap())(&ask);
    asked.lock().unwrap().push(ask);
    let mut most = usize::MAX;
    match fate {
        Fate::Pass => {}
        Fate::Cut(bytes) => most = bytes,
        Fate::Hang => loop {
            thread::sleep(Duration::from_secs(600));
        },
        Fate::Answer(status, header, words) => return answer(&mut near, status, header, words),
        Fate::Instead(status, words) => {
            let mut far = send(ends, &request)?;
            // Done when it is answered.
            far.read_exact(&mut [0; 12])?;
            return answer(&mut near, status, "", words);
        }
    }
    let mut far = send(ends, &request)?;
    let mut buffer = vec![0; 64 * 1024];
    while most > 0 {
        let read = match far.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n.min(most),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(e) => return Err(e),
        };
        near.write_all(&buffer[..read])?;
        near.flush()?;
        most -= read;
    }
    if most > 0 {
        near.conn.send_close_notify();
        near.flush()?;
    }
    Ok(())
}

fn read_request(near: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut request, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        if let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok());
            if request.len() >= end + 4 + length.unwrap_or(0_usize) {
                return Ok(request);
            }
        }
        match near.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => request.extend_from_slice(&buffer[..n]),
        }
    }
}

/// Passes a request on. The server is told that it is the last one, so that its answer ends with the connection.
fn send(ends: &Ends, request: &[u8]) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let stream = TcpStream::connect(&ends.target)?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(ends.client.clone(), name).map_err(io::Error::other)?;
    let mut far = StreamOwned::new(connection, stream);
    let line = request.windows(2).position(|w| w == b"\r\n").unwrap_or(0) + 2;
    let mut all = request[..line].to_vec();
    all.extend_from_slice(b"Connection: close\r\n");
    all.extend_from_slice(&request[line..]);
    far.write_all(&all)?;
    far.flush()?;
    Ok(far)
}

fn answer(
    near: &mut StreamOwned<ServerConnection, TcpStream>,
    status: &str,
    header: &str,
    words: &str,
) -> io::Result<()> {
    let length = words.len();
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    write!(near, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{header}Connection: close\r\n\r\n{words}")?;
    near.conn.send_close_notify();
    near.flush()
}
