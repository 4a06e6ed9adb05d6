//! The JSON and errors of the APIs `instance/v1` and `ipam/v1`.

use cloud_autojoin_core::http::ResponseClass::{ExpiredCredential, NotFound, PermissionDenied};
use cloud_autojoin_provider_kit::api::{Advice, JsonApi};
use serde::Deserialize;

use crate::keys::NAME;

/// The operation that needs a permission set of its own.
pub(crate) const LIST_ADDRESSES: &str = "list private addresses";

const DENIED: Advice = Advice::on(PermissionDenied)
    .hint("give the API key's owner the permission set `PERMISSION` for the project");

/// Scaleway's APIs.
pub(crate) static API: JsonApi = JsonApi::new(NAME)
    .with_error(&["/type"], &["/message"], &[])
    .with_advice(&[
        Advice::on(ExpiredCredential).hint(
            "check `token`: it must be the secret key of an API key that hasn't expired",
        ),
        DENIED.during(LIST_ADDRESSES).permission("IPAMReadOnly"),
        DENIED.permission("InstancesReadOnly"),
        Advice::on(NotFound).hint(
            "check `region`: Scaleway doesn't know the zone; `fr-par-1`, `nl-ams-1` and `pl-waw-1` are zones",
        ),
    ]);

/// A page of `GET /instance/v1/zones/ZONE/servers`.
#[derive(Deserialize)]
pub(crate) struct ServerPage {
    pub(crate) servers: Vec<Server>,
}

/// A server: what the console calls an instance.
#[derive(Deserialize)]
pub(crate) struct Server {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    /// `running`, `stopped`, `stopped in place`, `starting`, ...
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Only servers of before 2024 have one.
    pub(crate) private_ip: Option<String>,
    pub(crate) public_ip: Option<PublicIp>,
    #[serde(default)]
    pub(crate) public_ips: Vec<PublicIp>,
    pub(crate) ipv6: Option<PublicIp>,
    #[serde(default)]
    pub(crate) private_nics: Vec<PrivateNic>,
}

#[derive(Clone, Deserialize)]
pub(crate) struct PublicIp {
    #[serde(default)]
    pub(crate) address: String,
}

#[derive(Deserialize)]
pub(crate) struct PrivateNic {
    pub(crate) id: String,
}

/// A page of `GET /ipam/v1/regions/REGION/ips`.
#[derive(Deserialize)]
pub(crate) struct IpPage {
    pub(crate) ips: Vec<Ip>,
    pub(crate) total_count: u64,
}

#[derive(Deserialize)]
pub(crate) struct Ip {
    /// With its prefix, `172.16.4.2/22`.
    pub(crate) address: String,
    pub(crate) resource: Option<Resource>,
}

#[derive(Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
}
