//! How requests are signed, and where what signs them belongs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::http::Request;
use cloud_autojoin_provider_kit::auth::PrivateKey;
use cloud_autojoin_provider_kit::auth::http_signature::{set_signature, text_to_sign};
use cloud_autojoin_provider_kit::auth::sign::sha256;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};

/// Where a credential belongs, which it says itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Home {
    pub(crate) tenancy: String,
    pub(crate) region: Option<String>,
    pub(crate) realm_domain: Option<String>,
}

/// Where the last credential belongs.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedHome(Arc<Mutex<Home>>);

impl SharedHome {
    pub(crate) fn set(&self, home: Home) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = home;
    }

    pub(crate) fn get(&self) -> Home {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
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
