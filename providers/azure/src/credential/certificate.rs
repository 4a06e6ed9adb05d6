//! An application's certificate: a PEM or PFX file with the certificate and its RSA key, and the
//! statement signed with it.
//!
//! `azure_identity` can only do this with OpenSSL, so the statement is signed here, by the TLS
//! library's signer. PFX files are read with the feature `pfx`.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use azure_core::Uuid;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud_autojoin_core::certificate::{CertifiedKeyError, certified_key_from_pem};
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::file::{self, FileKind, MAX_SECRET_FILE, READ_TIMEOUT};
use cloud_autojoin_core::{Call, Secret};
use rustls::SignatureScheme;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use serde_json::json;

use super::entra::Entra;

const VARIABLE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

/// How long a statement counts.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// A certificate and its key.
pub(super) struct Certificate {
    certificate: CertificateDer<'static>,
    key: Arc<dyn SigningKey>,
}

impl Certificate {
    /// Reads a file. The application's certificate is the one that belongs to the private key,
    /// wherever in the file it is; the others are its issuers'.
    pub(super) async fn read(path: &str, password: Option<Secret>) -> Result<Self, SourceOutcome> {
        let failed = |reason: String| {
            SourceOutcome::failed(format!(
                "cannot use the certificate `{path}` of `{VARIABLE}`: {reason}"
            ))
        };
        let bytes = file::read(path, FileKind::Regular, MAX_SECRET_FILE, READ_TIMEOUT)
            .await
            .map_err(|error| failed(error.to_string()))?
            .bytes;
        let is_pem = bytes.windows(11).any(|window| window == b"-----BEGIN ");
        let CertifiedKey { cert, key, .. } = if is_pem {
            pem(&bytes, password.is_some())
        } else {
            pfx(bytes, password).await
        }
        .map_err(failed)?;
        if key
            .choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])
            .is_none()
        {
            return Err(failed(
                "its key is no RSA key, and Microsoft Entra ID takes no other".to_owned(),
            ));
        }
        let certificate = cert
            .into_iter()
            .next()
            .ok_or_else(|| failed(CertifiedKeyError::NoCertificate.to_string()))?;
        Ok(Self { certificate, key })
    }

    /// The statement that the application signs in with: a JWT for the tenant's token endpoint.
    /// Format: learn.microsoft.com/entra/identity-platform/certificate-credentials.
    pub(super) fn assertion(&self, entra: &Entra, call: &Call) -> Result<Secret, SourceOutcome> {
        let failed = |reason: &str| {
            SourceOutcome::failed(format!(
                "cannot sign with the certificate of `{VARIABLE}`: {reason}"
            ))
        };
        let now = call
            .clock()
            .wall()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| failed("the clock of this machine stands before 1970"))?;
        let hash = TLS13_AES_128_GCM_SHA256
            .tls13()
            .ok_or_else(|| failed("no SHA-256"))?
            .common
            .hash_provider;
        let thumbprint = URL_SAFE_NO_PAD.encode(hash.hash(&self.certificate).as_ref());
        let mut audience = entra.authority.clone();
        audience.set_path(&format!("/{}/oauth2/v2.0/token", entra.tenant_id));
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint });
        let claims = json!({
            "aud": audience.as_str(),
            "iss": entra.client_id,
            "sub": entra.client_id,
            "jti": Uuid::new_v4().to_string(),
            "nbf": now.as_secs(),
            "iat": now.as_secs(),
            "exp": (now + LIFETIME).as_secs(),
        });
        let statement = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims.to_string())
        );
        let signer = self
            .key
            .choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])
            .ok_or_else(|| failed("its key is no RSA key"))?;
        let signature = signer
            .sign(statement.as_bytes())
            .map_err(|error| failed(&error.to_string()))?;
        Ok(Secret::new(format!(
            "{statement}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}

fn pem(bytes: &[u8], has_password: bool) -> Result<CertifiedKey, String> {
    if has_password || bytes.windows(9).any(|window| window == b"ENCRYPTED") {
        return Err(
            "PEM keys with a password are not supported; take the password off with `openssl pkey`, and keep the file readable for its owner only".to_owned()
        );
    }
    certified_key_from_pem(bytes).map_err(|error| error.to_string())
}

#[cfg(feature = "pfx")]
async fn pfx(bytes: Vec<u8>, password: Option<Secret>) -> Result<CertifiedKey, String> {
    use cloud_autojoin_core::certificate::certified_key;
    use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
    use rustls::pki_types::PrivateKeyDer;

    let read = move || {
        let password = password.as_ref().map_or("", Secret::expose);
        let store = KeyStore::from_pkcs12(&bytes, password, Pkcs12ImportPolicy::Strict)
            .map_err(|error| format!("it is neither a PEM file nor a PFX file with this password in `AZURE_CLIENT_CERTIFICATE_PASSWORD` ({error})"))?;
        let (_, chain) = store
            .private_key_chain()
            .ok_or("no private key with its certificate in it")?;
        let certificates = chain
            .certs()
            .iter()
            .map(|certificate| CertificateDer::from(certificate.as_der().to_vec()))
            .collect();
        let key = PrivateKeyDer::try_from(chain.key().as_der().to_vec())?;
        certified_key(certificates, [key]).map_err(|error| error.to_string())
    };
    // Thousands of rounds go from the password to the key.
    tokio::task::spawn_blocking(read)
        .await
        .map_err(|error| error.to_string())?
}

#[cfg(not(feature = "pfx"))]
#[expect(clippy::unused_async, reason = "the same as with the feature")]
async fn pfx(_bytes: Vec<u8>, _password: Option<Secret>) -> Result<CertifiedKey, String> {
    Err("it is no PEM file, and this program was built without `pfx`; make a PEM file of a PFX file with `openssl pkcs12 -in FILE.pfx -out FILE.pem -nodes`"
        .to_owned())
}
