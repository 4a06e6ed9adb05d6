//! From options to `GET /ACCOUNT/machines`, page by page.

use std::sync::Arc;

use async_trait::async_trait;
use cloud_autojoin_core::{
    Call, ConfigProblem, ConfigString, Context, Discovery, Provider, Result, RoleDocument,
    RoleFormat,
};
use cloud_autojoin_provider_kit::auth::ssh::{Fingerprint, SshKey};
use cloud_autojoin_provider_kit::keys::{TAG, TAG_KEY, TAG_VALUE};
use cloud_autojoin_provider_kit::select::tag_text;
use cloud_autojoin_provider_kit::tls::{TlsFiles, TlsReloader};
use cloud_autojoin_provider_kit::{
    AddressScope, ApiClient, Instance, Options, Selection, TagFilter,
};
use http::header::{HeaderName, HeaderValue};

use crate::api::{API, Machine, PERMISSION};
use crate::authorizer::SshAuthorizer;
use crate::keys::{ACCOUNT, ADDRESS_TYPE, KEY_FILE, KEY_ID, NAME, POWER_STATE, PRIMARY, URL};

/// The most machines the API gives in one page.
const PAGE_SIZE: u64 = 1000;

/// Each of these, with any text, turns off the verification of the server's certificate.
const UNVERIFIED: [&str; 2] = ["TRITON_SKIP_TLS_VERIFY", "SDC_SKIP_TLS_VERIFY"];

/// Machines of one account, by tag.
#[derive(Debug)]
pub struct Triton {
    client: ApiClient,
    tls: TlsReloader,
    /// The variable that turns off the verification of the server's certificate, if one is set.
    unverified_by: Option<&'static str>,
    account: String,
    selection: Selection,
    /// Whether the primary address is wanted, whatever it is.
    primary: bool,
}

/// Builds the provider from its options. Sends nothing.
pub(crate) fn build(options: &mut Options<'_>, context: &Context) -> Result<Box<dyn Provider>> {
    let account = options.text(&ACCOUNT).map(account);
    let account = account.and_then(|account| options.accept(account));
    let key = options
        .text(&KEY_ID)
        .map(|text| key(&text, options.text(&KEY_FILE), context));
    let key = key.and_then(|key| options.accept(key));
    let tags = TagFilter::from_options(options, &TAG_KEY, &TAG_VALUE, &[&TAG]);
    let selection = Selection::from_options(options, &ADDRESS_TYPE, &POWER_STATE).with_tags(tags);
    let primary = options.text(&ADDRESS_TYPE).as_deref() == Some(PRIMARY);
    let url = options.endpoint(&URL).map(|mut url| {
        url.set_path("");
        url
    });
    let is_set = |name: &&str| context.env().filled(name).is_some();
    let unverified_by = UNVERIFIED.iter().copied().find(is_set);
    options.finish(|| {
        let account = account?;
        let authorizer = Arc::new(SshAuthorizer {
            account: account.clone(),
            key: key?,
        });
        let tls_files = TlsFiles {
            insecure: unverified_by.is_some(),
            ..TlsFiles::default()
        };
        Some(Box::new(Triton {
            client: ApiClient::new(context, &API, url?).with_authorizer(authorizer),
            tls: TlsReloader::new(tls_files),
            unverified_by,
            account,
            selection,
            primary,
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

/// The key with this fingerprint, of the file or of the agent.
fn key(text: &str, path: Option<String>, context: &Context) -> Result<SshKey, ConfigProblem> {
    let problem = |message: &str| {
        ConfigProblem::of_key(KEY_ID.name, message)
            .with_hint("`ssh-keygen -l -E md5 -f FILE` prints it")
    };
    match (Fingerprint::parse(text), path) {
        (None, _) => Err(problem("`key_id` isn't the fingerprint of an SSH key")),
        (Some(Fingerprint::Md5(md5)), Some(path)) => Ok(SshKey::File { path, md5 }),
        (Some(_), Some(_)) => Err(problem(
            "`key_id` must be an MD5 fingerprint with `key_file`",
        )),
        (Some(fingerprint), None) => Ok(SshKey::of_agent(context, fingerprint)),
    }
}

#[async_trait]
impl Provider for Triton {
    fn name(&self) -> &'static str {
        NAME
    }

    fn subject(&self) -> String {
        let machines = format!("machines of account `{}`", self.account);
        self.selection.subject(&machines)
    }

    async fn discover(&self, call: &Call) -> Result<Discovery> {
        let (client, tls) = self.tls.apply(&self.client).await?;
        let mut discovery = Discovery::new(NAME, self.subject(), call.detail());
        let tags = self.selection.tags.conditions().iter();
        let tags = tags.map(|(key, value)| (format!("tag.{key}"), value.clone()));
        let limit = ("limit".to_owned(), PAGE_SIZE.to_string());
        let mut url = client.url(&[&self.account, "machines"], &[("offset", "0")]);
        url.query_pairs_mut().extend_pairs(tags.chain([limit]));
        let version = HeaderName::from_static("accept-version");
        let request = client
            .get("list machines", &[], &[])
            .with_url(url)
            .header(version, HeaderValue::from_static("~8"));
        let mut pages = client.pages(request, call);
        while let Some(machines) = pages.next_json::<Vec<Machine>>().await? {
            // `X-Resource-Count` counts the machines of the account, whatever their tags.
            let offset = pages.next_offset(PAGE_SIZE, machines.len(), None);
            pages.follow_query("offset", offset)?;
            let instances = machines.into_iter().map(|machine| self.instance(machine));
            self.selection.record(&mut discovery, instances);
        }
        let variable = self.unverified_by.unwrap_or_default();
        let hint = "unset it, and trust the certificate authority by `SSL_CERT_FILE`";
        tls.warn(&mut discovery, "CloudAPI", variable, hint);
        let hint = "check the tag and `account`; `triton instance list -o name,tags` shows the machines with their tags";
        let nothing = "no machine of the account has the tag";
        Ok(client.conclude(discovery, nothing, hint))
    }
}

impl Triton {
    fn instance(&self, machine: Machine) -> Instance {
        let tags = machine.tags.into_iter();
        let instance = Instance::new("machine", machine.id, machine.name)
            .with_state(machine.state, "running")
            .with_attribute("account", &self.account)
            .with_tags(tags.map(|(name, value)| (name, tag_text(value))));
        if self.primary {
            instance.with_addresses(machine.primary_ip, AddressScope::Private)
        } else {
            instance.with_addresses_by_range(machine.ips)
        }
    }
}

/// The rule of a policy.
pub(crate) fn role(_: &ConfigString, _: &Context, _: RoleFormat) -> Result<RoleDocument> {
    Ok(RoleDocument::new(format!("CAN {PERMISSION}\n"))
        .with_note("this is the rule of a policy for a user of the account; its owner needs none"))
}

/// What go-discover does differently with the same string.
pub(crate) fn compare_with_go_discover(_: &ConfigString, _: &Context) -> Vec<String> {
    vec!["can't sign a request with any key".to_owned()]
}
