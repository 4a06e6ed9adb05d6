//! The description of a provider for the conformance suite.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_autojoin_core::ProviderSpec;
use serde_json::Value;
use wiremock::ResponseTemplate;

use super::CANARY;

/// One discovery of a provider, and the error responses of its service.
#[derive(Clone)]
pub struct Conformance {
    /// The provider.
    pub spec: ProviderSpec,
    /// Its `README.md`, by `include_str!`.
    pub readme: &'static str,
    /// A join string whose discovery makes the requests of `exchanges`. `ENDPOINT` is replaced by
    /// the server's URL; every secret holds [`CANARY`](super::CANARY).
    pub join: &'static str,
    /// Environment variables; `ENDPOINT` as in `join`.
    pub env: &'static [(&'static str, &'static str)],
    /// The requests in order with their responses; the list has several pages, one of the middle
    /// ones empty, if the service has pages.
    pub exchanges: Vec<Exchange>,
    /// How the list is paged.
    pub paging: Paging,
    /// The addresses as printed, sorted.
    pub addresses: &'static [&'static str],
    /// Excluded resources: name, and part of the reason.
    pub excluded: &'static [(&'static str, &'static str)],
    /// The exchanges of a discovery that matches nothing.
    pub nothing: Vec<Exchange>,
    /// The throttling response, and the wait that it requests.
    pub throttled: (Refusal, Duration),
    /// The response to an invalid credential.
    pub unauthorized: Refusal,
    /// The response to a valid credential without a permission, and the permission; `None` if the
    /// service has no permissions.
    pub denied: Option<(Refusal, &'static str)>,
}

/// The pagination of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// The whole list is one response.
    None,
    /// The response holds the URL of the next page.
    Link,
    /// The response holds a token of the next page.
    Token,
    /// Pages are numbered, and the response has their number.
    Number,
}

/// An error response.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: &'static str,
}

impl Refusal {
    /// A response with this status and body.
    pub fn new(status: u16, body: &'static str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }

    /// The same response with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same response, whose texts repeat the secrets of `request`.
    pub(super) fn repeating(&self, request: &wiremock::Request) -> ResponseTemplate {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut sent = Vec::new();
        for value in request.headers.values() {
            sent.push(text(value.as_bytes()));
            let basic = value.as_bytes().strip_prefix(b"Basic ");
            sent.extend(basic.and_then(|pair| Some(text(&STANDARD.decode(pair).ok()?))));
        }
        let query = request.url.query_pairs();
        sent.extend(query.map(|(_, value)| value.into_owned()));
        sent.push(text(&request.body));
        let mut secrets = String::new();
        for text in &sent {
            for (at, _) in text.match_indices(CANARY) {
                secrets.extend(text[at..].chars().take(60).chain([' ']));
            }
        }
        let body = match serde_json::from_str::<Value>(self.body) {
            Ok(mut body) => {
                append_to_texts(&mut body, &secrets);
                body.to_string()
            }
            Err(_) if self.body.starts_with('<') => {
                let escaped = secrets.replace('&', "&amp;").replace('<', "&lt;");
                self.body.replace("</", &format!(" {escaped}</"))
            }
            Err(_) => format!("{} {secrets}", self.body),
        };
        self.template().set_body_string(body)
    }

    pub(super) fn template(&self) -> ResponseTemplate {
        let template = ResponseTemplate::new(self.status).set_body_string(self.body);
        self.headers
            .iter()
            .fold(template, |template, (name, value)| {
                template.insert_header(*name, value.as_str())
            })
    }
}

/// Appends `end` to every text in `value`.
fn append_to_texts(value: &mut Value, end: &str) {
    match value {
        Value::String(text) => *text = format!("{text} {end}"),
        Value::Array(items) => items.iter_mut().for_each(|item| append_to_texts(item, end)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| append_to_texts(field, end)),
        _ => {}
    }
}

/// One request with its response.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, Option<String>>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body_parts: Vec<String>,
    pub(super) absent_body_parts: Vec<String>,
    pub(super) reply: String,
    pub(super) reply_headers: Vec<(&'static str, String)>,
}

impl Exchange {
    /// A `GET` of this path, with the response `reply` (JSON or XML; `ENDPOINT` as in the join
    /// string).
    pub fn get(path: impl Into<String>, reply: impl Into<String>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            query: BTreeMap::new(),
            headers: Vec::new(),
            body_parts: Vec::new(),
            absent_body_parts: Vec::new(),
            reply: reply.into(),
            reply_headers: Vec::new(),
        }
    }

    /// A `POST` to this path.
    pub fn post(path: impl Into<String>, reply: impl Into<String>) -> Self {
        Self {
            method: "POST",
            ..Self::get(path, reply)
        }
    }

    /// The same exchange with another method.
    #[must_use]
    pub fn with_method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// The request has this query parameter.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
        self.query.insert(name.to_owned(), Some(value.to_owned()));
        self
    }

    /// The request doesn't have this query parameter: the first page has no token.
    #[must_use]
    pub fn without_query(mut self, name: &str) -> Self {
        self.query.insert(name.to_owned(), None);
        self
    }

    /// The request has this header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The body of the request contains this text.
    #[must_use]
    pub fn with_body_part(mut self, part: impl Into<String>) -> Self {
        self.body_parts.push(part.into());
        self
    }

    /// The body of the request doesn't contain this text: the first page has no token.
    #[must_use]
    pub fn without_body_part(mut self, part: impl Into<String>) -> Self {
        self.absent_body_parts.push(part.into());
        self
    }

    /// The response has this header.
    #[must_use]
    pub fn with_reply_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.reply_headers.push((name, value.into()));
        self
    }
}
