//! TLS configuration: trusted roots and the client certificate. The roots of this machine are in
//! `system_roots.rs` or `platform_roots.rs`.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use super::HttpSettings;
use super::roots::{AnyCertificate, Roots};
use super::system_roots::system_verifier;
use crate::certificate::{certified_key_from_pem, crypto_provider};
use crate::error::{Result, TransportError, TransportFailure};
use crate::secret::Secret;

/// With the ciphers of the program where it has chosen some, else ring's.
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(crypto_provider()).with_safe_default_protocol_versions()
}

/// Certificates and keys as the settings give them, read from PEM.
#[derive(Debug)]
pub(super) struct TlsConfig {
    /// The authorities given, if any is.
    given: Option<Arc<Roots>>,
    client_certificate: Option<ClientCertificate>,
    insecure_skip_verify: bool,
}

impl TlsConfig {
    /// What the settings say. Reads no file.
    ///
    /// # Errors
    ///
    /// A setting that no request could be made with.
    pub(super) fn new(settings: &HttpSettings) -> Result<Self> {
        let mut given = Vec::new();
        for bundle in &settings.certificate_authorities {
            let before = given.len();
            for certificate in CertificateDer::pem_slice_iter(bundle) {
                let certificate = certificate
                    .map_err(|cause| unusable("a CA bundle is not PEM").with_cause(cause))?;
                RootCertStore::empty()
                    .add(certificate.clone())
                    .map_err(|cause| {
                        unusable("a CA bundle has a certificate in it that cannot be read")
                            .with_cause(cause)
                    })?;
                given.push(certificate);
            }
            if given.len() == before {
                return Err(unusable("a CA bundle has no certificate in it").into());
            }
        }
        let given = (!given.is_empty())
            .then(|| Roots::new(given, &crypto_provider()))
            .transpose();
        let given =
            given.map_err(|cause| unusable("the CA bundles cannot be used").with_cause(cause))?;
        let client_certificate = settings
            .client_identity
            .as_ref()
            .map(ClientCertificate::new)
            .transpose()?;
        Ok(Self {
            given: given.map(Arc::new),
            client_certificate,
            insecure_skip_verify: settings.insecure_skip_verify,
        })
    }

    /// The rustls configuration. Reads the certificate authorities of the machine if none are
    /// given.
    ///
    /// # Errors
    ///
    /// The machine has none that can be used.
    pub(super) fn client_config(&self) -> Result<ClientConfig, rustls::Error> {
        let builder = builder()?;
        let verifier = match &self.given {
            _ if self.insecure_skip_verify => {
                Arc::new(AnyCertificate::new(Arc::clone(builder.crypto_provider()))) as _
            }
            Some(given) => Arc::clone(given) as _,
            None => system_verifier(Arc::clone(builder.crypto_provider()))?,
        };
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = self.with_client_auth(builder);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// A configuration without roots, for plain http.
    ///
    /// # Errors
    ///
    /// None with ciphers that can be used at all.
    pub(super) fn without_roots() -> Result<ClientConfig, rustls::Error> {
        Ok(builder()?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth())
    }

    fn with_client_auth(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> ClientConfig {
        match &self.client_certificate {
            Some(ClientCertificate(resolver)) => {
                builder.with_client_cert_resolver(Arc::clone(resolver) as _)
            }
            None => builder.with_no_client_auth(),
        }
    }
}

/// A client certificate with its chain and key. Given to rustls as a resolver: its own loader
/// refuses certificates of X.509 v1, which servers such as Consul and Nomad accept.
struct ClientCertificate(Arc<SingleCertAndKey>);

impl ClientCertificate {
    fn new(pem: &Secret) -> Result<Self> {
        let key = certified_key_from_pem(pem.expose().as_bytes()).map_err(|cause| {
            unusable(&format!(
                "the client certificate and its key cannot be used: {cause}"
            ))
        })?;
        Ok(Self(Arc::new(key.into())))
    }
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

pub(super) fn unusable(detail: &str) -> TransportError {
    TransportError::new("set up HTTP", "any host", TransportFailure::InvalidRequest)
        .with_detail(detail)
}
