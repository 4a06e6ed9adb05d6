//! Instance metadata services: what a machine knows of itself, and the key of its role.
//!
//! The services of several clouds differ only in names.

use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::credential::CredentialSource;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{
    HttpClient, Request, Response, ResponseClass, RetryPolicy, origin_of,
};
use cloud_autojoin_core::{ApiError, Call, DecodeError, Error, Result};
use http::Method;
use http::header::{HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use url::Url;

use super::AccessKey;
use super::access_key::KeyResponse;

/// How long the service may take to show that it is there: it is on the machine's own link.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a session lasts, in seconds.
const LIFETIME: HeaderValue = HeaderValue::from_static("300");

/// The instance metadata service of one cloud.
#[derive(Debug, Clone)]
pub struct InstanceMetadata {
    provider: &'static str,
    http: HttpClient,
    base: Url,
    session: Option<Session>,
    header: Option<(HeaderName, HeaderValue)>,
    advice: &'static str,
}

/// The headers of a session.
#[derive(Debug, Clone)]
struct Session {
    token: HeaderName,
    lifetime: HeaderName,
    is_required: bool,
}

impl InstanceMetadata {
    /// The service at `base`, without sessions.
    pub fn new(provider: &'static str, http: HttpClient, base: Url) -> Self {
        Self {
            provider,
            http,
            base,
            session: None,
            header: None,
            advice: "",
        }
    }

    /// Sends this header with every request, for a service that requires one and has no sessions.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        self.header = Some((name, value));
        self
    }

    /// Opens a session first, where the service knows sessions: `token` carries its token and
    /// `lifetime` how long it lasts.
    #[must_use]
    pub fn with_session(mut self, token: &'static str, lifetime: &'static str) -> Self {
        self.session = Some(Session {
            token: HeaderName::from_static(token),
            lifetime: HeaderName::from_static(lifetime),
            is_required: false,
        });
        self
    }

    /// What gives no session isn't the service; `advice` is for a service that doesn't respond.
    #[must_use]
    pub fn with_required_session(mut self, advice: &'static str) -> Self {
        self.advice = advice;
        if let Some(session) = &mut self.session {
            session.is_required = true;
        }
        self
    }

    /// Opens a session, in which `read` reads.
    ///
    /// # Errors
    ///
    /// The service isn't there.
    pub async fn open(&self, operation: &str, call: &Call) -> Result<Reader<'_>, SourceOutcome> {
        let Some(session) = &self.session else {
            return Ok(Reader(self, self.header.clone()));
        };
        let request = Request::get(operation, self.url("/latest/api/token"))
            .with_method(Method::PUT)
            .header(session.lifetime.clone(), LIFETIME);
        let response = self.send(request, &call.within(PROBE_TIMEOUT)).await?;
        let is_service = !session.is_required || response.headers.contains_key(&session.lifetime);
        let token = HeaderValue::from_bytes(response.body.trim_ascii())
            .ok()
            .filter(|token| !token.is_empty() && is_service);
        match (response.class, token) {
            (ResponseClass::Success, Some(mut token)) => {
                token.set_sensitive(true);
                Ok(Reader(self, Some((session.token.clone(), token))))
            }
            _ if !session.is_required => Ok(Reader(self, None)),
            (ResponseClass::PermissionDenied, _) => {
                let (origin, status) = (origin_of(&self.base), response.status.as_u16());
                Err(SourceOutcome::NotConfigured(format!(
                    "the instance metadata service at {origin} is turned off (status {status})"
                )))
            }
            _ => Err(self.unexpected(&response)),
        }
    }

    /// The outcome of a response that isn't the service's: that of a failure, or of another server.
    fn unexpected(&self, response: &Response) -> SourceOutcome {
        let (origin, status) = (origin_of(&self.base), response.status.as_u16());
        if response.class.is_transient() {
            SourceOutcome::Unreachable(format!(
                "the instance metadata service at {origin} failed (status {status})"
            ))
        } else {
            SourceOutcome::NotConfigured(format!(
                "what responds at {origin} isn't the instance metadata service (status {status})"
            ))
        }
    }

    async fn send(&self, request: Request, call: &Call) -> Result<Response, SourceOutcome> {
        let request = request.no_proxy().retry(
            RetryPolicy::default()
                .with_max_retries(2)
                .without_connect_retries(),
        );
        let response = self.http.send(&request, call).await;
        response.map_err(|error| match error {
            Error::Transport(error) => SourceOutcome::Unreachable(format!(
                "no instance metadata service at {} ({error}){}",
                origin_of(&self.base),
                self.advice
            )),
            other => other.into(),
        })
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }
}

/// Reads the values of an instance metadata service in one session.
#[derive(Debug)]
pub struct Reader<'a>(&'a InstanceMetadata, Option<(HeaderName, HeaderValue)>);

impl Reader<'_> {
    /// The text at `path`; `None` when there is nothing.
    ///
    /// # Errors
    ///
    /// The service isn't there, or refuses.
    pub async fn text(
        &self,
        operation: &str,
        path: &str,
        call: &Call,
    ) -> Result<Option<String>, SourceOutcome> {
        let response = self.response(operation, path, call).await?;
        match response.class {
            ResponseClass::Success => {
                let text = String::from_utf8_lossy(response.body.trim_ascii()).into_owned();
                Ok(Some(text).filter(|text| !text.is_empty()))
            }
            ResponseClass::NotFound => Ok(None),
            _ => Err(
                Error::from(ApiError::of_response(self.0.provider, operation, &response)).into(),
            ),
        }
    }

    /// The JSON at `path`.
    ///
    /// # Errors
    ///
    /// As [`Reader::text`]; nothing is there, or something else.
    pub async fn json<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &str,
        call: &Call,
    ) -> Result<T, SourceOutcome> {
        let text = self.text(operation, path, call).await?;
        serde_json::from_str(&text.unwrap_or_default()).map_err(|_| {
            Error::from(DecodeError::new(
                self.0.provider,
                operation,
                "it isn't the JSON expected",
            ))
            .into()
        })
    }

    /// The JSON at `path`, which shows that the service is there: what gives something else isn't
    /// the service.
    ///
    /// # Errors
    ///
    /// The service isn't there.
    pub async fn probe<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &str,
        call: &Call,
    ) -> Result<T, SourceOutcome> {
        let probe = call.within(PROBE_TIMEOUT);
        let response = self.response(operation, path, &probe).await?;
        if response.class.is_transient() {
            return Err(self.0.unexpected(&response));
        }
        serde_json::from_slice(&response.body).map_err(|_| self.0.unexpected(&response))
    }

    async fn response(
        &self,
        operation: &str,
        path: &str,
        call: &Call,
    ) -> Result<Response, SourceOutcome> {
        let Self(service, header) = self;
        let mut request = Request::get(operation, service.url(path));
        if let Some((name, value)) = header {
            request.set_header(name.clone(), value.clone());
        }
        service.send(request, call).await
    }
}

/// The temporary key of the role of this instance.
#[derive(Debug)]
pub struct InstanceRole {
    metadata: InstanceMetadata,
    roles: &'static str,
}

impl InstanceRole {
    /// The role that is listed at the path `roles`; its key is below that.
    pub fn new(metadata: InstanceMetadata, roles: &'static str) -> Self {
        Self { metadata, roles }
    }

    /// The provider whose instances have the role.
    pub(super) fn provider(&self) -> &'static str {
        self.metadata.provider
    }
}

#[async_trait]
impl CredentialSource<AccessKey> for InstanceRole {
    fn name(&self) -> &'static str {
        "role of the instance"
    }

    async fn token(&self, _: &str, call: &Call) -> Result<AccessKey, SourceOutcome> {
        const OPERATION: &str = "get the key of the instance's role";
        let reader = self.metadata.open(OPERATION, call).await?;
        let probe = call.within(PROBE_TIMEOUT);
        let roles = reader.text(OPERATION, self.roles, &probe).await?;
        let Some(role) = roles.as_deref().and_then(|roles| roles.lines().next()) else {
            let reason = "no role is attached to the instance".to_owned();
            return Err(SourceOutcome::NotConfigured(reason));
        };
        let path = format!("{}{}", self.roles, role.trim());
        let response = reader.json::<KeyResponse>(OPERATION, &path, call).await?;
        response.into_key()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::http::HttpSettings;
    use cloud_autojoin_core::{Clock, Context, Env};
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    const KEY: &str = r#"{"AccessKeyId":"STS.A","AccessKeySecret":"canary-s","Expiration":"2027-01-01T00:00:00Z","SecurityToken":"canary-t","Code":"Success"}"#;

    async fn ask(server: &MockServer, with_session: bool) -> Result<AccessKey, SourceOutcome> {
        let context = Context::builder()
            .env(Env::empty())
            .clock(Clock::auto_advancing())
            .http(HttpSettings::default())
            .build()
            .unwrap();
        let base = Url::parse(&server.uri()).unwrap();
        let mut metadata = InstanceMetadata::new("example", context.http().clone(), base);
        if with_session {
            metadata = metadata.with_session("x-token", "x-ttl");
        }
        InstanceRole::new(metadata, "/roles/")
            .token("", &Call::new(context.clock(), Duration::from_secs(60)))
            .await
    }

    async fn serving(role: ResponseTemplate, key: ResponseTemplate) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/roles/"))
            .respond_with(role)
            .mount(&server)
            .await;
        Mock::given(method("GET"))
            .and(path("/roles/r1"))
            .respond_with(key)
            .mount(&server)
            .await;
        server
    }

    fn text(body: &str) -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_string(body)
    }

    #[tokio::test]
    async fn the_key_of_the_first_role_is_read() {
        let server = serving(text("r1\n"), text(KEY)).await;
        let key = ask(&server, false).await.unwrap();
        let token = key.session_token.unwrap();
        assert_eq!(
            (key.id.as_str(), key.secret.expose(), token.expose()),
            ("STS.A", "canary-s", "canary-t")
        );
        assert_eq!(
            humantime::format_rfc3339(key.expires_at.unwrap()).to_string(),
            "2027-01-01T00:00:00Z"
        );
    }

    #[tokio::test]
    async fn a_session_is_opened_where_the_service_knows_sessions() {
        let server = MockServer::start().await;
        Mock::given(method("PUT"))
            .and(path("/latest/api/token"))
            .and(header("x-ttl", "300"))
            .respond_with(text("T1\n"))
            .mount(&server)
            .await;
        Mock::given(path("/roles/"))
            .and(header("x-token", "T1"))
            .respond_with(text("r1"))
            .mount(&server)
            .await;
        Mock::given(path("/roles/r1"))
            .and(header("x-token", "T1"))
            .respond_with(text(KEY))
            .mount(&server)
            .await;
        assert!(ask(&server, true).await.is_ok());
        assert!(
            ask(&serving(text("r1"), text(KEY)).await, true)
                .await
                .is_ok(),
            "without sessions"
        );
    }

    #[tokio::test]
    async fn an_instance_without_a_role_is_passed_over_and_a_refusal_is_not() {
        for without in [ResponseTemplate::new(404), text("")] {
            assert!(matches!(
                ask(&serving(without, text(KEY)).await, false).await,
                Err(SourceOutcome::NotConfigured(_))
            ));
        }
        for (role, key) in [
            (ResponseTemplate::new(403), text(KEY)),
            (text("r1"), ResponseTemplate::new(404)),
            (text("r1"), text("{}canary")),
        ] {
            let Err(SourceOutcome::Failed(error)) = ask(&serving(role, key).await, false).await
            else {
                panic!("it failed")
            };
            assert!(!format!("{error:?} {error}").contains("canary"));
        }
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_is_unreachable() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let context = Context::builder()
            .env(Env::empty())
            .clock(Clock::auto_advancing())
            .build()
            .unwrap();
        let metadata =
            InstanceMetadata::new("example", context.http().clone(), url.parse().unwrap());
        let role = InstanceRole::new(metadata, "/roles/");
        let call = Call::new(context.clock(), Duration::from_secs(60));
        assert!(matches!(
            role.token("", &call).await,
            Err(SourceOutcome::Unreachable(_))
        ));
    }
}
