//! The instance principal: a token for the certificate that the instance metadata service gives.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::config::Options;
use cloud_autojoin_core::credential::CredentialSource;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::Request;
use cloud_autojoin_core::{Call, Context};
use rsa::Generate as _;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::api_key::session_key;
use super::keys::{AUTH_ENDPOINT, METADATA_ENDPOINT};
use super::{API, NAME, service_url, sign};
use crate::ApiClient;
use crate::auth::sign::fingerprint;
use crate::auth::{AccessKey, InstanceMetadata, PrivateKey, Reader};

const READ: &str = "read the instance metadata";

/// The source `instance principal`.
#[derive(Debug)]
pub(super) struct InstancePrincipal {
    context: Context,
    metadata: InstanceMetadata,
    auth_endpoint: Option<Url>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegionInfo {
    region_identifier: String,
    realm_domain_component: String,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl InstancePrincipal {
    pub(super) fn new(options: &Options<'_>, context: &Context) -> Option<Self> {
        let url = options.url(&METADATA_ENDPOINT)?;
        let metadata = InstanceMetadata::new(NAME, context.http().clone(), url);
        Some(Self {
            context: context.clone(),
            // Version 2 of the service requires this header.
            metadata: metadata.with_header("authorization", "Bearer Oracle"),
            auth_endpoint: options.endpoint(&AUTH_ENDPOINT),
        })
    }
}

#[async_trait]
impl CredentialSource<AccessKey> for InstancePrincipal {
    fn name(&self) -> &'static str {
        "instance principal"
    }

    /// A token for a new key pair, which signs the requests that use it.
    async fn token(&self, _: &str, call: &Call) -> Result<AccessKey, SourceOutcome> {
        let reader = self.metadata.open(READ, call).await?;
        let region: RegionInfo = reader.probe(READ, "/instance/regionInfo", call).await?;
        let (name, domain) = (region.region_identifier, region.realm_domain_component);
        let (certificate, key, intermediate) = futures::try_join!(
            certificate(&reader, "/identity/cert.pem", call),
            pem(&reader, "/identity/key.pem", call),
            certificate(&reader, "/identity/intermediate.pem", call),
        )?;
        let key = PrivateKey::from_pem(&key).map_err(|_| unusable("private key"))?;
        let tenancy = tenancy_of(&certificate).ok_or_else(|| unusable("certificate"))?;
        let pair = tokio::task::spawn_blocking(new_key_pair).await;
        let pair = pair.ok().flatten();
        let (private_key, public_key) =
            pair.ok_or_else(|| SourceOutcome::failed("a key pair can't be made"))?;
        let regional = || service_url("auth", &name, Some(&domain)).ok();
        let url = self.auth_endpoint.clone().or_else(regional);
        let url = url.ok_or_else(|| unusable("region"))?;
        let client = ApiClient::new(&self.context, &API, url);
        let body = json!({
            "certificate": STANDARD.encode(&certificate),
            "publicKey": public_key,
            "intermediateCertificates": [STANDARD.encode(intermediate)],
        });
        let url = client.url(&["v1", "x509"], &[]);
        let mut request = Request::post_json("get a token for the instance", url, &body);
        let id = format!("{tenancy}/fed-x509/{}", fingerprint(&certificate));
        let now = call.clock().wall();
        sign(&mut request, &key, &id, &["date", "(request-target)"], now);
        let Token { token } = client.json(request, call).await?;
        Ok(session_key(&token, private_key)?
            .with_attribute("tenancy", tenancy)
            .with_attribute("region", name)
            .with_attribute("realm_domain", domain))
    }
}

async fn pem(reader: &Reader<'_>, path: &str, call: &Call) -> Result<String, SourceOutcome> {
    let text = reader.text(READ, path, call).await?;
    text.ok_or_else(|| unusable("identity"))
}

async fn certificate(
    reader: &Reader<'_>,
    path: &str,
    call: &Call,
) -> Result<CertificateDer<'static>, SourceOutcome> {
    let text = pem(reader, path, call).await?;
    CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| unusable("certificate"))
}

fn unusable(what: &str) -> SourceOutcome {
    SourceOutcome::failed(format!("the instance's {what} can't be used"))
}

/// A private key, and its public key in base64.
fn new_key_pair() -> Option<(PrivateKey, String)> {
    let key = rsa::PrivateKey::try_generate().ok()?;
    let public = key.to_public_key().to_public_key_der().ok()?;
    let private = key.to_pkcs8_pem(LineEnding::LF).ok()?;
    let public = STANDARD.encode(public.as_bytes());
    Some((PrivateKey::from_pem(&private).ok()?, public))
}

/// The tenancy in the subject of a certificate: an attribute that begins with one of two words.
fn tenancy_of(certificate: &[u8]) -> Option<String> {
    ["opc-tenant:", "opc-identity:"].iter().find_map(|prefix| {
        let mut windows = certificate.windows(prefix.len());
        let at = windows.position(|window| window == prefix.as_bytes())?;
        // The byte before a string is its length.
        let length = usize::from(*certificate.get(at.checked_sub(1)?)?);
        let text = certificate.get(at + prefix.len()..at + length)?;
        Some(std::str::from_utf8(text).ok()?.to_owned())
    })
}
