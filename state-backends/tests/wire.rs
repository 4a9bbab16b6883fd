//! A network that loses answers: a proxy between us and real servers cuts the connection at the moment
//! that an entry is written, before the server has it or before we hear of it.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

use skyplan_state_backends::{Appended, LogBackend as _};

use crate::servers::{self, Place};

/// What every entry begins with, whatever it is wrapped in.
const ENTRY: &[u8] = b"skyplanLog";

/// Where connections are cut that carry an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    /// The server never sees it.
    Question,
    /// The server has written it, and we do not hear that.
    Answer,
}

/// A proxy that cuts as many connections as it is told to.
struct Proxy {
    port: u16,
    left: Arc<AtomicU32>,
}

impl Proxy {
    fn new(to: u16, cut: Cut, times: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let left = Arc::new(AtomicU32::new(times));
        let shared = left.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
                let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let doomed = Arc::new(AtomicBool::new(false));
                let (left, doomed2) = (shared.clone(), doomed.clone());
                thread::spawn(move || forward(client, server, &left, &doomed, cut));
                thread::spawn(move || back(server2, client2, &doomed2));
            }
        });
        Self { port, left }
    }
}

fn close(one: &TcpStream, other: &TcpStream) {
    let _ = (one.shutdown(Shutdown::Both), other.shutdown(Shutdown::Both));
}

/// From us to the server.
fn forward(mut client: TcpStream, mut server: TcpStream, left: &AtomicU32, doomed: &AtomicBool, cut: Cut) {
    let mut buffer = [0; 65536];
    let mut tail = Vec::new();
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let bytes = &buffer[..count];
        tail.extend_from_slice(bytes);
        let found = tail.windows(ENTRY.len()).any(|window| window == ENTRY);
        let one_less = |n: u32| n.checked_sub(1);
        if found && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            if cut == Cut::Question {
                break;
            }
            doomed.store(true, Ordering::Relaxed);
        }
        tail.drain(..tail.len().saturating_sub(if found { 0 } else { ENTRY.len() }));
        if server.write_all(bytes).is_err() {
            break;
        }
    }
    close(&client, &server);
}

/// From the server to us.
fn back(mut server: TcpStream, mut client: TcpStream, doomed: &AtomicBool) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        if doomed.load(Ordering::Relaxed) || client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    close(&client, &server);
}

fn port_of(place: &Place) -> u16 {
    let texts = place.env.iter().map(|(_, value)| value).chain([&place.url]);
    let found = texts.filter_map(|text| text.split("127.0.0.1:").nth(1)).next().unwrap();
    found.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

fn through(place: &Place, from: u16, to: u16) -> Place {
    let turn = |text: &str| text.replace(&format!("127.0.0.1:{from}"), &format!("127.0.0.1:{to}"));
    Place { url: turn(&place.url), env: place.env.iter().map(|(n, v)| (n.clone(), turn(v))).collect() }
}

#[test]
fn who_won_is_known_whatever_the_network_loses() {
    let servers = [
        ("S3 on versitygw", servers::versitygw()),
        ("GCS on fake-gcs-server", servers::fake_gcs()),
        ("Azure Blob on azurite", servers::azurite()),
        ("Postgres", servers::postgres()),
    ];
    let mut missing = Vec::new();
    for (name, server) in servers {
        let server = match server {
            Ok(server) => server,
            Err(why) => {
                missing.push(format!("{name}: {why}"));
                continue;
            }
        };
        let port = port_of(&server.place);
        for (cut, times, log) in
            [(Cut::Question, 1, "q1"), (Cut::Question, 3, "q3"), (Cut::Answer, 1, "a1"), (Cut::Answer, 3, "a3")]
        {
            let proxy = Proxy::new(port, cut, times);
            let ours = through(&server.place, port, proxy.port).open(log);
            assert_eq!(ours.append(1, b"same").unwrap(), Appended::Ok, "{name}: {cut:?}, {times} times");
            assert_eq!(proxy.left.load(Ordering::Relaxed), 0, "{name}: {cut:?}: all cuts fell");
            let theirs = server.place.open(log);
            assert_eq!(theirs.append(1, b"same").unwrap(), Appended::Conflict, "{name}: {cut:?}");
            assert_eq!(ours.append(1, b"same").unwrap(), Appended::Conflict, "{name}: {cut:?}");
            assert_eq!(theirs.list(0).unwrap(), [1]);
        }
    }
    if !missing.is_empty() {
        servers::not_run("answers lost by the network", &missing.join(", "));
    }
}
