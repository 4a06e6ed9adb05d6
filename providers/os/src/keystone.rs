//! Tokens and the catalog, from Keystone v3.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, CredentialSource};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{HttpClient, Request, RetryPolicy};
use cloud_autojoin_core::{
    Call, ConfigError, ConfigProblem, Context, DecodeError, Error, Result, Secret, TransportError,
    TransportFailure,
};
use cloud_autojoin_provider_kit::ApiClient;
use cloud_autojoin_provider_kit::tls::{PemFile, Tls, TlsClient, TlsFiles};
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use url::Url;

use crate::api::{OpenStackApi, Service, TokenResponse};
use crate::keys::{AUTH_URL, CACERT, CLOUD, INSECURE, INTERFACE, REGION};
use crate::provider::NAME;
use crate::settings::Settings;

/// Asks Keystone. Keeps what the last answer said.
pub(crate) struct Keystone {
    context: Context,
    given: Settings,
    cloud: Option<String>,
    metadata: Url,
    client: TlsClient,
    session: Mutex<Option<Arc<Session>>>,
}

/// What holds for the requests that follow a token.
pub(crate) struct Session {
    pub(crate) http: HttpClient,
    pub(crate) tls: Tls,
    pub(crate) project: String,
    settings: Settings,
    catalog: Vec<Service>,
}

impl Session {
    /// The regions to look in.
    pub(crate) fn regions(&self) -> Vec<String> {
        let given = self.settings.get(&REGION).unwrap_or("RegionOne");
        given
            .split(',')
            .map(|region| region.trim().to_owned())
            .collect()
    }

    /// The URL of the compute service in `region`.
    ///
    /// # Errors
    ///
    /// The catalog has none; names the regions that have one.
    pub(crate) fn compute(&self, region: &str) -> Result<Url> {
        let interface = self
            .settings
            .get(&INTERFACE)
            .unwrap_or("public")
            .to_ascii_lowercase();
        let services = self
            .catalog
            .iter()
            .filter(|service| service.kind == "compute");
        let endpoints: Vec<_> = services
            .flat_map(|service| &service.endpoints)
            .filter(|endpoint| endpoint.interface == interface)
            .collect();
        if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.is_in(region)) {
            return endpoint.url.parse().map_err(|_| {
                DecodeError::new(
                    NAME,
                    "find the compute service",
                    "its URL in the catalog is none",
                )
                .into()
            });
        }
        let mut known: Vec<&str> = endpoints
            .iter()
            .map(|endpoint| endpoint.region_id.as_str())
            .collect();
        known.sort_unstable();
        known.dedup();
        let hint = match known.as_slice() {
            [] if self.catalog.is_empty() => {
                "the token has no catalog: give the project with `project_id` or `project_name`"
                    .to_owned()
            }
            [] => "check `interface`: the catalog has no compute service there".to_owned(),
            known => format!("set `region` to one of `{}`", known.join("`, `")),
        };
        let detail =
            format!("the catalog has none in region `{region}` with interface `{interface}`");
        Err(TransportError::new(
            "list servers",
            "the compute service",
            TransportFailure::InvalidRequest,
        )
        .of_provider(NAME)
        .with_detail(detail)
        .with_hint(hint)
        .into())
    }
}

impl Keystone {
    /// Keystone as the join string and the environment name it; `cloud` is to be looked up in
    /// `clouds.yaml`.
    pub(crate) fn new(
        context: &Context,
        given: Settings,
        cloud: Option<String>,
        metadata: Url,
    ) -> Arc<Self> {
        Arc::new(Self {
            context: context.clone(),
            given,
            cloud,
            metadata,
            client: TlsClient::default(),
            session: Mutex::default(),
        })
    }

    /// What the last token came with.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn authenticate(&self, call: &Call) -> Result<AccessToken> {
        let mut settings = self.given.clone();
        if let Some(cloud) = &self.cloud {
            settings
                .fill_from_clouds_yaml(cloud, self.context.env())
                .await
                .map_err(|reason| unusable(ConfigProblem::of_key(CLOUD.name, reason)))?;
        }
        let known = self.session();
        let tls = self.tls(&settings).await?;
        let http = self.client.get(self.context.http(), &tls)?;
        if settings.needs_project() {
            settings.set_project(match &known {
                Some(session) => session.project.clone(),
                None => self.own_server(call).await?.project_id,
            });
        }
        let url = tokens_url(&settings).map_err(unusable)?;
        let body = settings.auth_body().map_err(unusable)?;
        let request = Request::post("get a token", url.clone(), body.to_string())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let client = ApiClient::new(&self.context, &OpenStackApi, url).with_http(http.clone());
        let (response, headers) = client
            .json_with_headers::<TokenResponse>(request, call)
            .await?;
        let token = headers
            .get("x-subject-token")
            .and_then(|value| value.to_str().ok());
        let token =
            token.ok_or_else(|| DecodeError::new(NAME, "get a token", "no `X-Subject-Token`"))?;
        let lifetime = Duration::from_secs(3600);
        let expires_at = humantime::parse_rfc3339(&response.token.expires_at)
            .unwrap_or_else(|_| call.clock().wall() + lifetime);
        let project = response
            .token
            .project
            .map(|project| project.id)
            .unwrap_or_default();
        let session = Session {
            http,
            tls,
            project,
            settings,
            catalog: response.token.catalog,
        };
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(session));
        Ok(AccessToken::new(Secret::new(token), expires_at))
    }

    /// How the cloud's certificates are verified.
    async fn tls(&self, settings: &Settings) -> Result<Tls> {
        let insecure = settings.get(&INSECURE);
        let authority = settings.get(&CACERT);
        let files = TlsFiles {
            authority: authority.map(|path| PemFile::new(CACERT.name, path)),
            insecure: insecure
                .is_some_and(|text| matches!(text, "1" | "t" | "T" | "TRUE" | "true" | "True")),
            ..TlsFiles::default()
        };
        files.read(NAME).await
    }

    /// What the metadata service says of this server.
    pub(crate) async fn own_server(&self, call: &Call) -> Result<OwnServer> {
        const OPERATION: &str = "read what this server is from the metadata service";
        const ADVICE: &str = "add `project_id=...` or `project_name=...`: without them, and for `self`, this has to be a server of the cloud";
        let client = ApiClient::new(&self.context, &OpenStackApi, self.metadata.clone());
        let request = client
            .get(OPERATION, &["openstack", "latest", "meta_data.json"], &[])
            .retry(RetryPolicy::default().without_connect_retries());
        let own = client.json(request, call).await;
        own.map_err(|error| error.with_hint(ADVICE))
    }
}

/// This server, as its metadata service knows it.
#[derive(Deserialize)]
pub(crate) struct OwnServer {
    project_id: String,
    #[serde(default)]
    pub(crate) meta: BTreeMap<String, String>,
}

/// The URL that gives tokens. Without a version, and with the v2.0 that OpenStack removed in 2018,
/// it is that of v3.
fn tokens_url(settings: &Settings) -> Result<Url, ConfigProblem> {
    let text = settings.get(&AUTH_URL).ok_or_else(|| {
        ConfigProblem::of_key(AUTH_URL.name, "`auth_url` is missing in `clouds.yaml`")
    })?;
    let no_url = || ConfigProblem::of_key(AUTH_URL.name, "`auth_url` is no URL of http or https");
    let mut url: Url = text.parse().map_err(|_| no_url())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(no_url());
    }
    let path = url.path().trim_end_matches('/');
    let base = path
        .strip_suffix("/v3")
        .or_else(|| path.strip_suffix("/v2.0"))
        .unwrap_or(path);
    let path = format!("{base}/v3/auth/tokens");
    url.set_path(&path);
    Ok(url)
}

fn unusable(problem: ConfigProblem) -> Error {
    ConfigError::new(Some(NAME), problem).into()
}

/// Keystone as the one source of credentials.
#[derive(Debug)]
pub(crate) struct TokenSource(pub(crate) Arc<Keystone>);

#[async_trait]
impl CredentialSource for TokenSource {
    fn name(&self) -> &'static str {
        if self.0.cloud.is_some() {
            "clouds.yaml"
        } else {
            self.0.given.method()
        }
    }

    async fn token(&self, _: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        Ok(self.0.authenticate(call).await?)
    }
}

impl fmt::Debug for Keystone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystone")
            .field("given", &self.given)
            .field("cloud", &self.cloud)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::Env;
    use cloud_autojoin_provider_kit::Options;

    use super::*;
    use crate::keys::KEYS;

    #[test]
    fn the_version_of_the_url_may_be_missing_or_old() {
        let (env, tokens) = (Env::empty(), "https://k.example/identity/v3/auth/tokens");
        for base in [
            "https://k.example/identity",
            "https://k.example/identity/",
            "https://k.example/identity/v3/",
            "https://k.example/identity/v2.0",
        ] {
            let config = format!("auth_url={base}").parse().unwrap();
            let settings = Settings::read(&Options::new("os", KEYS, &config, &env));
            assert_eq!(tokens_url(&settings).unwrap().as_str(), tokens, "{base}");
        }
    }
}
