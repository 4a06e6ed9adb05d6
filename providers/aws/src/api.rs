//! The errors of AWS's APIs: XML for the Query protocol (EC2, STS), JSON for ECS.
//!
//! Facts: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and the error codes
//! that the SDKs retry (docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).

use cloud_autojoin_core::ApiError;
use cloud_autojoin_core::http::{
    RawResponse, Request, Response, ResponseClass, ResponseClassifier,
};
use cloud_autojoin_provider_kit::{Api, ErrorBody};
use http::header::HeaderName;

use crate::provider::NAME;

/// The operation of a request of the JSON protocol.
pub(crate) const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// What is particular about AWS's APIs.
pub(crate) struct AwsApi;

impl ResponseClassifier for AwsApi {
    /// The code in the body says more than the status: throttling comes with 400 and 503, a refused
    /// credential with 400, 401 and 403.
    fn classify(&self, response: &RawResponse) -> ResponseClass {
        if response.status.is_success() {
            return ResponseClass::Success;
        }
        let code = error_body(&response.body).code.unwrap_or_default();
        class_of(&code).unwrap_or_else(|| ResponseClass::of_status(response.status))
    }
}

fn class_of(code: &str) -> Option<ResponseClass> {
    Some(match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "EC2ThrottledException"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "SlowDown"
        | "PriorRequestNotComplete" => ResponseClass::Throttled,
        "InternalError"
        | "InternalFailure"
        | "ServerException"
        | "Unavailable"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "IDPCommunicationError" => ResponseClass::Retryable,
        "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "RequestTimeTooSkewed"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "InvalidIdentityToken"
        | "ExpiredIdentityToken" => ResponseClass::ExpiredCredential,
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            ResponseClass::PermissionDenied
        }
        "ClusterNotFoundException" => ResponseClass::NotFound,
        // With status 401, whatever the credential.
        "OptInRequired" => ResponseClass::Final,
        _ => return None,
    })
}

impl Api for AwsApi {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn error_body(&self, response: &Response) -> ErrorBody {
        let mut body = error_body(&response.body);
        let header = || {
            response
                .headers
                .get("x-amzn-requestid")
                .and_then(|id| id.to_str().ok())
                .map(str::to_owned)
        };
        body.request_id = body.request_id.or_else(header);
        body
    }

    fn explain(&self, error: ApiError, request: &Request, response: &Response) -> ApiError {
        let hint = match (response.class, error.code().unwrap_or_default()) {
            (ResponseClass::PermissionDenied, _) => {
                return match permission(request) {
                    Some(permission) => error.with_missing_permission(permission),
                    None => error,
                };
            }
            (
                ResponseClass::ExpiredCredential,
                "ExpiredToken" | "ExpiredTokenException" | "RequestExpired",
            ) => "the session token has expired: get a new one, or check the clock of this machine",
            (
                ResponseClass::ExpiredCredential,
                "SignatureDoesNotMatch" | "InvalidSignatureException" | "RequestTimeTooSkewed",
            ) => {
                "check `secret_access_key` (or AWS_SECRET_ACCESS_KEY) and the clock of this machine"
            }
            (ResponseClass::ExpiredCredential, "InvalidIdentityToken" | "ExpiredIdentityToken") => {
                "check the file of AWS_WEB_IDENTITY_TOKEN_FILE, and that the role trusts its issuer"
            }
            (ResponseClass::ExpiredCredential, "UnauthorizedException") => {
                "the login of IAM Identity Center is over: run `aws sso login`"
            }
            (ResponseClass::ExpiredCredential, _) => {
                "check the access key and its secret, that the region is enabled for the account, and the clock of this machine"
            }
            (_, "OptInRequired") => {
                "this account can't use the service in this region: enable the region, or check `region`"
            }
            (ResponseClass::NotFound, "ClusterNotFoundException") => {
                "check `ecs_cluster` and `region`"
            }
            _ => return error,
        };
        error.with_hint(hint)
    }
}

/// The code of a JSON body may have a namespace and a link around it:
/// `com.amazonaws#Code:http://...`.
fn error_body(body: &[u8]) -> ErrorBody {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let is_json = body.trim_ascii_start().first() == Some(&b'{');
    if !is_json {
        return ErrorBody::from_xml(body, "Code", "Message", &["RequestID", "RequestId"]);
    }
    let mut found = ErrorBody::from_json(
        body,
        &["/__type", "/code", "/Code"],
        &["/message", "/Message"],
        &[],
    );
    let short = |code: String| {
        code.rsplit_once('#')
            .map_or(code.as_str(), |(_, code)| code)
            .split(':')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    found.code = found.code.map(short);
    found
}

/// The permission that a request needs: `ec2:DescribeInstances`.
fn permission(request: &Request) -> Option<String> {
    if let Some(target) = request
        .headers()
        .get(TARGET)
        .and_then(|target| target.to_str().ok())
    {
        return target
            .rsplit_once('.')
            .map(|(_, action)| format!("ecs:{action}"));
    }
    let body = request.body()?;
    let field = |wanted: &str| {
        url::form_urlencoded::parse(body)
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    let service = if field("Version")? == crate::ec2::VERSION {
        "ec2"
    } else {
        "sts"
    };
    Some(format!("{service}:{}", field("Action")?))
}
