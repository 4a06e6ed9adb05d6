//! Workload identity: a token of another issuer, such as Kubernetes, in exchange for one of Entra.
//!
//! `azure_identity`'s own credential reads the file blocking, keeps it for ten minutes, and sends
//! the line end that most such files have; so the file is read here, for each token request, and
//! only the exchange is `azure_identity`'s.

use std::io;

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, Source};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::file::{self, MAX_SECRET_FILE};
use cloud_autojoin_core::{Call, Context, Secret};

use super::entra::{ClientAuth, Entra};
use super::environment::not_set;
use crate::cloud::Cloud;

const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// The source `workload identity`.
#[derive(Debug)]
pub(super) struct WorkloadIdentity {
    tenant_id: Option<String>,
    client_id: Option<String>,
    cloud: Cloud,
    context: Context,
}

impl WorkloadIdentity {
    pub(super) const NAME: &'static str = "workload identity";

    /// `tenant_id` and `client_id` replace `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`.
    pub(super) fn new(
        tenant_id: Option<String>,
        client_id: Option<String>,
        cloud: &Cloud,
        context: &Context,
    ) -> Self {
        Self {
            tenant_id,
            client_id,
            cloud: cloud.clone(),
            context: context.clone(),
        }
    }
}

#[async_trait]
impl Source for WorkloadIdentity {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        let env = self.context.env();
        let file = env.filled(TOKEN_FILE);
        let tenant_id = self
            .tenant_id
            .clone()
            .or_else(|| env.filled("AZURE_TENANT_ID"));
        let (file, tenant_id, client_id) = match (file, tenant_id, &self.client_id) {
            (Some(file), Some(tenant_id), Some(client_id)) => (file, tenant_id, client_id.clone()),
            (file, tenant_id, client_id) => {
                let table = [
                    (TOKEN_FILE, file.is_none()),
                    ("AZURE_TENANT_ID", tenant_id.is_none()),
                    ("AZURE_CLIENT_ID", client_id.is_none()),
                ];
                let missing: Vec<&str> = table
                    .into_iter()
                    .filter(|(_, is_missing)| *is_missing)
                    .map(|(name, _)| name)
                    .collect();
                return Err(SourceOutcome::NotConfigured(not_set(&missing)));
            }
        };
        let assertion = read(&file).await.map_err(|error| {
            SourceOutcome::failed(format!(
                "cannot read the token file `{file}` of `{TOKEN_FILE}`: {error}"
            ))
        })?;
        let entra = Entra {
            http: self.context.http().clone(),
            authority: self.cloud.authority.clone(),
            tenant_id,
            client_id,
        };
        entra
            .token(ClientAuth::Assertion(assertion), scope, call)
            .await
    }
}

/// The token, without the line end.
async fn read(file: &str) -> io::Result<Secret> {
    let text = file::read_text(file, MAX_SECRET_FILE)
        .await
        .map(Secret::new)?;
    match text.expose().trim() {
        "" => Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty")),
        token => Ok(Secret::new(token)),
    }
}
