//! Objects as keys of Consul's KV store, each locked by the session of the member that wrote it.
//! <https://developer.hashicorp.com/consul/api-docs/v1.14.x/txn>, `/session`, `/kv`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use cloud_autojoin_core::http::{HttpClient, Request, Response, RetryPolicy};
use cloud_autojoin_core::{Call, Clock, Secret};
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::store::{Object, Put, STORE_TIMEOUT, Store, StoreError, Version};

/// How long a session lasts without renewal. Consul ends it at twice this time, and a leader's poll
/// of the cloud, during which it renews nothing, may take a minute.
const SESSION_TTL: &str = "30s";

/// The longest message of Consul that is shown.
const MAX_MESSAGE: usize = 300;

/// Keys below a prefix.
///
/// A write is one transaction: it checks that the key still has the index that was read, and locks
/// the key for this member's session. A lock alone could end between the check and the write, and
/// an index alone doesn't show that the writer is gone. Consul ends the session of a member that no
/// longer renews it, or whose node fails, and with it the lock.
#[derive(Debug, Clone)]
pub struct ConsulStore {
    http: HttpClient,
    clock: Clock,
    /// `http://127.0.0.1:8500/v1/`
    api: Url,
    /// The beginning of each key, `PREFIX/`.
    prefix: String,
    token: Option<Secret>,
    /// The session that this member locks keys with.
    session: Arc<Mutex<Option<String>>>,
}

/// A key as the API shows it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    modify_index: u64,
    value: Option<String>,
    /// The session that has locked the key.
    session: Option<String>,
}

impl Entry {
    /// The index, and the session that must be unlocked to replace the key.
    fn version(&self) -> Version {
        let session = self.session.as_deref().unwrap_or_default();
        Version(format!("{} {session}", self.modify_index))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Session {
    id: String,
}

/// A transaction that was done.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Done {
    results: Vec<OperationResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct OperationResult {
    kv: Entry,
}

/// A transaction that was not.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RolledBack {
    errors: Vec<OperationError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OperationError {
    what: String,
}

impl ConsulStore {
    /// The keys below the path of `url`, whose scheme is http or https.
    pub fn new(http: HttpClient, clock: Clock, mut url: Url, token: Option<Secret>) -> Self {
        let path = percent_decode_str(url.path()).decode_utf8_lossy();
        let mut prefix = path.trim_matches('/').to_owned();
        if !prefix.is_empty() {
            prefix.push('/');
        }
        url.set_path("/v1/");
        Self {
            http,
            clock,
            api: url,
            prefix,
            token,
            session: Arc::default(),
        }
    }

    fn session(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The URL of segments below `/v1/`.
    fn url<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Sends a request; `expected` are the statuses beside 200 that aren't errors.
    async fn send(
        &self,
        request: Request,
        expected: &[StatusCode],
    ) -> Result<Response, StoreError> {
        let mut request = request.retry(RetryPolicy::none());
        if let Some(token) = &self.token {
            let mut value = HeaderValue::from_str(token.expose())
                .map_err(|_| StoreError::new("the token of Consul is not a header's value"))?;
            value.set_sensitive(true);
            request.set_header(HeaderName::from_static("x-consul-token"), value);
        }
        let call = Call::new(&self.clock, STORE_TIMEOUT);
        let response = self
            .http
            .send(&request, &call)
            .await
            .map_err(|error| StoreError::new(error.chain()))?;
        if response.status == StatusCode::OK || expected.contains(&response.status) {
            return Ok(response);
        }
        let message = String::from_utf8_lossy(&response.body);
        Err(self.refused(response.status, &message))
    }

    fn refused(&self, status: StatusCode, message: &str) -> StoreError {
        let message: String = message.trim().chars().take(MAX_MESSAGE).collect();
        let hint = if status == StatusCode::FORBIDDEN {
            let prefix = &self.prefix;
            format!("; the token needs `key_prefix` write on `{prefix}` and `session_prefix` write")
        } else {
            String::new()
        };
        let status = status.as_u16();
        StoreError::new(format!("Consul returned status {status}: {message}{hint}"))
    }

    /// The session of this member; opens one if it has none.
    async fn open_session(&self) -> Result<String, StoreError> {
        if let Some(session) = self.session().clone() {
            return Ok(session);
        }
        // Without a delay before the next lock: the index keeps late writes out.
        let settings = json!({
            "Name": "discover",
            "TTL": SESSION_TTL,
            "Behavior": "release",
            "LockDelay": "0s",
        });
        let url = self.url(["session", "create"]);
        let request = Request::post_json("open a session", url, &settings).with_method(Method::PUT);
        let session: Session = read(&self.send(request, &[]).await?)?;
        *self.session() = Some(session.id.clone());
        Ok(session.id)
    }

    /// Renews this member's session while it locks a key, and forgets it when it no longer does.
    async fn renew(&self, holder: Option<&str>) -> Result<(), StoreError> {
        let Some(session) = self.session().clone() else {
            return Ok(());
        };
        if holder == Some(&session) {
            let url = self.url(["session", "renew", &session]);
            let request = Request::post("renew the session", url, "").with_method(Method::PUT);
            let response = self.send(request, &[StatusCode::NOT_FOUND]).await?;
            if response.status == StatusCode::OK {
                return Ok(());
            }
        }
        *self.session() = None;
        Ok(())
    }
}

/// Reads the JSON of a response.
fn read<T: for<'de> Deserialize<'de>>(response: &Response) -> Result<T, StoreError> {
    serde_json::from_slice(&response.body)
        .map_err(|_| StoreError::new("the response is not one of Consul's API"))
}

impl fmt::Display for ConsulStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consul at {}", self.api.origin().ascii_serialization())
    }
}

#[async_trait]
impl Store for ConsulStore {
    async fn get(&self, name: &str, known: Option<&Version>) -> Result<Object, StoreError> {
        let key = format!("{}{name}", self.prefix);
        let mut url = self.url(["kv"].into_iter().chain(key.split('/')));
        // What another server has not applied yet would be an older version.
        url.set_query(Some("consistent"));
        let request = Request::get("read the shared result", url);
        let response = self.send(request, &[StatusCode::NOT_FOUND]).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(Object::Absent);
        }
        let [entry]: [Entry; 1] = read(&response)?;
        self.renew(entry.session.as_deref()).await?;
        let version = entry.version();
        if known == Some(&version) {
            return Ok(Object::Unchanged);
        }
        let contents = BASE64_STANDARD
            .decode(entry.value.unwrap_or_default())
            .map_err(|_| StoreError::new("the value of the key is not base64"))?;
        Ok(match entry.session {
            Some(_) => Object::Found(contents.into(), version),
            None => Object::Released(contents.into(), version),
        })
    }

    async fn put(
        &self,
        name: &str,
        contents: Bytes,
        expected: Option<&Version>,
    ) -> Result<Put, StoreError> {
        let session = self.open_session().await?;
        let key = format!("{}{name}", self.prefix);
        let mut operations = Vec::with_capacity(3);
        let mut add = |operation: Value| operations.push(json!({ "KV": operation }));
        match expected.and_then(|version| version.0.split_once(' ')) {
            None => add(json!({ "Verb": "check-not-exists", "Key": key })),
            Some((index, holder)) => {
                let index: u64 = index
                    .parse()
                    .map_err(|_| StoreError::new("the version is not one of Consul"))?;
                add(json!({ "Verb": "check-index", "Key": key, "Index": index }));
                if !holder.is_empty() && holder != session {
                    add(json!({ "Verb": "unlock", "Key": key, "Session": holder }));
                }
            }
        }
        let value = BASE64_STANDARD.encode(&contents);
        add(json!({ "Verb": "lock", "Key": key, "Value": value, "Session": session }));
        let operations = Value::Array(operations);
        let request = Request::post_json("publish the result", self.url(["txn"]), &operations)
            .with_method(Method::PUT);
        let response = self.send(request, &[StatusCode::CONFLICT]).await?;
        if response.status == StatusCode::OK {
            let done: Done = read(&response)?;
            let last = done.results.last();
            return last
                .map(|last| Put::Done(last.kv.version()))
                .ok_or_else(|| StoreError::new("the transaction has no result"));
        }
        // It may have ended; the next write opens another one.
        *self.session() = None;
        let rolled_back: RolledBack = read(&response)?;
        let denied = |error: &&OperationError| error.what.starts_with("Permission denied");
        match rolled_back.errors.iter().find(denied) {
            Some(error) => Err(self.refused(StatusCode::FORBIDDEN, &error.what)),
            None => Ok(Put::Conflict),
        }
    }
}
