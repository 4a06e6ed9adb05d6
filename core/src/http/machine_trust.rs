//! The certificate authorities of a Unix machine, as OpenSSL and Go find them: a bundle, and folders of single files.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` count, and then nothing else does. Otherwise the folders mostly repeat the bundle: on Debian reading them too means 140 files more, and twice the time, for not
//! one authority more. So they are read when the bundle does not vouch for a certificate, which is when an operator has put an authority there and nowhere else, or when the certificate is wrong.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};

/// A verifier that trusts whom this machine trusts.
///
/// # Errors
///
/// There is no authority at all.
pub(super) fn of_this_machine(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let bundle = bundle().and_then(|file| verifier(load_certs_from_paths(Some(&file), None), &provider).ok());
    match bundle {
        Some(bundle) => Ok(Arc::new(Patient { bundle, everything: OnceLock::new(), load: load_native_certs, provider })),
        None => Ok(verifier(load_native_certs(), &provider)?),
    }
}

/// The bundle of this machine; none where variables say what counts.
fn bundle() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the same look at the process as rustls_native_certs takes, which reads these variables itself")]
    let chosen = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|variable| std::env::var_os(variable).is_some());
    if chosen { None } else { openssl_probe::probe().cert_file }
}

/// Authorities that cannot be read are left out, as everywhere: one strange file must not break all connections.
fn verifier(found: CertificateResult, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Error> {
    for error in &found.errors {
        tracing::debug!(%error, "a certificate authority of this machine cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (_, unreadable) = roots.add_parsable_certificates(found.certs);
    if unreadable > 0 {
        tracing::debug!(unreadable, "certificate authorities of this machine are left out");
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    verifier.map_err(|_| Error::General("there are no certificate authorities on this machine".to_owned()))
}

/// Trusts the bundle; and everything, where that does not do.
#[derive(Debug)]
struct Patient {
    bundle: Arc<WebPkiServerVerifier>,
    everything: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    load: fn() -> CertificateResult,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Patient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.bundle.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // Whatever is wrong: an authority that was made anew with its old name is not an unknown one to the bundle.
        if verified.is_ok() {
            return verified;
        }
        match self.everything.get_or_init(|| verifier((self.load)(), &self.provider).ok()) {
            Some(everything) => everything.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => verified,
        }
    }

    // Signatures do not depend on who is trusted.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.bundle.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.bundle.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.bundle.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn signed_by(authority: &CertifiedIssuer<'static, KeyPair>) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        CertificateParams::new(vec!["host.example".to_owned()]).unwrap().signed_by(&key, authority).unwrap().der().clone()
    }

    fn found(authorities: &[&CertifiedIssuer<'static, KeyPair>]) -> CertificateResult {
        let mut found = CertificateResult::default();
        found.certs = authorities.iter().map(|authority| authority.der().clone()).collect();
        found
    }

    fn check(trust: &dyn ServerCertVerifier, certificate: &CertificateDer<'_>, name: &str) -> Result<(), Error> {
        trust.verify_server_cert(certificate, &[], &ServerName::try_from(name.to_owned()).unwrap(), &[], UnixTime::now()).map(|_| ())
    }

    fn patient(bundle: CertificateResult, load: fn() -> CertificateResult) -> Patient {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Patient { bundle: verifier(bundle, &provider).unwrap(), everything: OnceLock::new(), load, provider }
    }

    #[test]
    fn the_folders_are_not_read_while_the_bundle_knows_who_signed() {
        let known = authority();
        let trust = patient(found(&[&known]), || panic!("read"));
        check(&trust, &signed_by(&known), "host.example").unwrap();
    }

    #[test]
    fn an_authority_in_the_folders_alone_is_trusted_too_and_a_stranger_is_not() {
        static FOLDERS: OnceLock<CertificateDer<'static>> = OnceLock::new();
        let (known, added) = (authority(), authority());
        FOLDERS.set(added.der().clone()).unwrap();
        let trust = patient(found(&[&known]), || {
            let mut found = CertificateResult::default();
            found.certs.extend(FOLDERS.get().cloned());
            found
        });
        check(&trust, &signed_by(&added), "host.example").unwrap();
        check(&trust, &signed_by(&authority()), "host.example").unwrap_err();
        check(&trust, &signed_by(&added), "other.example").unwrap_err();
    }

    #[test]
    fn folders_without_authorities_change_nothing() {
        let trust = patient(found(&[&authority()]), CertificateResult::default);
        check(&trust, &signed_by(&authority()), "host.example").unwrap_err();
    }
}
