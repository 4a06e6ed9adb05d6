//! Whom TLS trusts, and what it shows of this side. The authorities of this machine: `machine_trust.rs` next door, or `platform_trust.rs`.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use super::HttpSettings;
use super::machine_trust::of_this_machine;
use crate::error::{Result, TransportError, TransportFailure};
use crate::secret::Secret;

/// With the ciphers of the program where it has chosen some, else ring's.
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// Certificates and keys as the settings give them, read from PEM.
#[derive(Debug)]
pub(super) struct Trust {
    /// The authorities given, if any is.
    given: Option<Arc<RootCertStore>>,
    identity: Option<Identity>,
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Trust {
    /// What the settings say. Reads no file.
    ///
    /// # Errors
    ///
    /// A setting that no request could be made with.
    pub(super) fn new(settings: &HttpSettings) -> Result<Self> {
        let mut given = RootCertStore::empty();
        for bundle in &settings.certificate_authorities {
            let mut found = false;
            for certificate in CertificateDer::pem_slice_iter(bundle) {
                given
                    .add(certificate.map_err(|cause| unusable("a CA bundle is not PEM").with_cause(cause))?)
                    .map_err(|cause| unusable("a CA bundle has a certificate in it that cannot be read").with_cause(cause))?;
                found = true;
            }
            if !found {
                return Err(unusable("a CA bundle has no certificate in it").into());
            }
        }
        let identity = settings.client_identity.as_ref().map(Identity::new).transpose()?;
        let trust = Self { given: (!given.is_empty()).then(|| Arc::new(given)), identity };
        if trust.identity.is_some() {
            // A key that does not belong to its certificate shows now, and not with the first request.
            let shown = builder().and_then(|builder| trust.show(builder.with_root_certificates(RootCertStore::empty())));
            shown.map_err(|cause| unusable("the client's certificate and key cannot be used").with_cause(cause))?;
        }
        Ok(trust)
    }

    /// TLS as it is spoken here. Reads the certificate authorities of the machine where none are given.
    ///
    /// # Errors
    ///
    /// The machine has none that can be used.
    pub(super) fn client_config(&self) -> Result<ClientConfig, rustls::Error> {
        let builder = builder()?;
        let builder = match &self.given {
            Some(given) => builder.with_root_certificates(Arc::clone(given)),
            None => {
                let verifier = of_this_machine(Arc::clone(builder.crypto_provider()))?;
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        let mut config = self.show(builder)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// TLS that trusts nobody, for connections without it.
    ///
    /// # Errors
    ///
    /// None with ciphers that can be used at all.
    pub(super) fn nobody() -> Result<ClientConfig, rustls::Error> {
        Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    }

    fn show(&self, builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> Result<ClientConfig, rustls::Error> {
        match &self.identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key()),
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

impl Identity {
    /// The certificates and the key of a PEM file. What the layer below says of a key that it cannot read is not repeated.
    fn new(pem: &Secret) -> Result<Self> {
        let not_pem = || unusable("the client's certificate and key are not PEM");
        let pem = pem.expose().as_bytes();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| not_pem())?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| not_pem())?;
        if chain.is_empty() {
            return Err(not_pem().into());
        }
        Ok(Self { chain, key })
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

pub(super) fn unusable(detail: &str) -> TransportError {
    TransportError::new("set up HTTP", "any host", TransportFailure::Request).with_detail(detail)
}
