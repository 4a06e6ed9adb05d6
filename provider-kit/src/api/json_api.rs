//! The description of a JSON API as data: where its errors have code and message, what the codes
//! mean, and what to do about them.

use std::time::{Duration, SystemTime};

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier, retry_after,
};

use super::{Api, ErrorBody, class_of_code, retry_after_or_reset};

/// The description of a JSON API, for a `static`. An API that needs more implements [`Api`].
///
/// ```
/// use cloud_autojoin_core::http::ResponseClass;
/// use cloud_autojoin_provider_kit::api::{Advice, JsonApi};
///
/// static API: JsonApi = JsonApi::new("example")
///     .with_error(&["/error/code"], &["/error/message"], &[])
///     .with_codes(&[(ResponseClass::Throttled, &["RateLimit"])])
///     .with_advice(&[
///         Advice::on(ResponseClass::ExpiredCredential).hint("check `api_token`"),
///         Advice::on(ResponseClass::PermissionDenied).permission("server:read"),
///     ]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct JsonApi {
    provider: &'static str,
    code: &'static [&'static str],
    message: &'static [&'static str],
    request_id: &'static [&'static str],
    request_id_header: &'static str,
    reset_header: &'static str,
    codes: &'static [(ResponseClass, &'static [&'static str])],
    class: Option<fn(&RawResponse) -> Option<ResponseClass>>,
    advice: &'static [Advice],
}

impl JsonApi {
    /// The API of `provider`, whose error bodies have `code`, `message` and `request_id`.
    pub const fn new(provider: &'static str) -> Self {
        Self {
            provider,
            code: &["/code"],
            message: &["/message"],
            request_id: &["/request_id"],
            request_id_header: "",
            reset_header: "",
            codes: &[],
            class: None,
            advice: &[],
        }
    }

    /// The JSON pointers to code, message and request id ([`ErrorBody::from_json`]).
    #[must_use]
    pub const fn with_error(
        mut self,
        code: &'static [&'static str],
        message: &'static [&'static str],
        request_id: &'static [&'static str],
    ) -> Self {
        (self.code, self.message, self.request_id) = (code, message, request_id);
        self
    }

    /// The header with the request id.
    #[must_use]
    pub const fn with_request_id_header(mut self, name: &'static str) -> Self {
        self.request_id_header = name;
        self
    }

    /// The header with the time when the rate limit resets ([`retry_after_or_reset`]).
    #[must_use]
    pub const fn with_reset_header(mut self, name: &'static str) -> Self {
        self.reset_header = name;
        self
    }

    /// What the codes that begin with these words mean ([`class_of_code`]). The status decides
    /// about the others.
    #[must_use]
    pub const fn with_codes(
        mut self,
        codes: &'static [(ResponseClass, &'static [&'static str])],
    ) -> Self {
        self.codes = codes;
        self
    }

    /// The class of the responses that neither status nor code classifies.
    #[must_use]
    pub const fn with_class(mut self, class: fn(&RawResponse) -> Option<ResponseClass>) -> Self {
        self.class = Some(class);
        self
    }

    /// What errors need; the first row that fits counts.
    #[must_use]
    pub const fn with_advice(mut self, advice: &'static [Advice]) -> Self {
        self.advice = advice;
        self
    }

    fn body(&self, body: &[u8]) -> ErrorBody {
        ErrorBody::from_json(body, self.code, self.message, self.request_id)
    }
}

impl ResponseClassifier for JsonApi {
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        if let Some(class) = self.class.and_then(|class| class(response)) {
            return class;
        }
        let class = ResponseClass::of_status(response.status);
        if class == ResponseClass::Success || self.codes.is_empty() {
            return class;
        }
        let code = self.body(&response.body).code.unwrap_or_default();
        class_of_code(&code, self.codes).unwrap_or(class)
    }

    fn retry_after(&self, response: &RawResponse, now: SystemTime) -> Option<Duration> {
        if self.reset_header.is_empty() {
            retry_after(&response.headers, now)
        } else {
            retry_after_or_reset(response, self.reset_header, now)
        }
    }
}

impl Api for JsonApi {
    fn provider(&self) -> &'static str {
        self.provider
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        let mut body = self.body(&response.body);
        let header = response.headers.get(self.request_id_header);
        if let Some(id) = header.and_then(|value| value.to_str().ok()) {
            body.request_id = Some(id.to_owned());
        }
        body
    }

    fn explain(&self, mut error: ApiError, request: &Request, response: &Response) -> ApiError {
        let fits = |advice: &&Advice| advice.fits(&error, request, response);
        let Some(advice) = self.advice.iter().find(fits) else {
            return error;
        };
        if !advice.permission.is_empty() {
            error = error.with_missing_permission(advice.permission);
        }
        match advice.hint {
            Some(hint) => error.with_hint(hint.replace("PERMISSION", advice.permission)),
            None => error,
        }
    }
}

/// What is added to errors of one kind: the missing permission, a hint, or both.
#[derive(Debug, Clone, Copy)]
pub struct Advice {
    class: Option<ResponseClass>,
    code: &'static str,
    operation: &'static str,
    permission: &'static str,
    hint: Option<&'static str>,
}

impl Advice {
    const ANY: Self = Self {
        class: None,
        code: "",
        operation: "",
        permission: "",
        hint: None,
    };

    /// For errors of this class.
    pub const fn on(class: ResponseClass) -> Self {
        Self {
            class: Some(class),
            ..Self::ANY
        }
    }

    /// For errors whose code contains `code`.
    pub const fn on_code(code: &'static str) -> Self {
        Self { code, ..Self::ANY }
    }

    /// Only where the code contains `code`.
    #[must_use]
    pub const fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// Only during this operation ([`Request::operation`]).
    #[must_use]
    pub const fn during(mut self, operation: &'static str) -> Self {
        self.operation = operation;
        self
    }

    /// The permission that is missing.
    #[must_use]
    pub const fn permission(mut self, permission: &'static str) -> Self {
        self.permission = permission;
        self
    }

    /// What to do next; `PERMISSION` is replaced by the missing permission.
    #[must_use]
    pub const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    fn fits(&self, error: &ApiError, request: &Request, response: &Response) -> bool {
        self.class.is_none_or(|class| class == response.class)
            && error.code().unwrap_or_default().contains(self.code)
            && (self.operation.is_empty() || self.operation == request.operation())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use cloud_autojoin_core::{Call, Clock, Context, Env, Error};
    use serde_json::Value;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

    use super::*;
    use crate::ApiClient;

    static API: JsonApi = JsonApi::new("example")
        .with_request_id_header("x-id")
        .with_codes(&[(ResponseClass::PermissionDenied, &["Forbidden"])])
        .with_class(|response| (response.status == 418).then_some(ResponseClass::NotFound))
        .with_advice(&[
            Advice::on(ResponseClass::PermissionDenied)
                .during("list disks")
                .permission("disk:read"),
            Advice::on(ResponseClass::PermissionDenied)
                .permission("server:read")
                .hint("grant `PERMISSION`"),
            Advice::on_code("Region").hint("check `region`"),
            Advice::on(ResponseClass::NotFound)
                .with_code("Zone")
                .hint("check `zone`"),
        ]);

    async fn error(operation: &str, status: u16, code: &str) -> ApiError {
        let server = MockServer::start().await;
        let body = format!(r#"{{"code":"{code}","message":"M","request_id":"body"}}"#);
        let response = ResponseTemplate::new(status).set_body_string(body);
        let response = response.insert_header("x-id", "header");
        Mock::given(any())
            .respond_with(response)
            .mount(&server)
            .await;
        let context = Context::builder()
            .env(Env::empty())
            .clock(Clock::auto_advancing())
            .build()
            .unwrap();
        let client = ApiClient::new(&context, &API, server.uri().parse().unwrap());
        let call = Call::new(context.clock(), Duration::from_secs(60));
        let request = client.get(operation, &[], &[]);
        match client.json::<Value>(request, &call).await {
            Err(Error::Api(error)) => *error,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_first_advice_that_fits_is_given() {
        let given = async |operation, status, code| {
            let error = error(operation, status, code).await;
            let permission = error.missing_permission().unwrap_or_default().to_owned();
            (permission, error.hint().unwrap_or_default().into_owned())
        };
        let denied = given("list servers", 400, "Forbidden.User").await;
        assert_eq!(
            denied,
            ("server:read".to_owned(), "grant `server:read`".to_owned())
        );
        let disks = given("list disks", 403, "").await;
        assert_eq!(disks.0, "disk:read");
        let region = given("list servers", 400, "InvalidRegion").await;
        assert_eq!(region.1, "check `region`");
        let zone = given("list servers", 418, "NoZone").await;
        assert_eq!(zone.1, "check `zone`");
        assert_ne!(given("list servers", 418, "Other").await.1, "check `zone`");
    }

    #[tokio::test]
    async fn the_request_id_in_the_header_counts_before_that_in_the_body() {
        let error = error("list servers", 400, "").await;
        assert_eq!(error.request_id(), Some("header"));
        assert_eq!(error.message(), Some("M"));
    }
}
