//! Credentials that are wrong or expired, servers that are away: errors of the right kind, in words that
//! hold no secret.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    thread,
};

use skyplan_state_backends::{Appended, BackendError, LogBackend as _, open, probe};

use crate::servers::{self, KEY, Place, Server};

impl Place {
    fn with(&self, name: &str, value: &str) -> Self {
        let mut place = self.clone();
        place.env.retain(|(n, _)| n != name);
        place.env.push((name.to_owned(), value.to_owned()));
        place
    }
}

/// All that one may do is refused, in these words.
fn refused(place: &Place, words: &str) {
    let log = place.open("refused");
    let errors = [
        log.append(1, b"entry").unwrap_err(),
        log.list(0).unwrap_err(),
        log.read(1).unwrap_err(),
        probe(log.blobs()).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, BackendError::Denied { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(words), "{text}");
        assert!(!text.contains(KEY), "{text}");
    }
}

fn with(name: &str, server: Result<Server, String>, test: impl FnOnce(&Server)) {
    match server {
        Ok(server) => test(&server),
        Err(why) => servers::not_run(&format!("{name} with wrong credentials"), &why),
    }
}

#[test]
fn wrong_key_of_s3() {
    with("S3 on versitygw", servers::versitygw(), |server| {
        refused(&server.place.with("AWS_SECRET_ACCESS_KEY", "wrong"), "SignatureDoesNotMatch");
        refused(&server.place.with("AWS_ACCESS_KEY_ID", "nobody"), "XAdminUserNotFound");
        assert_eq!(server.place.open("good").append(1, b"entry").unwrap(), Appended::Ok);
    });
}

/// Where there is no bucket there is no empty log either.
#[test]
fn a_bucket_that_is_not_there() {
    let servers = [
        ("S3 on versitygw", servers::versitygw(), "bucket", "NoSuchBucket"),
        ("GCS on fake-gcs-server", servers::fake_gcs(), "bucket", ""),
        ("Azure Blob on azurite", servers::azurite(), "container", "ContainerNotFound"),
    ];
    let mut missing = Vec::new();
    for (name, server, bucket, words) in servers {
        let server = match server {
            Ok(server) => server,
            Err(why) => {
                missing.push(format!("{name}: {why}"));
                continue;
            }
        };
        let url = server.place.url.replacen(bucket, "nowhere", 1);
        let log = Place { url, ..server.place.clone() }.open("log");
        for error in [log.list(0).unwrap_err(), log.append(1, b"entry").unwrap_err()] {
            assert!(!matches!(error, BackendError::Missing(_)), "{name}: {error:?}");
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
    }
    if !missing.is_empty() {
        servers::not_run("a bucket that is not there", &missing.join(", "));
    }
}

#[test]
fn wrong_key_of_azure() {
    with("Azure Blob on azurite", servers::azurite(), |server| {
        refused(&server.place.with("AZURE_STORAGE_KEY", "d3Jvbmc="), "AuthorizationFailure");
    });
}

#[test]
fn wrong_and_weak_token_of_kubernetes() {
    with("Kubernetes", servers::kubernetes(), |server| {
        let file = |token: &str| server.dir.path().join(token).display().to_string();
        refused(&server.place.with("KUBECONFIG", &file("wrong")), "Unauthorized");
        refused(&server.place.with("KUBECONFIG", &file("weak")), "forbidden");
    });
}

#[test]
fn wrong_password_of_postgres() {
    with("Postgres", servers::postgres(), |server| {
        refused(&server.place.with("PGPASSWORD", "wrong"), "password authentication failed");
        let nobody = Place { env: Vec::new(), ..server.place.clone() };
        refused(&nobody, "password");
    });
}

#[test]
fn postgres_over_tls() {
    with("Postgres over TLS", servers::postgres(), |server| {
        let over_tls = |root: &str| {
            let root = server.dir.path().join(root);
            let url = format!("{}&sslmode=verify-full&sslrootcert={}", server.place.url, root.display());
            Place { url, ..server.place.clone() }.open("tls")
        };
        let log = over_tls("server.crt");
        assert_eq!(log.append(1, b"entry").unwrap(), Appended::Ok);
        assert_eq!(server.place.open("tls").read(1).unwrap(), b"entry");
        let error = over_tls("other.crt").list(0).unwrap_err();
        assert!(matches!(error, BackendError::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
    });
}

/// A server that says the same to everybody.
fn says(status: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 16384];
            let _ = stream.read(&mut buffer);
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    port
}

fn s3_at(port: u16) -> Place {
    let env = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", KEY), ("AWS_SESSION_TOKEN", "old")];
    Place {
        url: format!("s3://bucket/LOG?endpoint=http://127.0.0.1:{port}"),
        env: env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
    }
}

#[test]
fn expired_token_of_s3() {
    let body = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    let error = s3_at(says("400 Bad Request", body)).open("log").append(1, b"entry").unwrap_err();
    assert!(matches!(error, BackendError::Denied { .. }), "{error:?}");
    assert!(error.to_string().contains("has expired") && error.hint().contains("renew"), "{error}");
}

/// Nothing in the environment, no files, no role: that is said, not "not found".
#[test]
fn no_credentials_at_all() {
    let place = Place { env: Vec::new(), ..s3_at(says("403 Forbidden", "")) };
    let error = place.open("log").append(1, b"entry").unwrap_err();
    assert!(matches!(error, BackendError::Denied { .. }), "{error:?}");
}

#[test]
fn answers_of_object_stores_are_told_apart() {
    let kind = |status, code: &'static str| s3_at(says(status, code)).open("log").append(1, b"entry").unwrap_err();
    let full = kind("507 Insufficient Storage", "<Error><Code>QuotaExceeded</Code><Message>m</Message></Error>");
    assert!(matches!(full, BackendError::Full { .. }), "{full:?}");
    let busy = kind("503 Slow Down", "<Error><Code>SlowDown</Code><Message>m</Message></Error>");
    assert!(matches!(busy, BackendError::Unreachable { .. }), "{busy:?}");
    // Some say that they know S3, and do not know this.
    let unknown = kind("501 Not Implemented", "<Error><Code>NotImplemented</Code><Message>m</Message></Error>");
    assert!(matches!(unknown, BackendError::Unsupported { .. }), "{unknown:?}");
}

#[test]
fn nobody_there() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
         users: [{{name: u, user: {{}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
    );
    std::fs::write(dir.path().join("kubeconfig"), kubeconfig).unwrap();
    let key = "Zm9v";
    let env = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", KEY), ("AZURE_STORAGE_KEY", key)];
    let emulator = format!("http://127.0.0.1:{port}");
    let lookup = |name: &str| match name {
        "STORAGE_EMULATOR_HOST" => Some(emulator.clone()),
        _ => env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()),
    };
    for url in [
        format!("s3://bucket/log?endpoint=http://127.0.0.1:{port}"),
        "gs://bucket/log".into(),
        format!("azblob://container/log?account=a&endpoint=http://127.0.0.1:{port}/a"),
        "kubernetes://default/log?kubeconfig=kubeconfig".into(),
        format!("postgres://me@127.0.0.1:{port}/db"),
    ] {
        let log = open(&url, dir.path(), &lookup).unwrap();
        let error = log.append(1, b"entry").unwrap_err();
        assert!(matches!(error, BackendError::Unreachable { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains("refused"), "{url}: {error}");
    }
}

#[test]
fn addresses_that_mean_nothing() {
    let why = |url: &str| open(url, Path::new("/"), &|_| None).unwrap_err().to_string();
    for (url, words) in [
        ("state", "no `://`"),
        ("ftp://host/x", "nothing is known of it"),
        ("s3://bucket/x", "no region"),
        ("s3://?region=x", "no bucket"),
        ("s3://bucket?region=x&colour=red", "`colour` is not known"),
        ("azblob://container/x", "no account"),
        ("kubernetes:///x", "no namespace"),
        ("kubernetes://ns/Not.A.Name", "is not a name"),
        ("postgres://me:secret@host/db", "holds a password"),
        ("postgres://host:port/db", "is not a port"),
        ("file://", "no path"),
    ] {
        let text = why(url);
        assert!(text.contains(words) && !text.contains("secret"), "{url}: {text}");
    }
}
