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
use cloud_autojoin_core::certificate::certified_key_from_pem;
use cloud_autojoin_core::file::{self, FileKind, MAX_SECRET_FILE, READ_TIMEOUT};
use cloud_autojoin_core::{Call, Secret};
use cloud_autojoin_provider_kit::auth::PrivateKey;
use cloud_autojoin_provider_kit::auth::sign::sha256;
use rustls::sign::CertifiedKey;
use serde_json::json;

use super::Setup;

/// How long a statement counts.
const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// The statement that an application signs in with: a JWT for the tenant's token endpoint, signed
/// with the key in the file at `path`. Format:
/// learn.microsoft.com/entra/identity-platform/certificate-credentials.
///
/// # Errors
///
/// Why the certificate can't be used.
pub(super) async fn assertion(
    setup: &Setup,
    path: &str,
    tenant_id: &str,
    client_id: &str,
    call: &Call,
) -> Result<Secret, String> {
    let password = setup.variable("AZURE_CLIENT_CERTIFICATE_PASSWORD");
    let key = read(path, password.map(Secret::new)).await?;
    let certificate = key.end_entity_cert().map_err(|error| error.to_string())?;
    let header = json!({"x5t#S256": URL_SAFE_NO_PAD.encode(sha256(certificate))});
    let wall = call.clock().wall().duration_since(UNIX_EPOCH);
    let now = wall.map_err(|_| "the clock of this machine is before 1970")?;
    let mut endpoint = setup.cloud.authority.clone();
    endpoint.set_path(&format!("/{tenant_id}/oauth2/v2.0/token"));
    let claims = json!({
        "aud": endpoint.as_str(), "iss": client_id, "sub": client_id,
        "jti": Uuid::new_v4().to_string(),
        "nbf": now.as_secs(), "iat": now.as_secs(), "exp": (now + LIFETIME).as_secs(),
    });
    let assertion = PrivateKey::from(Arc::clone(&key.key)).jwt("PS256", header, &claims);
    assertion.map_err(|reason| format!("its key can't be used at Microsoft Entra ID: {reason}"))
}

/// Reads a file. The application's certificate is the one that belongs to the private key, wherever
/// in the file it is; the others are its issuers'.
async fn read(path: &str, password: Option<Secret>) -> Result<CertifiedKey, String> {
    let bytes = file::read(path, FileKind::Regular, MAX_SECRET_FILE, READ_TIMEOUT)
        .await
        .map_err(|error| error.to_string())?
        .bytes;
    if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        pem(&bytes, password.is_some())
    } else {
        pfx(bytes, password).await
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
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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
