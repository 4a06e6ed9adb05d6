//! Client assertions: a JWT that the application signed with its certificate, or one of a trusted
//! issuer (workload identity).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use webpki::EndEntityCert;

use super::TokenError;
use crate::clouds::azure::world::Principal;
use crate::clouds::azure::{Azure, Request};

/// The audiences of tokens of other issuers: the token exchange of each cloud.
const EXCHANGES: [&str; 3] = [
    "api://AzureADTokenExchange",
    "api://AzureADTokenExchangeUSGov",
    "api://AzureADTokenExchangeChina",
];

/// Whether `proof` is a valid assertion of `principal`.
pub(super) fn check(
    azure: &Azure,
    request: &Request,
    principal: &Principal,
    proof: &str,
) -> Result<(), TokenError> {
    let jwt = Jwt::read(proof)
        .ok_or_else(|| TokenError::request(50_027, "JWT token is invalid or malformed."))?;
    let now = azure.clock.unix_seconds() as f64;
    // A NumericDate may have a fraction (RFC 7519, 2), and MSAL for Python writes one.
    if jwt.claims["exp"]
        .as_f64()
        .is_none_or(|expiry| expiry <= now)
    {
        return Err(TokenError::client(
            700_024,
            "Client assertion is not within its valid time range.",
        ));
    }
    if jwt.claim("iss").eq_ignore_ascii_case(&principal.client_id) {
        certificate(request, principal, &jwt)
    } else {
        federated(principal, &jwt)
    }
}

fn certificate(request: &Request, principal: &Principal, jwt: &Jwt) -> Result<(), TokenError> {
    if !jwt.claim("sub").eq_ignore_ascii_case(&principal.client_id) {
        return Err(TokenError::client(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.",
        ));
    }
    // The audience is this token endpoint, of either version, at any name of the authority.
    let tenant = format!("/{}/", principal.tenant_id);
    if !jwt
        .claim("aud")
        .starts_with(&format!("{}/", request.origin))
        || !jwt.claim("aud").contains(&tenant)
    {
        return Err(TokenError::client(
            700_023,
            format!(
                "Client assertion audience claim does not match Realm issuer. Audience: '{}'.",
                jwt.claim("aud")
            ),
        ));
    }
    let thumbprint = jwt.thumbprint();
    let refuse = |reason: &str| {
        let message = format!(
            "Client assertion contains an invalid signature. [Reason - {reason}, Thumbprint of key used by client: '{}']",
            hexadecimal(&thumbprint)
        );
        Err(TokenError::client(700_027, message))
    };
    let known = principal
        .certificate
        .as_deref()
        .and_then(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
    let Some(known) = known.filter(|known| has_thumbprint(known, &thumbprint)) else {
        return refuse("The key was not found.");
    };
    if jwt.is_signed_with(&known) {
        Ok(())
    } else {
        refuse("The key was found, but use of the key to verify the signature failed.")
    }
}

fn has_thumbprint(certificate: &CertificateDer<'_>, thumbprint: &[u8]) -> bool {
    [&digest::SHA1_FOR_LEGACY_USE_ONLY, &digest::SHA256]
        .into_iter()
        .any(|algorithm| digest::digest(algorithm, certificate).as_ref() == thumbprint)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn federated(principal: &Principal, jwt: &Jwt) -> Result<(), TokenError> {
    if principal.federated_subject.as_deref() != Some(jwt.claim("sub")) {
        let message = format!(
            "No matching federated identity record found for presented assertion subject '{}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.",
            jwt.claim("sub")
        );
        return Err(TokenError::client(700_213, message));
    }
    if !jwt
        .audiences()
        .any(|audience| EXCHANGES.contains(&audience))
    {
        return Err(TokenError::client(
            700_212,
            "No matching federated identity record found for presented assertion audience.",
        ));
    }
    Ok(())
}

/// A parsed, unverified JWT.
struct Jwt {
    header: Value,
    claims: Value,
    /// Header and claims as they were signed.
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    fn read(text: &str) -> Option<Self> {
        let (signed, signature) = text.trim().rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| {
            serde_json::from_slice::<Value>(&decode(part)?)
                .ok()
                .filter(Value::is_object)
        };
        let signature = decode(signature).filter(|signature| !signature.is_empty())?;
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed: signed.to_owned(),
            signature,
        })
    }

    fn claim(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_default()
    }

    /// `aud`, which is one or, as Kubernetes writes it, a list.
    fn audiences(&self) -> impl Iterator<Item = &str> {
        let claim = &self.claims["aud"];
        claim
            .as_array()
            .map_or_else(|| std::slice::from_ref(claim), Vec::as_slice)
            .iter()
            .filter_map(Value::as_str)
    }

    /// The digest of the certificate: SHA-1 (`x5t`) or SHA-256 (`x5t#S256`); empty when there is
    /// none.
    fn thumbprint(&self) -> Vec<u8> {
        let named = self.header["x5t#S256"]
            .as_str()
            .or_else(|| self.header["x5t"].as_str());
        named.and_then(decode).unwrap_or_default()
    }

    fn is_signed_with(&self, certificate: &CertificateDer<'_>) -> bool {
        let algorithm = match self.header["alg"].as_str() {
            Some("PS256") => webpki::ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
            Some("RS256") => webpki::ring::RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        EndEntityCert::try_from(certificate).is_ok_and(|known| {
            known
                .verify_signature(algorithm, self.signed.as_bytes(), &self.signature)
                .is_ok()
        })
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()
}
