//! Objects of a bucket, through the `object_store` crate and this project's own HTTP client.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cloud_autojoin_core::http::{Request, Transport, TransportCause};
use cloud_autojoin_core::{ConfigError, ConfigProblem, Context, Instant, Result, TransportFailure};
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpResponse, HttpResponseBody, HttpService,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, GetOptions, ObjectStore, PutMode, PutOptions, RetryConfig, UpdateVersion,
};
use url::Url;

use super::bucket_credentials;
use super::store::STORE_TIMEOUT;
use super::store::{Object, Put, Store, StoreError, Version};

/// The variables that each kind of bucket takes: those of the cloud's own tools. The credentials of
/// AWS and Google Cloud aren't among them (`bucket_credentials.rs`).
const S3: &[&str] = &[
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ALLOW_HTTP",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
];
const AZURE: &[&str] = &[
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ALLOW_HTTP",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_MSI_ENDPOINT",
];
const GOOGLE: &[&str] = &["GOOGLE_BASE_URL", "GOOGLE_ALLOW_HTTP"];

/// A bucket and the prefix of its objects. Its `Debug` shows no credentials.
struct Bucket {
    store: Box<dyn ObjectStore>,
    prefix: Path,
    shown: String,
}

/// Opens the bucket that a URL names. Sends nothing.
pub(super) fn open(url: &Url, context: &Context) -> Result<Arc<dyn Store>> {
    let variables = |names: &'static [&'static str]| {
        names.iter().filter_map(|name| {
            let value = context.env().filled(name)?;
            Some((name.to_ascii_lowercase(), value))
        })
    };
    let mut retry = RetryConfig::default();
    (retry.max_retries, retry.retry_timeout) = (1, STORE_TIMEOUT);
    // Without the path: the prefix is this module's own.
    let bucket = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    // The builders have the same methods and no trait.
    macro_rules! build {
        ($builder:expr, $variables:expr) => {
            variables($variables)
                .filter_map(|(key, value)| Some((key.parse().ok()?, value)))
                .fold($builder.with_url(&bucket), |builder, (key, value)| {
                    builder.with_config(key, value)
                })
                .with_retry(retry)
                .with_http_connector(Connector(context.http().transport()))
                .build()
                .map(|store| Box::new(store) as _)
        };
    }
    let store: Result<Box<dyn ObjectStore>, Error> = match url.scheme() {
        "s3" => build!(
            AmazonS3Builder::new()
                .with_credentials(Arc::new(bucket_credentials::aws(context)))
                .with_conditional_put(S3ConditionalPut::ETagMatch),
            S3
        ),
        "az" => build!(MicrosoftAzureBuilder::new(), AZURE),
        _ => {
            let credentials = bucket_credentials::google(context)
                .map_err(|problem| ConfigError::new(None, problem))?;
            let builder = GoogleCloudStorageBuilder::new();
            build!(builder.with_credentials(Arc::new(credentials)), GOOGLE)
        }
    };
    let refused = |why: String| {
        let problem = ConfigProblem::new(format!("the bucket of the shared store: {why}"));
        let hint = "set its endpoint, region and credentials by the variables of its cloud's tools";
        ConfigError::new(None, problem.with_hint(hint))
    };
    Ok(Arc::new(Bucket {
        store: store.map_err(|error| refused(error.to_string()))?,
        prefix: Path::parse(url.path().trim_matches('/'))
            .map_err(|error| refused(error.to_string()))?,
        shown: format!("{bucket}{}", url.path()),
    }))
}

impl Bucket {
    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.prefix.as_ref()))
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// ETag and version in one text: which of the two is the condition of a write differs.
fn version_of(e_tag: Option<String>, version: Option<String>) -> Version {
    Version(format!(
        "{}\n{}",
        e_tag.unwrap_or_default(),
        version.unwrap_or_default()
    ))
}

fn update_version(version: &Version) -> UpdateVersion {
    let (e_tag, version) = version.0.split_once('\n').unwrap_or((&version.0, ""));
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    UpdateVersion {
        e_tag: filled(e_tag),
        version: filled(version),
    }
}

fn failed(error: &Error) -> StoreError {
    // Its causes say more, and hold neither headers nor the signature of a URL.
    StoreError::new(error.to_string().chars().take(500).collect::<String>())
}

#[async_trait]
impl Store for Bucket {
    async fn get(&self, name: &str, known: Option<&Version>) -> Result<Object, StoreError> {
        let options = GetOptions {
            if_none_match: known.and_then(|known| update_version(known).e_tag),
            ..GetOptions::default()
        };
        match self.store.get_opts(&self.path(name), options).await {
            Ok(found) => {
                let version = version_of(found.meta.e_tag.clone(), found.meta.version.clone());
                let contents = found.bytes().await.map_err(|error| failed(&error))?;
                Ok(Object::Found(contents, version))
            }
            Err(Error::NotFound { .. }) => Ok(Object::Absent),
            Err(Error::NotModified { .. }) => Ok(Object::Unchanged),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn put(
        &self,
        name: &str,
        contents: Bytes,
        expected: Option<&Version>,
    ) -> Result<Put, StoreError> {
        let mode = match expected {
            None => PutMode::Create,
            Some(expected) => PutMode::Update(update_version(expected)),
        };
        let options = PutOptions::from(mode);
        match self
            .store
            .put_opts(&self.path(name), contents.into(), options)
            .await
        {
            Ok(put) => Ok(Put::Done(version_of(put.e_tag, put.version))),
            // The object may be gone as well.
            Err(
                Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotFound { .. },
            ) => Ok(Put::Conflict),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Makes `object_store` send through this project's HTTP client: one TLS set-up, one proxy rule.
#[derive(Debug)]
struct Connector(Arc<dyn Transport>);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allows_http = options.get_config_value(&ClientConfigKey::AllowHttp);
        Ok(HttpClient::new(Service {
            transport: Arc::clone(&self.0),
            allows_http: allows_http.is_some_and(|value| value == "true"),
        }))
    }
}

#[derive(Debug)]
struct Service {
    transport: Arc<dyn Transport>,
    allows_http: bool,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let invalid =
            |error: &'static str| HttpError::new(HttpErrorKind::Unknown, StoreError::new(error));
        let (parts, body) = request.into_parts();
        let url: Url = parts
            .uri
            .to_string()
            .parse()
            .map_err(|_| invalid("not a URL"))?;
        let is_near = match url.host() {
            Some(url::Host::Ipv4(host)) => host.is_loopback() || host.is_link_local(),
            Some(url::Host::Ipv6(host)) => host.is_loopback(),
            Some(url::Host::Domain(host)) => host == "localhost",
            None => false,
        };
        if url.scheme() != "https" && !is_near && !self.allows_http {
            return Err(invalid("the store's URL is not https"));
        }
        let body = body.collect().await?.to_bytes();
        let mut request =
            Request::post("use the shared store", url, body).with_method(parts.method);
        for (name, value) in &parts.headers {
            request.set_header(name.clone(), value.clone());
        }
        if is_near {
            request = request.no_proxy();
        }
        let deadline = Instant::now() + STORE_TIMEOUT;
        let sent = tokio::time::timeout_at(deadline, self.transport.send(&request, deadline)).await;
        let raw = sent
            .unwrap_or_else(|_| Err(TransportCause::new(TransportFailure::Deadline)))
            .map_err(|cause| {
                let kind = match cause.failure {
                    TransportFailure::Connect => HttpErrorKind::Connect,
                    TransportFailure::Deadline | TransportFailure::IdleTimeout => {
                        HttpErrorKind::Timeout
                    }
                    _ => HttpErrorKind::Unknown,
                };
                HttpError::new(kind, StoreError::new(cause.to_string()))
            })?;
        let mut response = HttpResponse::new(HttpResponseBody::from(raw.body));
        *response.status_mut() = raw.status;
        *response.headers_mut() = raw.headers;
        Ok(response)
    }
}
