//! From options to `GET /ACCOUNT/machines`, page by page.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Finding, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::{
    AddressScope, AddressType, ApiClient, Instance, Options, PowerState, Selection, TagFilter,
};
use http::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::api::{CloudApi, Machine};
use crate::keys::{
    ACCOUNT, ADDRESS_TYPE, ADDRESS_TYPES, KEY_FILE, KEY_ID, POWER_STATE, TAG, TAG_KEY, TAG_VALUE,
    URL,
};
use crate::signature::{Fingerprint, HttpSignature};

/// The name after `provider=`.
pub(crate) const NAME: &str = "triton";

/// The action of a policy's rule.
pub(crate) const PERMISSION: &str = "listmachines";

/// The most machines the API gives in one page.
const PAGE_SIZE: u64 = 1000;

/// Machines of one account, by tag.
#[derive(Debug)]
pub struct Triton {
    client: ApiClient,
    account: String,
    selection: Selection,
    /// Whether the primary address is wanted, whatever it is.
    primary: bool,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let account = options.text(&ACCOUNT).map(account);
    let account = account.and_then(|account| options.accept(account));
    let key_file = options.text(&KEY_FILE);
    let fingerprint = options
        .text(&KEY_ID)
        .map(|text| fingerprint(&text, key_file.is_some()));
    let fingerprint = fingerprint.and_then(|fingerprint| options.accept(fingerprint));
    let address_type = options.word(&ADDRESS_TYPE, |word| {
        ADDRESS_TYPES.iter().find(|known| **known == word).copied()
    });
    let selection = Selection {
        tags: tags(options),
        address_type: address_type
            .and_then(AddressType::from_word)
            .unwrap_or_default(),
        power_state: options
            .word(&POWER_STATE, PowerState::from_word)
            .unwrap_or_default(),
        ..Selection::default()
    };
    let url = options.endpoint(&URL).map(|mut url| {
        url.set_path("");
        url
    });
    let is_unverified = ["TRITON_SKIP_TLS_VERIFY", "SDC_SKIP_TLS_VERIFY"]
        .iter()
        .any(|name| context.env().filled(name).is_some());
    options.finish(|| {
        let account = account?;
        let authorizer = Arc::new(HttpSignature {
            context: context.clone(),
            account: account.clone(),
            fingerprint: fingerprint?,
            key_file,
        });
        let mut client = ApiClient::new(context, &CloudApi, url?).with_authorizer(authorizer);
        if is_unverified {
            tracing::warn!(
                "TRITON_SKIP_TLS_VERIFY is set: the certificate of CloudAPI isn't verified"
            );
            client = client.with_http(
                context
                    .http_with(|settings| settings.insecure_skip_verify = true)
                    .ok()?,
            );
        }
        Some(Box::new(Triton {
            client,
            account,
            selection,
            primary: address_type == Some("primary"),
        }) as Box<dyn Provider>)
    })
}

/// An account's name, which is sent within quotes.
fn account(name: String) -> Result<String, ConfigProblem> {
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'/'));
    if is_name {
        Ok(name)
    } else {
        Err(ConfigProblem::of_key(
            ACCOUNT.name,
            "`account` isn't the name of an account",
        ))
    }
}

fn fingerprint(text: &str, is_of_file: bool) -> Result<Fingerprint, ConfigProblem> {
    match Fingerprint::parse(text) {
        None => Err(ConfigProblem::of_key(
            KEY_ID.name,
            "`key_id` isn't the fingerprint of an SSH key",
        )
        .with_hint("`ssh-keygen -l -E md5 -f FILE` prints it")),
        Some(Fingerprint::Sha256(_)) if is_of_file => Err(ConfigProblem::of_key(
            KEY_ID.name,
            "`key_id` must be an MD5 fingerprint with `key_file`",
        )
        .with_hint("`ssh-keygen -l -E md5 -f FILE` prints it")),
        Some(fingerprint) => Ok(fingerprint),
    }
}

/// `tag_key` with `tag_value`, and the members of `tag.NAME`; at least one.
fn tags(options: &mut Options<'_>) -> TagFilter {
    let mut tags = options.family(&TAG);
    match (options.text(&TAG_KEY), options.text(&TAG_VALUE)) {
        (Some(key), Some(value)) => tags.insert(0, (key, value)),
        (Some(_), None) => options.add_missing(&TAG_VALUE, Some("`tag_key` is given")),
        (None, Some(_)) => options.add_missing(&TAG_KEY, Some("`tag_value` is given")),
        (None, None) if tags.is_empty() => options.add_missing(&TAG_KEY, None),
        (None, None) => {}
    }
    TagFilter::new(tags)
}

#[async_trait]
impl Provider for Triton {
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
        format!(
            "machines of account `{}` with tag {}",
            self.account,
            tags.join(" and ")
        )
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let tags: Vec<(String, &str)> = self
            .selection
            .tags
            .conditions()
            .iter()
            .map(|(key, value)| (format!("tag.{key}"), value.as_str()))
            .collect();
        let limit = PAGE_SIZE.to_string();
        let query: Vec<(&str, &str)> = [("limit", limit.as_str()), ("offset", "0")]
            .into_iter()
            .chain(tags.iter().map(|(name, value)| (name.as_str(), *value)))
            .collect();
        let request = self
            .client
            .get("list machines", &[&self.account, "machines"], &query);
        let mut pages = self.client.pages(
            request.header(
                HeaderName::from_static("accept-version"),
                HeaderValue::from_static("~8"),
            ),
            call,
        );
        let mut offset = 0;
        while let Some(machines) = pages.next_json::<Vec<Machine>>().await? {
            let is_full = machines.len() as u64 >= PAGE_SIZE;
            offset += PAGE_SIZE;
            // `X-Resource-Count` counts the machines of the account, whatever their tags.
            pages.follow_query("offset", is_full.then_some(offset))?;
            machines
                .into_iter()
                .for_each(|machine| discovery.record(self.selection.apply(self.instance(machine))));
        }
        if discovery.examined() == 0 {
            let finding = Finding::new("no machine of the account has the tag");
            discovery.add_finding(finding.with_hint("check the tag and `account`; `triton instance list -o name,tags` shows the machines with their tags"));
        }
        if let Some(identity) = self.client.identity() {
            discovery.set_identity(identity);
        }
        Ok(discovery)
    }
}

impl Triton {
    fn instance(&self, machine: Machine) -> Instance {
        let is_running = machine.state == "running";
        let mut instance = Instance::new("machine", machine.id, machine.name)
            .with_state(machine.state, is_running)
            .with_attribute("account", &self.account);
        instance.tags = machine
            .tags
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect();
        if self.primary {
            instance.add_address(
                machine.primary_ip.as_deref().unwrap_or_default(),
                AddressScope::Private,
            );
            return instance;
        }
        for address in machine.ips {
            let is_private = match address.parse() {
                Ok(IpAddr::V4(address)) => address.is_private(),
                Ok(IpAddr::V6(address)) => address.is_unique_local(),
                Err(_) => continue,
            };
            instance.add_address(
                &address,
                if is_private {
                    AddressScope::Private
                } else {
                    AddressScope::Public
                },
            );
        }
        instance
    }
}

/// A tag's value as it is written in a join string.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The rule of a policy.
pub(crate) fn role(_: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    Ok(RoleDocument::new(format!("CAN {PERMISSION}\n"))
        .with_note("this is the rule of a policy for a user of the account; its owner needs none"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(_: &ConfigString, _: &Context) -> Vec<String> {
    vec!["go-discover can't sign a request with any key".to_owned()]
}
