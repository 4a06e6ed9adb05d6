//! From options to the requests: a token with the catalog, then the servers, page by page.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::credential::Chain;
use cloud_autojoin_core::http::Authorizer as _;
use cloud_autojoin_core::{
    Call, ConfigString, Context, Detail, Discovery, Finding, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::BearerAuthorizer;
use cloud_autojoin_provider_kit::select::{TagFilter, TagNearMisses};
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options, PowerState, Selection};
use http::header::HeaderName;
use url::Url;

use crate::api::{OpenStackApi, PERMISSION, ServerPage};
use crate::keys::{
    ADDRESS_TYPE, AUTH_URL, CLOUD, ENDPOINT, INSECURE, KEYS, METADATA_ENDPOINT, NETWORK,
    POWER_STATE, PROJECT_ID, REGION, TAG, TAG_KEY, TAG_VALUE,
};
use crate::keystone::{Keystone, Session, TokenSource};
use crate::select::instance;
use crate::settings::Settings;

/// The name after `provider=`.
pub(crate) const NAME: &str = "os";

/// The header that holds a token.
const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Servers of one project, by metadata.
#[derive(Debug)]
pub struct OpenStack {
    context: Context,
    keystone: Arc<Keystone>,
    authorizer: Arc<BearerAuthorizer>,
    endpoint: Option<Url>,
    networks: Vec<String>,
    selection: Selection,
    has_tag_pair: bool,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let mut tags = options.family(&TAG);
    let has_tag_pair = options.is_given(&TAG_KEY);
    match (options.text(&TAG_KEY), options.text(&TAG_VALUE)) {
        (Some(key), Some(value)) => tags.insert(0, (key, value)),
        (Some(_), None) => options.add_missing(&TAG_VALUE, Some("`tag_key` is given")),
        (None, Some(_)) => options.add_missing(&TAG_KEY, Some("`tag_value` is given")),
        (None, None) if tags.is_empty() => options.add_missing(
            &TAG_KEY,
            Some("it says which servers to find, with `tag_value`"),
        ),
        (None, None) => {}
    }
    let selection = Selection {
        tags: TagFilter::new(tags),
        address_type: options
            .word(&ADDRESS_TYPE, AddressType::from_word)
            .unwrap_or_default(),
        power_state: options
            .word(&POWER_STATE, PowerState::from_word)
            .unwrap_or_default(),
        ..Selection::default()
    };
    let settings = Settings::read(options);
    // As in OpenStack's own client, what is given here counts more than the file.
    let cloud = options
        .text(&CLOUD)
        .filter(|_| !options.is_given(&AUTH_URL) || options.config().get(CLOUD.name).is_some());
    if cloud.is_none() {
        if !options.is_given(&AUTH_URL) {
            options.add_missing(&AUTH_URL, Some("`cloud` isn't given either"));
        }
        options.accept(settings.auth_body());
    }
    let (networks, endpoint, metadata) = (
        options.list(&NETWORK),
        options.url(&ENDPOINT),
        options.url(&METADATA_ENDPOINT),
    );
    options.finish(|| {
        let keystone = Keystone::new(context, settings, cloud, metadata?);
        let chain = Chain::new(NAME, vec![Box::new(TokenSource(Arc::clone(&keystone)))]);
        let authorizer = Arc::new(BearerAuthorizer::new(NAME, chain, "").with_header(X_AUTH_TOKEN));
        Some(Box::new(OpenStack {
            context: context.clone(),
            keystone,
            authorizer,
            endpoint,
            networks,
            selection,
            has_tag_pair,
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for OpenStack {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let tags: Vec<String> = self
            .selection
            .tags
            .conditions()
            .iter()
            .map(|(key, value)| format!("`{key}` = `{value}`"))
            .collect();
        format!("servers with metadata {}", tags.join(" and "))
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let project = self
            .keystone
            .session()
            .map(|session| session.project.clone());
        project
            .map(|project| (PROJECT_ID.name, project))
            .into_iter()
            .collect()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let mut near_misses = TagNearMisses::default();
        // The catalog comes with the token.
        self.authorizer.token(call).await?;
        let Some(session) = self.keystone.session() else {
            return Ok(discovery);
        };
        if let Some(identity) = self.authorizer.identity() {
            discovery.set_identity(identity);
        }
        let regions = session.regions();
        let endpoints = match &self.endpoint {
            Some(endpoint) => vec![(regions.join(","), endpoint.clone())],
            // All of them first: with one region missing there is no whole list.
            None => regions
                .iter()
                .map(|region| Ok((region.clone(), session.compute(region)?)))
                .collect::<Result<_>>()?,
        };
        for (region, endpoint) in endpoints {
            self.list(
                &region,
                endpoint,
                &session,
                &mut discovery,
                &mut near_misses,
                call,
            )
            .await?;
        }
        if discovery.matched() == 0 {
            discovery.add_finding(self.nothing_matched(&discovery, &near_misses, &regions));
        }
        Ok(discovery)
    }
}

impl OpenStack {
    async fn list(
        &self,
        region: &str,
        endpoint: Url,
        session: &Session,
        discovery: &mut Discovery,
        near_misses: &mut TagNearMisses,
        call: &Call,
    ) -> Result<()> {
        let client = ApiClient::new(&self.context, &OpenStackApi, endpoint)
            .with_http(session.http.clone())
            .with_authorizer(self.authorizer.clone());
        // To explain why servers don't match, all are listed.
        let only_active = self.selection.power_state == PowerState::Running
            && call.detail() != Detail::Everything;
        let query: &[(&str, &str)] = if only_active {
            &[("status", "ACTIVE")]
        } else {
            &[]
        };
        let mut pages = client.pages(
            client.get("list servers", &["servers", "detail"], query),
            call,
        );
        while let Some(page) = pages.next_json::<ServerPage>().await? {
            pages.follow_query("marker", page.next_marker())?;
            for server in page.servers {
                let instance = instance(server, &session.project, region, &self.networks);
                near_misses.observe(&self.selection.tags, &instance.tags);
                discovery.record(self.selection.apply(instance));
            }
        }
        Ok(())
    }

    fn nothing_matched(
        &self,
        discovery: &Discovery,
        near_misses: &TagNearMisses,
        regions: &[String],
    ) -> Finding {
        let first = self
            .selection
            .tags
            .conditions()
            .first()
            .map(|(key, _)| key.as_str());
        let is_pair = |key: &str| self.has_tag_pair && Some(key) == first;
        let key_of = |key: &str| {
            if is_pair(key) {
                TAG_VALUE.name.to_owned()
            } else {
                format!("{}{key}", TAG.name)
            }
        };
        if let Some(finding) = near_misses.finding(key_of) {
            return finding;
        }
        let running = if self.selection.power_state == PowerState::Running {
            "running "
        } else {
            ""
        };
        match discovery.examined() {
            0 => Finding::new(format!("the project has no {running}servers in region `{}`", regions.join("`, `")))
                .with_hint("check the project and `region`; `openstack server list` shows the servers of the project"),
            examined => Finding::new(format!("none of {examined} servers gives an address"))
                .with_hint("check the metadata and `address_type`; `discover explain` says why, server by server"),
        }
    }
}

/// What the policy of Nova must allow.
///
/// # Errors
///
/// As building the provider.
pub(crate) fn role(
    config: &ConfigString,
    context: &Context,
    _: RoleFormat,
) -> Result<RoleDocument> {
    build(
        &mut Options::new(NAME, KEYS, config, context.env()),
        context,
    )?;
    let text = format!(
        "# policy.yaml of Nova: its default, which a member of the project with the role `reader` meets\n\"{PERMISSION}\": \"rule:project_reader_or_admin\"\n"
    );
    Ok(RoleDocument::new(text).with_note(
        "assign the role with `openstack role add --user USER --project PROJECT reader`",
    ))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let mut differences = Vec::new();
    if config.get(POWER_STATE.name) != Some("any") {
        differences.push("go-discover lists stopped and failed servers, too".to_owned());
    }
    if config
        .get(INSECURE.name)
        .is_some_and(|text| !text.is_empty())
    {
        differences.push(
            "go-discover verifies no certificate whatever the value of `insecure` is".to_owned(),
        );
    }
    if config.get("username").is_some() {
        differences.push("go-discover ignores `username`".to_owned());
    }
    if config
        .get(REGION.name)
        .is_some_and(|regions| regions.contains(','))
    {
        differences.push("go-discover takes `region` as one region".to_owned());
    }
    differences
}
