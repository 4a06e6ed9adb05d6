//! The certificate authorities of platforms with their own verifier (Windows, Apple platforms,
//! Android), instead of `system_roots.rs`.

use std::sync::Arc;

use rustls::Error;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;

/// A verifier that trusts the authorities of this machine. The platform looks them up at each
/// handshake, so changes need no reload.
///
/// # Errors
///
/// The platform's own.
pub(super) fn system_verifier(
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    Ok(Arc::new(rustls_platform_verifier::Verifier::new(provider)?))
}
