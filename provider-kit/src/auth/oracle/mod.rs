//! The credentials of Oracle Cloud Infrastructure, for any of its services: an API key or a session
//! token of the join string, the environment and the configuration of Oracle's tools, else the
//! instance principal.
//!
//! `keys.rs` has the keys of a join string, `api_key.rs` reads the configuration file,
//! `instance_principal.rs` gets the token of an instance. Facts:
//! docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm and sdkconfig.htm.
//!
//! ```no_run
//! use cloud_autojoin_core::{Call, Context, Result};
//! use cloud_autojoin_provider_kit::auth::oracle::{API, OracleConfig};
//! use cloud_autojoin_provider_kit::{ApiClient, Options};
//!
//! /// A client of Object Storage, for a key table with those of `auth::oracle::keys`.
//! async fn client(
//!     options: &mut Options<'_>,
//!     context: &Context,
//!     call: &Call,
//! ) -> Result<ApiClient> {
//!     let config = OracleConfig::from_options(options, context, &API);
//!     let config = options.finish(|| config)?;
//!     let place = config.place(call).await?;
//!     config.client("objectstorage", &place.regions[0], &place)
//! }
//! ```

mod api_key;
mod instance_principal;
pub mod keys;

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::config::Options;
use cloud_autojoin_core::credential::{Chain, CredentialSource};
use cloud_autojoin_core::http::{Request, ResponseClass};
use cloud_autojoin_core::{Call, ConfigError, ConfigProblem, Context, Result};
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use url::Url;

use self::api_key::ApiKey;
use self::instance_principal::InstancePrincipal;
use self::keys::{AUTH, ENDPOINT, REALM_DOMAIN, REGION};
use super::http_signature::{set_signature, text_to_sign};
use super::sign::sha256;
use super::{AccessKey, AccessKeys, PrivateKey, SigningAuthorizer};
use crate::ApiClient;
use crate::api::{Advice, JsonApi};
use crate::keys::regional_endpoint;

const NAME: &str = "oracle";
const TENANCY: &str = keys::TENANCY.name;

/// The errors of Oracle's APIs. A missing permission is reported with 404, like a resource that
/// doesn't exist.
pub const API: JsonApi = JsonApi::new(NAME)
    .with_request_id_header("opc-request-id")
    .with_codes(&[(
        ResponseClass::PermissionDenied,
        &["NotAuthorizedOrNotFound"],
    )])
    .with_advice(&[REFUSED]);

/// The advice of [`API`] for a refused credential.
pub const REFUSED: Advice = Advice::on(ResponseClass::ExpiredCredential).hint(
    "check `tenancy`, `user`, `fingerprint` and the private key, that the tenancy is subscribed to `region`, and the clock of this machine",
);

/// How Oracle Cloud is reached, by the keys of [`keys`].
#[derive(Debug, Clone)]
pub struct OracleConfig {
    context: Context,
    api: &'static JsonApi,
    signer: Arc<SigningAuthorizer>,
    regions: Vec<String>,
    realm_domain: Option<String>,
    endpoint: Option<Url>,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The tenancy of the credential.
    pub tenancy: String,
    /// The regions that are given, else that of the credential.
    pub regions: Vec<String>,
    realm_domain: Option<String>,
}

impl OracleConfig {
    /// The configuration of the join string and the environment; `api` is [`API`], or what a
    /// service adds to it.
    pub fn from_options(
        options: &mut Options<'_>,
        context: &Context,
        api: &'static JsonApi,
    ) -> Option<Self> {
        let (regions, realm_domain) = (options.list(&REGION), options.text(&REALM_DOMAIN));
        for region in &regions {
            options.accept(service_url("iaas", region, realm_domain.as_deref()));
        }
        Some(Self {
            context: context.clone(),
            api,
            signer: authorizer(options, context)?,
            regions,
            realm_domain,
            endpoint: options.endpoint(&ENDPOINT),
        })
    }

    /// Where requests go.
    ///
    /// # Errors
    ///
    /// No credential; no region.
    pub async fn place(&self, call: &Call) -> Result<Place> {
        let place = self.place_of(Some(&self.signer.key(call).await?));
        if !place.regions.is_empty() {
            return Ok(place);
        }
        let missing = "`region` is missing, and the profile names none";
        let problem = ConfigProblem::of_key(REGION.name, missing);
        let problem = problem.with_hint("add `region=...`, or set `OCI_REGION`");
        Err(ConfigError::new(Some(NAME), problem).into())
    }

    /// Tenancy and regions as far as they are known, for
    /// [`Provider::scope`](cloud_autojoin_core::Provider::scope).
    pub fn scope(&self) -> Vec<(&'static str, String)> {
        let place = self.place_of(self.signer.last_key().as_ref());
        let regions = place.regions.join(",");
        let mut scope = vec![(TENANCY, place.tenancy), (REGION.name, regions)];
        scope.retain(|(_, value)| !value.is_empty());
        scope
    }

    fn place_of(&self, key: Option<&AccessKey>) -> Place {
        let attribute = |name| key?.attribute(name).map(str::to_owned);
        let mut regions = self.regions.clone();
        if regions.is_empty() {
            regions.extend(attribute(REGION.name));
        }
        let realm_domain = self.realm_domain.clone();
        Place {
            tenancy: attribute(TENANCY).unwrap_or_default(),
            regions,
            realm_domain: realm_domain.or_else(|| attribute(REALM_DOMAIN.name)),
        }
    }

    /// A client of `service` in `region`.
    ///
    /// # Errors
    ///
    /// A region that no host name can hold.
    pub fn client(&self, service: &str, region: &str, place: &Place) -> Result<ApiClient> {
        let url = match &self.endpoint {
            Some(url) => url.clone(),
            None => service_url(service, region, place.realm_domain.as_deref())
                .map_err(|problem| ConfigError::new(Some(NAME), problem))?,
        };
        Ok(ApiClient::new(&self.context, self.api, url).with_authorizer(self.signer.clone()))
    }
}

/// Signs with the credential that the keys of [`keys`] choose. Attributes of its key locate it:
/// `tenancy`; `region`, that of the profile or the instance; `realm_domain`.
fn authorizer(options: &Options<'_>, context: &Context) -> Option<Arc<SigningAuthorizer>> {
    let mut sources: Vec<Box<dyn CredentialSource<AccessKey>>> = vec![
        Box::new(ApiKey::new(options, context)),
        Box::new(InstancePrincipal::new(options, context)?),
    ];
    match options.text(&AUTH).as_deref() {
        Some("instance_principal") => drop(sources.remove(0)),
        Some(_) => sources.truncate(1),
        None => {}
    }
    let chain = Chain::new(NAME, sources).with_hint(
        "run `oci setup config`, or give the instance a dynamic group with the policy of `discover check --role`",
    );
    let keys = AccessKeys::new(NAME, chain);
    Some(SigningAuthorizer::new(keys, "", |request, key, now| {
        if let Some(private) = &key.private_key {
            let names = ["date", "(request-target)", "host"];
            sign(request, private, &key.id, &names, now);
        }
        Ok(())
    }))
}

/// The endpoint of a service in a region, in the commercial realm or in that with this domain.
fn service_url(service: &str, region: &str, domain: Option<&str>) -> Result<Url, ConfigProblem> {
    let domain = domain.unwrap_or("oraclecloud.com");
    let host = format!("{service}.REGION.{domain}");
    regional_endpoint(REGION.name, &host, region, "eu-frankfurt-1")
}

/// Signs these headers of a request, and its body.
fn sign(request: &mut Request, key: &PrivateKey, key_id: &str, names: &[&str], now: SystemTime) {
    let mut names = names.to_vec();
    if let Some(body) = request.body().cloned() {
        request.set_header(CONTENT_LENGTH, body.len().into());
        if let Ok(digest) = HeaderValue::from_str(&STANDARD.encode(sha256(&body))) {
            request.set_header(HeaderName::from_static("x-content-sha256"), digest);
        }
        names.extend(["content-length", "content-type", "x-content-sha256"]);
    }
    let text = text_to_sign(request, &names, now);
    // Without a signature the service refuses the request.
    if let Ok((algorithm, signature)) = key.sign(text.as_bytes()) {
        let signature = (algorithm, signature.as_slice());
        set_signature(request, &[("version", "1")], key_id, &names, signature);
    }
}
