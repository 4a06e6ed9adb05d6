//! The HTTP client of an agent's API: plain http on this machine or TLS. The CA, certificate and
//! token files are read at each use, since they are rotated.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_autojoin::file::{self, MAX_SECRET_FILE};
use cloud_autojoin::http::{HttpClient, HttpSettings, Request, Response, RetryPolicy};
use cloud_autojoin::{Call, Error, Secret, TransportFailure};
use http::Method;
use http::header::{HeaderName, HeaderValue};
use url::Url;

use crate::failure::Failure;

/// Longer than any deadline of a call: an agent sends nothing while it works on a join.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
const _: () = assert!(
    IDLE_TIMEOUT.as_secs() > super::WAN_JOIN_TIMEOUT.as_secs(),
    "a join would be cut short"
);

/// The largest response that is read: a list of 10,000 members has about 10 MiB.
const MAX_BODY: usize = 64 << 20;

/// The files of an agent client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientFiles {
    /// The agent's ACL token.
    pub(crate) token: Option<PathBuf>,
    /// The certificate authorities, instead of the system's.
    pub(crate) authorities: Option<PathBuf>,
    /// The client certificate and its key.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
}

/// A client of one agent's API. Clones share its connections.
#[derive(Clone)]
pub(crate) struct AgentClient {
    url: Url,
    server_name: Option<String>,
    token_header: HeaderName,
    files: ClientFiles,
    http: Arc<Mutex<Option<(TlsMaterial, HttpClient)>>>,
}

/// The TLS files that an HTTP client was built from.
#[derive(Clone, PartialEq, Eq)]
struct TlsMaterial {
    authorities: Option<Secret>,
    client_certificate: Option<Secret>,
}

impl AgentClient {
    /// A client of the API at `url`, which takes its token in `token_header`.
    pub(crate) fn new(url: Url, token_header: HeaderName, files: ClientFiles) -> Self {
        Self {
            url,
            server_name: None,
            token_header,
            files,
            http: Arc::default(),
        }
    }

    /// The DNS name in the agent's certificate, if it isn't the URL's host.
    #[must_use]
    pub(crate) fn with_server_name(self, server_name: Option<String>) -> Self {
        Self {
            server_name,
            http: Arc::default(),
            ..self
        }
    }

    /// The configured name in its certificate.
    #[cfg(test)]
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Reads the machine's certificate authorities again at the next use, on new connections.
    pub(crate) fn reload_trust(&self) {
        *self.http.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Uses this HTTP client.
    #[cfg(test)]
    pub(super) fn with_http_client(self, client: HttpClient) -> Self {
        *self.http.lock().unwrap_or_else(PoisonError::into_inner) = Some((
            TlsMaterial {
                authorities: None,
                client_certificate: None,
            },
            client,
        ));
        self
    }

    /// Its origin, for messages.
    pub(crate) fn shown(&self) -> String {
        cloud_autojoin::http::origin_of(&self.url)
    }

    /// Whether the agent runs on this machine, and so shares its network.
    pub(super) fn is_on_this_machine(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }

    /// Sends a request with `query` in the URL. Returns the response whatever its status.
    ///
    /// # Errors
    ///
    /// A file can't be read, or there was no complete response.
    pub(super) async fn send(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        call: &Call,
    ) -> Result<Response, Failure> {
        let mut url = self.url.clone();
        // `path` is encoded already.
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::get(operation, url).with_method(method);
        if let Some(token) = self.token().await? {
            request = request.header(self.token_header.clone(), token);
        }
        let client = self.http_client().await?;
        client
            .send(&request, call)
            .await
            .map_err(|error| transport(&error))
    }

    /// Reads the token and the certificates as a request would, without sending one.
    ///
    /// # Errors
    ///
    /// One can't be read or is invalid.
    pub(crate) async fn check_files(&self) -> Result<(), Failure> {
        self.token().await?;
        self.http_client().await.map(drop)
    }

    async fn token(&self) -> Result<Option<HeaderValue>, Failure> {
        let Some(file) = &self.files.token else {
            return Ok(None);
        };
        let token = Secret::new(text(file).await?.expose().trim());
        let mut value = HeaderValue::from_str(token.expose())
            .ok()
            .filter(|value| !value.is_empty())
            .ok_or_else(|| {
                Failure::new(format!("there is no token in {}", file.display()))
                    .with_hint("write the token alone into it")
            })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// An HTTP client for the current files; the previous one if they are unchanged.
    async fn http_client(&self) -> Result<HttpClient, Failure> {
        let ClientFiles {
            authorities,
            certificate,
            ..
        } = &self.files;
        let trust = TlsMaterial {
            authorities: match authorities {
                Some(file) => Some(text(file).await?),
                None => None,
            },
            client_certificate: match certificate {
                Some((certificate, key)) => Some(Secret::new(format!(
                    "{}\n{}",
                    text(certificate).await?.expose(),
                    text(key).await?.expose()
                ))),
                None => None,
            },
        };
        let mut last = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, client)) = &*last
            && *before == trust
        {
            return Ok(client.clone());
        }
        let mut settings = HttpSettings::default();
        settings.retry = RetryPolicy::none();
        settings.idle_timeout = IDLE_TIMEOUT;
        settings.max_body = MAX_BODY;
        // An agent is near: proxies are for the cloud.
        settings.proxy_from_environment = false;
        settings.certificate_authorities = trust
            .authorities
            .iter()
            .map(|pem| pem.expose().as_bytes().to_vec())
            .collect();
        settings.client_identity = trust.client_certificate.clone();
        settings.server_name = self.server_name.clone();
        let client = HttpClient::new(settings).map_err(|error| transport(&error))?;
        *last = Some((trust, client.clone()));
        Ok(client)
    }
}

impl PartialEq for AgentClient {
    fn eq(&self, other: &Self) -> bool {
        (
            &self.url,
            &self.server_name,
            &self.token_header,
            &self.files,
        ) == (
            &other.url,
            &other.server_name,
            &other.token_header,
            &other.files,
        )
    }
}

impl Eq for AgentClient {}

impl fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentClient")
            .field("url", &self.shown())
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

async fn text(path: &Path) -> Result<Secret, Failure> {
    let cannot = |error: &dyn fmt::Display| {
        Failure::new(format!("cannot read {}: {error}", path.display()))
            .with_hint("check that the file is there and that the sidecar's user may read it")
    };
    file::read_text(path, MAX_SECRET_FILE)
        .await
        .map(Secret::new)
        .map_err(|error| cannot(&error))
}

fn transport(error: &Error) -> Failure {
    let failure = Failure::new(error.chain());
    // The general hint mentions proxies, which aren't used for agents.
    if let Error::Transport(error) = error {
        match error.failure() {
            TransportFailure::Connect => {
                return failure
                    .with_hint("check that the agent runs and that its `url` is right")
                    .of_absence();
            }
            TransportFailure::Tls => {
                return failure.with_hint(
                    "check `ca_file` and this machine's clock; if the agent's certificate has another name than its `url`, give that name in `server_name`",
                );
            }
            _ => {}
        }
    }
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests;
