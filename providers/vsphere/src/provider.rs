//! From options to the calls: log in to both APIs, find what has the tag, read it, log out.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::{
    ApiError, Call, ConfigProblem, ConfigString, Context, Discovery, Error, Exclusion, Finding,
    Node, Provider, Result, RoleDocument, RoleFormat, Secret,
};
use cloud_autojoin_provider_kit::go_discover::{When, differences};
use cloud_autojoin_provider_kit::keys::endpoint_or_host;
use cloud_autojoin_provider_kit::role::hcl_string;
use cloud_autojoin_provider_kit::tls::{TlsFiles, TlsReloader};
use cloud_autojoin_provider_kit::{AddressType, ApiClient, Options, Places, Selection, TagFilter};
use url::Url;

use crate::keys::{
    ADDRESS_TYPE, CA_FILE, CATEGORY_NAME, DATACENTER, FOLDER, HOST, INSECURE_SSL, KEYS, NAME,
    PASSWORD, POWER_STATE, TAG, TAG_NAME, TIMEOUT, USER,
};
use crate::rest::{Stop, Tagging, VSphereApi};
use crate::select::Conditions;
use crate::soap::{Missing, Session};

/// How long logging out may take.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// Virtual machines of one vCenter Server, by tag.
#[derive(Debug)]
pub struct VSphere {
    client: ApiClient,
    tls: TlsReloader,
    user: String,
    password: Secret,
    /// Pairs of category and tag; the first is that of the required keys.
    tags: Vec<(String, String)>,
    conditions: Conditions,
    selection: Selection,
    timeout: Duration,
    /// Whether the server has no `/api`.
    is_old: AtomicBool,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let server = endpoint_or_host(options, &HOST, "https", true);
    let is_path = |url: &Url| url.path() != "/" || url.query().is_some();
    if server.as_ref().is_some_and(is_path) {
        let problem = ConfigProblem::of_key(HOST.name, "`host` isn't a host");
        let hint = "write `host=vcenter.example` or `host=vcenter.example:8443`";
        options.add_problem(problem.with_hint(hint));
    }
    let (user, password) = (options.text(&USER), options.secret(&PASSWORD));
    let tag = options.text(&CATEGORY_NAME).zip(options.text(&TAG_NAME));
    let tags: Vec<_> = tag.into_iter().chain(options.family(&TAG)).collect();
    let address_type = options.word(&ADDRESS_TYPE, Some).unwrap_or_default();
    let conditions = Conditions {
        folder: options.text(&FOLDER),
        has_any_range: address_type.starts_with("any"),
    };
    let mut selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        .with_tags(TagFilter::of_names(tags.iter().map(shown)))
        .with_places(Places::new("datacenter", options.list(&DATACENTER)));
    // Where any range counts, every address is as good as a private one.
    let word = address_type.replace("any", "private");
    selection.address_type = AddressType::from_word(&word).unwrap_or_default();
    let timeout = options.duration(&TIMEOUT);
    let tls_files = TlsFiles {
        insecure: options.boolean(&INSECURE_SSL),
        ..TlsFiles::from_options(options, KEYS)
    };
    options.finish(|| {
        Some(Box::new(VSphere {
            client: ApiClient::new(context, &VSphereApi, server?),
            tls: TlsReloader::new(tls_files),
            user: user?,
            password: password?,
            tags,
            conditions,
            selection,
            timeout: timeout?,
            is_old: AtomicBool::new(false),
        }) as Box<dyn Provider>)
    })
}

/// A tag as `CATEGORY/TAG`.
fn shown((category, tag): &(String, String)) -> String {
    format!("{category}/{tag}")
}

#[async_trait]
impl Provider for VSphere {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        self.selection.subject("virtual machines")
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        vec![(HOST.name, self.client.endpoint().to_string())]
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let call = &call.within(self.timeout);
        let (client, tls) = &self.tls.apply(&self.client).await?;
        let (user, password) = (&self.user, &self.password);
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        discovery.set_identity(format!("user `{user}`"));
        // One after the other: two refused logins at once count twice towards locking the account.
        let tagging = Tagging::login(client, user, password, &self.is_old, call).await?;
        let (attached, soap) = tokio::join!(
            self.attached(&tagging),
            Session::login(client, user, password, call)
        );
        let read = match (attached, &soap) {
            (Ok(attached), Ok(soap)) => self.read(&attached, soap, &mut discovery, call).await,
            // The error of the other login is returned below.
            (attached, _) => attached.map(drop),
        };
        // Whatever came of it: vCenter keeps an idle session for half an hour, and has a limited
        // number.
        let soon = &call.within(LOGOUT_TIMEOUT);
        let end = async || {
            if let Ok(session) = &soap {
                session.logout(soon).await;
            }
        };
        tokio::join!(tagging.logout(soon), end());
        soap?;
        match read {
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Unknown(finding)) => discovery.add_finding(finding),
            Ok(()) => {}
        }
        let hint = "set `ca_file` to the CA of vCenter instead";
        tls.warn(&mut discovery, "the server", "insecure_ssl=true", hint);
        Ok(discovery)
    }
}

impl VSphere {
    /// The ids of the machines with each of the tags.
    async fn attached(&self, tagging: &Tagging<'_>) -> Result<Vec<Vec<String>>, Stop> {
        let mut attached = Vec::new();
        for (category, tag) in &self.tags {
            attached.push(tagging.attached(category, tag).await?);
        }
        Ok(attached)
    }

    /// Reads the machines with the first tag.
    async fn read(
        &self,
        attached: &[Vec<String>],
        soap: &Session<'_>,
        discovery: &mut Discovery,
        call: &Call,
    ) -> Result<(), Stop> {
        let machines = attached.first().map_or(&[][..], Vec::as_slice);
        let objects = soap.read(machines, call).await?;
        let mut locations = BTreeSet::new();
        for id in machines {
            let Some(machine) = objects.get(id) else {
                let mut node = Node::new("virtual machine", id, id);
                node.excluded.push(Exclusion::Vanished);
                discovery.record(node);
                continue;
            };
            if let Some(Missing { path }) = machine.missing.first() {
                let operation = format!("read `{path}` of virtual machine `{id}`");
                let error = ApiError::new(NAME, operation, 403);
                return Err(Error::from(error.with_missing_permission("System.Read")).into());
            }
            let tags = self.tags.iter().zip(attached);
            let tags = tags.filter(|(_, machines)| machines.contains(id));
            let instance = self.conditions.instance(id, machine, &objects);
            let location = instance.attributes.iter().take(2);
            let location: Vec<&str> = location.map(|(_, name)| name.as_str()).collect();
            locations.insert(location.join("/"));
            let instance = instance.with_tag_names(tags.map(|(tag, _)| shown(tag)));
            discovery.record(self.selection.apply(instance));
        }
        let is_narrow = !self.selection.places.is_empty() || self.conditions.folder.is_some();
        if is_narrow && discovery.matched() == 0 && !locations.is_empty() {
            let locations: Vec<String> = locations.into_iter().take(5).collect();
            let locations = locations.join("`, `");
            let finding = Finding::new(format!("the machines with the tag are in `{locations}`"));
            discovery.add_finding(finding.with_hint("check `datacenter` and `folder`"));
        }
        let hint = "attach it to virtual machines, not to folders or hosts; the user needs Read-only on them to see them";
        discovery.explain_nothing("the tag is attached to no virtual machine", hint);
        Ok(())
    }
}

/// How the least role is granted: it exists on every vCenter Server.
pub(crate) fn role(config: &ConfigString, _: &Context, format: RoleFormat) -> Result<RoleDocument> {
    let user = config.get(USER.name).filter(|user| !user.is_empty());
    let user = user.unwrap_or("USER@DOMAIN");
    let text = if format == RoleFormat::Terraform {
        include_str!("role.tf").replace("USER", &hcl_string(user))
    } else {
        let user = user.replace('\'', "");
        format!("govc permissions.set -principal '{user}' -role ReadOnly -propagate=true /\n")
    };
    Ok(RoleDocument::new(text).with_note("Read-only on the datacenters alone isn't enough: tags belong to the root of the vCenter Server"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let table = [
        (When::Given(&DATACENTER), "ignores `datacenter`"),
        (When::Given(&FOLDER), "ignores `folder`"),
        (When::Given(&ADDRESS_TYPE), "ignores `address_type`"),
        (When::Given(&POWER_STATE), "ignores `power_state`"),
        (When::Given(&CA_FILE), "ignores `ca_file`"),
        (When::Given(&TAG), "ignores `tag.`"),
    ];
    differences(config, &table)
}
