//! From options to the calls: log in to both APIs, find what has the tag, read it, log out.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_core::config::Value;
use cloud_autojoin_core::http::{JsonResponse, Request, ResponseClass, RetryPolicy};
use cloud_autojoin_core::{
    ApiError, Call, ConfigProblem, ConfigString, Context, DecodeError, Discovery, Exclusion,
    Finding, Node, Provider, Result, RoleDocument, RoleFormat, Secret,
};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::go_discover::{When, differences};
use cloud_autojoin_provider_kit::{
    AddressType, ApiClient, Options, Places, Selection, TagFilter, keys,
};
use http::Method;
use http::header::{HeaderName, HeaderValue};
use url::Url;

use crate::keys::{
    ADDRESS_TYPE, CATEGORY_NAME, DATACENTER, FOLDER, HOST, INSECURE_SSL, PASSWORD, POWER_STATE,
    TAG, TAG_NAME, TIMEOUT, USER,
};
use crate::rest::{Paths, Reply, Tagging, VSphereApi};
use crate::select::Conditions;
use crate::soap::Session;

/// The name after `provider=`.
pub(crate) const NAME: &str = "vsphere";

/// How long logging out may take.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// The header of a session of the tagging API.
const SESSION: HeaderName = HeaderName::from_static("vmware-api-session-id");

/// Virtual machines of one vCenter Server, by tag.
pub struct VSphere {
    client: ApiClient,
    user: String,
    password: Secret,
    /// Pairs of category and tag; the first is that of the required keys.
    tags: Vec<(String, String)>,
    conditions: Conditions,
    selection: Selection,
    timeout: Duration,
    is_insecure: bool,
    /// Whether the server has no `/api`.
    is_old: AtomicBool,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let server = options
        .text(&HOST)
        .and_then(|host| options.accept(server_url(&host)));
    let (user, password) = (options.text(&USER), options.secret(&PASSWORD));
    let tag = options.text(&CATEGORY_NAME).zip(options.text(&TAG_NAME));
    let further = options.family(&TAG);
    let address_type = options.word(&ADDRESS_TYPE, |word| Some(word.to_owned()));
    let address_type = address_type.unwrap_or_default();
    let conditions = Conditions {
        folder: options.text(&FOLDER),
        has_any_range: address_type.starts_with("any"),
    };
    let mut selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE)
        .with_tags(TagFilter::of_names(further.iter().map(shown)))
        .with_places(Places::new("datacenter", options.list(&DATACENTER)));
    // Where any range counts, every address is as good as a private one.
    let word = address_type.replace("any", "private");
    selection.address_type = AddressType::from_word(&word).unwrap_or_default();
    let timeout = options.duration(&TIMEOUT);
    let is_insecure = options.boolean(&INSECURE_SSL);
    options.check()?;
    let http = if is_insecure {
        context.http_with(|settings| settings.insecure_skip_verify = true)?
    } else {
        context.http().clone()
    };
    options.finish(|| {
        let client = ApiClient::new(context, &VSphereApi, server?).with_http(http);
        let tags = tag.into_iter().chain(further).collect();
        Some(Box::new(VSphere {
            client,
            user: user?,
            password: password?,
            tags,
            conditions,
            selection,
            timeout: timeout?,
            is_insecure,
            is_old: AtomicBool::new(false),
        }) as Box<dyn Provider>)
    })
}

/// A tag as `CATEGORY/TAG`.
fn shown((category, tag): &(String, String)) -> String {
    format!("{category}/{tag}")
}

/// `HOST` or `HOST:PORT`; a URL too, as where go-discover pastes it between `https://` and `/sdk`.
fn server_url(host: &str) -> Result<Url, ConfigProblem> {
    let text = if host.contains("://") {
        host.to_owned()
    } else {
        format!("https://{host}")
    };
    let url = Value::from_key(&keys::ENDPOINT, HOST.name, &text)
        .endpoint()
        .ok();
    url.filter(|url| url.path() == "/" && url.query().is_none() && url.username().is_empty())
        .ok_or_else(|| {
            ConfigProblem::of_key(HOST.name, format!("`{}` isn't a host", HOST.name))
                .with_hint("write `host=vcenter.example` or `host=vcenter.example:8443`")
        })
}

#[async_trait]
impl Provider for VSphere {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let tags: Vec<String> = self
            .tags
            .iter()
            .map(|(category, tag)| format!("tag `{tag}` of category `{category}`"))
            .collect();
        format!("virtual machines with {}", tags.join(" and "))
    }

    fn scope(&self) -> Vec<(&'static str, String)> {
        vec![(HOST.name, self.client.endpoint().to_string())]
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let call = &call.within(self.timeout);
        // One after the other: two refused logins at once count twice towards locking the account.
        let rest = self.login(call).await?;
        let (attached, soap) = tokio::join!(
            self.attached(&rest, call),
            Session::login(&self.client, &self.user, &self.password, call)
        );
        let found = match (attached, &soap) {
            (Ok(attached), Ok(soap)) => self.read(attached, soap, call).await,
            (Err(error), _) => Err(error),
            // Its error is returned below.
            (Ok(_), Err(_)) => Ok(Discovery::new(NAME, self.subject(), call.detail())),
        };
        // Whatever came of it: vCenter keeps an idle session for half an hour, and has a limited
        // number.
        let soon = &call.within(LOGOUT_TIMEOUT);
        let end = async || {
            if let Ok(session) = &soap {
                session.logout(soon).await;
            }
        };
        tokio::join!(logout(&rest, self.paths(), soon), end());
        soap?;
        found
    }
}

impl VSphere {
    /// A client with a session of the tagging API.
    async fn login(&self, call: &Call) -> Result<ApiClient> {
        let operation = "log in to the tagging API";
        let refused = |_| {
            DecodeError::new(
                NAME,
                operation,
                "user, password or session id hold characters that a header can't have",
            )
        };
        let basic =
            StaticHeader::basic(PASSWORD.name, &self.user, &self.password).map_err(refused)?;
        let client = self.client.clone().with_authorizer(basic);
        let request = session_request(&client, self.paths(), operation).with_method(Method::POST);
        let session: Reply<String> = match client.answer(&request, call).await? {
            JsonResponse::Failure(response)
                if response.class == ResponseClass::NotFound && self.paths() == Paths::Api =>
            {
                self.is_old.store(true, Ordering::Relaxed);
                let request = session_request(&client, Paths::Rest, operation);
                let name = HeaderName::from_static("vmware-use-header-authn");
                let request = request.header(name, HeaderValue::from_static("true"));
                client.json(request.with_method(Method::POST), call).await?
            }
            answer => client.value(&request, answer)?,
        };
        let session = Secret::new(session.into_value());
        let header = StaticHeader::header(PASSWORD.name, SESSION, &session).map_err(refused)?;
        Ok(client.with_authorizer(header))
    }

    fn paths(&self) -> Paths {
        if self.is_old.load(Ordering::Relaxed) {
            Paths::Rest
        } else {
            Paths::Api
        }
    }

    /// The ids of the machines with each of the tags.
    async fn attached(
        &self,
        rest: &ApiClient,
        call: &Call,
    ) -> Result<Result<Vec<Vec<String>>, Finding>> {
        let mut attached = Vec::new();
        for (category, tag) in &self.tags {
            let tagging = Tagging {
                client: rest,
                paths: self.paths(),
                call,
            };
            match tagging.attached(category, tag).await? {
                Ok(machines) => attached.push(machines),
                Err(unknown) => return Ok(Err(unknown)),
            }
        }
        Ok(Ok(attached))
    }

    async fn read(
        &self,
        attached: Result<Vec<Vec<String>>, Finding>,
        soap: &Session<'_>,
        call: &Call,
    ) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        discovery.set_identity(format!("user `{}`", self.user));
        let mut attached = match attached {
            Ok(attached) => attached.into_iter(),
            Err(unknown) => {
                discovery.add_finding(unknown);
                return Ok(self.with_warning(discovery));
            }
        };
        let machines = attached.next().unwrap_or_default();
        let further: Vec<(&(String, String), Vec<String>)> =
            self.tags.iter().skip(1).zip(attached).collect();
        let objects = soap.read(&machines, call).await?;
        let mut locations = BTreeSet::new();
        for id in &machines {
            if let Some(path) = objects.get(id).and_then(|machine| machine.unreadable()) {
                let error = ApiError::new(
                    NAME,
                    format!("read `{path}` of virtual machine `{id}`"),
                    403,
                );
                return Err(error.with_missing_permission("System.Read").into());
            }
            let Some(machine) = objects.get(id) else {
                let mut node = Node::new("virtual machine", id, id);
                node.excluded.push(Exclusion::Vanished);
                discovery.record(node);
                continue;
            };
            let tags = further.iter().filter(|(_, machines)| machines.contains(id));
            let tags = tags.map(|(tag, _)| shown(tag));
            let instance = self.conditions.instance(id, machine, &objects);
            let location = instance
                .attributes
                .iter()
                .take(2)
                .map(|(_, name)| name.as_str());
            locations.insert(location.collect::<Vec<_>>().join("/"));
            discovery.record(self.selection.apply(instance.with_tag_names(tags)));
        }
        let is_narrow = !self.selection.places.is_empty() || self.conditions.folder.is_some();
        if is_narrow && discovery.matched() == 0 && !locations.is_empty() {
            let locations: Vec<String> = locations.into_iter().take(5).collect();
            let finding = Finding::new(format!(
                "the machines with the tag are in `{}`",
                locations.join("`, `")
            ));
            discovery.add_finding(finding.with_hint("check `datacenter` and `folder`"));
        }
        if machines.is_empty() {
            let finding = Finding::new("the tag is attached to no virtual machine");
            discovery.add_finding(finding.with_hint("attach it to virtual machines, not to folders or hosts; the user needs Read-only on them to see them"));
        }
        Ok(self.with_warning(discovery))
    }

    fn with_warning(&self, mut discovery: Discovery) -> Discovery {
        if self.is_insecure {
            let finding =
                Finding::new("the server's certificate isn't verified (`insecure_ssl=true`)");
            discovery.add_finding(
                finding.with_hint("trust the CA of vCenter (`SSL_CERT_FILE`) instead"),
            );
        }
        discovery
    }
}

fn session_request(client: &ApiClient, paths: Paths, operation: &str) -> Request {
    client.get(operation, paths.session(), &[])
}

/// Ends a session of the tagging API. That it fails changes nothing.
async fn logout(client: &ApiClient, paths: Paths, call: &Call) {
    let request = session_request(client, paths, "log out of the tagging API");
    let request = request.with_method(Method::DELETE);
    _ = client.send(request.retry(RetryPolicy::none()), call).await;
}

/// How the least role is granted: it exists on every vCenter Server.
pub(crate) fn role(config: &ConfigString, _: &Context, format: RoleFormat) -> Result<RoleDocument> {
    let user = config
        .get(USER.name)
        .filter(|user| !user.is_empty())
        .unwrap_or("USER@DOMAIN");
    let text = if format == RoleFormat::Terraform {
        include_str!("role.tf").replace(
            "USER",
            &serde_json::Value::from(user.replace(['$', '%'], "")).to_string(),
        )
    } else {
        format!(
            "govc permissions.set -principal '{}' -role ReadOnly -propagate=true /\n",
            user.replace('\'', "")
        )
    };
    Ok(RoleDocument::new(text).with_note("Read-only on the datacenters alone isn't enough: tags belong to the root of the vCenter Server"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(config: &ConfigString, _: &Context) -> Vec<String> {
    let ignored = [&DATACENTER, &FOLDER, &ADDRESS_TYPE, &POWER_STATE];
    let given = ignored.map(|key| (When::Given(key), format!("ignores `{}`", key.name)));
    let mut found = differences(
        config,
        &given.each_ref().map(|(when, text)| (*when, &**text)),
    );
    if config.iter().any(|(key, _)| TAG.matches(key)) {
        found.push(format!("ignores `{}`", TAG.name));
    }
    found
}

impl fmt::Debug for VSphere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VSphere")
            .field("endpoint", &self.client.endpoint().as_str())
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}
