//! The vSphere Web Services API (`/sdk`): log in, read properties of virtual machines, log out.

use std::collections::HashMap;
use std::fmt::Write as _;

use cloud_autojoin_core::http::{Request, RetryPolicy};
use cloud_autojoin_core::{Call, DecodeError, Result, Secret};
use cloud_autojoin_provider_kit::ApiClient;
use http::header::{CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use serde::Deserialize;

use crate::provider::NAME;

/// How many virtual machines are asked about in one request.
const CHUNK: usize = 500;

/// What is read of a virtual machine.
const PROPERTIES: [&str; 5] = [
    "name",
    "parent",
    "parentVApp",
    "runtime.powerState",
    "guest.net",
];

const OPERATION: &str = "read virtual machines";

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
        let (user, password) = (escape(user), escape(password.expose()));
        let body = format!(
            r#"<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this><userName>{user}</userName><password>{password}</password></Login>"#
        );
        let response = client.send(request(client, operation, &body), call).await?;
        let cookies = response
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok()?.split(';').next());
        let cookie = cookies
            .into_iter()
            .find(|cookie| cookie.starts_with("vmware_soap_session="))
            .and_then(|cookie| HeaderValue::from_str(cookie).ok());
        let mut cookie = cookie
            .ok_or_else(|| DecodeError::new(NAME, operation, "the answer has no session cookie"))?;
        cookie.set_sensitive(true);
        Ok(Self { client, cookie })
    }

    /// Ends the session, which vCenter would keep for half an hour. That it fails changes nothing.
    pub(crate) async fn logout(&self, call: &Call) {
        let body = r#"<Logout xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this></Logout>"#;
        let request = self
            .request("log out of vCenter", body)
            .retry(RetryPolicy::none());
        _ = self.client.send(request, call).await;
    }

    /// The virtual machines of these ids, with the folders and datacenters that they are in. Those
    /// that don't exist any more are left out.
    pub(crate) async fn read(&self, ids: &[String], call: &Call) -> Result<Objects> {
        let mut objects = Objects::default();
        for ids in ids.chunks(CHUNK) {
            let mut pages = self
                .client
                .pages(self.request(OPERATION, &retrieve(ids)), call);
            while let Some(page) = pages.next_xml::<Envelope>().await? {
                let page = page.body.response.returnval.unwrap_or_default();
                if let Some(token) = page.token {
                    let body = format!(
                        r#"<ContinueRetrievePropertiesEx xmlns="urn:vim25">{COLLECTOR}<token>{}</token></ContinueRetrievePropertiesEx>"#,
                        escape(&token)
                    );
                    pages.follow_request(self.request(OPERATION, &body))?;
                }
                objects.0.extend(
                    page.objects
                        .into_iter()
                        .map(|object| (object.obj.id.clone(), object)),
                );
            }
        }
        Ok(objects)
    }

    fn request(&self, operation: &str, body: &str) -> Request {
        request(self.client, operation, body).header(COOKIE, self.cookie.clone())
    }
}

const COLLECTOR: &str = r#"<_this type="PropertyCollector">propertyCollector</_this>"#;

/// The request for the machines and, from each upwards, all that they are in.
fn retrieve(ids: &[String]) -> String {
    let up = r#"<selectSet xsi:type="TraversalSpec"><name>up</name><type>ManagedEntity</type><path>parent</path><skip>false</skip><selectSet><name>up</name></selectSet></selectSet>"#;
    let app = r#"<selectSet xsi:type="TraversalSpec"><type>VirtualMachine</type><path>parentVApp</path><skip>false</skip><selectSet><name>up</name></selectSet></selectSet>"#;
    let paths: String = PROPERTIES
        .iter()
        .map(|path| format!("<pathSet>{path}</pathSet>"))
        .collect();
    let mut body = format!(
        r#"<RetrievePropertiesEx xmlns="urn:vim25">{COLLECTOR}<specSet><propSet><type>VirtualMachine</type>{paths}</propSet><propSet><type>ManagedEntity</type><pathSet>name</pathSet><pathSet>parent</pathSet></propSet>"#
    );
    for id in ids {
        _ = write!(
            body,
            r#"<objectSet><obj type="VirtualMachine">{}</obj><skip>false</skip>{up}{app}</objectSet>"#,
            escape(id)
        );
    }
    body + "<reportMissingObjectsInResults>true</reportMissingObjectsInResults></specSet><options/></RetrievePropertiesEx>"
}

fn request(client: &ApiClient, operation: &str, body: &str) -> Request {
    let envelope = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"#
    );
    Request::post(operation, client.url(&["sdk"], &[]), envelope)
        .header(
            CONTENT_TYPE,
            HeaderValue::from_static("text/xml; charset=utf-8"),
        )
        // The version of the API: tags came with 6.0.
        .header(
            HeaderName::from_static("soapaction"),
            HeaderValue::from_static("urn:vim25/6.0"),
        )
}

/// Text as the content of an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Objects by their ids.
#[derive(Default)]
pub(crate) struct Objects(HashMap<String, Object>);

impl Objects {
    pub(crate) fn get(&self, id: &str) -> Option<&Object> {
        self.0.get(id)
    }
}

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

/// An object with the properties that were asked for.
#[derive(Deserialize)]
pub(crate) struct Object {
    pub(crate) obj: Reference,
    #[serde(rename = "propSet", default)]
    properties: Vec<Property>,
    #[serde(rename = "missingSet", default)]
    missing: Vec<Missing>,
}

impl Object {
    fn value(&self, name: &str) -> Option<&Value> {
        self.properties
            .iter()
            .find(|property| property.name == name)
            .map(|property| &property.val)
    }

    /// The text of a property; of a reference, its id.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.text.as_deref()
    }

    /// The network interfaces that VMware Tools reports.
    pub(crate) fn interfaces(&self) -> &[Interface] {
        self.value("guest.net")
            .map_or(&[], |value| &value.interfaces)
    }

    /// A property that this user may not read.
    pub(crate) fn unreadable(&self) -> Option<&str> {
        self.missing.first().map(|missing| missing.path.as_str())
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
struct Missing {
    path: String,
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
    ip_config: Option<IpConfig>,
}

impl Interface {
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.ip_config
            .iter()
            .flat_map(|config| &config.addresses)
            .map(|address| address.ip.as_str())
    }
}

#[derive(Deserialize)]
struct IpConfig {
    #[serde(rename = "ipAddress", default)]
    addresses: Vec<IpAddress>,
}

#[derive(Deserialize)]
struct IpAddress {
    #[serde(rename = "ipAddress")]
    ip: String,
}
