//! The tokens of OpenStack, from Keystone v3: by password, application credential or another token,
//! from the join string, the variables of an openrc file and `clouds.yaml` (`settings.rs`).
//!
//! A token comes with the catalog of the services of a cloud, which has their URLs.

mod api;
pub mod keys;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::config::{Options, Value};
use cloud_autojoin_core::credential::{AccessToken, Chain, CredentialSource};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Authorizer as _, HttpClient, Request, RetryPolicy};
use cloud_autojoin_core::{
    Call, ConfigError, ConfigProblem, Context, DecodeError, Error, Result, Secret,
};
use http::header::HeaderName;
use serde::Deserialize;
use url::Url;

use super::BearerAuthorizer;
use crate::tls::{Tls, TlsClient, TlsFiles};
use crate::{Api, ApiClient, ConfiguredFile};

use api::{KeystoneApi, Service, TokenResponse};
use keys::{AUTH_URL, CACERT, CLOUD, INSECURE, INTERFACE, METADATA_ENDPOINT, REGION};
use settings::Settings;

pub use api::{classify, error_body};

const NAME: &str = "os";

/// The header that holds a token.
const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// The lifetime of a token without an expiry.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The tokens of one cloud.
#[derive(Debug)]
pub struct Keystone {
    source: Arc<TokenSource>,
    authorizer: Arc<BearerAuthorizer>,
}

impl Keystone {
    /// Keystone as the join string and the environment name it. A connection to `service`, if that
    /// is known without the catalog, is opened while a token is requested.
    pub fn from_options(
        options: &mut Options<'_>,
        context: &Context,
        service: Option<Url>,
    ) -> Option<Self> {
        let given = Settings::read(options);
        // As in OpenStack's own client, what is given here counts more than the file.
        let is_explicit = options.config().get(CLOUD.name).is_some();
        let cloud = options.text(&CLOUD);
        let cloud = cloud.filter(|_| is_explicit || !options.is_given(&AUTH_URL));
        if cloud.is_none() {
            if !options.is_given(&AUTH_URL) {
                options.add_missing(&AUTH_URL, Some("`cloud` isn't given either"));
            }
            options.accept(given.auth_body());
        }
        let metadata = options.url(&METADATA_ENDPOINT)?;
        let source = Arc::new(TokenSource {
            context: context.clone(),
            given,
            cloud,
            service,
            metadata: ApiClient::new(context, &KeystoneApi, metadata),
            client: TlsClient::default(),
            session: Mutex::default(),
        });
        let chain = Chain::new(NAME, vec![Box::new(Arc::clone(&source))]);
        let authorizer = BearerAuthorizer::new(NAME, chain, "").with_header(X_AUTH_TOKEN);
        let authorizer = Arc::new(authorizer);
        Some(Self { source, authorizer })
    }

    /// What a valid token came with.
    ///
    /// # Errors
    ///
    /// There is no token.
    pub async fn session(&self, call: &Call) -> Result<Arc<Session>> {
        self.authorizer.token(call).await?;
        let missing = || DecodeError::new(NAME, "get a token", "it came without a session");
        Ok(self.source.session().ok_or_else(missing)?)
    }

    /// A client for the service at `endpoint`.
    pub fn client(&self, session: &Session, api: &'static dyn Api, endpoint: Url) -> ApiClient {
        ApiClient::new(&self.source.context, api, endpoint)
            .with_http(session.http.clone())
            .with_authorizer(self.authorizer.clone())
    }

    /// The project of the last token.
    pub fn project(&self) -> Option<String> {
        Some(self.source.session()?.project.clone())
    }

    /// What gave the last token.
    pub fn identity(&self) -> Option<String> {
        self.authorizer.identity()
    }

    /// This server, as its metadata service describes it.
    ///
    /// # Errors
    ///
    /// It doesn't respond.
    pub async fn own_server(&self, call: &Call) -> Result<OwnServer> {
        self.source.own_server(call).await
    }
}

/// What holds for the requests that follow a token.
#[derive(Debug)]
pub struct Session {
    http: HttpClient,
    /// How the certificates of the cloud are verified.
    pub tls: Tls,
    /// The id of the project; empty for a token without one.
    pub project: String,
    settings: Settings,
    catalog: Vec<Service>,
}

impl Session {
    /// The regions to look in.
    pub fn regions(&self) -> Vec<String> {
        let given = self.settings.get(&REGION).unwrap_or("RegionOne");
        let regions = given.split(',').map(|region| region.trim().to_owned());
        regions.collect()
    }

    /// The URL of the service of this type (`compute`) in `region`.
    ///
    /// # Errors
    ///
    /// The catalog has none; names the regions that have one.
    pub fn endpoint(&self, kind: &str, region: &str) -> Result<Url> {
        let interface = self
            .settings
            .get(&INTERFACE)
            .unwrap_or("public")
            .to_lowercase();
        let services = self.catalog.iter().filter(|service| service.kind == kind);
        let endpoints = services.flat_map(|service| &service.endpoints);
        let mut known = BTreeSet::new();
        for endpoint in endpoints.filter(|endpoint| endpoint.interface == interface) {
            if endpoint.region() == Some(region) {
                let problem = "its URL in the catalog is none";
                let invalid =
                    |_| DecodeError::new(NAME, format!("find the service `{kind}`"), problem);
                return Ok(endpoint.url.parse().map_err(invalid)?);
            }
            known.extend(endpoint.region());
        }
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match known.as_slice() {
            [] if self.catalog.is_empty() => {
                "the token has no catalog: give the project with `project_id` or `project_name`"
            }
            [] => "check `interface`: the catalog has no such service there",
            known => &format!("set `region` to one of `{}`", known.join("`, `")),
        };
        let problem = format!(
            "no service `{kind}`: the catalog has none in region `{region}` with interface `{interface}`"
        );
        Err(unusable(
            ConfigProblem::of_key(REGION.name, problem).with_hint(hint),
        ))
    }
}

/// The one source of tokens. Keeps what the last one came with.
#[derive(Debug)]
struct TokenSource {
    context: Context,
    /// What join string and environment give.
    given: Settings,
    /// The cloud to look up in `clouds.yaml`.
    cloud: Option<String>,
    service: Option<Url>,
    metadata: ApiClient,
    client: TlsClient,
    session: Mutex<Option<Arc<Session>>>,
}

impl TokenSource {
    fn session(&self) -> Option<Arc<Session>> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.clone()
    }

    async fn authenticate(&self, call: &Call) -> Result<AccessToken> {
        const OPERATION: &str = "get a token";
        let mut settings = self.given.clone();
        if let Some(cloud) = &self.cloud {
            let filled = settings
                .fill_from_clouds_yaml(cloud, self.context.env())
                .await;
            filled.map_err(|reason| unusable(ConfigProblem::of_key(CLOUD.name, reason)))?;
        }
        let tls = tls_files(&settings).read(NAME).await?;
        let http = self.client.get(self.context.http(), &tls)?;
        if settings.needs_project() {
            settings.set_project(match self.session() {
                Some(session) => session.project.clone(),
                None => self.own_server(call).await?.project_id,
            });
        }
        let url = tokens_url(&settings).map_err(unusable)?;
        let body = settings.auth_body().map_err(unusable)?;
        let request = Request::post_json(OPERATION, url.clone(), &body);
        let request = settings.secrets().fold(request, Request::with_secret);
        let client = ApiClient::new(&self.context, &KeystoneApi, url).with_http(http.clone());
        let token = client.json_with_headers(request, call);
        let (response, headers) = match &self.service {
            Some(url) => {
                let service = ApiClient::new(&self.context, &KeystoneApi, url.clone());
                let service = service.with_http(http.clone());
                service.connecting(call, token).await?
            }
            None => token.await?,
        };
        let TokenResponse { token } = response;
        let secret = headers
            .get("x-subject-token")
            .and_then(|value| value.to_str().ok());
        let secret =
            secret.ok_or_else(|| DecodeError::new(NAME, OPERATION, "no `X-Subject-Token`"))?;
        let expires_at = humantime::parse_rfc3339(&token.expires_at)
            .unwrap_or_else(|_| call.clock().wall() + LIFETIME);
        let session = Session {
            http,
            tls,
            project: token.project.id,
            settings,
            catalog: token.catalog,
        };
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(session));
        Ok(AccessToken::new(Secret::new(secret), expires_at))
    }

    async fn own_server(&self, call: &Call) -> Result<OwnServer> {
        const OPERATION: &str = "read what this server is from the metadata service";
        const ADVICE: &str = "add `project_id=...` or `project_name=...`: without them, and for `self`, this has to be a server of the cloud";
        let path = ["openstack", "latest", "meta_data.json"];
        let policy = RetryPolicy::default().without_connect_retries();
        let request = self.metadata.get(OPERATION, &path, &[]).retry(policy);
        let own = self.metadata.json(request, call).await;
        own.map_err(|error| error.with_hint(ADVICE))
    }
}

/// This server, as its metadata service knows it.
#[derive(Deserialize)]
pub struct OwnServer {
    project_id: String,
    #[serde(default)]
    /// Its metadata.
    pub meta: BTreeMap<String, String>,
}

fn tls_files(settings: &Settings) -> TlsFiles {
    let authority = settings.get(&CACERT);
    let insecure = settings.get(&INSECURE).unwrap_or_default();
    let insecure = Value::from_key(&INSECURE, INSECURE.name, insecure).boolean();
    TlsFiles {
        authority: authority.map(|path| ConfiguredFile::new(CACERT.name, path)),
        insecure: insecure.unwrap_or_default(),
        ..TlsFiles::default()
    }
}

/// The URL that gives tokens. Without a version, and with the v2.0 that OpenStack removed in 2018,
/// it is that of v3.
fn tokens_url(settings: &Settings) -> Result<Url, ConfigProblem> {
    let text = settings.get(&AUTH_URL).ok_or_else(|| {
        ConfigProblem::of_key(AUTH_URL.name, "`auth_url` is missing in `clouds.yaml`")
    })?;
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    let mut url = url.ok_or_else(|| {
        ConfigProblem::of_key(AUTH_URL.name, "`auth_url` is no URL of http or https")
    })?;
    let path = url.path().trim_end_matches('/');
    let base = path
        .strip_suffix("/v3")
        .or_else(|| path.strip_suffix("/v2.0"));
    url.set_path(&format!("{}/v3/auth/tokens", base.unwrap_or(path)));
    Ok(url)
}

fn unusable(problem: ConfigProblem) -> Error {
    ConfigError::new(Some(NAME), problem).into()
}

#[async_trait]
impl CredentialSource for TokenSource {
    fn name(&self) -> &'static str {
        match self.cloud {
            Some(_) => "clouds.yaml",
            None => self.given.method(),
        }
    }

    async fn token(&self, _: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        Ok(self.authenticate(call).await?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use cloud_autojoin_core::Env;

    use super::keys::KEYS;
    use super::*;

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
