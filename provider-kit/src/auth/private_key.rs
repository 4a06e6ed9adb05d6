//! Signatures with a private key, by the library that does TLS.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud_autojoin_core::Secret;
use rustls::SignatureScheme::{
    ECDSA_NISTP256_SHA256, ECDSA_NISTP384_SHA384, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use serde_json::Value;

/// An RSA or ECDSA key. Clones share it.
#[derive(Clone)]
pub struct PrivateKey(Arc<dyn SigningKey>);

impl PrivateKey {
    /// The first key of a PEM file, in the formats PKCS #8, PKCS #1 or SEC 1, without a passphrase.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without a part of it.
    pub fn from_pem(pem: &str) -> Result<Self, &'static str> {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "not a private key in PEM without a passphrase")?;
        let key = any_supported_type(&key).map_err(|_| "malformed or of an unsupported kind")?;
        Ok(Self(key))
    }

    /// Signs `data`; the name of the algorithm is that of HTTP signatures, `rsa-sha256`.
    ///
    /// # Errors
    ///
    /// It is of another kind, or can't sign.
    pub fn sign(&self, data: &[u8]) -> Result<(&'static str, Vec<u8>), &'static str> {
        const SCHEMES: &[rustls::SignatureScheme] = &[
            RSA_PKCS1_SHA256,
            ECDSA_NISTP256_SHA256,
            ECDSA_NISTP384_SHA384,
        ];
        let signer = self.0.choose_scheme(SCHEMES);
        let signer = signer.ok_or("neither an RSA nor an ECDSA key of P-256 or P-384")?;
        let algorithm = match signer.scheme() {
            ECDSA_NISTP256_SHA256 => "ecdsa-sha256",
            ECDSA_NISTP384_SHA384 => "ecdsa-sha384",
            _ => "rsa-sha256",
        };
        let signature = signer.sign(data).map_err(|_| "unable to sign")?;
        Ok((algorithm, signature))
    }

    /// A JSON Web Token (RFC 7519), signed with an RSA key by `algorithm`, `RS256` or `PS256`,
    /// which `header` needn't name.
    ///
    /// # Errors
    ///
    /// It isn't an RSA key, or can't sign.
    pub fn jwt(
        &self,
        algorithm: &str,
        mut header: Value,
        claims: &Value,
    ) -> Result<Secret, &'static str> {
        header["alg"] = algorithm.into();
        header["typ"] = "JWT".into();
        let parts = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = parts.join(".");
        let is_pss = algorithm == "PS256";
        let scheme = if is_pss {
            RSA_PSS_SHA256
        } else {
            RSA_PKCS1_SHA256
        };
        let signer = self.0.choose_scheme(&[scheme]).ok_or("not an RSA key")?;
        let signature = signer
            .sign(signed.as_bytes())
            .map_err(|_| "unable to sign")?;
        Ok(Secret::new(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }
}

impl From<Arc<dyn SigningKey>> for PrivateKey {
    fn from(key: Arc<dyn SigningKey>) -> Self {
        Self(key)
    }
}

impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        let public_keys = || self.0.public_key().zip(other.0.public_key());
        Arc::ptr_eq(&self.0, &other.0) || public_keys().is_some_and(|(one, two)| one == two)
    }
}

impl Eq for PrivateKey {}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    };

    use super::*;

    #[test]
    fn a_signature_is_verified_by_the_public_key() {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, der.as_ref(), &random).unwrap();
        let text = STANDARD.encode(der.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        let (algorithm, signature) = PrivateKey::from_pem(&pem).unwrap().sign(b"data").unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key());
        assert_eq!(algorithm, "ecdsa-sha256");
        let same = PrivateKey::from_pem(&pem).unwrap() == PrivateKey::from_pem(&pem).unwrap();
        assert!(same);
        assert!(public.verify(b"data", &signature).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused_without_a_part_of_it() {
        for pem in [
            "c4n4ry",
            "-----BEGIN PRIVATE KEY-----\nYzRuNHJ5\n-----END PRIVATE KEY-----\n",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nYWJj\n-----END OPENSSH PRIVATE KEY-----\n",
        ] {
            let problem = PrivateKey::from_pem(pem).unwrap_err();
            assert!(
                !problem.contains("c4n4ry") && !problem.contains("YzRu"),
                "{problem}"
            );
        }
    }
}
