//! From an address and the environment to a connection, with the names that libpq has for things.

use std::{fmt, fs, path::PathBuf, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_postgres::{
    Client, Config, Error, NoTls,
    config::{SslMode, TargetSessionAttrs},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{BackendError, address::Address};

/// Where to connect to, and as whom.
pub(super) struct Target {
    config: Config,
    tls: Option<ClientConfig>,
}

/// Without the password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, ports) = (self.config.get_hosts(), self.config.get_ports());
        f.debug_struct("Target").field("hosts", &hosts).field("ports", &ports).finish_non_exhaustive()
    }
}

/// Answers that come before the disk has the row do not count.
const SESSION: &str = "SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') IN ('off', 'local')";

impl Target {
    /// What the address says, and the environment where it says nothing.
    pub(super) fn new(address: &mut Address, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, BackendError> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let (user, host) = address.host.rsplit_once('@').map_or((None, &*address.host), |(u, h)| (Some(u), h));
        let (host, port) = match host.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((host, port)) => (host, Some(port.to_owned())),
            None => (host, None),
        };
        let (user, host) = (user.map(str::to_owned), host.trim_matches(['[', ']']).to_owned());
        let host = Some(host).filter(|h| !h.is_empty()).or_else(|| address.take("host")).or_else(|| env("PGHOST"));
        let host = host.unwrap_or_else(|| "localhost".into());
        let port = port.or_else(|| env("PGPORT")).unwrap_or_else(|| "5432".into());
        let port_number: u16 = port.parse().map_err(|_| address.bad(&format!("`{port}` is not a port")))?;
        let user = user.or_else(|| env("PGUSER")).or_else(|| env("USER")).unwrap_or_else(|| "postgres".into());
        let database = Some(address.path.clone()).filter(|path| !path.is_empty()).or_else(|| env("PGDATABASE"));
        let database = database.unwrap_or_else(|| user.clone());
        let password = match env("PGPASSWORD") {
            Some(password) => Some(password),
            None => {
                let home = env("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
                let file = env("PGPASSFILE").map(PathBuf::from).or(home);
                let text = file.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
                from_passfile(&text, [&host, &port, &database, &user])
            }
        };
        let mode = address.take("sslmode").or_else(|| env("PGSSLMODE"));
        let roots = address.take("sslrootcert").or_else(|| env("PGSSLROOTCERT"));
        let here = host.starts_with('/') || ["localhost", "127.0.0.1", "::1"].contains(&host.as_str());
        let encrypted = match mode.as_deref() {
            // Over a network nothing goes in the clear unless it is asked for.
            None => !here,
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => {
                return Err(address.bad(&format!("sslmode `{other}`: it takes disable, require or verify-full")));
            }
        };
        let tls = if encrypted { Some(client_config(address, roots.as_deref())?) } else { None };
        let mut config = Config::new();
        config.user(user).dbname(database).port(port_number).application_name("skyplan");
        if host.starts_with('/') {
            config.host_path(host)
        } else {
            config.host(host)
        };
        if let Some(password) = password {
            config.password(password);
        }
        config
            .connect_timeout(Duration::from_secs(10))
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config, tls })
    }

    /// Connects; the connection is driven until its client is dropped.
    pub(super) async fn connect(&self) -> Result<Client, Error> {
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(MakeRustlsConnect::new(tls.clone())).await?;
                tokio::spawn(connection);
                client
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(connection);
                client
            }
        };
        client.batch_execute(SESSION).await?;
        Ok(client)
    }
}

/// The server's certificate is always checked, against these roots or the machine's.
fn client_config(address: &Address, roots: Option<&str>) -> Result<ClientConfig, BackendError> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(path) => {
            let unusable = |e: &dyn fmt::Display| address.bad(&format!("sslrootcert {path}: {e}"));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| unusable(&e))? {
                store.add(certificate.map_err(|e| unusable(&e))?).map_err(|e| unusable(&e))?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|e| address.bad(&e.to_string()))?;
    Ok(config.with_root_certificates(store).with_no_client_auth())
}

/// The password of the first line that fits host, port, database and user.
fn from_passfile(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = vec![String::new()];
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            let field = fields.last_mut()?;
            match c {
                '\\' => field.extend(chars.next()),
                ':' => fields.push(String::new()),
                c => field.push(c),
            }
        }
        let [host, port, database, user, password] = &fields[..] else { return None };
        let fits = [host, port, database, user].iter().zip(wanted).all(|(field, w)| *field == "*" || *field == w);
        fits.then(|| password.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, env: &[(&str, &str)]) -> Result<Target, BackendError> {
        let lookup = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Target::new(&mut Address::parse(url).unwrap(), &lookup)
    }

    #[test]
    fn the_password_file_is_read_as_libpq_does() {
        let text = "# comment\ndb:5432:*:other:no\ndb:5432:*:me:a\\:b\\\\c\n*:*:*:*:last\n";
        assert_eq!(from_passfile(text, ["db", "5432", "x", "me"]).unwrap(), "a:b\\c");
        assert_eq!(from_passfile(text, ["db", "1", "x", "me"]).unwrap(), "last");
        assert_eq!(from_passfile("db:1:x:me", ["db", "1", "x", "me"]), None);
    }

    #[test]
    fn over_a_network_it_is_encrypted_unless_asked_otherwise() {
        assert!(target("postgres://me@db.example:5433/x", &[]).unwrap().tls.is_some());
        assert!(target("postgres://me@db.example/x?sslmode=disable", &[]).unwrap().tls.is_none());
        assert!(target("postgres://me@[::1]:5433/x", &[]).unwrap().tls.is_none());
        assert!(target("postgres://me@localhost/x", &[("PGSSLMODE", "verify-full")]).unwrap().tls.is_some());
        assert!(target("postgres://me@localhost/x?sslmode=prefer", &[]).is_err());
    }

    #[test]
    fn the_environment_fills_in() {
        let env = [("PGHOST", "db"), ("PGPORT", "7"), ("PGUSER", "u"), ("PGDATABASE", "d"), ("PGPASSWORD", "p")];
        let config = target("postgres://", &env).unwrap().config;
        assert_eq!((config.get_user(), config.get_dbname(), config.get_ports()), (Some("u"), Some("d"), &[7][..]));
        assert_eq!(config.get_password(), Some(&b"p"[..]));
        let shown = format!("{:?}", target("postgres://", &env).unwrap());
        assert!(!shown.contains("\"p\""), "{shown}");
    }
}
