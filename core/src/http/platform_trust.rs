//! The certificate authorities of a machine that judges certificates itself (Windows, macOS and relatives, Android): stands in for `machine_trust.rs` there.

use std::sync::Arc;

use rustls::Error;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;

/// A verifier that trusts whom this machine trusts.
///
/// # Errors
///
/// The platform's own.
pub(super) fn of_this_machine(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    Ok(Arc::new(rustls_platform_verifier::Verifier::new(provider)?))
}
