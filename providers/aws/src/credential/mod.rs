//! Credentials: AWS's default chain, in its order, and the signature of requests.

mod container;
mod instance;
mod profile;
mod shape;
mod sso;
mod sts;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use cloud_autojoin_core::credential::{Chain, Expiring, Source, TokenCache};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, Context, CredentialError, Result, Secret};
use cloud_autojoin_provider_kit::auth::sigv4::{self, AccessKey};

use http::header::AUTHORIZATION;

use crate::endpoint::{Endpoints, Service};
use crate::provider::NAME;

/// The longest life the cache gives a credential; a longer one is no different.
const NO_END: Duration = Duration::from_secs(30 * 24 * 3600);

/// An access key and its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Credential {
    pub(crate) key: AccessKey,
    expires_at: SystemTime,
}

impl Credential {
    /// A credential without end, or with one.
    pub(crate) fn new(key: AccessKey, expires_at: Option<SystemTime>, call: &Call) -> Self {
        Self {
            key,
            expires_at: expires_at.unwrap_or_else(|| call.clock().wall() + NO_END),
        }
    }
}

impl Expiring for Credential {
    fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    fn is_same_secret(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// The credentials of one provider, kept until shortly before they end.
#[derive(Debug)]
pub(crate) struct Credentials {
    chain: Chain<Credential>,
    cache: TokenCache<Credential>,
    sent: Mutex<Option<Credential>>,
}

impl Credentials {
    /// The key of the join string alone, or the default chain.
    pub(crate) fn new(given: Option<AccessKey>, endpoints: &Endpoints, context: &Context) -> Self {
        let chain = match given {
            Some(key) => Chain::new(
                NAME,
                vec![Box::new(Given(key)) as Box<dyn Source<Credential>>],
            ),
            None => {
                let sts = sts::Sts::new(endpoints, context);
                let sources: Vec<Box<dyn Source<Credential>>> = vec![
                    Box::new(Environment(context.clone())),
                    Box::new(sts::WebIdentity(sts.clone())),
                    Box::new(profile::SharedProfile::new(sts)),
                    Box::new(container::Container(context.clone())),
                    Box::new(instance::InstanceProfile::new(context)),
                ];
                Chain::new(NAME, sources).with_hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine, task or pod a role")
            }
        };
        Self {
            chain,
            cache: TokenCache::new(),
            sent: Mutex::default(),
        }
    }

    /// The source in use, once one gave a credential.
    pub(crate) fn identity(&self) -> Option<String> {
        self.chain.chosen().map(str::to_owned)
    }

    /// The credential at hand, or one of the chain. `region` is that of the token service.
    async fn get(&self, region: &str, call: &Call) -> Result<Credential> {
        self.cache
            .token(region, call, async |call| {
                self.chain.token(region, &call).await
            })
            .await
    }
}

/// Signs requests to one service of one region.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) credentials: Arc<Credentials>,
    /// The region of the token service, one for all regions that are asked: one token serves all.
    pub(crate) token_region: String,
    pub(crate) region: String,
    pub(crate) service: Service,
}

#[async_trait]
impl Authorizer for Signer {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        let credential = self.credentials.get(&self.token_region, call).await?;
        sign(request, &credential, &self.region, self.service, call)?;
        *self
            .credentials
            .sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(credential);
        Ok(())
    }

    /// Keys of the join string and the environment don't change; all others may have been renewed.
    async fn refresh(&self, refused: &Request) -> bool {
        let header = refused
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let sent = self
            .credentials
            .sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Another one may be in use by now, after the refusal in another region.
        if let Some(credential) = sent
            .as_ref()
            .filter(|credential| header.contains(&credential.key.id))
        {
            self.credentials.cache.invalidate(credential);
        }
        !self
            .credentials
            .chain
            .chosen()
            .is_some_and(|chosen| [Given::NAME, Environment::NAME].contains(&chosen))
    }

    fn identity(&self) -> Option<String> {
        self.credentials.identity()
    }
}

fn sign(
    request: &mut Request,
    credential: &Credential,
    region: &str,
    service: Service,
    call: &Call,
) -> Result<(), CredentialError> {
    sigv4::sign(
        request,
        &credential.key,
        region,
        service.name(),
        call.clock().wall(),
    )
    .map_err(|_| {
        let report = cloud_autojoin_core::error::SourceReport::failed(
            "access key",
            "it holds characters that an access key can't have",
        );
        CredentialError::new(NAME, vec![report])
            .with_hint("remove line breaks and control characters from it")
    })
}

/// The access key of the join string.
#[derive(Debug)]
struct Given(AccessKey);

impl Given {
    const NAME: &str = "access key of the join string";
}

#[async_trait]
impl Source<Credential> for Given {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn token(&self, _: &str, call: &Call) -> Result<Credential, SourceOutcome> {
        Ok(Credential::new(self.0.clone(), None, call))
    }
}

/// The access key of the environment.
#[derive(Debug)]
struct Environment(Context);

impl Environment {
    const NAME: &str = "environment";
}

#[async_trait]
impl Source<Credential> for Environment {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn token(&self, _: &str, call: &Call) -> Result<Credential, SourceOutcome> {
        let variable = |name| {
            self.0
                .env()
                .filled(name)
                .ok_or_else(|| SourceOutcome::NotConfigured(format!("`{name}` is not set")))
        };
        let (id, secret) = (
            variable("AWS_ACCESS_KEY_ID")?,
            variable("AWS_SECRET_ACCESS_KEY")?,
        );
        let session_token = self.0.env().filled("AWS_SESSION_TOKEN").map(Secret::new);
        Ok(Credential::new(
            AccessKey {
                id,
                secret: secret.into(),
                session_token,
            },
            None,
            call,
        ))
    }
}
