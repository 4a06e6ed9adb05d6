//! From options to the servers of each zone and, beside them, the addresses of each region.

use std::collections::BTreeSet;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::go_discover::{Absent, Always, Several, differences};
use cloud_autojoin_provider_kit::{ApiClient, Options, Pages, Places, Selection, TagFilter};
use futures::future::try_join_all;

use crate::api::{API, Ip, IpPage, LIST_ADDRESSES, Server, ServerPage};
use crate::keys::{ADDRESS_TYPE, ENDPOINT, NAME, POWER_STATE, REGION, TAG_NAME, TOKEN};
use crate::select::{self, NicAddresses};

/// The most items the APIs give in one page.
const PAGE_SIZE: u64 = 100;

/// Instances of one organization, by tag.
#[derive(Debug)]
pub struct Scaleway {
    client: ApiClient,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let authorizer = StaticHeader::header_from(options, &TOKEN, "x-auth-token");
    let zones = options.list(&REGION).into_iter();
    let zones = zones.filter_map(|text| options.accept(zone(&text)));
    let zones = zones.collect();
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        .with_tags(TagFilter::of_names(options.list(&TAG_NAME)))
        .with_places(Places::new("zone", zones));
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
        let client = ApiClient::new(context, &API, endpoint?).with_authorizer(authorizer?);
        Some(Box::new(Scaleway { client, selection }) as Box<dyn Provider>)
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
        self.selection.subject("instances")
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let zones = self.selection.places.names();
        let servers = try_join_all(zones.iter().map(|zone| self.servers(zone, call)));
        let (servers, addresses) = futures::try_join!(servers, self.private_addresses(call))?;
        for (zone, servers) in zones.iter().zip(servers) {
            let instance = |server| select::instance(server, zone, &addresses);
            self.selection
                .record(&mut discovery, servers.into_iter().map(instance));
        }
        let hint = "check `tag_name` and `region`; `scw instance server list zone=all` shows the instances with their tags";
        let nothing = "no instance of the zone has the tag";
        Ok(self.client.conclude(discovery, nothing, hint))
    }
}

impl Scaleway {
    async fn servers(&self, zone: &str, call: &Call) -> Result<Vec<Server>> {
        let query = [
            ("tags", self.selection.tags.first_name()),
            ("per_page", &PAGE_SIZE.to_string()),
        ];
        let path = ["instance", "v1", "zones", zone, "servers"];
        let request = self.client.get("list instances", &path, &query);
        let read = |page: ServerPage, pages: &mut Pages<'_>| {
            let total = pages.header_number("x-total-count");
            follow(pages, page.servers.len(), total)?;
            Ok(page.servers)
        };
        self.client.pages(request, call).collect(read).await
    }

    /// The addresses in private networks of every region, where private addresses are wanted: one
    /// list instead of a request for each instance.
    async fn private_addresses(&self, call: &Call) -> Result<NicAddresses> {
        let mut addresses = NicAddresses::new();
        if self.selection.address_type.is_public() {
            return Ok(addresses);
        }
        let zones = self.selection.places.names().iter();
        let regions: BTreeSet<&str> = zones
            .filter_map(|zone| Some(zone.rsplit_once('-')?.0))
            .collect();
        let lists = regions
            .into_iter()
            .map(|region| self.addresses_of(region, call));
        for ip in try_join_all(lists).await?.into_iter().flatten() {
            if let Some(resource) = ip.resource {
                let address = ip.address.split('/').next().unwrap_or_default();
                let of_nic = addresses.entry(resource.id).or_default();
                of_nic.push(address.to_owned());
            }
        }
        Ok(addresses)
    }

    /// The addresses of the network interfaces of a region.
    async fn addresses_of(&self, region: &str, call: &Call) -> Result<Vec<Ip>> {
        let query = [
            ("resource_type", "instance_private_nic"),
            ("attached", "true"),
            ("page_size", &PAGE_SIZE.to_string()),
        ];
        let path = ["ipam", "v1", "regions", region, "ips"];
        let request = self.client.get(LIST_ADDRESSES, &path, &query);
        let read = |page: IpPage, pages: &mut Pages<'_>| {
            follow(pages, page.ips.len(), Some(page.total_count))?;
            Ok(page.ips)
        };
        self.client.pages(request, call).collect(read).await
    }
}

/// Both APIs number their pages from 1.
fn follow(pages: &mut Pages<'_>, found: usize, total: Option<u64>) -> Result<()> {
    let offset = pages.next_offset(PAGE_SIZE, found, total);
    pages.follow_query("page", offset.map(|offset| offset / PAGE_SIZE + 1))
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
    let mut table = vec![
        (
            Always,
            "returns an empty address for an instance of today's kind",
        ),
        (Absent(&TOKEN), "reads the token from `token` only"),
        (
            Several(&TAG_NAME),
            "takes `tag_name` as the name of one tag",
        ),
    ];
    if !matches!(config.get(REGION.name), None | Some("" | "par1" | "ams1")) {
        table.push((Always, "knows the regions `par1` and `ams1` only"));
    }
    differences(config, &table)
}
