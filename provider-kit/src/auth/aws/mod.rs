//! The credentials of AWS: the default chain of its tools, in their order, and the region.
//!
//! `container.rs` has the key of a container's role and what an ECS task knows of itself,
//! `profile.rs` the shared files, `sts.rs` roles that are assumed, `sso.rs` IAM Identity Center;
//! `metadata.rs` reads what the instance knows of itself, `endpoint.rs` knows where the services
//! are, `api.rs` their errors. The key of an instance's role is that of every cloud
//! ([`InstanceRole`]).

mod api;
mod container;
mod endpoint;
mod metadata;
mod profile;
mod sso;
mod sts;

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Chain, CredentialSource};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{HttpClient, RetryPolicy};
use cloud_autojoin_core::{Call, ConfigError, ConfigProblem, Context, Error, Result, Secret, file};
use tokio::sync::OnceCell;
use url::Url;

pub use api::{AwsApi, EC2_VERSION, json_request, query};
pub use container::Task;
pub use endpoint::{Endpoints, Service, region_of_zone};

use super::{AccessKey, AccessKeys, GivenKey, InstanceRole, SigningAuthorizer, sigv4};
use crate::ApiClient;

const NAME: &str = "aws";

/// The variables of the chain that hold a secret
/// ([`ProviderSpec::with_secret_env`](cloud_autojoin_core::ProviderSpec::with_secret_env)).
pub const SECRET_VARIABLES: &[&str] = &[
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// The default chain: each source, its name, and the one that a profile gives it
/// (`credential_source`).
const SOURCES: &[(Origin, &str, &str)] = &[
    (Origin::Environment, "environment", "Environment"),
    (Origin::WebIdentity, "web identity", ""),
    (Origin::Profile, "shared profile", ""),
    (Origin::Container, "container credentials", "EcsContainer"),
    (Origin::Instance, "instance profile", "Ec2InstanceMetadata"),
];

/// Where a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Environment,
    WebIdentity,
    Profile,
    Container,
    Instance,
}

/// How AWS is reached from here. Clones share the HTTP client.
#[derive(Debug, Clone)]
pub struct AwsConfig {
    context: Context,
    endpoints: Endpoints,
    /// Where the instance metadata service is, if it may be asked.
    metadata: Option<Url>,
    http: Arc<OnceCell<HttpClient>>,
}

impl AwsConfig {
    /// What the environment of `context` says, with these endpoints.
    pub fn new(context: &Context, endpoints: Endpoints) -> Self {
        let mode = context
            .env()
            .filled("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
        let metadata = if mode.is_some_and(|mode| mode.eq_ignore_ascii_case("IPv6")) {
            "http://[fd00:ec2::254]"
        } else {
            "http://169.254.169.254"
        };
        Self {
            context: context.clone(),
            endpoints,
            metadata: Url::parse(metadata).ok(),
            http: Arc::default(),
        }
    }

    /// The same, with the instance metadata service at `url`, or without it. The environment
    /// outranks this.
    #[must_use]
    pub fn with_metadata_endpoint(mut self, url: Option<Url>) -> Self {
        self.metadata = url;
        self
    }

    /// The key that is given alone, or those of the default chain, whose scope is the region of the
    /// token service.
    pub fn keys(&self, given: Option<AccessKey>) -> Arc<AccessKeys> {
        if given.is_some() {
            let given: Box<dyn CredentialSource<AccessKey>> = Box::new(GivenKey::new(given, ""));
            return AccessKeys::new(NAME, Chain::new(NAME, vec![given]));
        }
        let sources = SOURCES.iter().map(|(origin, name, _)| {
            Box::new(AwsSource {
                config: self.clone(),
                origin: *origin,
                name,
            }) as Box<dyn CredentialSource<AccessKey>>
        });
        let hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine, task or pod a role";
        AccessKeys::new(NAME, Chain::new(NAME, sources.collect()).with_hint(hint))
    }

    /// A client of `service` in `region`, which signs with `keys`, or not at all.
    ///
    /// # Errors
    ///
    /// A region that no host name can hold; a variable of the environment that can't be used; no
    /// key.
    pub async fn client(
        &self,
        service: Service,
        region: &str,
        keys: Option<(&Arc<AccessKeys>, &str)>,
        call: &Call,
    ) -> Result<ApiClient> {
        let endpoint = self.endpoints.of(service, region, self.context.env())?;
        let client = ApiClient::new(&self.context, &AwsApi, endpoint);
        let client = client.with_http(self.http().await?.clone());
        let Some((keys, scope)) = keys else {
            return Ok(client);
        };
        let region = region.to_owned();
        let signer = SigningAuthorizer::new(Arc::clone(keys), scope, move |request, key, now| {
            sigv4::sign(request, key, &region, service.name(), now)
        });
        let client = client.with_authorizer(signer);
        // A key that has to be requested leaves time to connect.
        client.connecting(call, keys.get(scope, call)).await?;
        Ok(client)
    }

    /// The HTTP client, with the settings that variables of AWS's tools make.
    async fn http(&self) -> Result<&HttpClient> {
        let make = async || {
            let env = self.context.env();
            let (ca, attempts) = (env.filled("AWS_CA_BUNDLE"), env.filled("AWS_MAX_ATTEMPTS"));
            let invalid = |problem: String| {
                Error::from(ConfigError::new(Some(NAME), ConfigProblem::new(problem)))
            };
            let mut pem = None;
            if let Some(path) = &ca {
                let text = file::read_text(path, MAX_CA_FILE).await;
                pem = Some(text.map_err(|error| {
                    invalid(format!("cannot read `{path}` of `AWS_CA_BUNDLE`: {error}"))
                })?);
            }
            let attempts: Option<u32> = match &attempts {
                Some(text) => Some(text.parse().ok().filter(|count| *count > 0).ok_or_else(
                    || invalid("`AWS_MAX_ATTEMPTS` must be a number of at least 1".to_owned()),
                )?),
                None => None,
            };
            if pem.is_none() && attempts.is_none() {
                return Ok(self.context.http().clone());
            }
            self.context.http_with(|settings| {
                settings
                    .certificate_authorities
                    .extend(pem.map(String::into_bytes));
                if let Some(attempts) = attempts {
                    settings.retry = RetryPolicy::default().with_max_retries(attempts - 1);
                }
            })
        };
        self.http.get_or_try_init(make).await
    }

    async fn key_of(
        &self,
        origin: Origin,
        region: &str,
        call: &Call,
    ) -> Result<AccessKey, SourceOutcome> {
        match origin {
            Origin::Environment => {
                let id = self.variable(&["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"])?;
                let secret = self.variable(&["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"])?;
                let token = self.context.env().filled("AWS_SESSION_TOKEN");
                Ok(AccessKey::new(id, secret.into(), token.map(Secret::new)))
            }
            Origin::WebIdentity => self.web_identity(region, call).await,
            Origin::Profile => self.shared_profile(region, call).await,
            Origin::Container => self.container_key(call).await,
            Origin::Instance => {
                let path = "/latest/meta-data/iam/security-credentials/";
                let role = InstanceRole::new(self.instance_metadata()?, path);
                role.token("", call).await
            }
        }
    }

    /// The first of these variables that is set.
    fn variable(&self, names: &[&str]) -> Result<String, SourceOutcome> {
        let found = self.context.env().first_filled(names);
        found.ok_or_else(|| SourceOutcome::NotConfigured(format!("`{}` is not set", names[0])))
    }
}

const MAX_CA_FILE: u64 = 1 << 20;

/// One source of the default chain.
#[derive(Debug)]
struct AwsSource {
    config: AwsConfig,
    origin: Origin,
    name: &'static str,
}

#[async_trait]
impl CredentialSource<AccessKey> for AwsSource {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn token(&self, region: &str, call: &Call) -> Result<AccessKey, SourceOutcome> {
        self.config.key_of(self.origin, region, call).await
    }
}
