//! ARM's errors, with the recorded messages. Errors of the gateway have `x-ms-failure-cause:
//! gateway`, those of a resource provider `service`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::clouds::azure::world::Caller;

/// One error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArmError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) target: Option<&'static str>,
    pub(crate) details: bool,
    pub(crate) cause: &'static str,
}

impl ArmError {
    fn gateway(status: StatusCode, code: &'static str, message: String) -> Self {
        Self {
            status,
            code,
            message,
            target: None,
            details: false,
            cause: "gateway",
        }
    }

    fn service(status: StatusCode, code: &'static str, message: String) -> Self {
        Self {
            cause: "service",
            ..Self::gateway(status, code, message)
        }
    }

    /// The body.
    pub(super) fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), self.code.into());
        error.insert("message".to_owned(), self.message.clone().into());
        if let Some(target) = self.target {
            error.insert("target".to_owned(), target.into());
        }
        if self.details {
            error.insert("details".to_owned(), json!([]));
        }
        json!({ "error": error })
    }

    /// Words: clients of ARM quote them (not in the recordings).
    pub(super) fn missing_api_version() -> Self {
        Self::gateway(
            StatusCode::BAD_REQUEST,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests."
                .to_owned(),
        )
    }

    pub(super) fn invalid_api_version(version: &str) -> Self {
        Self::gateway(
            StatusCode::BAD_REQUEST,
            "InvalidApiVersionParameter",
            format!(
                "The api-version '{version}' is invalid. The supported versions are '2025-04-01,2024-07-01,2023-03-01,2021-04-01'."
            ),
        )
    }

    /// Words: azurerm issue 20514 (not in the recordings).
    pub(super) fn invalid_subscription_id(id: &str) -> Self {
        Self::gateway(
            StatusCode::BAD_REQUEST,
            "InvalidSubscriptionId",
            format!("The provided subscription identifier '{id}' is malformed or invalid."),
        )
    }

    /// Words: azure-cli issue 33657 (not in the recordings).
    pub(super) fn subscription_not_found(id: &str) -> Self {
        Self::gateway(
            StatusCode::NOT_FOUND,
            "SubscriptionNotFound",
            format!("The subscription '{id}' could not be found."),
        )
    }

    /// Words: recorded 2023, azure-cli.
    pub(super) fn authorization_failed(caller: &Caller, action: &str, scope: &str) -> Self {
        let message = format!(
            "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            caller.client_id, caller.object_id
        );
        Self::gateway(StatusCode::FORBIDDEN, "AuthorizationFailed", message)
    }

    /// Words: recorded 2025, cloud-provider-azure, for lists of interfaces, machines and instances.
    pub(super) fn resource_group_not_found(name: &str) -> Self {
        Self::gateway(
            StatusCode::NOT_FOUND,
            "ResourceGroupNotFound",
            format!("Resource group '{name}' could not be found."),
        )
    }

    /// Words: recorded 2025, cloud-provider-azure.
    pub(super) fn resource_not_found(kind: &str, name: &str, group: &str) -> Self {
        let message = format!(
            "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        );
        Self::gateway(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    }

    /// Words: recorded 2022 for another provider.
    pub(super) fn parent_not_found(name: &str) -> Self {
        Self::gateway(
            StatusCode::NOT_FOUND,
            "ParentResourceNotFound",
            format!(
                "Can not perform requested operation on nested resource. Parent resource '{name}' not found."
            ),
        )
    }

    /// The error of the Network resource provider: azure-cli issues 27341, 28258 (2023, 2024).
    pub(super) fn network_not_found(id: &str) -> Self {
        Self {
            details: true,
            ..Self::service(
                StatusCode::NOT_FOUND,
                "NotFound",
                format!("Resource {id} not found."),
            )
        }
    }

    /// Words: recorded 2025, cloud-provider-azure.
    pub(super) fn instance_id_is_no_number() -> Self {
        Self {
            target: Some("instanceId"),
            ..Self::service(
                StatusCode::BAD_REQUEST,
                "InvalidParameter",
                "Virtual Machine Scale Set VM instanceId must be a number.".to_owned(),
            )
        }
    }

    /// Words: nomad-autoscaler issue 1096, for the instance view of a Flexible set.
    pub(super) fn not_allowed_on_scale_set(operation: &str) -> Self {
        Self::service(
            StatusCode::CONFLICT,
            "OperationNotAllowed",
            format!("Operation '{operation}' is not allowed on Virtual Machine Scale Set"),
        )
    }

    /// A filter that the list doesn't support; the message is this simulator's.
    pub(super) fn invalid_filter(filter: &str) -> Self {
        Self {
            target: Some("$filter"),
            ..Self::service(
                StatusCode::BAD_REQUEST,
                "InvalidParameter",
                format!("The value '{filter}' of the query parameter $filter is not valid."),
            )
        }
    }

    /// A filter that the resource index doesn't support; the message is this simulator's, the code
    /// is ARM's.
    pub(super) fn invalid_index_filter(filter: &str) -> Self {
        Self::gateway(
            StatusCode::BAD_REQUEST,
            "InvalidFilterInQueryString",
            format!("Invalid $filter '{filter}' specified in the query string."),
        )
    }

    /// A `$skiptoken` that no next link had; the message is this simulator's.
    pub(super) fn invalid_skip_token() -> Self {
        Self {
            target: Some("$skiptoken"),
            ..Self::service(
                StatusCode::BAD_REQUEST,
                "InvalidParameter",
                "The value of the query parameter $skiptoken is not valid.".to_owned(),
            )
        }
    }

    /// Words: recorded 2022 for another provider.
    pub(super) fn invalid_resource_type(namespace: &str, kind: &str, api_version: &str) -> Self {
        let message = format!(
            "The resource type '{kind}' could not be found in the namespace '{namespace}' for api version '{api_version}'. The supported api-versions are ''."
        );
        Self::gateway(StatusCode::NOT_FOUND, "InvalidResourceType", message)
    }

    /// An error of the simulator, with ARM's recorded code.
    pub(super) fn internal(problem: &serde_json::Error) -> Self {
        Self::service(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            format!("Encountered internal server error: {problem}."),
        )
    }

    /// Any method except GET; the message is this simulator's.
    pub(super) fn method_not_allowed(method: &str) -> Self {
        Self::gateway(
            StatusCode::METHOD_NOT_ALLOWED,
            "HttpMethodNotAllowed",
            format!(
                "The HTTP method '{method}' is not supported here: the simulator serves reads only."
            ),
        )
    }
}
