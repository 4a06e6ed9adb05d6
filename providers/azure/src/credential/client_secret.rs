//! An application with its client secret, by `azure_identity`.

use async_trait::async_trait;
use cloud_autojoin_core::credential::{AccessToken, Source};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::{Call, Secret};

use super::entra::{ClientAuth, Entra};

/// The source `client secret`. It is made only of a whole configuration, so it never says that it
/// is not configured.
#[derive(Debug)]
pub(super) struct ClientSecret {
    pub(super) entra: Entra,
    pub(super) secret: Secret,
}

impl ClientSecret {
    pub(super) const NAME: &'static str = "client secret";
}

#[async_trait]
impl Source for ClientSecret {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn token(&self, scope: &str, call: &Call) -> Result<AccessToken, SourceOutcome> {
        self.entra
            .token(ClientAuth::Secret(&self.secret), scope, call)
            .await
    }
}
