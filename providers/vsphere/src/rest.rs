//! The tagging API (`/api/cis` or `/rest/com/vmware/cis`), and what responses of both APIs mean.

use std::sync::atomic::{AtomicBool, Ordering};

use cloud_autojoin_core::http::{
    JsonResponse, RawResponse, Request, Response, ResponseClass, ResponseClassifier, RetryPolicy,
};
use cloud_autojoin_core::{ApiError, Call, DecodeError, Error, Finding, Result, Secret};
use cloud_autojoin_provider_kit::auth::StaticHeader;
use cloud_autojoin_provider_kit::{Api, ApiClient, ErrorBody};
use futures::stream::{StreamExt, TryStreamExt, iter};
use http::Method;
use http::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::keys::NAME;
use crate::keys::PASSWORD;

/// The path of `/rest`.
const OLD_ROOT: &[&str] = &["rest", "com", "vmware", "cis"];

/// The header of a session.
const SESSION: HeaderName = HeaderName::from_static("vmware-api-session-id");

/// Without it, `/rest` gives a session to a cookie alone.
const USE_HEADER: HeaderName = HeaderName::from_static("vmware-use-header-authn");

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
                &["/error_type", "/type"],
                &[
                    "/messages/0/default_message",
                    "/value/messages/0/default_message",
                ],
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

/// Why there are no machines.
pub(crate) enum Stop {
    Failed(Error),
    /// There is no such category or tag.
    Unknown(Finding),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A session of the tagging API.
pub(crate) struct Tagging<'a> {
    /// Below `/api`, since vCenter 7.0 U2, or `/rest`, since 6.5.
    client: ApiClient,
    is_old: bool,
    call: &'a Call,
}

impl<'a> Tagging<'a> {
    /// Logs in. `is_old` is whether the server has no `/api`, and is set if it turns out so.
    pub(crate) async fn login(
        client: &ApiClient,
        user: &str,
        password: &Secret,
        is_old: &AtomicBool,
        call: &'a Call,
    ) -> Result<Self> {
        let operation = "log in to the tagging API";
        let problem = "user, password or session id hold characters that a header can't have";
        let invalid = |_| DecodeError::new(NAME, operation, problem);
        let basic = StaticHeader::basic(PASSWORD.name, user, password).map_err(invalid)?;
        let client = client.clone().with_authorizer(basic);
        loop {
            let old = is_old.load(Ordering::Relaxed);
            let client = client.below(if old { OLD_ROOT } else { &["api"] });
            let request = client
                .get(operation, &["session"], &[])
                .with_method(Method::POST)
                .header(USE_HEADER, HeaderValue::from_static("true"));
            match client.answer::<Reply<String>>(&request, call).await? {
                JsonResponse::Failure(response)
                    if response.class == ResponseClass::NotFound && !old =>
                {
                    is_old.store(true, Ordering::Relaxed);
                }
                answer => {
                    let session = client.value(&request, answer)?.into_value().into();
                    let header = StaticHeader::header(PASSWORD.name, SESSION, &session);
                    return Ok(Self {
                        client: client.with_authorizer(header.map_err(invalid)?),
                        is_old: old,
                        call,
                    });
                }
            }
        }
    }

    /// Ends the session. That it fails changes nothing.
    pub(crate) async fn logout(&self, call: &Call) {
        let operation = "log out of the tagging API";
        let request = self.client.get(operation, &["session"], &[]);
        let request = request
            .with_method(Method::DELETE)
            .retry(RetryPolicy::none());
        _ = self.client.send(request, call).await;
    }

    /// The ids of the virtual machines that have the tag.
    pub(crate) async fn attached(&self, category: &str, tag: &str) -> Result<Vec<String>, Stop> {
        let ids = self.list(self.get("list tag categories", &["category"]));
        let what = format!("tag category `{category}`");
        let id = self.find("category", ids.await?, category, &what).await?;
        let body = json!({ "category_id": id });
        let id = self.segment(&id);
        // `/api` has the category in the body alone.
        let path = &["tag", &*id][..1 + usize::from(self.is_old)];
        let operation = format!("list the tags of category `{category}`");
        let ids = self.list(self.post(&operation, path, "list-tags-for-category", &body));
        let what = format!("tag `{tag}` in category `{category}`");
        let id = self.find("tag", ids.await?, tag, &what).await?;
        let path = ["tag-association", &self.segment(&id)];
        let operation = format!("list what tag `{tag}` is attached to");
        let request = self.post(&operation, &path, "list-attached-objects", &json!({}));
        let mut attached: Vec<Attached> = self.list(request).await?;
        attached.retain(|object| object.kind == "VirtualMachine");
        let mut machines: Vec<String> = attached.into_iter().map(|object| object.id).collect();
        machines.sort();
        Ok(machines)
    }

    /// The id of the entry with this name; those deleted meanwhile are left out.
    async fn find(
        &self,
        kind: &'static str,
        ids: Vec<String>,
        name: &str,
        what: &str,
    ) -> Result<String, Stop> {
        let read = async |id: String| {
            let request = self.get(&format!("read a {kind}"), &[kind, &self.segment(&id)]);
            match self.client.json::<Reply<Named>>(request, self.call).await {
                // A proxy's 404 has no code.
                Err(Error::Api(error)) if error.status() == 404 && error.code().is_some() => {
                    Ok(None)
                }
                entry => entry.map(|entry| Some(entry.into_value())),
            }
        };
        let entries = iter(ids).map(read).buffered(PARALLEL);
        let entries: Vec<Option<Named>> = entries.try_collect().await?;
        let entries: Vec<Named> = entries.into_iter().flatten().collect();
        if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
            return Ok(entry.id.clone());
        }
        let names = entries.iter().map(|entry| format!("`{}`", entry.name));
        let names = names.collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "none" } else { &names };
        let hint = format!("check `category_name` and `tag_name`; this user sees {names}");
        let unknown = Finding::new(format!("there is no {what}"));
        Err(Stop::Unknown(unknown.with_hint(hint)))
    }

    /// A list, which is null when it is empty.
    async fn list<T: DeserializeOwned>(&self, request: Request) -> Result<Vec<T>> {
        let reply: Reply<Option<Vec<T>>> = self.client.json(request, self.call).await?;
        Ok(reply.into_value().unwrap_or_default())
    }

    /// An id as a segment of a path.
    fn segment(&self, id: &str) -> String {
        format!("{}{id}", if self.is_old { "id:" } else { "" })
    }

    fn get(&self, operation: &str, path: &[&str]) -> Request {
        // It is in the root of `/rest`.
        let root = &["cis", "tagging"][usize::from(self.is_old)..];
        self.client.get(operation, &[root, path].concat(), &[])
    }

    fn post(&self, operation: &str, path: &[&str], action: &str, body: &Value) -> Request {
        let mut url = self.get(operation, path).url().clone();
        let mark = if self.is_old { "~" } else { "" };
        url.set_query(Some(&format!("{mark}action={action}")));
        Request::post_json(operation, url, body)
    }
}
