//! The credentials of AWS: the default chain of its tools, in their order, and the region.
//!
//! `container.rs` has the keys of a container's role and what an ECS task knows of itself,
//! `profile.rs` the shared files, `sts.rs` roles that are assumed, `sso.rs` IAM Identity Center;
//! `endpoint.rs` knows where the services are, `api.rs` their errors. The key of an instance's role
//! is that of every cloud ([`InstanceRole`](super::InstanceRole)).

mod api;
mod container;
mod endpoint;
mod profile;
mod sso;
mod sts;

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Chain, Source};
use cloud_autojoin_core::error::{SourceOutcome, SourceReport};
use cloud_autojoin_core::http::{HttpClient, RetryPolicy};
use cloud_autojoin_core::{
    Call, ConfigError, ConfigProblem, Context, CredentialError, Error, Result, Secret, file,
};
use serde::Deserialize;
use tokio::sync::OnceCell;
use url::Url;

pub use api::{AwsApi, EC2_VERSION, TARGET, query};
pub use container::Task;
pub use endpoint::{Endpoints, Service, region_of_zone};

use super::{
    AccessKey, AccessKeys, GivenKey, InstanceMetadata, InstanceRole, SigningAuthorizer, sigv4,
};
use crate::ApiClient;
use profile::SharedFiles;

const NAME: &str = "aws";

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
    http: Arc<OnceCell<HttpClient>>,
}

impl AwsConfig {
    /// What the environment of `context` says, with these endpoints.
    pub fn new(context: &Context, endpoints: Endpoints) -> Self {
        Self {
            context: context.clone(),
            endpoints,
            http: Arc::default(),
        }
    }

    /// The key that is given alone, or those of the default chain, whose scope is the region of the
    /// token service.
    pub fn keys(&self, given: Option<AccessKey>) -> Arc<AccessKeys> {
        if given.is_some() {
            let given: Box<dyn Source<AccessKey>> = Box::new(GivenKey::new(given, ""));
            return AccessKeys::new(NAME, Chain::new(NAME, vec![given]));
        }
        let sources = SOURCES.iter().map(|(origin, name, _)| {
            Box::new(AwsSource {
                config: self.clone(),
                origin: *origin,
                name,
            }) as Box<dyn Source<AccessKey>>
        });
        let hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine, task or pod a role";
        AccessKeys::new(NAME, Chain::new(NAME, sources.collect()).with_hint(hint))
    }

    /// A client of `service` in `region`, which signs with `keys`, or not at all.
    ///
    /// # Errors
    ///
    /// A region that no host name can hold; a variable of the environment that can't be used.
    pub async fn client(
        &self,
        service: Service,
        region: &str,
        keys: Option<(&Arc<AccessKeys>, &str)>,
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
        Ok(client.with_authorizer(signer))
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

    /// The region of the shared profile, else that of the machine.
    ///
    /// # Errors
    ///
    /// As [`AwsConfig::own_region`].
    pub async fn region(&self, call: &Call) -> Result<String> {
        // What is wrong with the files is the credentials' matter.
        let files = SharedFiles::read(&self.context).await.unwrap_or_default();
        let (profile, _) = SharedFiles::chosen(&self.context);
        match files
            .profile(&profile)
            .and_then(|profile| profile.get("region"))
        {
            Some(region) if !region.is_empty() => Ok(region.clone()),
            _ => self.own_region(call).await,
        }
    }

    /// The region of the ECS task or the instance this runs on.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] where this is neither; [`Error::Credential`] where that can't be known.
    pub async fn own_region(&self, call: &Call) -> Result<String> {
        #[derive(Deserialize)]
        struct Document {
            region: String,
        }
        if let Some(task) = self.task(call).await? {
            return Ok(task.region().to_owned());
        }
        let operation = "read the region of this instance";
        let read = async || {
            let metadata = self.instance_metadata()?;
            let reader = metadata.open(operation, call).await?;
            let path = "/latest/dynamic/instance-identity/document";
            reader.json::<Document>(operation, path, call).await
        };
        let document = read().await;
        let document = document.map_err(|outcome| no_metadata("region", outcome))?;
        Ok(document.region)
    }

    /// The value of the tag `name` of the instance this runs on.
    ///
    /// # Errors
    ///
    /// As [`AwsConfig::own_region`]; the tag isn't there, or the instance's metadata hold no tags.
    pub async fn own_tag(&self, name: &str, call: &Call) -> Result<String> {
        let operation = format!("read the tag `{name}` of this instance");
        let read = async || {
            let metadata = self.instance_metadata()?;
            let reader = metadata.open(&operation, call).await?;
            let path = format!("/latest/meta-data/tags/instance/{name}");
            reader.text(&operation, &path, call).await?.ok_or_else(|| {
                SourceOutcome::NotConfigured(format!(
                    "its metadata hold no tag `{name}`; \
                     `aws ec2 modify-instance-metadata-options --instance-metadata-tags enabled` \
                     puts tags there"
                ))
            })
        };
        read().await.map_err(|outcome| no_metadata("tag", outcome))
    }

    /// The instance metadata service (IMDS), version 2 only.
    fn instance_metadata(&self) -> Result<InstanceMetadata, SourceOutcome> {
        const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        let env = self.context.env();
        let is = |name, wanted: &str| {
            env.filled(name)
                .is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        if is("AWS_EC2_METADATA_DISABLED", "true") {
            let reason = "turned off by `AWS_EC2_METADATA_DISABLED`".to_owned();
            return Err(SourceOutcome::NotConfigured(reason));
        }
        let default = if is("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6") {
            "http://[fd00:ec2::254]"
        } else {
            "http://169.254.169.254"
        };
        let given = env.filled(ENDPOINT);
        let url = Url::parse(given.as_deref().unwrap_or(default)).ok();
        let url = url.filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| {
            SourceOutcome::failed(format!("`{ENDPOINT}` must be a URL of http or https"))
        })?;
        Ok(InstanceMetadata::new(NAME, self.context.http().clone(), url)
            .with_session(
                "x-aws-ec2-metadata-token",
                "x-aws-ec2-metadata-token-ttl-seconds",
            )
            .with_required_session(
                "; in a container on EC2 the hop limit of the instance's metadata options has to \
                 be 2 or more",
            ))
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
        let found = names
            .iter()
            .find_map(|name| self.context.env().filled(name));
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
impl Source<AccessKey> for AwsSource {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn token(&self, region: &str, call: &Call) -> Result<AccessKey, SourceOutcome> {
        self.config.key_of(self.origin, region, call).await
    }
}

/// The error for what the metadata of this machine don't tell.
fn no_metadata(what: &str, outcome: SourceOutcome) -> Error {
    let hint = if what == "region" {
        "add `region=...`, or set AWS_REGION"
    } else {
        "write the value in place of `self`"
    };
    match outcome {
        SourceOutcome::NotConfigured(reason) => {
            let problem = ConfigProblem::new(format!("this machine has no {what}: {reason}"));
            ConfigError::new(Some(NAME), problem.with_hint(hint)).into()
        }
        outcome => {
            let mut report = SourceReport::not_configured("instance metadata", "");
            report.outcome = outcome;
            CredentialError::new(NAME, vec![report])
                .with_hint(hint)
                .into()
        }
    }
}
