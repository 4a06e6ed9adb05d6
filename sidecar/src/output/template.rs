//! A user's template (Jinja's language), for any other reader.
//!
//! It sees `addresses` (each with `address`, `host`, `port`, `family`, `bracketed`, `instance`,
//! `network_interface`), `watch`, `provider`, `subject`, and for Vault `retry_join`. An undefined
//! name is an error, not an empty text.

use cloud_autojoin::{Address, Host};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::View;
use crate::failure::Failure;

/// A template that compiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    name: String,
    source: String,
}

#[derive(Serialize)]
struct Row<'a> {
    address: String,
    host: String,
    port: Option<u16>,
    family: &'static str,
    /// As a URL's host: IPv6 in brackets.
    bracketed: String,
    instance: Option<&'a str>,
    network_interface: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(address: &'a Address) -> Self {
        let (family, bracketed) = match &address.host {
            Host::Ip(ip) if ip.is_ipv6() => ("ipv6", format!("[{ip}]")),
            Host::Ip(ip) => ("ipv4", ip.to_string()),
            Host::Name(name) => ("name", name.clone()),
            host => ("other", host.to_string()),
        };
        Self {
            address: address.to_string(),
            host: address.host.to_string(),
            port: address.port,
            family,
            bracketed,
            instance: address.instance.as_deref(),
            network_interface: address.network_interface.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct TemplateContext<'a> {
    addresses: Vec<Row<'a>>,
    watch: &'a str,
    provider: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_join: Option<&'a str>,
}

impl Template {
    /// Compiles a template; `name` appears in its errors.
    ///
    /// # Errors
    ///
    /// It doesn't compile.
    pub(crate) fn new(name: impl Into<String>, source: impl Into<String>) -> Result<Self, Failure> {
        let template = Self {
            name: name.into(),
            source: source.into(),
        };
        environment()
            .template_from_named_str(&template.name, &template.source)
            .map_err(|error| template.failure(&error))?;
        Ok(template)
    }

    /// Renders the template.
    ///
    /// # Errors
    ///
    /// It uses an undefined value.
    pub(super) fn render(
        &self,
        view: &View<'_>,
        retry_join: Option<&str>,
    ) -> Result<String, Failure> {
        let View {
            watch,
            provider,
            subject,
            addresses,
        } = *view;
        let context = TemplateContext {
            addresses: addresses.iter().map(Row::of).collect(),
            watch,
            provider,
            subject,
            retry_join,
        };
        environment()
            .render_named_str(&self.name, &self.source, Serde(context))
            .map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &minijinja::Error) -> Failure {
        let place = error
            .line()
            .map_or_else(String::new, |line| format!(" (line {line})"));
        let detail = error
            .detail()
            .map_or_else(String::new, |detail| format!(": {detail}"));
        Failure::new(format!(
            "the template {}{place} does not work: {}{detail}",
            self.name,
            error.kind()
        ))
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    // The quoting that the reader needs isn't known.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}
