//! From options to the requests: the project and a token, then the aggregated list of instances.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Detail, Discovery, Finding, Node, Parent, Provider,
    Result,
};
use cloud_autojoin_provider_kit::auth::BearerAuthorizer;
use cloud_autojoin_provider_kit::auth::google::{MetadataServer, chain};
use cloud_autojoin_provider_kit::go_discover::{When, differences};
use cloud_autojoin_provider_kit::select::{TagFilter, TagNearMisses};
use cloud_autojoin_provider_kit::{ApiClient, Options, Selection};
use futures::future::join;

use crate::api::{
    AggregatedPage, ComputeApi, Instance, LIST_INSTANCES, LIST_QUERY, NEXT_PAGE_TOKEN, PAGE_TOKEN,
};
use crate::group;
use crate::keys::{
    ADDRESS_TYPE, CREDENTIALS_FILE, ENDPOINT, INSTANCE_GROUP, INTERFACES, LABEL, LABEL_KEY,
    LABEL_VALUE, NAME, POWER_STATE, PROJECT_NAME, REGION, TAG_VALUE, ZONE, ZONE_PATTERN,
};
use crate::select::{Conditions, Group, Places, filter, zone_pattern};

/// The scope of a token. go-discover requests `compute`, which may change things too.
const SCOPE: &str = "https://www.googleapis.com/auth/compute.readonly";

/// What is needed of an instance: without it, a page holds every start-up script.
const FIELDS: &str = "items/*/instances(id,name,status,labels,tags/items,networkInterfaces(name,networkIP,ipv6Address,accessConfigs/natIP,ipv6AccessConfigs/externalIpv6)),\
                      items/*/warning(code,message),nextPageToken,unreachables,warning(code,message)";

/// What a join string asks for.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) project: Option<String>,
    pub(crate) group: Option<String>,
    conditions: Conditions,
    selection: Selection,
}

impl Settings {
    /// Reads everything but the credentials and the endpoint.
    pub(crate) fn read(options: &mut Options<'_>) -> Self {
        let labels = [&LABEL_KEY, &LABEL_VALUE, &LABEL];
        let mut tags = TagFilter::default();
        if labels.iter().any(|key| options.is_given(key)) {
            tags = TagFilter::from_options(options, &LABEL_KEY, &LABEL_VALUE, &[&LABEL]);
        } else if !options.is_given(&TAG_VALUE) && !options.is_given(&INSTANCE_GROUP) {
            let message =
                "none of `tag_value`, `label_key`, `tag.NAME` and `instance_group` is given";
            let problem = ConfigProblem::of_key(TAG_VALUE.name, message);
            let hint = "say which instances to find, as `tag_value=consul-server`";
            options.add_problem(problem.with_hint(hint));
        }
        for (key, _) in tags.conditions() {
            // The API takes the name without quotes, so it must not be able to go on.
            let is_allowed = |letter: char| letter.is_alphanumeric() || "_-".contains(letter);
            if !key.chars().all(is_allowed) {
                let message = format!("`{key}` can't be the key of a label");
                let problem = ConfigProblem::of_key(LABEL.name, message);
                let hint = "a key has lower-case letters, digits, `_` and `-`";
                options.add_problem(problem.with_hint(hint));
            }
        }
        let pattern = options.text(&ZONE_PATTERN);
        let places = Places {
            pattern: pattern.and_then(|text| options.accept(zone_pattern(&text))),
            zones: options.list(&ZONE),
            regions: options.list(&REGION),
        };
        let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE);
        Self {
            project: options.text(&PROJECT_NAME),
            group: options.text(&INSTANCE_GROUP),
            conditions: Conditions {
                tags: options.list(&TAG_VALUE),
                places,
            },
            selection: selection
                .with_tags(tags)
                .with_interfaces(options, &INTERFACES),
        }
    }
}

/// Instances of one project, by network tag, label or instance group.
#[derive(Debug)]
pub struct Gce {
    settings: Settings,
    client: ApiClient,
    authorizer: Arc<BearerAuthorizer>,
    metadata: MetadataServer,
    /// The project of this instance, once it is known.
    own_project: OnceLock<String>,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let settings = Settings::read(options);
    let (endpoint, file) = (options.endpoint(&ENDPOINT), options.text(&CREDENTIALS_FILE));
    let metadata = options.accept(MetadataServer::new(context));
    options.finish(|| {
        let metadata = metadata?;
        let chain = chain(file, context, metadata.clone());
        let authorizer = Arc::new(BearerAuthorizer::new(NAME, chain, SCOPE));
        let client = ApiClient::new(context, &ComputeApi, endpoint?);
        Some(Box::new(Gce {
            settings,
            client: client.with_authorizer(authorizer.clone()),
            authorizer,
            metadata,
            own_project: OnceLock::new(),
        }) as Box<dyn Provider>)
    })
}

#[async_trait]
impl Provider for Gce {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let settings = &self.settings;
        let tags = settings.conditions.tags.iter();
        let tags = tags.map(|tag| format!("network tag `{tag}`"));
        let labels = settings.selection.tags.conditions().iter();
        let labels = labels.map(|(key, value)| format!("label `{key}` = `{value}`"));
        let conditions: Vec<String> = tags.chain(labels).collect();
        let mut subject = "instances".to_owned();
        if let Some(group) = &settings.group {
            subject += &format!(" of instance group `{group}`");
        }
        if !conditions.is_empty() {
            subject += &format!(" with {}", conditions.join(" and "));
        }
        if let Some(project) = &settings.project {
            subject += &format!(" in project `{project}`");
        }
        subject
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        Vec::from_iter(
            self.known_project()
                .map(|project| (PROJECT_NAME.name, project.clone())),
        )
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        self.client.connecting(call, self.find(call)).await
    }
}

impl Gce {
    async fn find(&self, call: &Call) -> Result<Discovery> {
        let (project, token) = join(self.project(call), self.authorizer.token(call)).await;
        let project = project?;
        token?;
        let path = ["compute", "v1", "projects", project];
        let client = self.client.below(&path);
        let mut conditions = self.settings.conditions.clone();
        if conditions.places.names_self() {
            let zone = self.metadata.zone(call).await?;
            conditions.places = conditions.places.seen_from(&zone);
        }
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let mut group = None;
        if let Some(name) = &self.settings.group {
            match group::find(name, &self.metadata, &client, &conditions.places, call).await? {
                Ok(found) => group = Some(found),
                Err(name) => {
                    let message =
                        format!("project `{project}` has no managed instance group `{name}`");
                    let hint = "check `instance_group`; `gcloud compute instance-groups managed list` shows the groups";
                    return Ok(client.conclude(discovery, &message, hint));
                }
            }
        }
        let (tags, mut near_misses) = (&self.settings.selection.tags, TagNearMisses::default());
        let [size, partial] = LIST_QUERY;
        let mut query = vec![size, partial, ("fields", FIELDS)];
        // To explain why instances don't match, all are listed.
        let filter = filter(&conditions.tags, tags.conditions());
        if call.detail() != Detail::Everything && !filter.is_empty() {
            query.push(("filter", &filter));
        }
        let first = client.get(LIST_INSTANCES, &["aggregated", "instances"], &query);
        let mut pages = client.pages(first, call).ahead(PAGE_TOKEN, NEXT_PAGE_TOKEN);
        while let Some(page) = pages.next_json::<AggregatedPage<Instance>>().await? {
            page.require_complete(LIST_INSTANCES, |place| conditions.places.include(place))?;
            pages.follow_query(PAGE_TOKEN, page.next_page_token)?;
            for (place, scoped) in page.items {
                for instance in scoped.list {
                    let instance = conditions.instance(project, &place, instance, group.as_ref());
                    let node = self.node(instance, group.as_ref());
                    near_misses.record(tags, &mut discovery, node);
                }
            }
        }
        near_misses.conclude(tags, &mut discovery);
        let examined = discovery.examined();
        if examined > 0 && discovery.matched() == 0 && discovery.findings().is_empty() {
            let message =
                format!("none of {examined} instances of project `{project}` gives an address");
            let hint = "`discover explain` says why, instance by instance";
            discovery.add_finding(Finding::new(message).with_hint(hint));
        }
        let nothing = format!("project `{project}` has no such instance");
        let hint = "check `project_name`, the network tag and the label; `discover explain` lists every instance of the project with its reason";
        Ok(client.conclude(discovery, &nothing, hint))
    }

    fn node(&self, instance: cloud_autojoin_provider_kit::Instance, group: Option<&Group>) -> Node {
        let group = group.filter(|_| instance.excluded.is_none());
        let mut node = self.settings.selection.apply(instance);
        let parent = group.map(|group| Parent::new("instance group", &group.name));
        node.parents.extend(parent);
        node
    }

    /// The project of the join string, or that of this instance once it is known.
    fn known_project(&self) -> Option<&String> {
        let given = self.settings.project.as_ref();
        given.or_else(|| self.own_project.get())
    }

    async fn project(&self, call: &Call) -> Result<&str> {
        if let Some(known) = self.known_project() {
            return Ok(known);
        }
        let operation = "read the project of this instance";
        let advice = "add `project_name=...`: without it the project is the one of this instance of Compute Engine";
        let path = "project/project-id";
        let project = self.metadata.text(operation, path, advice, call).await?;
        Ok(self.own_project.get_or_init(|| project))
    }
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let labels = "up to 1.4.0 ignores labels and returns every instance with the network tag";
    let table = [
        (When::Several(&TAG_VALUE), "takes it as one network tag"),
        (When::Given(&LABEL_KEY), labels),
        (When::Given(&INSTANCE_GROUP), "ignores `instance_group`"),
        (When::Given(&ZONE), "ignores `zone`"),
        (When::Given(&REGION), "ignores `region`"),
        (When::Given(&ADDRESS_TYPE), "ignores `address_type`"),
        (When::Given(&INTERFACES), "ignores `interfaces`"),
        (When::Given(&POWER_STATE), "ignores `power_state`"),
        (When::Given(&ENDPOINT), "ignores `endpoint`"),
    ];
    differences(config, &table)
}
