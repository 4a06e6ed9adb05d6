//! Verification of servers by any rule about their certificates.

use std::fmt;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// Decides which certificates are trusted.
pub(super) trait ChainVerifier: fmt::Debug + Send + Sync {
    /// Verifies what a server presents.
    ///
    /// # Errors
    ///
    /// It isn't trusted.
    fn verify(&self, chain: &PresentedChain<'_>) -> Result<(), Error>;
}

/// The certificates of a server in a handshake.
pub(super) struct PresentedChain<'a> {
    pub(super) end_entity: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
    pub(super) server_name: &'a ServerName<'a>,
    pub(super) ocsp_response: &'a [u8],
    pub(super) now: UnixTime,
}

/// The verifier of rustls for a [`ChainVerifier`]. Signatures don't depend on what is trusted.
#[derive(Debug)]
pub(super) struct ServerVerifier<T> {
    chain_verifier: T,
    algorithms: WebPkiSupportedAlgorithms,
}

impl<T: ChainVerifier> ServerVerifier<T> {
    pub(super) fn new(chain_verifier: T, provider: &CryptoProvider) -> Self {
        Self {
            chain_verifier,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl<T: ChainVerifier> ServerCertVerifier for ServerVerifier<T> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = PresentedChain {
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        };
        self.chain_verifier.verify(&chain)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
