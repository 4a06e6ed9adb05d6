//! The instance principal: a token for the certificate that the instance metadata service gives.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::credential::CredentialSource;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{Request, RetryPolicy, origin_of};
use cloud_autojoin_core::{Call, Context, Error, Result, Secret};
use cloud_autojoin_provider_kit::ApiClient;
use cloud_autojoin_provider_kit::auth::sign::sha1_hex;
use cloud_autojoin_provider_kit::auth::{AccessKey, PrivateKey, StaticHeader};
use http::header::{CONTENT_TYPE, HeaderValue};
use rsa::Generate as _;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::api::OracleApi;
use crate::api_key::expiry;
use crate::credential::{Home, SharedHome, sign};
use crate::keys::METADATA_ENDPOINT;
use crate::provider::service_url;

/// How long the metadata service may take to show that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// The source `instance principal`.
#[derive(Debug)]
pub(crate) struct InstancePrincipal {
    metadata: ApiClient,
    context: Context,
    auth_endpoint: Option<Url>,
    home: SharedHome,
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
    pub(crate) fn new(
        context: &Context,
        metadata: Url,
        auth_endpoint: Option<Url>,
        home: SharedHome,
    ) -> Option<Self> {
        // Version 2 of the service wants this header.
        let header = StaticHeader::bearer(METADATA_ENDPOINT.name, &Secret::new("Oracle")).ok()?;
        let metadata = ApiClient::new(context, &OracleApi, metadata).with_authorizer(header);
        Some(Self {
            metadata,
            context: context.clone(),
            auth_endpoint,
            home,
        })
    }

    /// A request to the metadata service, which is there at once or not at all.
    fn get(&self, path: &[&str]) -> Request {
        self.metadata
            .get("read the instance metadata", path, &[])
            .retry(RetryPolicy::default().without_connect_retries())
            .no_proxy()
    }

    async fn pem(&self, name: &str, call: &Call) -> Result<String> {
        let response = self
            .metadata
            .send(self.get(&["identity", name]), call)
            .await?;
        Ok(String::from_utf8_lossy(&response.body).into_owned())
    }

    /// A token for a new key pair, which signs the requests that use it.
    async fn federate(&self, region: RegionInfo, call: &Call) -> Result<AccessKey, SourceOutcome> {
        let (certificate, key, intermediate) = futures::try_join!(
            self.pem("cert.pem", call),
            self.pem("key.pem", call),
            self.pem("intermediate.pem", call)
        )?;
        let unusable = |what| SourceOutcome::failed(format!("the instance's {what} can't be used"));
        let key = PrivateKey::from_pem(&key).map_err(|_| unusable("private key"))?;
        let certificate = base64_of(&certificate);
        let der = STANDARD
            .decode(&certificate)
            .map_err(|_| unusable("certificate"))?;
        let tenancy = tenancy_of(&der).ok_or_else(|| unusable("certificate"))?;
        let (session_key, public_key) = tokio::task::spawn_blocking(new_key_pair)
            .await
            .ok()
            .flatten()
            .ok_or_else(|| SourceOutcome::failed("a key pair can't be made"))?;
        let RegionInfo {
            region_identifier,
            realm_domain_component,
        } = region;
        let regional = || service_url("auth", &region_identifier, &realm_domain_component).ok();
        let url = self.auth_endpoint.clone().or_else(regional);
        let url = url.ok_or_else(|| unusable("region"))?;
        let client = ApiClient::new(&self.context, &OracleApi, url);
        let body = json!({
            "certificate": certificate,
            "publicKey": public_key,
            "intermediateCertificates": [base64_of(&intermediate)],
        });
        let url = client.url(&["v1", "x509"], &[]);
        let mut request = Request::post("get a token for the instance", url, body.to_string())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let id = format!("{tenancy}/fed-x509/{}", fingerprint(&der));
        let names = ["date", "(request-target)"];
        sign(&mut request, &key, &id, &names, call.clock().wall());
        let Token { token } = client.json(request, call).await?;
        self.home.set(Home {
            tenancy,
            region: Some(region_identifier),
            realm_domain: Some(realm_domain_component),
        });
        Ok(AccessKey {
            expires_at: Some(expiry(&token)?),
            ..AccessKey::new(format!("ST${token}"), session_key, None)
        })
    }
}

#[async_trait]
impl CredentialSource<AccessKey> for InstancePrincipal {
    fn name(&self) -> &'static str {
        "instance principal"
    }

    async fn token(&self, _: &str, call: &Call) -> Result<AccessKey, SourceOutcome> {
        let origin = origin_of(self.metadata.endpoint());
        let request = self.get(&["instance", "regionInfo"]);
        match self
            .metadata
            .json(request, &call.within(PROBE_TIMEOUT))
            .await
        {
            Ok(region) => self.federate(region, call).await,
            Err(Error::Transport(error)) => Err(SourceOutcome::Unreachable(format!(
                "no instance metadata service at {origin} ({error})"
            ))),
            Err(error @ (Error::Decode(_) | Error::Api(_))) => Err(SourceOutcome::NotConfigured(
                format!("what responds at {origin} isn't Oracle's metadata service ({error})"),
            )),
            Err(other) => Err(other.into()),
        }
    }
}

/// A private key in PEM, and its public key in base64.
fn new_key_pair() -> Option<(Secret, String)> {
    let key = rsa::PrivateKey::try_generate().ok()?;
    let public = key.to_public_key().to_public_key_der().ok()?;
    let private = key.to_pkcs8_pem(LineEnding::LF).ok()?;
    Some((
        Secret::new(private.as_str()),
        STANDARD.encode(public.as_bytes()),
    ))
}

/// The base64 of a PEM section.
fn base64_of(pem: &str) -> String {
    pem.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('-'))
        .collect()
}

/// The SHA-1 fingerprint of a certificate, `0A:1B:...`.
fn fingerprint(der: &[u8]) -> String {
    let digits = sha1_hex(der).to_uppercase();
    let pairs: Vec<&str> = (0..digits.len())
        .step_by(2)
        .map(|at| &digits[at..at + 2])
        .collect();
    pairs.join(":")
}

/// The tenancy in the subject of a certificate: an attribute that begins with one of two words.
fn tenancy_of(der: &[u8]) -> Option<String> {
    ["opc-tenant:", "opc-identity:"].iter().find_map(|prefix| {
        let at = der
            .windows(prefix.len())
            .position(|window| window == prefix.as_bytes())?;
        // The byte before a string is its length.
        let length = usize::from(*der.get(at.checked_sub(1)?)?);
        let text = std::str::from_utf8(der.get(at + prefix.len()..at + length)?).ok()?;
        Some(text.to_owned())
    })
}
