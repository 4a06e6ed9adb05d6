//! The temporary access key of the role of an instance, from the instance metadata service.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, Source};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{
    HttpClient, Request, Response, ResponseClass, RetryPolicy, origin_of,
};
use cloud_autojoin_core::{ApiError, Call, DecodeError, Error, Result, Secret};
use http::Method;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;

use super::AccessKey;

/// How long the service may take to show that it is there: it is on the machine's own link.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Reads the name of the instance's role, then its key: `BASE` and `BASE/ROLE`.
pub struct InstanceRole {
    provider: &'static str,
    http: HttpClient,
    base: Url,
    session: Option<Session>,
}

/// A session of a metadata service that can require one.
struct Session {
    url: Url,
    lifetime: HeaderName,
    header: HeaderName,
}

/// The key of a role; services differ in the names of its fields.
#[derive(Deserialize)]
struct RoleKey {
    #[serde(rename = "AccessKeyId", alias = "TmpSecretId")]
    id: String,
    #[serde(rename = "AccessKeySecret", alias = "TmpSecretKey")]
    secret: String,
    #[serde(rename = "SecurityToken", alias = "Token")]
    token: String,
    #[serde(rename = "Expiration")]
    expiration: String,
}

impl InstanceRole {
    const OPERATION: &str = "get the key of the instance's role";

    /// The role at `base`, the URL of the list of role names.
    pub fn new(provider: &'static str, http: HttpClient, base: Url) -> Self {
        Self {
            provider,
            http,
            base,
            session: None,
        }
    }

    /// The provider whose instances have the role.
    pub(super) fn provider(&self) -> &'static str {
        self.provider
    }

    /// Opens a session first, by a `PUT` of `url`, where the service knows sessions.
    #[must_use]
    pub fn with_session(mut self, url: Url, lifetime: HeaderName, header: HeaderName) -> Self {
        self.session = Some(Session {
            url,
            lifetime,
            header,
        });
        self
    }

    async fn session(
        &self,
        call: &Call,
    ) -> Result<Option<(HeaderName, HeaderValue)>, SourceOutcome> {
        let Some(Session {
            url,
            lifetime,
            header,
        }) = &self.session
        else {
            return Ok(None);
        };
        let put = Request::get(Self::OPERATION, url.clone())
            .with_method(Method::PUT)
            .header(lifetime.clone(), HeaderValue::from_static("300"));
        let response = self.send(put, call).await?;
        let token = HeaderValue::from_bytes(response.body.trim_ascii()).ok();
        Ok(token
            .filter(|_| response.class == ResponseClass::Success)
            .map(|mut token| {
                token.set_sensitive(true);
                (header.clone(), token)
            }))
    }

    async fn send(&self, request: Request, call: &Call) -> Result<Response, SourceOutcome> {
        let request = request.no_proxy().retry(
            RetryPolicy::default()
                .with_max_retries(2)
                .without_connect_retries(),
        );
        self.http
            .send(&request, call)
            .await
            .map_err(|error| match error {
                Error::Transport(_) => SourceOutcome::Unreachable(format!(
                    "no metadata service at {}",
                    origin_of(&self.base)
                )),
                other => other.into(),
            })
    }

    fn read(&self, body: &[u8]) -> Result<AccessToken, SourceOutcome> {
        let invalid =
            |detail| Error::from(DecodeError::new(self.provider, Self::OPERATION, detail));
        let key: RoleKey =
            serde_json::from_slice(body).map_err(|_| invalid("it isn't the key of a role"))?;
        let expires_at: SystemTime = humantime::parse_rfc3339_weak(&key.expiration)
            .map_err(|_| invalid("its expiration isn't a time"))?;
        let key = AccessKey {
            id: key.id,
            secret: Secret::new(key.secret),
            session_token: Some(Secret::new(key.token)),
        };
        Ok(key.into_access_token(expires_at))
    }
}

#[async_trait]
impl Source for InstanceRole {
    fn name(&self) -> &'static str {
        "role of the instance"
    }

    async fn token(&self, _: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let probe = call.within(PROBE_TIMEOUT);
        let session = self.session(&probe).await?;
        let get = |url: Url| match &session {
            Some((name, value)) => {
                Request::get(Self::OPERATION, url).header(name.clone(), value.clone())
            }
            None => Request::get(Self::OPERATION, url),
        };
        let found = self.send(get(self.base.clone()), &probe).await?;
        let name = String::from_utf8_lossy(&found.body);
        let role = name.lines().next().unwrap_or_default().trim();
        if found.class == ResponseClass::NotFound
            || found.class == ResponseClass::Success && role.is_empty()
        {
            return Err(SourceOutcome::NotConfigured(
                "no role is attached to the instance".to_owned(),
            ));
        }
        let refused = |response: &Response| {
            Error::from(ApiError::of_response(
                self.provider,
                Self::OPERATION,
                response,
            ))
        };
        if found.class != ResponseClass::Success {
            return Err(refused(&found).into());
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(role);
        }
        let response = self.send(get(url), call).await?;
        if response.class == ResponseClass::Success {
            self.read(&response.body)
        } else {
            Err(refused(&response).into())
        }
    }
}

impl fmt::Debug for InstanceRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceRole")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
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

    async fn ask(server: &MockServer, with_session: bool) -> Result<AccessToken, SourceOutcome> {
        let context = Context::builder()
            .env(Env::empty())
            .clock(Clock::auto_advancing())
            .http(HttpSettings::default())
            .build()
            .unwrap();
        let url = |path: &str| Url::parse(&server.uri()).unwrap().join(path).unwrap();
        let mut role = InstanceRole::new("example", context.http().clone(), url("/roles/"));
        if with_session {
            role = role.with_session(
                url("/token"),
                HeaderName::from_static("x-ttl"),
                HeaderName::from_static("x-token"),
            );
        }
        role.token("", &Call::new(context.clock(), Duration::from_secs(60)))
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
        let token = ask(&server, false).await.unwrap();
        assert_eq!(
            token.secret().expose(),
            r#"["STS.A","canary-s","canary-t"]"#
        );
        assert_eq!(
            humantime::format_rfc3339(token.expires_at()).to_string(),
            "2027-01-01T00:00:00Z"
        );
    }

    #[tokio::test]
    async fn a_session_is_opened_where_the_service_knows_sessions() {
        let server = MockServer::start().await;
        Mock::given(method("PUT"))
            .and(path("/token"))
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
        let url = format!("http://{}/roles/", listener.local_addr().unwrap());
        drop(listener);
        let context = Context::builder()
            .env(Env::empty())
            .clock(Clock::auto_advancing())
            .build()
            .unwrap();
        let role = InstanceRole::new("example", context.http().clone(), url.parse().unwrap());
        let call = Call::new(context.clock(), Duration::from_secs(60));
        assert!(matches!(
            role.token("", &call).await,
            Err(SourceOutcome::Unreachable(_))
        ));
    }
}
