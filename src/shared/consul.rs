//! Objects as keys of Consul's KV store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use cloud_autojoin_core::http::{HttpClient, Request, Response, RetryPolicy};
use cloud_autojoin_core::{Call, Clock, Secret};
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use super::store::{Object, Put, Store, StoreError, Version};

/// The deadline of a request.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Keys below a prefix. The condition of a write is Consul's check-and-set index, which every write
/// of the key changes; so no session is needed, and no lock outlives its holder.
#[derive(Debug, Clone)]
pub struct ConsulStore {
    http: HttpClient,
    clock: Clock,
    /// `http://127.0.0.1:8500/v1/kv/PREFIX/`
    base: Url,
    token: Option<Secret>,
}

/// A key as the API shows it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    modify_index: u64,
    value: Option<String>,
}

impl ConsulStore {
    /// The keys below the path of `url`, whose scheme is http or https.
    pub fn new(http: HttpClient, clock: Clock, mut url: Url, token: Option<Secret>) -> Self {
        let prefix = url.path().trim_matches('/').to_owned();
        let separator = if prefix.is_empty() { "" } else { "/" };
        url.set_path(&format!("/v1/kv/{prefix}{separator}"));
        Self {
            http,
            clock,
            base: url,
            token,
        }
    }

    async fn send(&self, operation: &str, request: Request) -> Result<Response, StoreError> {
        let mut request = request.retry(RetryPolicy::none());
        if let Some(token) = &self.token {
            let mut value = HeaderValue::from_str(token.expose())
                .map_err(|_| StoreError::new("the token of Consul is not a header's value"))?;
            value.set_sensitive(true);
            request.set_header(HeaderName::from_static("x-consul-token"), value);
        }
        let call = Call::new(&self.clock, TIMEOUT);
        let response = self
            .http
            .send(&request, &call)
            .await
            .map_err(|error| StoreError::new(error.chain()))?;
        match response.status {
            StatusCode::OK | StatusCode::NOT_FOUND => Ok(response),
            StatusCode::FORBIDDEN => Err(StoreError::new(format!(
                "Consul refused to {operation} (status 403): the token needs `key_prefix` write on `{}`",
                self.base.path().trim_start_matches("/v1/kv/")
            ))),
            status => Err(StoreError::new(format!(
                "Consul refused to {operation} (status {})",
                status.as_u16()
            ))),
        }
    }

    fn url(&self, name: &str) -> Result<Url, StoreError> {
        self.base
            .join(name)
            .map_err(|error| StoreError::new(error.to_string()))
    }
}

impl fmt::Display for ConsulStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consul at {}", self.base.origin().ascii_serialization())
    }
}

#[async_trait]
impl Store for ConsulStore {
    async fn get(&self, name: &str, known: Option<&Version>) -> Result<Object, StoreError> {
        let operation = "read the shared result";
        // What another server has not applied yet would be an older version.
        let mut url = self.url(name)?;
        url.set_query(Some("consistent"));
        let response = self.send(operation, Request::get(operation, url)).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(Object::Absent);
        }
        let unreadable = || StoreError::new("Consul's answer is not that of its KV store");
        let entries: Vec<Entry> =
            serde_json::from_slice(&response.body).map_err(|_| unreadable())?;
        let entry = entries.into_iter().next().ok_or_else(unreadable)?;
        let version = Version(entry.modify_index.to_string());
        if known == Some(&version) {
            return Ok(Object::Unchanged);
        }
        let contents = BASE64_STANDARD
            .decode(entry.value.unwrap_or_default())
            .map_err(|_| unreadable())?;
        Ok(Object::Found(contents.into(), version))
    }

    async fn put(
        &self,
        name: &str,
        contents: Bytes,
        expected: Option<&Version>,
    ) -> Result<Put, StoreError> {
        let operation = "publish the result";
        let mut url = self.url(name)?;
        // Index 0 is that of a key that doesn't exist.
        let index = expected.map_or("0", |version| version.0.as_str());
        url.set_query(Some(&format!("cas={index}")));
        let request = Request::post(operation, url, contents.clone()).with_method(Method::PUT);
        let response = self.send(operation, request).await?;
        if response.body.trim_ascii() != b"true" {
            return Ok(Put::Conflict);
        }
        // The answer doesn't tell the new index.
        match self.get(name, None).await? {
            Object::Found(present, version) if present == contents => Ok(Put::Done(version)),
            _ => Ok(Put::Conflict),
        }
    }
}
