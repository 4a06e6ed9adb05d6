//! The tagging API (`/rest/com/vmware/cis`), and what responses of both APIs mean.

use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_core::{ApiError, Call, Error, Result};
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

/// What every response of this API is wrapped in.
#[derive(Deserialize)]
pub(crate) struct Wrapped<T> {
    pub(crate) value: T,
}

/// The same around a list, which is null when it is empty.
#[derive(Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct List<T> {
    // Without this attribute an absent one would be an empty one.
    #[serde(deserialize_with = "Option::deserialize")]
    value: Option<Vec<T>>,
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

/// A tag that isn't there, with the names that are.
pub(crate) struct Unknown {
    pub(crate) what: String,
    pub(crate) known: Vec<String>,
}

/// Reads tags with the credential of `client`.
pub(crate) struct Tagging<'a> {
    pub(crate) client: &'a ApiClient,
    pub(crate) call: &'a Call,
}

impl Tagging<'_> {
    /// The ids of the virtual machines that have the tag.
    pub(crate) async fn attached(
        &self,
        category: &str,
        tag: &str,
    ) -> Result<Result<Vec<String>, Unknown>> {
        let unknown = |what: String, known: Vec<Named>| Unknown {
            what,
            known: known.into_iter().map(|entry| entry.name).collect(),
        };
        let ids = self
            .list(self.get("list tag categories", &["category"]))
            .await?;
        let categories = self.each("category", ids).await?;
        let Some(found) = categories.iter().find(|entry| entry.name == category) else {
            return Ok(Err(unknown(
                format!("there is no tag category `{category}`"),
                categories,
            )));
        };
        let operation = format!("list the tags of category `{category}`");
        let body = json!({ "category_id": found.id });
        let ids = self
            .list(self.post(
                &operation,
                ["tag", &found.id],
                "list-tags-for-category",
                &body,
            ))
            .await?;
        let tags = self.each("tag", ids).await?;
        let Some(found) = tags.iter().find(|entry| entry.name == tag) else {
            return Ok(Err(unknown(
                format!("there is no tag `{tag}` in category `{category}`"),
                tags,
            )));
        };
        let operation = format!("list what tag `{tag}` is attached to");
        let request = self.post(
            &operation,
            ["tag-association", &found.id],
            "list-attached-objects",
            &json!({}),
        );
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
        let get = async |id: String| match self
            .client
            .json(
                self.get(&format!("read a {kind}"), &[kind, &format!("id:{id}")]),
                self.call,
            )
            .await
        {
            Err(Error::Api(error)) if error.status() == 404 => Ok(None),
            entry => entry.map(|Wrapped { value }| Some(value)),
        };
        iter(ids)
            .map(get)
            .buffered(PARALLEL)
            .try_filter_map(async |entry: Option<Named>| Ok(entry))
            .try_collect()
            .await
    }

    async fn list<T: DeserializeOwned>(&self, request: Request) -> Result<Vec<T>> {
        Ok(self
            .client
            .json::<List<T>>(request, self.call)
            .await?
            .value
            .unwrap_or_default())
    }

    fn get(&self, operation: &str, path: &[&str]) -> Request {
        self.client.get(
            operation,
            &[&["rest", "com", "vmware", "cis", "tagging"], path].concat(),
            &[],
        )
    }

    fn post(
        &self,
        operation: &str,
        [kind, id]: [&str; 2],
        action: &str,
        body: &serde_json::Value,
    ) -> Request {
        let mut url = self.client.url(
            &[
                "rest",
                "com",
                "vmware",
                "cis",
                "tagging",
                kind,
                &format!("id:{id}"),
            ],
            &[],
        );
        url.set_query(Some(&format!("~action={action}")));
        Request::post(operation, url, body.to_string())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }
}
