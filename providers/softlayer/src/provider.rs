//! From options to the one request there is: `SoftLayer_Account/getVirtualGuests`, page by page.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::error::{CredentialError, SourceReport};
use cloud_autojoin_core::{Call, ConfigString, Context, Discovery, Finding, Provider, Result};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options, PowerState, Selection};
use serde_json::json;
use url::Url;

use crate::api::{Guest, SoftLayerApi};
use crate::credential::ConfigFile;
use crate::keys::{ADDRESS_TYPE, API_KEY, DATACENTER, ENDPOINT, POWER_STATE, TAG_VALUE, USERNAME};

/// The name after `provider=`.
pub(crate) const NAME: &str = "softlayer";

const DEFAULT_ENDPOINT: &str = "https://api.softlayer.com/rest/v3";

/// How many guests are asked for in one page.
const PAGE_SIZE: u64 = 500;

const MASK: &str = "mask[id,hostname,domain,tagReferences[tag[name]],primaryBackendIpAddress,primaryIpAddress,datacenter[name],powerState[keyName]]";

/// Virtual guests of one account, by tag and datacenter.
#[derive(Debug)]
pub struct SoftLayer {
    context: Context,
    /// The credential that is given; else that of the configuration file is used.
    given: Option<Arc<StaticHeader>>,
    username: Option<String>,
    api_key: Option<cloud_autojoin_core::Secret>,
    endpoint: Option<Url>,
    tag: String,
    datacenter: Option<String>,
    selection: Selection,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let (username, api_key) = (options.text(&USERNAME), options.secret(&API_KEY));
    let header = username
        .as_ref()
        .zip(api_key.as_ref())
        .map(|(user, key)| StaticHeader::basic(API_KEY.name, user, key));
    let given = header.and_then(|header| options.accept(header));
    let selection = Selection {
        address_type: options
            .word(&ADDRESS_TYPE, AddressType::from_word)
            .unwrap_or_default(),
        power_state: options
            .word(&POWER_STATE, PowerState::from_word)
            .unwrap_or_default(),
        ..Selection::default()
    };
    let (tag, datacenter) = (options.text(&TAG_VALUE), options.text(&DATACENTER));
    let endpoint = options.endpoint(&ENDPOINT).map(rest);
    options.finish(|| {
        let context = context.clone();
        Some(Box::new(SoftLayer {
            context,
            given,
            username,
            api_key,
            endpoint,
            tag: tag?,
            datacenter,
            selection,
        }) as Box<dyn Provider>)
    })
}

/// The REST endpoint beside an XML-RPC one, which IBM's own tools are configured with.
fn rest(mut url: Url) -> Url {
    let path = url.path().replace("/xmlrpc/", "/rest/");
    url.set_path(&path);
    url
}

#[async_trait]
impl Provider for SoftLayer {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let place = self
            .datacenter
            .as_ref()
            .map(|datacenter| format!(" in datacenter `{datacenter}`"))
            .unwrap_or_default();
        format!("virtual guests with tag `{}`{place}", self.tag)
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let client = self.client().await?;
        let (mask, filter) = (("objectMask", MASK), self.filter());
        let limit = |offset: u64| format!("{offset},{PAGE_SIZE}");
        let query = [mask, ("objectFilter", &filter), ("resultLimit", &limit(0))];
        let mut pages = client.pages(
            client.get(
                "list virtual guests",
                &["SoftLayer_Account", "getVirtualGuests.json"],
                &query,
            ),
            call,
        );
        let mut offset = 0;
        while let Some(guests) = pages.next_json::<Vec<Guest>>().await? {
            let is_full = guests.len() as u64 >= PAGE_SIZE;
            offset += PAGE_SIZE;
            let has_next = pages
                .header_number("softlayer-total-items")
                .map_or(is_full, |total| offset < total);
            pages.follow_query("resultLimit", has_next.then(|| limit(offset)))?;
            guests
                .into_iter()
                .for_each(|guest| discovery.record(self.selection.apply(guest.into())));
        }
        if discovery.examined() == 0 {
            let finding = Finding::new(
                "no virtual guest in the datacenter has the tag, or the user may not see any",
            );
            discovery.add_finding(finding.with_hint(
                "check `tag_value` and `datacenter`, and that the user has the permission `View Virtual Server Details`: without it the list is empty",
            ));
        }
        if let Some(identity) = client.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl SoftLayer {
    /// A client with the credential that is given, else with that of the configuration file.
    async fn client(&self) -> Result<ApiClient> {
        let file = if self.given.is_none() || self.endpoint.is_none() {
            ConfigFile::read(&self.context).await
        } else {
            ConfigFile::default()
        };
        let credential = match &self.given {
            Some(given) => Arc::clone(given),
            None => self.of_file(&file)?,
        };
        // Only https: the file isn't checked as the key is.
        let of_file = || {
            file.endpoint
                .as_deref()
                .and_then(|text| Url::parse(text).ok())
                .filter(|url| url.scheme() == "https")
                .map(rest)
        };
        let default = || Url::parse(DEFAULT_ENDPOINT).ok();
        let Some(endpoint) = self.endpoint.clone().or_else(of_file).or_else(default) else {
            return Err(no_credential("no endpoint").into());
        };
        Ok(ApiClient::new(&self.context, &SoftLayerApi, endpoint).with_authorizer(credential))
    }

    /// The credential of which `file` gives what the join string and the environment don't.
    fn of_file(&self, file: &ConfigFile) -> Result<Arc<StaticHeader>, CredentialError> {
        let user = self.username.as_ref().or(file.username.as_ref());
        let key = self.api_key.as_ref().or(file.api_key.as_ref());
        let (Some(user), Some(key)) = (user, key) else {
            return Err(no_credential(
                file.problem.as_deref().unwrap_or("it is incomplete"),
            ));
        };
        StaticHeader::basic("~/.softlayer", user, key)
            .map_err(|problem| no_credential(&problem.message))
    }

    /// Values go to the service as they are, which takes `~ ! < > *` at their beginning as
    /// operators.
    fn filter(&self) -> String {
        let mut guests = json!({"tagReferences": {"tag": {"name": {"operation": self.tag}}}});
        if let Some(datacenter) = &self.datacenter {
            guests["datacenter"] = json!({"name": {"operation": datacenter}});
        }
        json!({"virtualGuests": guests}).to_string()
    }
}

fn no_credential(reason: &str) -> CredentialError {
    let given = SourceReport::not_configured(
        "join string and environment",
        "`username` and `api_key` aren't both set",
    );
    CredentialError::new(
        NAME,
        vec![given, SourceReport::not_configured("~/.softlayer", reason)],
    )
    .with_hint("set `username` and `api_key`, or SL_USERNAME and SL_API_KEY")
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let mut differences = Vec::new();
    if config.get(DATACENTER.name).is_none() {
        differences.push("go-discover finds nothing without `datacenter`".to_owned());
    }
    if config.get(ADDRESS_TYPE.name).is_some() || config.get(POWER_STATE.name).is_some() {
        differences.push(
            "go-discover returns the private addresses of guests in any power state".to_owned(),
        );
    }
    differences
}
