//! From options to the servers of each zone and, beside them, the addresses of each region.

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Finding, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options, PowerState, Selection};
use futures::future::try_join_all;
use http::header::HeaderName;

use crate::api::{IpPage, ScalewayApi, Server, ServerPage};
use crate::keys::{ADDRESS_TYPE, ENDPOINT, POWER_STATE, REGION, TAG_NAME, TOKEN};
use crate::select::{self, NicAddresses};

/// The name after `provider=`.
pub(crate) const NAME: &str = "scaleway";

/// The operation that needs a permission set of its own.
pub(crate) const LIST_ADDRESSES: &str = "list private addresses";

/// The most items the APIs give in one page.
const PAGE_SIZE: u64 = 100;

/// Instances of one organization, by tag.
#[derive(Debug)]
pub struct Scaleway {
    client: ApiClient,
    zones: Vec<String>,
    tags: Vec<String>,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let token = options.secret(&TOKEN).map(|token| {
        StaticHeader::header(TOKEN.name, HeaderName::from_static("x-auth-token"), &token)
    });
    let authorizer = token.and_then(|header| options.accept(header));
    let zones: Vec<_> = options
        .list(&REGION)
        .into_iter()
        .filter_map(|text| options.accept(zone(&text)))
        .collect();
    let tags = options.list(&TAG_NAME);
    let selection = Selection {
        address_type: options
            .word(&ADDRESS_TYPE, AddressType::from_word)
            .unwrap_or_default(),
        power_state: options
            .word(&POWER_STATE, PowerState::from_word)
            .unwrap_or_default(),
        ..Selection::default()
    };
    // `SCW_COMPUTE_API` of go-discover's client has the path in it.
    let endpoint = options.endpoint(&ENDPOINT).map(|mut url| {
        let base = url
            .path()
            .split("/instance/v1")
            .next()
            .unwrap_or_default()
            .to_owned();
        url.set_path(&base);
        url
    });
    options.finish(|| {
        let client = ApiClient::new(context, &ScalewayApi, endpoint?).with_authorizer(authorizer?);
        Some(Box::new(Scaleway {
            client,
            zones,
            tags,
            selection,
        }) as Box<dyn Provider>)
    })
}

/// The zone of today for a word of `region`: `par1` and `ams1` are what go-discover knows.
fn zone(text: &str) -> Result<String, ConfigProblem> {
    let zone = match text {
        "par1" => "fr-par-1",
        "ams1" => "nl-ams-1",
        other => other,
    };
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_zone = match zone.split('-').collect::<Vec<_>>()[..] {
        [country, city, number] => {
            is_word(country) && is_word(city) && number.parse::<u8>().is_ok()
        }
        _ => false,
    };
    let problem = || {
        ConfigProblem::of_key(REGION.name, "`region` isn't a zone")
            .with_hint("write zones such as `fr-par-1`, separated by commas")
    };
    if is_zone {
        Ok(zone.to_owned())
    } else {
        Err(problem())
    }
}

#[async_trait]
impl Provider for Scaleway {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        format!(
            "instances with tag `{}` in zone `{}`",
            self.tags.join("` and `"),
            self.zones.join("`, `")
        )
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let servers = try_join_all(self.zones.iter().map(|zone| self.servers(zone, call)));
        let (servers, addresses) = futures::try_join!(servers, self.private_addresses(call))?;
        for (zone, servers) in self.zones.iter().zip(servers) {
            for server in servers {
                discovery.record(
                    self.selection
                        .apply(select::instance(server, zone, &self.tags, &addresses)),
                );
            }
        }
        if discovery.examined() == 0 {
            let finding = Finding::new("no instance of the zone has the tag");
            discovery.add_finding(finding.with_hint("check `tag_name` and `region`; `scw instance server list zone=all` shows the instances with their tags"));
        }
        if let Some(identity) = self.client.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl Scaleway {
    async fn servers(&self, zone: &str, call: &Call) -> Result<Vec<Server>> {
        let tag = self.tags.first().map_or("", String::as_str);
        let query = [("tags", tag), ("per_page", &PAGE_SIZE.to_string())];
        let mut pages = self.client.pages(
            self.client.get(
                "list instances",
                &["instance", "v1", "zones", zone, "servers"],
                &query,
            ),
            call,
        );
        let mut servers = Vec::new();
        let mut page = 1;
        while let Some(ServerPage { servers: found }) = pages.next_json().await? {
            let is_full = found.len() as u64 >= PAGE_SIZE;
            let has_next = pages
                .header_number("x-total-count")
                .map_or(is_full, |total| page * PAGE_SIZE < total);
            page += 1;
            pages.follow_query("page", has_next.then_some(page))?;
            servers.extend(found);
        }
        Ok(servers)
    }

    /// The addresses in private networks of every region, where private addresses are wanted: one
    /// list instead of a request for each instance.
    async fn private_addresses(&self, call: &Call) -> Result<NicAddresses> {
        let mut addresses = NicAddresses::new();
        if self.selection.address_type.is_public() {
            return Ok(addresses);
        }
        let mut regions: Vec<&str> = self
            .zones
            .iter()
            .filter_map(|zone| Some(zone.rsplit_once('-')?.0))
            .collect();
        regions.sort_unstable();
        regions.dedup();
        for (nic, address) in try_join_all(
            regions
                .into_iter()
                .map(|region| self.addresses_of(region, call)),
        )
        .await?
        .into_iter()
        .flatten()
        {
            addresses.entry(nic).or_default().push(address);
        }
        Ok(addresses)
    }

    /// Network interfaces of a region with an address each.
    async fn addresses_of(&self, region: &str, call: &Call) -> Result<Vec<(String, String)>> {
        let query = [
            ("resource_type", "instance_private_nic"),
            ("attached", "true"),
            ("page_size", &PAGE_SIZE.to_string()),
        ];
        let mut pages = self.client.pages(
            self.client.get(
                LIST_ADDRESSES,
                &["ipam", "v1", "regions", region, "ips"],
                &query,
            ),
            call,
        );
        let mut addresses = Vec::new();
        let mut page = 1;
        while let Some(IpPage { ips, total_count }) = pages.next_json().await? {
            let has_next = page * PAGE_SIZE < total_count;
            page += 1;
            pages.follow_query("page", has_next.then_some(page))?;
            for ip in ips {
                if let Some(resource) = ip.resource {
                    let address = ip.address.split('/').next().unwrap_or_default();
                    addresses.push((resource.id, address.to_owned()));
                }
            }
        }
        Ok(addresses)
    }
}

/// The permission sets of an IAM policy.
pub(crate) fn role(config: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    let is_public = config
        .get(ADDRESS_TYPE.name)
        .is_some_and(|word| word.starts_with("public"));
    let ipam = if is_public { "" } else { "IPAMReadOnly\n" };
    Ok(RoleDocument::new(format!("InstancesReadOnly\n{ipam}"))
        .with_note("these are the permission sets of an IAM policy, one a line"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let mut differences =
        vec!["go-discover returns an empty address for an instance of today's kind".to_owned()];
    if config
        .get(REGION.name)
        .is_some_and(|region| !matches!(region, "" | "par1" | "ams1"))
    {
        differences.push("go-discover knows the regions `par1` and `ams1` only".to_owned());
    }
    if config.get(TOKEN.name).is_none() {
        differences.push("go-discover reads the token from `token` only".to_owned());
    }
    if config
        .get(TAG_NAME.name)
        .is_some_and(|tags| tags.contains(','))
    {
        differences.push("go-discover takes `tag_name` as the name of one tag".to_owned());
    }
    differences
}
