//! The tagging API (`/api/cis` or `/rest/com/vmware/cis`), and what responses of both APIs mean.

use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_core::{ApiError, Call, Error, Finding, Result};
use cloud_autojoin_provider_kit::{Api, ApiClient, ErrorBody};
use futures::stream::{StreamExt, TryStreamExt, iter};
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::provider::NAME;

/// How many categories or tags are read at once: the API lists their ids alone.
const PARALLEL: usize = 8;

/// What is particular about vCenter's APIs.
pub(crate) struct VSphereApi;

impl ResponseClassifier for VSphereApi {
    /// A SOAP fault has status 500, whatever it is about.
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        match fault(&response.body).unwrap_or_default() {
            "InvalidLoginFault" | "NotAuthenticatedFault" => ResponseClass::ExpiredCredential,
            "NoPermissionFault" => ResponseClass::PermissionDenied,
            "ManagedObjectNotFoundFault" => ResponseClass::NotFound,
            _ => ResponseClass::of_status(response.status),
        }
    }
}

impl Api for VSphereApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        match fault(&response.body) {
            Some(fault) => ErrorBody {
                code: Some(fault.to_owned()),
                ..ErrorBody::from_xml(&response.body, "", "faultstring", &[])
            },
            None => ErrorBody::from_json(
                &response.body,
                &["/type"],
                &["/value/messages/0/default_message"],
                &[],
            ),
        }
    }

    fn explain(&self, error: ApiError, _: &Request, response: &Response) -> ApiError {
        match response.class {
            ResponseClass::ExpiredCredential => {
                error.with_hint("check `user` (`name@domain`, or `DOMAIN\\name` as `\"DOMAIN\\\\name\"`) and `password`: vCenter refuses them")
            }
            ResponseClass::PermissionDenied => {
                let privilege = ErrorBody::from_xml(&response.body, "privilegeId", "", &[]).code;
                error.with_missing_permission(privilege.unwrap_or_else(|| "System.Read".to_owned()))
            }
            ResponseClass::NotFound => error.with_hint("check `host`: this isn't a vCenter Server of version 6.5 or newer, which tags need"),
            _ => error,
        }
    }
}

/// The kind of a SOAP fault: the first element of its detail.
fn fault(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, detail) = text.split_once("<faultstring")?.1.split_once("<detail>")?;
    let name = detail
        .trim_start()
        .strip_prefix('<')?
        .split(|letter: char| letter.is_whitespace() || matches!(letter, '>' | '/'))
        .next()?;
    Some(name.rsplit_once(':').map_or(name, |(_, local)| local))
}

/// A value, which `/rest` wraps.
#[derive(Deserialize)]
#[serde(untagged, bound = "T: Deserialize<'de>")]
pub(crate) enum Reply<T> {
    Wrapped {
        // Without this attribute an absent list would be an empty one.
        #[serde(deserialize_with = "T::deserialize")]
        value: T,
    },
    Plain(T),
}

impl<T> Reply<T> {
    pub(crate) fn into_value(self) -> T {
        match self {
            Self::Wrapped { value } | Self::Plain(value) => value,
        }
    }
}

/// The paths of the tagging API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    /// Below `/api`, since vCenter 7.0 U2.
    Api,
    /// Below `/rest`, since vCenter 6.5.
    Rest,
}

impl Paths {
    /// The path of the sessions.
    pub(crate) fn session(self) -> &'static [&'static str] {
        match self {
            Self::Api => &["api", "session"],
            Self::Rest => &["rest", "com", "vmware", "cis", "session"],
        }
    }

    fn tagging(self) -> &'static [&'static str] {
        match self {
            Self::Api => &["api", "cis", "tagging"],
            Self::Rest => &["rest", "com", "vmware", "cis", "tagging"],
        }
    }
}

/// A category or tag.
#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Attached {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Reads tags with the credential of `client`.
pub(crate) struct Tagging<'a> {
    pub(crate) client: &'a ApiClient,
    pub(crate) paths: Paths,
    pub(crate) call: &'a Call,
}

impl Tagging<'_> {
    /// The ids of the virtual machines that have the tag; or that it isn't there, with those that
    /// are.
    pub(crate) async fn attached(
        &self,
        category: &str,
        tag: &str,
    ) -> Result<Result<Vec<String>, Finding>> {
        let request = self.get("list tag categories", &["category"]);
        let ids = self.list(request).await?;
        let categories = self.each("category", ids).await?;
        let Some(found) = categories.iter().find(|entry| entry.name == category) else {
            let what = format!("there is no tag category `{category}`");
            return Ok(Err(unknown(what, &categories)));
        };
        let operation = format!("list the tags of category `{category}`");
        let id = Some(found.id.as_str()).filter(|_| self.paths == Paths::Rest);
        let body = json!({ "category_id": found.id });
        let request = self.post(&operation, ("tag", id), "list-tags-for-category", &body);
        let ids = self.list(request).await?;
        let tags = self.each("tag", ids).await?;
        let Some(found) = tags.iter().find(|entry| entry.name == tag) else {
            let what = format!("there is no tag `{tag}` in category `{category}`");
            return Ok(Err(unknown(what, &tags)));
        };
        let operation = format!("list what tag `{tag}` is attached to");
        let of = ("tag-association", Some(found.id.as_str()));
        let request = self.post(&operation, of, "list-attached-objects", &json!({}));
        let attached: Vec<Attached> = self.list(request).await?;
        let mut machines: Vec<String> = attached
            .into_iter()
            .filter(|object| object.kind == "VirtualMachine")
            .map(|object| object.id)
            .collect();
        machines.sort();
        Ok(Ok(machines))
    }

    /// The entries of these ids; those deleted meanwhile are left out.
    async fn each(&self, kind: &'static str, ids: Vec<String>) -> Result<Vec<Named>> {
        let get = async |id: String| {
            let request = self.get(&format!("read a {kind}"), &[kind, &self.segment(&id)]);
            match self.client.json::<Reply<Named>>(request, self.call).await {
                Err(Error::Api(error)) if error.status() == 404 => Ok(None),
                entry => entry.map(|entry| Some(entry.into_value())),
            }
        };
        iter(ids)
            .map(get)
            .buffered(PARALLEL)
            .try_filter_map(async |entry: Option<Named>| Ok(entry))
            .try_collect()
            .await
    }

    /// A list, which is null when it is empty.
    async fn list<T: DeserializeOwned>(&self, request: Request) -> Result<Vec<T>> {
        let reply: Reply<Option<Vec<T>>> = self.client.json(request, self.call).await?;
        Ok(reply.into_value().unwrap_or_default())
    }

    /// An id as a segment of a path.
    fn segment(&self, id: &str) -> String {
        match self.paths {
            Paths::Api => id.to_owned(),
            Paths::Rest => format!("id:{id}"),
        }
    }

    fn get(&self, operation: &str, path: &[&str]) -> Request {
        self.client
            .get(operation, &[self.paths.tagging(), path].concat(), &[])
    }

    fn post(
        &self,
        operation: &str,
        (kind, id): (&str, Option<&str>),
        action: &str,
        body: &serde_json::Value,
    ) -> Request {
        let segment = id.map(|id| self.segment(id));
        let path: Vec<&str> = [kind].into_iter().chain(segment.as_deref()).collect();
        let mut url = self.get(operation, &path).url().clone();
        let mark = if self.paths == Paths::Rest { "~" } else { "" };
        url.set_query(Some(&format!("{mark}action={action}")));
        Request::post(operation, url, body.to_string())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }
}

fn unknown(what: String, known: &[Named]) -> Finding {
    let names: Vec<String> = known
        .iter()
        .map(|entry| format!("`{}`", entry.name))
        .collect();
    let known = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    Finding::new(what).with_hint(format!(
        "check `category_name` and `tag_name`; this user sees {known}"
    ))
}
