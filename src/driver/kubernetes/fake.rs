//! A server that answers as it is told, for tests of what a real one does only rarely.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use kube::{Client, Config};
use serde_json::{Value, json};

/// What is answered.
#[derive(Clone)]
pub(crate) struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
    /// Seconds to be left alone.
    after: Option<u32>,
}

impl Answer {
    pub(crate) fn json(body: &Value) -> Self {
        Self { status: "200 OK", kind: "application/json", body: body.to_string(), after: None }
    }

    pub(crate) fn list(items: &[Value]) -> Self {
        Self::json(&json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}))
    }

    pub(crate) fn text(body: &str) -> Self {
        Self { status: "200 OK", kind: "text/plain", body: body.to_owned(), after: None }
    }

    /// A refusal, or a failure, with words that are no Status, as proxies and API servers say them.
    pub(crate) fn refusal(status: &'static str, after: Option<u32>, words: &str) -> Self {
        Self { status, after, ..Self::text(words) }
    }

    /// The events of a watch, after which the connection ends.
    pub(crate) fn watch(events: &[Value]) -> Self {
        let body = events.iter().map(|e| format!("{e}\n")).collect();
        Self { status: "200 OK", kind: "application/json", body, after: None }
    }
}

/// A client of a server that answers a path (with its query) with this. Call it within a runtime.
pub(crate) fn client(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, &*answer));
        }
    });
    let mut config = Config::new(url.parse().unwrap());
    config.proxy_url = None;
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// One request, one answer, and the end of the connection.
fn serve(mut stream: TcpStream, answer: &(dyn Fn(&str) -> Answer + Send + Sync)) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let (head, begun) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut left = length.unwrap_or(0_usize).saturating_sub(begun.len());
    while left > 0 {
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => left = left.saturating_sub(n),
            _ => return,
        }
    }
    let path = text.split_whitespace().nth(1).unwrap_or("/").to_owned();
    let Answer { status, kind, body, after } = answer(&path);
    let length = body.len();
    let after = after.map_or_else(String::new, |seconds| format!("Retry-After: {seconds}\r\n"));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{after}Connection: close\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}
