//! Object stores: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.
//!
//! `PREFIX/entries/000000000012` and so on, each put with the condition that it is not there. A store that
//! takes the condition and ignores it is found out by [`crate::probe()`].

use opendal::{Buffer, Builder, Error, ErrorKind, HttpTransporter, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;

use crate::{
    Appended, BackendError,
    address::Address,
    blobs::{Blobs, Name, Shelf},
    bridge,
    error::{causes, without_queries},
};

/// A bucket or container, or a folder of one.
#[derive(Debug)]
pub struct Objects {
    place: String,
    operator: Operator,
    can_start_after: bool,
}

/// One request carries this at most; a slow line gets it through within the time that a call has.
const MAX_BYTES: usize = 16 << 20;

/// Looks up a variable of the environment.
type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

fn named(env: Env<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| env(name).filter(|value| !value.is_empty()))
}

/// S3: credentials by the environment, `~/.aws`, container and instance roles.
#[cfg(feature = "s3")]
pub(crate) fn s3(mut address: Address, env: Env<'_>) -> Result<Objects, BackendError> {
    let (region, endpoint) = (address.take("region"), address.take("endpoint"));
    let profile = address.take("profile").or_else(|| named(env, &["AWS_PROFILE"]));
    address.finish("region, endpoint, profile")?;
    let endpoint = endpoint.or_else(|| named(env, &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
    let region = region.or_else(|| named(env, &["AWS_REGION", "AWS_DEFAULT_REGION"]));
    let region = match (region, &endpoint) {
        (Some(region), _) => region,
        // A store that is not Amazon's takes any.
        (None, Some(_)) => "us-east-1".into(),
        (None, None) => return Err(address.bad("it has no region: add `?region=…` or set AWS_REGION")),
    };
    let mut builder = opendal::services::S3::default().bucket(&address.host).root(&address.path).region(&region);
    if let Some(endpoint) = endpoint {
        builder = builder.endpoint(&endpoint);
    }
    if let Some(profile) = profile {
        builder = builder.profile(&profile);
    }
    if let (Some(id), Some(key)) = (env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")) {
        builder = builder.access_key_id(&id).secret_access_key(&key);
        if let Some(token) = env("AWS_SESSION_TOKEN") {
            builder = builder.session_token(&token);
        }
    }
    Objects::new(&address, builder)
}

/// Google Cloud Storage: credentials by `GOOGLE_APPLICATION_CREDENTIALS`, those of gcloud, or the machine's.
#[cfg(feature = "gcs")]
pub(crate) fn gcs(mut address: Address, env: Env<'_>) -> Result<Objects, BackendError> {
    let endpoint = address.take("endpoint");
    address.finish("endpoint")?;
    let emulator = named(env, &["STORAGE_EMULATOR_HOST"]);
    let mut builder = opendal::services::Gcs::default().bucket(&address.host).root(&address.path);
    if let Some(path) = named(env, &["GOOGLE_APPLICATION_CREDENTIALS"]) {
        builder = builder.credential_path(&path);
    }
    if emulator.is_some() {
        builder = builder.skip_signature();
    }
    if let Some(endpoint) = endpoint.or(emulator) {
        let endpoint = if endpoint.contains("://") { endpoint } else { format!("http://{endpoint}") };
        builder = builder.endpoint(&endpoint);
    }
    Objects::new(&address, builder)
}

/// Azure Blob Storage: credentials by a connection string, a key, a SAS token, or an identity of the machine.
#[cfg(feature = "azblob")]
pub(crate) fn azblob(mut address: Address, env: Env<'_>) -> Result<Objects, BackendError> {
    let (account, endpoint) = (address.take("account"), address.take("endpoint"));
    address.finish("account, endpoint")?;
    let account = account.or_else(|| named(env, &["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"]));
    let connection = named(env, &["AZURE_STORAGE_CONNECTION_STRING"]);
    let has_connection = connection.is_some();
    let mut builder = match connection {
        Some(text) => opendal::services::Azblob::from_connection_string(&text)
            .map_err(|_| address.bad("AZURE_STORAGE_CONNECTION_STRING is not understood"))?,
        None => opendal::services::Azblob::default(),
    };
    builder = builder.container(&address.host).root(&address.path);
    match (endpoint, &account) {
        (Some(endpoint), _) => builder = builder.endpoint(&endpoint),
        (None, _) if has_connection => {}
        (None, Some(account)) => builder = builder.endpoint(&format!("https://{account}.blob.core.windows.net")),
        (None, None) => {
            return Err(address.bad("it has no account: add `?account=…` or set AZURE_STORAGE_ACCOUNT"));
        }
    }
    if let Some(account) = account {
        builder = builder.account_name(&account);
    }
    if let Some(key) = named(env, &["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"]) {
        builder = builder.account_key(&key);
    }
    if let Some(token) = named(env, &["AZURE_STORAGE_SAS_TOKEN"]) {
        builder = builder.sas_token(&token);
    }
    Objects::new(&address, builder)
}

impl Objects {
    fn new(address: &Address, builder: impl Builder) -> Result<Self, BackendError> {
        if address.host.is_empty() {
            return Err(address.bad("it names no bucket"));
        }
        bridge::start()?;
        HttpTransporter::install_default(ReqwestTransport::default());
        let operator = Operator::new(builder).map_err(|e| failed(&address.url, &e))?;
        let can = operator.info().capability();
        if !can.write_with_if_not_exists || !can.list {
            return Err(address.bad("this kind of store cannot create a thing only if it is absent"));
        }
        let can_start_after = can.list_with_start_after;
        Ok(Self { place: address.url.clone(), operator, can_start_after })
    }

    fn run<T: Send + 'static, F>(&self, work: impl FnOnce(Operator) -> F) -> Result<Result<T, Error>, BackendError>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let work = work(self.operator.clone());
        bridge::run(&self.place, async move { Ok(work.await) })
    }
}

fn key(name: &Name) -> String {
    format!("{}/{name}", name.shelf().name())
}

impl Blobs for Objects {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Appended, BackendError> {
        let (key, bytes) = (key(name), Buffer::from(bytes.to_vec()));
        match self.run(|o| async move { o.write_with(&key, bytes).if_not_exists(true).await })? {
            Ok(_) => Ok(Appended::Ok),
            Err(e) if e.kind() == ErrorKind::ConditionNotMatch => Ok(Appended::Conflict),
            Err(e) => Err(failed(&self.place, &e)),
        }
    }

    fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, BackendError> {
        let key = key(name);
        match self.run(|o| async move { o.read(&key).await })? {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(e) if e.kind() == ErrorKind::NotFound && !no_place(&e) => Ok(None),
            Err(e) => Err(failed(&self.place, &e)),
        }
    }

    fn names(&self, shelf: Shelf, after: u64) -> Result<Vec<Name>, BackendError> {
        let folder = format!("{}/", shelf.name());
        let start = (self.can_start_after && shelf == Shelf::Entries && after > 0)
            .then(|| format!("{folder}{}", Name::Entry(after)));
        let listed = self.run(|o| async move {
            match start {
                Some(start) => o.list_with(&folder).start_after(&start).await,
                None => o.list(&folder).await,
            }
        })?;
        match listed {
            Ok(entries) => Ok(entries.iter().filter_map(|entry| Name::parse(shelf, entry.name())).collect()),
            // An empty folder is an empty list: 404 means that there is no bucket.
            Err(e) => Err(failed(&self.place, &e)),
        }
    }

    fn delete(&self, name: &Name) -> Result<(), BackendError> {
        let key = key(name);
        match self.run(|o| async move { o.delete(&key).await })? {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed(&self.place, &e)),
            _ => Ok(()),
        }
    }
}

/// Whether it is not the object but all around it that was not found.
fn no_place(error: &Error) -> bool {
    let text = error.message();
    ["NoSuchBucket", "ContainerNotFound", "bucket does not exist", "XAdminUserNotFound"]
        .iter()
        .any(|code| text.contains(code))
}

/// Codes by which stores say that it is the credentials.
const CREDENTIALS: [&str; 13] = [
    "AccessDenied",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidAuthenticationInfo",
    "InvalidToken",
    "NoAuthenticationInformation",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    // versitygw, with a 404.
    "XAdminUserNotFound",
    "signing credential",
];

/// Codes by which stores say that there is no room.
const ROOM: [&str; 5] =
    ["AccountQuotaExceeded", "EntityTooLarge", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"];

fn failed(place: &str, error: &Error) -> BackendError {
    let place = place.to_owned();
    let deeper = causes(error).skip(1).map(|cause| without_queries(&cause));
    let text = std::iter::once(without_queries(error.message())).chain(deeper).collect::<Vec<_>>().join(": ");
    let says = |codes: &[&str]| codes.iter().any(|code| text.contains(code));
    let status = |code: &str| error.to_string().contains(&format!("status: {code}"));
    let why = match text.contains("signing credential") {
        true => format!("no credentials were found in the environment or the usual files ({text})"),
        false => text.clone(),
    };
    if error.kind() == ErrorKind::PermissionDenied || says(&CREDENTIALS) || status("401") {
        BackendError::Denied { place, why }
    } else if says(&ROOM) {
        BackendError::Full { place, why }
    } else if matches!(error.kind(), ErrorKind::Unsupported) || says(&["NotImplemented"]) {
        BackendError::Unsupported { place, why }
    } else if error.is_temporary() || matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Conflict) {
        BackendError::Unreachable { place, why }
    } else {
        BackendError::Failed { place, why }
    }
}
