//! One response, and the requests that get it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;

use super::Operation;
use crate::engine::message::{Reply, Request};

/// What a body has in place of the scheme, host and port of the request: links start with it.
const ORIGIN: &str = "{origin}";

/// An exchange as a file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangePlan {
    /// The name of the operation; default: method and path.
    operation: Option<String>,
    /// The HTTP method; default GET.
    #[serde(default = "get")]
    method: String,
    /// The host of the service.
    host: String,
    /// The path, percent-encoded as the client sends it.
    path: String,
    /// Query parameters that the request must have. A list gives several values, of which `""` is
    /// that the parameter is absent. Other parameters don't matter.
    #[serde(default)]
    query: BTreeMap<String, Values>,
    /// Headers that the request must have.
    #[serde(default)]
    request_headers: BTreeMap<String, String>,
    /// A part that the body of the request must have.
    #[serde(default)]
    request_body_has: String,
    /// The status of the response; default 200.
    #[serde(default = "ok")]
    status: u16,
    /// Headers of the response.
    #[serde(default)]
    response_headers: BTreeMap<String, String>,
    /// The body of the response; `{origin}` in it becomes the scheme, host and port of the request.
    body: Option<String>,
    /// A file with the body, relative to the script.
    pub(super) body_file: Option<String>,
}

fn get() -> String {
    Method::GET.to_string()
}

fn ok() -> u16 {
    StatusCode::OK.as_u16()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

impl Values {
    fn contain(&self, value: &str) -> bool {
        match self {
            Self::One(one) => one == value,
            Self::Several(several) => several.iter().any(|one| one == value),
        }
    }
}

/// An exchange that can be served.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    operation: Operation,
    method: Method,
    host: String,
    path: String,
    query: BTreeMap<String, Values>,
    request_headers: BTreeMap<String, String>,
    request_body_has: String,
    status: StatusCode,
    response_headers: HeaderMap,
    body: Bytes,
    /// Whether the body has links.
    has_origin: bool,
}

impl Exchange {
    /// The exchange of a plan; the body is that of its file if it names one.
    ///
    /// # Errors
    ///
    /// What is wrong with the plan.
    pub(super) fn new(plan: ExchangePlan, body_of_file: Option<String>) -> Result<Self, String> {
        let method = plan
            .method
            .parse()
            .map_err(|_| format!("`method` is `{}`, which is no HTTP method", plan.method))?;
        let status = StatusCode::from_u16(plan.status).map_err(|_| {
            format!(
                "`status` is {}; an HTTP status is from 100 to 999",
                plan.status
            )
        })?;
        if !plan.path.starts_with('/') {
            return Err(format!("`path` is `{}`; it starts with `/`", plan.path));
        }
        let body = match (plan.body, body_of_file) {
            (Some(_), Some(_)) => {
                return Err("`body` and `body_file` exclude each other".to_owned());
            }
            (body, of_file) => body.or(of_file).unwrap_or_default(),
        };
        let mut response_headers = HeaderMap::new();
        if !body.is_empty() {
            response_headers.insert(
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("application/json; charset=utf-8"),
            );
        }
        for (name, value) in &plan.response_headers {
            let problem = || {
                format!("`response_headers`: `{name}` is no HTTP header, or has no value of one")
            };
            let name: HeaderName = name.parse().map_err(|_| problem())?;
            response_headers.insert(name, value.parse().map_err(|_| problem())?);
        }
        let operation = plan
            .operation
            .unwrap_or_else(|| format!("{method} {}", plan.path));
        Ok(Self {
            operation: Operation::from(operation),
            method,
            host: plan.host.to_ascii_lowercase(),
            path: plan.path,
            query: plan.query,
            request_headers: plan.request_headers,
            request_body_has: plan.request_body_has,
            status,
            response_headers,
            has_origin: body.contains(ORIGIN),
            body: body.into(),
        })
    }

    pub(super) fn has_host(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }

    /// Whether a request gets this response. Without `host` it came to the endpoint itself.
    pub(super) fn matches(&self, host: Option<&str>, request: &Request) -> bool {
        let has_parameter = |(name, values): (&String, &Values)| {
            let found = request.query.iter().find(|(key, _)| key == name);
            values.contain(found.map_or("", |(_, value)| value.as_str()))
        };
        host.is_none_or(|host| self.has_host(host))
            && self.method == request.method
            && self.path == request.path
            && self.query.iter().all(has_parameter)
            && String::from_utf8_lossy(&request.body).contains(&self.request_body_has)
            && self
                .request_headers
                .iter()
                .all(|(name, value)| request.header(name) == Some(value))
    }

    pub(super) fn reply(&self, request: &Request) -> Reply<Operation> {
        let body = if self.has_origin {
            String::from_utf8_lossy(&self.body)
                .replace(ORIGIN, &request.origin)
                .into()
        } else {
            self.body.clone()
        };
        Reply {
            operation: self.operation.clone(),
            status: self.status,
            headers: self.response_headers.clone(),
            body,
            compressed: None,
        }
    }
}
