//! Stands between skyplan and an API server, and does what it is told.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// What happens to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mode {
    /// Nothing.
    Pass,
    /// It waits.
    Stall,
    /// Connections break.
    Drop,
    /// What is asked arrives; the answer is lost, and its connection breaks.
    Lose,
    /// Every piece comes late.
    Slow,
}

#[derive(Debug, Default)]
struct Orders {
    mode: AtomicU8,
    /// Connections are numbered from 1 on; those up to this number wait.
    held: AtomicU64,
    connections: AtomicU64,
}

impl Orders {
    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::SeqCst) == mode as u8
    }
}

pub(super) struct Proxy {
    port: u16,
    orders: Arc<Orders>,
}

impl Proxy {
    pub(super) fn new(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, orders) = (listener.local_addr().unwrap().port(), Arc::<Orders>::default());
        let shared = orders.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, orders) = (target.clone(), shared.clone());
                let number = orders.connections.fetch_add(1, Ordering::SeqCst) + 1;
                thread::spawn(move || {
                    if orders.is(Mode::Drop) {
                        return;
                    }
                    let Ok(server) = TcpStream::connect(target) else { return };
                    let back = (server.try_clone().unwrap(), client.try_clone().unwrap(), orders.clone());
                    thread::spawn(move || pump(back.0, back.1, &back.2, number, true));
                    pump(client, server, &orders, number, false);
                });
            }
        });
        Self { port, orders }
    }

    /// A proxy for the cluster of a kubeconfig, and a kubeconfig that goes by it.
    pub(super) fn before(config: &Path, far: &Path) -> Self {
        let text = fs::read_to_string(config).unwrap();
        let server = text.split("https://").nth(1).and_then(|t| t.split_whitespace().next()).unwrap();
        let server = server.trim_matches('"').to_owned();
        let proxy = Self::new(server.clone());
        fs::write(far, text.replace(&server, &format!("127.0.0.1:{}", proxy.port))).unwrap();
        proxy
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn set(&self, mode: Mode) {
        self.orders.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// What is on its way waits; who comes from now on passes.
    pub(super) fn hold(&self) {
        self.orders.held.store(self.orders.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    pub(super) fn release(&self) {
        self.orders.held.store(0, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, orders: &Orders, number: u64, answers: bool) {
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer);
        while orders.is(Mode::Stall) || number <= orders.held.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(10));
        }
        if orders.is(Mode::Drop) {
            break;
        }
        match read {
            Ok(0) => break,
            Ok(_) if answers && orders.is(Mode::Lose) => break,
            Ok(n) => {
                if orders.is(Mode::Slow) {
                    thread::sleep(Duration::from_millis(40));
                }
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
