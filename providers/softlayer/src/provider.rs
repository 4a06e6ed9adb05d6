//! From options to the one request there is: `SoftLayer_Account/getVirtualGuests`, page by page.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::error::{CredentialError, SourceReport};
use cloud_autojoin_core::{Call, ConfigString, Context, Discovery, Provider, Result, Secret};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::go_discover::{Absent, Given, differences};
use cloud_autojoin_provider_kit::{ApiClient, Options, Selection};
use serde_json::json;
use url::Url;

use crate::api::{API, Guest};
use crate::credential::ConfigFile;
use crate::keys::{
    ADDRESS_TYPE, API_KEY, DATACENTER, ENDPOINT, NAME, POWER_STATE, TAG_VALUE, USERNAME,
};

const DEFAULT_ENDPOINT: &str = "https://api.softlayer.com/rest/v3";

/// How many guests are requested in one page.
const PAGE_SIZE: u64 = 500;

const MASK: &str = "mask[id,hostname,domain,tagReferences[tag[name]],primaryBackendIpAddress,primaryIpAddress,datacenter[name],powerState[keyName]]";

/// Virtual guests of one account, by tag and datacenter.
#[derive(Debug)]
pub struct SoftLayer {
    context: Context,
    /// The credential that is given; else that of the configuration file is used.
    given: Option<Arc<StaticHeader>>,
    username: Option<String>,
    api_key: Option<Secret>,
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
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE);
    let (tag, datacenter) = (options.text(&TAG_VALUE), options.text(&DATACENTER));
    let endpoint = options.endpoint(&ENDPOINT).map(rest);
    options.finish(|| {
        Some(Box::new(SoftLayer {
            context: context.clone(),
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
        let place = self.datacenter.as_ref();
        let place = place.map_or_else(String::new, |name| format!(" in datacenter `{name}`"));
        format!("virtual guests with tag `{}`{place}", self.tag)
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let client = self.client().await?;
        let limit = |offset: u64| format!("{offset},{PAGE_SIZE}");
        let query = [
            ("objectMask", MASK),
            ("objectFilter", &self.filter()),
            ("resultLimit", &limit(0)),
        ];
        let path = ["SoftLayer_Account", "getVirtualGuests.json"];
        let request = client.get("list virtual guests", &path, &query);
        let mut pages = client.pages(request, call);
        while let Some(guests) = pages.next_json::<Vec<Guest>>().await? {
            let total = pages.header_number("softlayer-total-items");
            let offset = pages.next_offset(PAGE_SIZE, guests.len(), total);
            pages.follow_query("resultLimit", offset.map(limit))?;
            self.selection.record(&mut discovery, guests);
        }
        let nothing = "no virtual guest in the datacenter has the tag, or the user may not see any";
        let hint = "check `tag_value` and `datacenter`, and that the user has the permission `View Virtual Server Details`: without it the list is empty";
        Ok(client.conclude(discovery, nothing, hint))
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
        let of_file = file.endpoint.and_then(|text| Url::parse(&text).ok());
        let of_file = of_file.filter(|url| url.scheme() == "https").map(rest);
        let default = || Url::parse(DEFAULT_ENDPOINT).ok();
        let endpoint = self.endpoint.clone().or(of_file).or_else(default);
        let endpoint = endpoint.ok_or_else(|| no_credential("no endpoint"))?;
        Ok(ApiClient::new(&self.context, &API, endpoint).with_authorizer(credential))
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
        let equals = |value: &str| json!({"name": {"operation": value}});
        let mut guests = json!({});
        if let Some(datacenter) = &self.datacenter {
            guests["datacenter"] = equals(datacenter);
        }
        guests["tagReferences"] = json!({"tag": equals(&self.tag)});
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
    let table = [
        (Absent(&DATACENTER), "finds nothing without `datacenter`"),
        (
            Given(&ADDRESS_TYPE),
            "ignores `address_type` and returns private addresses",
        ),
        (
            Given(&POWER_STATE),
            "ignores `power_state` and returns guests in any state",
        ),
    ];
    differences(config, &table)
}
