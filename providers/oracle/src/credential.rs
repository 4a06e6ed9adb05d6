//! What signs requests: a private key, and the id that Oracle knows it by.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::credential::{Chain, Expiring, TokenCache};
use cloud_autojoin_core::http::{Authorizer, Request};
use cloud_autojoin_core::{Call, Result, Secret};
use cloud_autojoin_provider_kit::auth::PrivateKey;
use cloud_autojoin_provider_kit::auth::http_signature::{set_signature, text_to_sign};
use cloud_autojoin_provider_kit::auth::sign::sha256;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue};

/// Where a credential belongs, which it says itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Home {
    pub(crate) tenancy: String,
    pub(crate) region: Option<String>,
    pub(crate) realm_domain: Option<String>,
}

/// A private key with its id, which may hold a token.
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) id: Secret,
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) expires_at: SystemTime,
    pub(crate) home: Home,
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Expiring for Credential {
    fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

/// Signs every attempt with the credential at hand, which is renewed before it ends.
#[derive(Debug)]
pub(crate) struct Signer {
    chain: Chain<Credential>,
    cache: TokenCache<Credential>,
    used: Mutex<Option<Credential>>,
}

impl Signer {
    pub(crate) fn new(chain: Chain<Credential>) -> Self {
        Self {
            chain,
            cache: TokenCache::new(),
            used: Mutex::default(),
        }
    }

    /// The credential at hand, or one of the chain.
    pub(crate) async fn credential(&self, call: &Call) -> Result<Credential> {
        let get = async |call: Call| self.chain.token("", &call).await;
        let credential = self.cache.token("", call, get).await?;
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(credential.clone());
        Ok(credential)
    }

    /// The credential that was used last.
    pub(crate) fn used(&self) -> Option<Credential> {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[async_trait]
impl Authorizer for Signer {
    async fn authorize(&self, request: &mut Request, call: &Call) -> Result<()> {
        let Credential { id, key, .. } = self.credential(call).await?;
        let names = ["date", "(request-target)", "host"];
        sign(request, &key, id.expose(), &names, call.clock().wall());
        Ok(())
    }

    async fn refresh(&self, refused: &Request) -> bool {
        let header = refused.headers().get(AUTHORIZATION);
        let header = header
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        self.cache
            .invalidate(|credential| header.contains(credential.id.expose()));
        true
    }

    fn identity(&self) -> Option<String> {
        self.chain.chosen().map(str::to_owned)
    }
}

/// Signs these headers of a request, and its body.
pub(crate) fn sign(
    request: &mut Request,
    key: &PrivateKey,
    key_id: &str,
    names: &[&str],
    now: SystemTime,
) {
    let mut names = names.to_vec();
    if let Some(body) = request.body().cloned() {
        request.set_header(CONTENT_LENGTH, body.len().into());
        if let Ok(digest) = HeaderValue::from_str(&STANDARD.encode(sha256(&body))) {
            request.set_header(HeaderName::from_static("x-content-sha256"), digest);
        }
        names.extend(["content-length", "content-type", "x-content-sha256"]);
    }
    let text = text_to_sign(request, &names, now);
    // Without a signature the service refuses the request, and says so.
    if let Ok((algorithm, signature)) = key.sign(text.as_bytes()) {
        let signature = (algorithm, signature.as_slice());
        set_signature(request, &[("version", "1")], key_id, &names, signature);
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}
