//! `skyplan init --state URL` tries the place before anything is written.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::home::Home;

/// A store that speaks enough of S3, and heeds `If-None-Match` or does not.
struct Store {
    port: u16,
}

type Blobs = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

impl Store {
    fn new(honest: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let blobs = Blobs::default();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let blobs = blobs.clone();
                thread::spawn(move || serve(stream, &blobs, honest));
            }
        });
        Self { port }
    }
}

/// Requests of one connection, until it ends.
fn serve(stream: TcpStream, blobs: &Blobs, honest: bool) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (method, target) = (line.split(' ').next()?.to_owned(), line.split(' ').nth(1)?.to_owned());
        let (mut length, mut if_absent) = (0, false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(n) = header.strip_prefix("content-length:") {
                length = n.trim().parse().ok()?;
            }
            if_absent |= header.starts_with("if-none-match:");
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (status, answer) = answer(&method, path, query, body, if_absent && honest, blobs);
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"e\"\r\nlast-modified: Sun, 22 Nov 2026 00:00:00 GMT\r\n\r\n",
            answer.len()
        );
        writer.write_all(head.as_bytes()).ok()?;
        writer.write_all(&answer).ok()?;
    }
}

fn answer(
    method: &str,
    path: &str,
    query: &str,
    body: Vec<u8>,
    if_absent: bool,
    blobs: &Blobs,
) -> (&'static str, Vec<u8>) {
    let mut blobs = blobs.lock().unwrap();
    let key = path.trim_start_matches("/bucket").trim_start_matches('/').to_owned();
    let fault = |code: &str| format!("<Error><Code>{code}</Code></Error>").into_bytes();
    match method {
        "PUT" if if_absent && blobs.contains_key(&key) => ("412 Precondition Failed", fault("PreconditionFailed")),
        "PUT" => {
            blobs.insert(key, body);
            ("200 OK", Vec::new())
        }
        "GET" if query.contains("list-type") => {
            let item = |(name, bytes): (&String, &Vec<u8>)| {
                let size = bytes.len();
                format!(
                    "<Contents><Key>{name}</Key><LastModified>2026-11-22T00:00:00.000Z</LastModified><ETag>\"e\"</ETag><Size>{size}</Size></Contents>"
                )
            };
            let prefix =
                query.split('&').find_map(|p| p.strip_prefix("prefix=")).unwrap_or_default().replace("%2F", "/");
            let items: String = blobs.iter().filter(|(name, _)| name.starts_with(&prefix)).map(item).collect();
            (
                "200 OK",
                format!("<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>").into_bytes(),
            )
        }
        "GET" => match blobs.get(&key) {
            Some(bytes) => ("200 OK", bytes.clone()),
            None => ("404 Not Found", fault("NoSuchKey")),
        },
        "DELETE" => {
            blobs.remove(&key);
            ("204 No Content", Vec::new())
        }
        _ => ("400 Bad Request", fault("NotHere")),
    }
}

#[test]
fn a_store_that_lies_is_refused_before_anything_is_written() {
    for honest in [false, true] {
        let home = Home::empty();
        let store = Store::new(honest);
        let url = format!("s3://bucket/shop?region=us-east-1&endpoint=http://127.0.0.1:{}", store.port);
        let mut init = home.command(&["init", "--name", "shop", "--state", &url]);
        init.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret-of-the-store");
        let output = init.output().unwrap();
        let said = super::home::both(&output);
        let file = home.project().join("skyplan.yaml");
        if honest {
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert!(said.contains("Its state is kept in s3://bucket/shop."), "{said}");
            assert!(std::fs::read_to_string(file).unwrap().contains(&format!("url: \"{url}\"")));
            continue;
        }
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("SKY0801") && said.contains("cannot hold a log: it overwrites although"), "{said}");
        assert!(said.contains("keep the state elsewhere") && !said.contains("secret-of-the-store"), "{said}");
        assert!(!file.exists(), "nothing was written");
        // Nor by a project that names it itself.
        home.run(&["init", "--name", "shop"], 0);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}state: {{url: \"{url}\"}}\n")).unwrap();
        let mut apply = home.command(&["apply", "--yes"]);
        apply.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret-of-the-store");
        let output = apply.output().unwrap();
        let said = super::home::both(&output);
        assert!(output.status.code() == Some(1) && said.contains("it overwrites although"), "{said}");
        assert!(home.run(&["local", "list"], 0).contains("no local clusters"));
    }
}

#[test]
fn a_place_that_is_none_is_refused() {
    let home = Home::empty();
    let said = home.said(&["init", "--state", "ftp://somewhere"], 1);
    assert!(said.contains("SKY0801") && said.contains("does not name a place for state"), "{said}");
    assert!(!home.project().join("skyplan.yaml").exists());
    home.run(&["init", "--state", "file://log"], 0);
    assert!(std::fs::read_to_string(home.project().join("skyplan.yaml")).unwrap().contains("url: \"file://log\""));
}
