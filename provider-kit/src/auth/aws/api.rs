//! The errors of AWS's APIs: XML for the Query protocol (EC2, STS), JSON for the others.
//!
//! Facts: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and the error codes
//! that the SDKs retry (docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).

use std::borrow::Borrow;

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier, without_bom,
};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;
use url::form_urlencoded::{Serializer, parse};

use super::NAME;
use crate::api::class_of_code;
use crate::{Api, ApiClient, ErrorBody};

/// The operation of a request of the JSON protocol.
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// The versions of the APIs of the Query protocol.
pub const EC2_VERSION: &str = "2016-11-15";
pub(super) const STS_VERSION: &str = "2011-06-15";

const JSON: &str = "application/x-amz-json-1.1";
const FORM: HeaderValue =
    HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");

/// What the codes that begin so mean. They say more than the status: throttling comes with 400 and
/// 503, a refused credential with 400, 401 and 403.
const CLASSES: &[(ResponseClass, &[&str])] = &[
    (
        ResponseClass::Throttled,
        &[
            "RequestLimitExceeded",
            "Throttl",
            "RequestThrottled",
            "EC2Throttled",
            "TooManyRequests",
            "SlowDown",
            "BandwidthLimitExceeded",
            "PriorRequestNotComplete",
        ],
    ),
    (
        ResponseClass::Retryable,
        &[
            "Internal",
            "ServerException",
            "Unavailable",
            "ServiceUnavailable",
            "RequestTimeout",
            "IDPCommunicationError",
        ],
    ),
    (
        ResponseClass::ExpiredCredential,
        &[
            "AuthFailure",
            "ExpiredToken",
            "RequestExpired",
            "InvalidClientTokenId",
            "UnrecognizedClient",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidSignature",
            "RequestTimeTooSkewed",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "InvalidIdentityToken",
            "ExpiredIdentityToken",
        ],
    ),
    (
        ResponseClass::PermissionDenied,
        &["UnauthorizedOperation", "AccessDenied"],
    ),
    (ResponseClass::NotFound, &["ClusterNotFound"]),
    // With status 401, whatever the credential.
    (ResponseClass::Final, &["OptInRequired"]),
];

/// What to do about the codes that begin so.
const HINTS: &[(&[&str], &str)] = &[
    (
        &["ExpiredToken", "RequestExpired"],
        "the session token has expired: get a new one, or check the clock of this machine",
    ),
    (
        &["SignatureDoesNotMatch", "InvalidSignature", "RequestTime"],
        "check `secret_access_key` (or AWS_SECRET_ACCESS_KEY) and the clock of this machine",
    ),
    (
        &["InvalidIdentityToken", "ExpiredIdentityToken"],
        "check the file of AWS_WEB_IDENTITY_TOKEN_FILE, and that the role trusts its issuer",
    ),
    (
        &["UnauthorizedException"],
        "the login of IAM Identity Center is over: run `aws sso login`",
    ),
    (
        &["OptInRequired"],
        "this account can't use the service in this region: enable the region, or check `region`",
    ),
    (&["ClusterNotFound"], "check `ecs_cluster` and `region`"),
];

/// For every other refused credential.
const REFUSED: &str = "check the access key and its secret, that the region is enabled for the \
    account, and the clock of this machine";

/// What is particular about AWS's APIs.
#[derive(Debug)]
pub struct AwsApi;

impl ResponseClassifier for AwsApi {
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        if response.status.is_success() {
            return ResponseClass::Success;
        }
        let code = error_body(&response.body).code.unwrap_or_default();
        class_of_code(&code, CLASSES).unwrap_or_else(|| ResponseClass::of_status(response.status))
    }
}

impl Api for AwsApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        let mut body = error_body(&response.body);
        if body.request_id.is_none() {
            let header = response.headers.get("x-amzn-requestid");
            body.request_id = header.and_then(|id| Some(id.to_str().ok()?.to_owned()));
        }
        body
    }

    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        if response.class == ResponseClass::PermissionDenied {
            return match permission(request) {
                Some(permission) => error.with_missing_permission(permission),
                None => error,
            };
        }
        let code = error.code().unwrap_or_default();
        let is_refused = response.class == ResponseClass::ExpiredCredential;
        let known = |(codes, hint): &(&[&str], &'static str)| {
            codes
                .iter()
                .any(|known| code.starts_with(known))
                .then_some(*hint)
        };
        let hint = HINTS.iter().find_map(known);
        match hint.or_else(|| is_refused.then_some(REFUSED)) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// The code of a JSON body may have a namespace and a link around it:
/// `com.amazonaws#Code:http://...`.
fn error_body(body: &[u8]) -> ErrorBody {
    let body = without_bom(body);
    if body.trim_ascii_start().first() != Some(&b'{') {
        return ErrorBody::from_xml(body, "Code", "Message", &["RequestID", "RequestId"]);
    }
    let (codes, messages) = (["/__type", "/code", "/Code"], ["/message", "/Message"]);
    let mut found = ErrorBody::from_json(body, &codes, &messages, &[]);
    found.code = found.code.map(|code| {
        let code = code.rsplit('#').next().unwrap_or_default();
        code.split(':').next().unwrap_or_default().to_owned()
    });
    found
}

/// The permission that a request needs: `ec2:DescribeInstances`.
fn permission(request: &Request) -> Option<String> {
    if let Some(target) = request.headers().get(TARGET) {
        let (_, action) = target.to_str().ok()?.rsplit_once('.')?;
        return Some(format!("ecs:{action}"));
    }
    let body = request.body()?;
    let field =
        |wanted: &str| parse(body).find_map(|(name, value)| (name == wanted).then_some(value));
    let service = if field("Version")? == EC2_VERSION {
        "ec2"
    } else {
        "sts"
    };
    Some(format!("{service}:{}", field("Action")?))
}

/// A request of the Query protocol.
pub fn query<F, N, V>(client: &ApiClient, operation: &str, fields: F) -> Request
where
    F: IntoIterator<Item: Borrow<(N, V)>>,
    N: AsRef<str>,
    V: AsRef<str>,
{
    let body = Serializer::new(String::new()).extend_pairs(fields).finish();
    Request::post(operation, client.endpoint().clone(), body).header(CONTENT_TYPE, FORM)
}

/// A request of the JSON protocol; `target` is the name of the API and its operation.
pub fn json_request(client: &ApiClient, operation: String, target: &str, body: &Value) -> Request {
    let mut request = Request::post(operation, client.endpoint().clone(), body.to_string());
    for (name, value) in [(CONTENT_TYPE, JSON), (TARGET, target)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            request.set_header(name, value);
        }
    }
    request
}
