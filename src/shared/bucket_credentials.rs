//! The credentials of buckets by the provider kit's chains, in place of those of `object_store`:
//! with every source, and with the reason why each has none.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::{Call, ConfigProblem, Context, Result};
use cloud_autojoin_provider_kit::auth::aws::{AwsConfig, Endpoints};
use cloud_autojoin_provider_kit::auth::google::{MetadataServer, chain};
use cloud_autojoin_provider_kit::auth::{AccessKeys, BearerAuthorizer};
use object_store::aws::AwsCredential;
use object_store::gcp::GcpCredential;
use object_store::{CredentialProvider, Error};

use super::store::STORE_TIMEOUT;
use super::store::StoreError;

const GOOGLE_SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// A source of `S`, whose requests end with those of the store.
#[derive(Debug)]
pub(super) struct Source<S> {
    source: S,
    context: Context,
}

/// Application default credentials.
pub(super) fn google(context: &Context) -> Result<Source<BearerAuthorizer>, ConfigProblem> {
    let file = context.env().filled("GOOGLE_APPLICATION_CREDENTIALS");
    let chain = chain(file, context, MetadataServer::new(context)?);
    Ok(Source {
        source: BearerAuthorizer::new("shared store", chain, GOOGLE_SCOPE),
        context: context.clone(),
    })
}

/// The default chain of AWS's tools.
pub(super) fn aws(context: &Context) -> Source<Arc<AccessKeys>> {
    Source {
        source: AwsConfig::new(context, Endpoints::default()).keys(None),
        context: context.clone(),
    }
}

impl<S> Source<S> {
    async fn credential<T>(
        &self,
        get: impl AsyncFnOnce(&S, &Call) -> Result<T>,
    ) -> Result<Arc<T>, Error> {
        let call = Call::new(self.context.clock(), STORE_TIMEOUT);
        let credential = get(&self.source, &call).await;
        credential.map(Arc::new).map_err(|error| Error::Generic {
            store: "credential",
            source: StoreError::new(error.chain().to_string()).into(),
        })
    }
}

#[async_trait]
impl CredentialProvider for Source<BearerAuthorizer> {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> Result<Arc<GcpCredential>, Error> {
        self.credential(async |source, call| {
            let bearer = source.token(call).await?.secret().expose().to_owned();
            Ok(GcpCredential { bearer })
        })
        .await
    }
}

#[async_trait]
impl CredentialProvider for Source<Arc<AccessKeys>> {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>, Error> {
        let variables = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        let region = self.context.env().first_filled(&variables);
        let region = region.as_deref().unwrap_or("us-east-1");
        self.credential(async |source, call| {
            let key = source.get(region, call).await?;
            let token = key.session_token.as_ref();
            Ok(AwsCredential {
                token: token.map(|token| token.expose().to_owned()),
                secret_key: key.secret.expose().to_owned(),
                key_id: key.id,
            })
        })
        .await
    }
}
