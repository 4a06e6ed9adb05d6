//! From options to the lists of every region.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, Context, Discovery, Error, Finding, Node, Provider, Result,
    TransportFailure,
};
use cloud_autojoin_provider_kit::auth::aws::{AwsConfig, Endpoints, Service, region_of_zone};
use cloud_autojoin_provider_kit::auth::{AccessKey, AccessKeys};
use cloud_autojoin_provider_kit::select::Interfaces;
use cloud_autojoin_provider_kit::{
    AddressType, Options, Places, PowerState, Selection, TagFilter, keys,
};
use futures::future::try_join_all;
use tokio::sync::OnceCell;

use crate::ecs::Tasks;
use crate::keys::{
    ACCESS_KEY_ID, ADDRESS_TYPE, ECS_CLUSTER, ECS_FAMILY, INTERFACES, NAME, POWER_STATE, REGION,
    SECRET_ACCESS_KEY, SERVICE, SESSION_TOKEN, TAG_KEY, TAG_VALUE, USE_DUAL_STACK, USE_FIPS,
};
use crate::select::node;
use crate::{ec2, ecs};

/// Stands for what this machine or task itself has.
const SELF: &str = "self";

/// EC2 instances or ECS tasks of one or more regions, by tag.
#[derive(Debug)]
pub struct Aws {
    config: AwsConfig,
    keys: Arc<AccessKeys>,
    wanted: Wanted,
    /// `wanted` without `self`, looked up once.
    resolved: OnceCell<Wanted>,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Tags, addresses, states and regions; without regions that of the shared profile or this
    /// machine.
    pub(crate) selection: Selection,
    pub(crate) target: Target,
}

#[derive(Debug, Clone)]
pub(crate) enum Target {
    Instances {
        /// Whether the IPv4 addresses of further interfaces count, which go-discover ignores.
        all_ipv4: bool,
    },
    Tasks(Tasks),
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let key = AccessKey::from_options(options, &ACCESS_KEY_ID, &SECRET_ACCESS_KEY, &SESSION_TOKEN);
    let regions = options.list(&REGION);
    for zone in &regions {
        if let Some(region) = region_of_zone(zone) {
            let problem = format!("`{zone}` is an availability zone");
            let problem = ConfigProblem::of_key(REGION.name, problem);
            options.add_problem(problem.with_hint(format!("write its region, `{region}`")));
        }
    }
    let service = options.word(&SERVICE, Service::from_name);
    let mut wanted = match service {
        Some(Service::Ecs) => tasks(options),
        _ => instances(options),
    };
    wanted.selection.places = Places::new("region", regions);
    let endpoints = Endpoints {
        given: service.zip(options.endpoint(&keys::ENDPOINT)),
        fips: options.boolean(&USE_FIPS),
        dual_stack: options.boolean(&USE_DUAL_STACK),
    };
    options.finish(|| {
        let config = AwsConfig::new(context, endpoints);
        Some(Box::new(Aws {
            keys: config.keys(key),
            config,
            wanted,
            resolved: OnceCell::new(),
        }) as Box<dyn Provider>)
    })
}

/// Without `interfaces` the IPv4 addresses of the primary interface count, and all IPv6 addresses.
fn instances(options: &mut Options<'_>) -> Wanted {
    let interfaces = options.word(&INTERFACES, Interfaces::from_word);
    let mut selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE);
    selection.tags = tags(options, true).with_wildcards();
    selection.interfaces = interfaces.unwrap_or(Interfaces::All);
    let all_ipv4 = interfaces == Some(Interfaces::All);
    let target = Target::Instances { all_ipv4 };
    Wanted { selection, target }
}

/// Tasks have private IPv4 addresses, whatever type is requested, and their tags no wildcards.
fn tasks(options: &mut Options<'_>) -> Wanted {
    let (clusters, families) = (options.list(&ECS_CLUSTER), options.list(&ECS_FAMILY));
    let selection = Selection {
        tags: tags(options, clusters.is_empty() && families.is_empty()),
        address_type: AddressType::PrivateV4,
        power_state: PowerState::Running,
        ..Selection::default()
    };
    let target = Target::Tasks(Tasks { clusters, families });
    Wanted { selection, target }
}

/// The tags that must hold: `tag_key` and every `tag.NAME`.
fn tags(options: &mut Options<'_>, is_required: bool) -> TagFilter {
    let mut tags = options.family(&keys::TAG);
    let value = options.text(&TAG_VALUE);
    match options.text(&TAG_KEY) {
        Some(key) => tags.insert(0, (key, value.unwrap_or_default())),
        None if value.is_some() => options.add_missing(&TAG_KEY, Some("`tag_value` is given")),
        None if tags.is_empty() && is_required => options.add_missing(&TAG_KEY, None),
        None => {}
    }
    TagFilter::new(tags).with_value_key(options.is_given(&TAG_KEY).then_some(TAG_VALUE.name))
}

#[async_trait]
impl Provider for Aws {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let kind = match &self.wanted.target {
            Target::Instances { .. } => "instances".to_owned(),
            Target::Tasks(tasks) => tasks.subject(),
        };
        self.wanted.selection.subject(&kind)
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        let wanted = self.resolved.get().unwrap_or(&self.wanted);
        let regions = wanted.selection.places.names();
        let is_known = !regions.is_empty() && regions.iter().all(|region| region != SELF);
        let scope = is_known.then(|| (REGION.name, regions.join(",")));
        scope.into_iter().collect()
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let wanted = self.resolved.get_or_try_init(|| self.resolve(call)).await?;
        let Wanted { selection, target } = wanted;
        // All or nothing: a region that fails would make the list look complete.
        let regions = selection.places.names().iter();
        let lists = try_join_all(regions.map(|region| self.list(region, wanted, call))).await?;
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let nodes = lists.into_iter().flatten();
        selection.tags.record(&mut discovery, nodes);
        if discovery.examined() == 0 {
            let (nothing, hint) = match target {
                Target::Instances { .. } => (
                    "no instance has the tags",
                    "check the tags, `region` and `power_state`: only running instances count by default; `discover explain` shows every instance with what it has instead",
                ),
                Target::Tasks(_) => (
                    "no task is running",
                    "check `region`, `ecs_cluster` and `ecs_family`, and that the service has started its tasks",
                ),
            };
            let nothing = format!("{nothing} in {}", selection.places);
            discovery.add_finding(Finding::new(nothing).with_hint(hint));
        }
        if let Some(identity) = self.keys.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl Aws {
    /// What is wanted, with the values of this machine or task in place of `self`.
    async fn resolve(&self, call: &Call) -> Result<Wanted> {
        let mut wanted = self.wanted.clone();
        let Wanted { selection, target } = &mut wanted;
        let mut regions = Vec::new();
        for region in selection.places.names() {
            let region = match region.as_str() {
                SELF => self.config.own_region(call).await?,
                region => region.to_owned(),
            };
            if !regions.contains(&region) {
                regions.push(region);
            }
        }
        if regions.is_empty() {
            regions.push(self.config.region(call).await?);
        }
        selection.places = Places::new("region", regions);
        match target {
            Target::Instances { .. } => {
                for (name, value) in selection.tags.own_values() {
                    let own = self.config.own_tag(name, call).await?;
                    let own = own.replace('\\', r"\\");
                    *value = own.replace('*', r"\*").replace('?', r"\?");
                }
            }
            Target::Tasks(Tasks { clusters, families }) => {
                let own = |name: &&mut String| name.as_str() == SELF;
                for cluster in clusters.iter_mut().filter(own) {
                    *cluster = self.config.own_task(call).await?.cluster;
                }
                for family in families.iter_mut().filter(own) {
                    *family = self.config.own_task(call).await?.family;
                }
            }
        }
        Ok(wanted)
    }

    async fn list(&self, region: &str, wanted: &Wanted, call: &Call) -> Result<Vec<Node>> {
        let Wanted { selection, target } = wanted;
        // One token of the first region's token service serves all regions.
        let keys = Some((&self.keys, selection.places.names()[0].as_str()));
        let client = |service| self.config.client(service, region, keys, call);
        let list = match target {
            Target::Instances { all_ipv4 } => {
                let ec2 = client(Service::Ec2).await?;
                let operation = format!("list instances of `{region}`");
                let filters = ec2::filters(selection, call);
                let node = |found| Some(node(found, region, selection, *all_ipv4));
                ec2::instances(&ec2, &operation, &filters, call, node).await
            }
            Target::Tasks(tasks) => {
                let (ecs, ec2) = (client(Service::Ecs).await?, client(Service::Ec2).await?);
                let list = ecs::List {
                    ecs,
                    ec2,
                    region,
                    selection,
                    call,
                };
                list.nodes(tasks).await
            }
        };
        list.map_err(|error| match error {
            Error::Transport(error) if error.failure() == TransportFailure::Connect => {
                let hint = format!("check that `{region}` is a region that this machine reaches");
                error.with_hint(hint).into()
            }
            other => other,
        })
    }
}
