//! Trusted certificates, and the verification of servers against them.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier as _;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use rustls::{Error, RootCertStore};

use super::server_verifier::{ChainVerifier, PresentedChain};
use crate::certificate::is_valid_at;

/// Trusts servers whose certificate was issued by one of its certificates, or is one of them.
#[derive(Debug)]
pub(super) struct Roots {
    issued: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Trusts these certificates. Those that can't be parsed are skipped: one malformed file on the
    /// machine must not break every connection.
    ///
    /// # Errors
    ///
    /// There is no certificate left.
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let mut anchors = RootCertStore::empty();
        let (_, malformed) = anchors.add_parsable_certificates(
            certificates
                .iter()
                .map(|certificate| CertificateDer::from(&**certificate)),
        );
        if malformed > 0 {
            tracing::debug!(
                malformed,
                "CA certificates that can't be parsed are skipped"
            );
        }
        let issued =
            WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), Arc::clone(provider))
                .build();
        let issued = issued.map_err(|_| {
            Error::General("this machine has no certificate authorities".to_owned())
        })?;
        Ok(Self {
            issued,
            certificates,
        })
    }
}

impl ChainVerifier for Roots {
    fn verify(&self, chain: &PresentedChain<'_>) -> Result<(), Error> {
        let &PresentedChain {
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        } = chain;
        let verified = self.issued.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        // A certificate that is itself trusted needs no issuer, as in Go and OpenSSL. webpki
        // refuses those that are marked as authorities, which is what `openssl req -x509` makes.
        if verified.is_err()
            && self.certificates.contains(end_entity)
            && is_valid_at(end_entity, now)
        {
            return verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name);
        }
        verified.map(drop)
    }
}

/// Trusts every server, whatever the issuer and name of its certificate. The server still proves
/// that it has the certificate's key.
#[derive(Debug)]
pub(super) struct AnyCertificate;

impl ChainVerifier for AnyCertificate {
    fn verify(&self, _: &PresentedChain<'_>) -> Result<(), Error> {
        Ok(())
    }
}
