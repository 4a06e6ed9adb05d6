//! The HTTP signature over the date, with an SSH key.

use async_trait::async_trait;
use cloud_autojoin_core::error::{CredentialError, SourceReport};
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, Result};
use cloud_autojoin_provider_kit::auth::http_signature::{set_signature, text_to_sign};
use cloud_autojoin_provider_kit::auth::ssh::SshKey;

use crate::keys::NAME;

/// Signs requests of one account with one key.
#[derive(Debug)]
pub(crate) struct SshAuthorizer {
    pub(crate) account: String,
    pub(crate) key: SshKey,
}

#[async_trait]
impl Authorizer for SshAuthorizer {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        const SIGNED: &[&str] = &["date"];
        let text = text_to_sign(request, SIGNED, call.clock().wall());
        let signature = self.key.sign(NAME, text.as_bytes(), call).await?;
        if signature.algorithm == "ecdsa-sha384" {
            let reason = "it is of P-384, whose signatures (SHA-384) CloudAPI doesn't know";
            let report = SourceReport::failed(self.key.source(), reason);
            let error = CredentialError::new(NAME, vec![report]);
            return Err(error
                .with_hint("use an RSA key or an ECDSA key of P-256")
                .into());
        }
        let key_id = format!("/{}/keys/{}", self.account, signature.key);
        let signature = (signature.algorithm, signature.bytes.as_slice());
        set_signature(request, &[], &key_id, SIGNED, signature);
        Ok(())
    }

    fn identity(&self) -> Option<String> {
        let (source, account) = (self.key.source(), &self.account);
        Some(format!("key of the {source}, account `{account}`"))
    }
}
