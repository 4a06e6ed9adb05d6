//! The vSphere Web Services API (`/sdk`): log in, read properties of virtual machines, log out.

use std::collections::HashMap;
use std::fmt::Write as _;

use cloud_autojoin_core::http::{Request, RetryPolicy};
use cloud_autojoin_core::{Call, DecodeError, Result, Secret};
use cloud_autojoin_provider_kit::ApiClient;
use http::header::{CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use serde::Deserialize;

use crate::keys::NAME;

/// How many virtual machines are read in one request.
const CHUNK: usize = 500;

/// What is read of a virtual machine.
const PROPERTIES: &str = "<pathSet>name</pathSet><pathSet>parent</pathSet><pathSet>parentVApp</pathSet><pathSet>runtime.powerState</pathSet><pathSet>guest.net</pathSet>";

/// A session. Its managers have the ids that they have on every vCenter Server, so it doesn't ask
/// for them.
pub(crate) struct Session<'a> {
    client: &'a ApiClient,
    cookie: HeaderValue,
}

impl<'a> Session<'a> {
    pub(crate) async fn login(
        client: &'a ApiClient,
        user: &str,
        password: &Secret,
        call: &Call,
    ) -> Result<Self> {
        let operation = "log in to vCenter";
        let (user, escaped) = (escape(user), escape(password.expose()));
        let login = format!("<userName>{user}</userName><password>{escaped}</password>");
        let request = request(client, operation, "Login", SESSION_MANAGER, &login)
            .with_secret(password.expose())
            .with_secret(&escaped);
        let response = client.send(request, call).await?;
        let cookies = response.headers.get_all(SET_COOKIE).iter();
        let mut cookies = cookies.filter_map(|value| value.to_str().ok()?.split(';').next());
        let cookie = cookies
            .find(|cookie| cookie.starts_with("vmware_soap_session="))
            .and_then(|cookie| HeaderValue::from_str(cookie).ok());
        let mut cookie = cookie.ok_or_else(|| {
            DecodeError::new(NAME, operation, "the response has no session cookie")
        })?;
        cookie.set_sensitive(true);
        Ok(Self { client, cookie })
    }

    /// Ends the session, which vCenter would keep for half an hour. That it fails changes nothing.
    pub(crate) async fn logout(&self, call: &Call) {
        let request = self.request("log out of vCenter", "Logout", SESSION_MANAGER, "");
        let request = request.retry(RetryPolicy::none());
        _ = self.client.send(request, call).await;
    }

    /// The virtual machines of these ids, with the folders and datacenters that they are in. Those
    /// that don't exist any more are left out.
    pub(crate) async fn read(&self, ids: &[String], call: &Call) -> Result<Objects> {
        let mut objects = Objects::default();
        for ids in ids.chunks(CHUNK) {
            let first = self.collect("RetrievePropertiesEx", &retrieve(ids));
            let mut pages = self.client.pages(first, call);
            while let Some(page) = pages.next_xml::<Envelope>().await? {
                let page = page.body.response.returnval.unwrap_or_default();
                if let Some(token) = page.token {
                    let token = format!("<token>{}</token>", escape(&token));
                    let next = self.collect("ContinueRetrievePropertiesEx", &token);
                    pages.follow_request(next)?;
                }
                let found = page.objects.into_iter();
                objects.extend(found.map(|object| (object.obj.id.clone(), object)));
            }
        }
        Ok(objects)
    }

    fn collect(&self, method: &str, arguments: &str) -> Request {
        let collector = ("PropertyCollector", "propertyCollector");
        self.request("read virtual machines", method, collector, arguments)
    }

    fn request(&self, operation: &str, method: &str, of: Manager, arguments: &str) -> Request {
        request(self.client, operation, method, of, arguments).header(COOKIE, self.cookie.clone())
    }
}

/// The type and the id of what has a method.
type Manager = (&'static str, &'static str);

const SESSION_MANAGER: Manager = ("SessionManager", "SessionManager");

/// The arguments that request the machines and, from each upwards, all that they are in.
fn retrieve(ids: &[String]) -> String {
    let up = r#"<selectSet xsi:type="TraversalSpec"><name>up</name><type>ManagedEntity</type><path>parent</path><skip>false</skip><selectSet><name>up</name></selectSet></selectSet>"#;
    let app = r#"<selectSet xsi:type="TraversalSpec"><type>VirtualMachine</type><path>parentVApp</path><skip>false</skip><selectSet><name>up</name></selectSet></selectSet>"#;
    let mut body = format!(
        r#"<specSet><propSet><type>VirtualMachine</type>{PROPERTIES}</propSet><propSet><type>ManagedEntity</type><pathSet>name</pathSet><pathSet>parent</pathSet></propSet>"#
    );
    for id in ids {
        _ = write!(
            body,
            r#"<objectSet><obj type="VirtualMachine">{}</obj><skip>false</skip>{up}{app}</objectSet>"#,
            escape(id)
        );
    }
    body + "<reportMissingObjectsInResults>true</reportMissingObjectsInResults></specSet><options/>"
}

fn request(
    client: &ApiClient,
    operation: &str,
    method: &str,
    (kind, id): Manager,
    arguments: &str,
) -> Request {
    let envelope = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><{method} xmlns="urn:vim25"><_this type="{kind}">{id}</_this>{arguments}</{method}></soapenv:Body></soapenv:Envelope>"#
    );
    // The version of the API: tags came with 6.0.
    let action = HeaderName::from_static("soapaction");
    let xml = HeaderValue::from_static("text/xml; charset=utf-8");
    Request::post(operation, client.url(&["sdk"], &[]), envelope)
        .header(CONTENT_TYPE, xml)
        .header(action, HeaderValue::from_static("urn:vim25/6.0"))
}

/// Text as the content of an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Objects by their ids.
pub(crate) type Objects = HashMap<String, Object>;

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Body")]
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    #[serde(
        rename = "RetrievePropertiesExResponse",
        alias = "ContinueRetrievePropertiesExResponse"
    )]
    response: Retrieved,
}

#[derive(Deserialize)]
struct Retrieved {
    returnval: Option<Page>,
}

#[derive(Deserialize, Default)]
struct Page {
    token: Option<String>,
    #[serde(default)]
    objects: Vec<Object>,
}

/// An object with the requested properties.
#[derive(Deserialize)]
pub(crate) struct Object {
    pub(crate) obj: Reference,
    #[serde(rename = "propSet", default)]
    properties: Vec<Property>,
    /// Properties that this user may not read.
    #[serde(rename = "missingSet", default)]
    pub(crate) missing: Vec<Missing>,
}

impl Object {
    fn value(&self, name: &str) -> Option<&Value> {
        let mut properties = self.properties.iter();
        Some(&properties.find(|property| property.name == name)?.val)
    }

    /// The text of a property; of a reference, its id.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.text.as_deref()
    }

    /// The network interfaces that VMware Tools reports.
    pub(crate) fn interfaces(&self) -> &[Interface] {
        let net = self.value("guest.net");
        net.map_or(&[], |value| &value.interfaces)
    }
}

/// A reference to a managed object.
#[derive(Deserialize)]
pub(crate) struct Reference {
    #[serde(rename = "@type")]
    pub(crate) kind: String,
    #[serde(rename = "$text")]
    pub(crate) id: String,
}

#[derive(Deserialize)]
struct Property {
    name: String,
    val: Value,
}

#[derive(Deserialize)]
pub(crate) struct Missing {
    pub(crate) path: String,
}

#[derive(Deserialize)]
struct Value {
    #[serde(rename = "$text")]
    text: Option<String>,
    #[serde(rename = "GuestNicInfo", default)]
    interfaces: Vec<Interface>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Interface {
    pub(crate) network: Option<String>,
    #[serde(default)]
    pub(crate) ip_config: IpConfig,
}

#[derive(Deserialize, Default)]
pub(crate) struct IpConfig {
    #[serde(rename = "ipAddress", default)]
    pub(crate) addresses: Vec<IpAddress>,
}

#[derive(Deserialize)]
pub(crate) struct IpAddress {
    #[serde(rename = "ipAddress")]
    pub(crate) ip: String,
}
