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
use super::server_verifier::ServerVerifier;
use super::system_roots::system_verifier;
use crate::certificate::{certified_key_from_pem, crypto_provider};
use crate::error::{Result, TransportError, TransportFailure};
use crate::secret::Secret;

/// Uses the process-wide crypto provider if one is installed, otherwise ring.
fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(crypto_provider()).with_safe_default_protocol_versions()
}

/// The certificates and keys of the settings, parsed from PEM.
#[derive(Debug)]
pub(super) struct TlsConfig {
    /// The configured authorities, if any.
    given: Option<Arc<ServerVerifier<Roots>>>,
    client_certificate: Option<ClientCertificate>,
    insecure_skip_verify: bool,
}

impl TlsConfig {
    /// The configuration of the settings. Reads no files.
    ///
    /// # Errors
    ///
    /// An unusable setting.
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
            .then(|| {
                let provider = crypto_provider();
                Roots::new(given, &provider)
                    .map(|roots| Arc::new(ServerVerifier::new(roots, &provider)))
            })
            .transpose();
        let given =
            given.map_err(|cause| unusable("the CA bundles cannot be used").with_cause(cause))?;
        let client_certificate = settings
            .client_identity
            .as_ref()
            .map(ClientCertificate::new)
            .transpose()?;
        Ok(Self {
            given,
            client_certificate,
            insecure_skip_verify: settings.insecure_skip_verify,
        })
    }

    /// The rustls configuration. Reads the certificate authorities of the machine if none are
    /// configured.
    ///
    /// # Errors
    ///
    /// The machine has no usable authorities.
    pub(super) fn client_config(&self) -> Result<ClientConfig, rustls::Error> {
        let builder = builder()?;
        let provider = builder.crypto_provider();
        let verifier = match &self.given {
            _ if self.insecure_skip_verify => {
                Arc::new(ServerVerifier::new(AnyCertificate, provider)) as _
            }
            Some(given) => Arc::clone(given) as _,
            None => system_verifier(Arc::clone(provider))?,
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
    /// None with a usable crypto provider.
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

/// A client certificate with its chain and key. It's passed to rustls as a resolver, because
/// rustls' own loader rejects X.509 v1 certificates, which servers such as Consul and Nomad accept.
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
