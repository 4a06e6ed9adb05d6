//! The simulator's own certificate authority, and TLS with its certificates.
//!
//! The authority's certificate is written to a file, for `SSL_CERT_FILE` and the like. Its key is
//! kept in memory and, where a directory is given, in a file (`key_file.rs`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::engine::clock::Clock;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// A certificate authority and the certificates it has signed, one for each host.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    /// The key of all hosts' certificates, since generating one for each takes time.
    key: KeyPair,
    years: (i32, i32),
    /// Hosts that clients may name (SNI); without SNI they get the certificate of the loopback
    /// names.
    allows: Box<dyn Fn(&str) -> bool + Send + Sync>,
    signed: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

/// Names and addresses of the certificate for clients that name no host.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Authority {
    /// An authority with this key for the hosts that `allows` accepts, and for the loopback names.
    pub(crate) fn new(
        clock: Clock,
        key: KeyPair,
        allows: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let years = (clock.year() - 1, clock.year() + 1);
        let mut parameters = CertificateParams::new(Vec::<String>::new())?;
        parameters
            .distinguished_name
            .push(DnType::CommonName, "discover-sim, a simulated cloud");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        // A short lifetime, in case a client trusts it permanently.
        parameters.not_before = date_time_ymd(years.0, 1, 1);
        parameters.not_after = date_time_ymd(years.1, 12, 31);
        let pem = parameters.self_signed(&key)?.pem();
        let issuer = Issuer::new(parameters, key);
        Ok(Self {
            issuer,
            pem,
            key: KeyPair::generate()?,
            years,
            allows: Box::new(allows),
            signed: Mutex::default(),
        })
    }

    /// The authority's certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// TLS with a certificate for whichever host the client names, offering HTTP/2 and HTTP/1.1.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        // Never the process default: two crates with different providers would make rustls panic.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ByHost(Arc::clone(self))));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn certificate(&self, host: &str) -> Result<Arc<CertifiedKey>, TlsError> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = signed.get(host) {
            return Ok(Arc::clone(known));
        }
        let names = if host == LOOPBACK[0] {
            LOOPBACK.map(str::to_owned).to_vec()
        } else {
            vec![host.to_owned()]
        };
        let mut parameters = CertificateParams::new(names)?;
        parameters.distinguished_name.push(DnType::CommonName, host);
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.not_before = date_time_ymd(self.years.0, 1, 1);
        parameters.not_after = date_time_ymd(self.years.1, 12, 31);
        let certificate = parameters.signed_by(&self.key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let key = rustls::crypto::ring::sign::any_supported_type(&key)?;
        let made = Arc::new(CertifiedKey::new(
            vec![CertificateDer::from(certificate)],
            key,
        ));
        signed.insert(host.to_owned(), Arc::clone(&made));
        Ok(made)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// Selects the certificate by SNI.
#[derive(Debug)]
struct ByHost(Arc<Authority>);

impl ResolvesServerCert for ByHost {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello
            .server_name()
            .unwrap_or(LOOPBACK[0])
            .to_ascii_lowercase();
        if host != LOOPBACK[0] && !(self.0.allows)(&host) {
            return None;
        }
        self.0.certificate(&host).ok()
    }
}
