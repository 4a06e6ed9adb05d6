//! Signatures with a private key in a file.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::file::{MAX_SECRET_FILE, read_text};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};

use crate::signature::Signature;

/// Signs `data` with the key in this file, whose MD5 fingerprint is `key`.
pub(crate) async fn sign(path: &str, key: &str, data: &[u8]) -> io::Result<Signature> {
    let der = der_of(&read_text(path, MAX_SECRET_FILE).await?)?;
    let random = SystemRandom::new();
    let failed = |_| io::Error::other("signing failed");
    let (algorithm, bytes) =
        if let Ok(pair) = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)) {
            let mut bytes = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, data, &mut bytes)
                .map_err(failed)?;
            ("rsa-sha256", bytes)
        } else if let Ok(pair) =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &random)
        {
            (
                "ecdsa-sha256",
                pair.sign(&random, data).map_err(failed)?.as_ref().to_vec(),
            )
        } else if let Ok(pair) =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &der, &random)
        {
            (
                "ecdsa-sha384",
                pair.sign(&random, data).map_err(failed)?.as_ref().to_vec(),
            )
        } else {
            return Err(unusable());
        };
    Ok(Signature {
        algorithm,
        bytes,
        key: key.to_owned(),
    })
}

fn unusable() -> io::Error {
    let text = "not an RSA or ECDSA key in PEM without a passphrase; `ssh-keygen -p -m pkcs8 -N '' -f FILE` converts one of OpenSSH's format";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The bytes of the first key of a PEM file.
fn der_of(pem: &str) -> io::Result<Vec<u8>> {
    let is_key = |line: &str| {
        matches!(
            line,
            "-----BEGIN PRIVATE KEY-----" | "-----BEGIN RSA PRIVATE KEY-----"
        )
    };
    let lines = pem
        .lines()
        .map(str::trim)
        .skip_while(|line| !is_key(line))
        .skip(1);
    let text: String = lines
        .take_while(|line| !line.starts_with("-----END "))
        .collect();
    if text.is_empty() {
        return Err(unusable());
    }
    STANDARD.decode(text).map_err(|_| unusable())
}
