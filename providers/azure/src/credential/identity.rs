//! The identity that a program or a join string chooses, and the sources that are tried for it.

use std::fmt;
use std::sync::Arc;

use cloud_autojoin_core::Secret;
use cloud_autojoin_core::credential::Source;

/// The identity that requests are sent as.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Identity {
    /// An application with its client secret, and nothing else is tried.
    ClientSecret {
        /// The tenant: a GUID or a domain.
        tenant_id: String,
        /// The application (client) id.
        client_id: String,
        /// The secret's value.
        client_secret: Secret,
    },
    /// The first source that is configured on this machine.
    Chain(ChainOptions),
    /// A source of the program's own.
    Custom(Arc<dyn Source>),
}

impl Default for Identity {
    /// The whole chain.
    fn default() -> Self {
        Self::Chain(ChainOptions::default())
    }
}

/// What is known of the identity beforehand, and which sources are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainOptions {
    /// The tenant, for workload identity and the command lines; else `AZURE_TENANT_ID`, or the
    /// tenant they are signed in to.
    pub tenant_id: Option<String>,
    /// The user-assigned managed identity or the workload identity, by client id; else
    /// `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// The managed identity by another id; nothing but the managed identity is tried then.
    pub managed_identity: Option<ManagedIdentityId>,
    /// Which of the sources are tried; all by default.
    pub filter: Option<ChainFilter>,
}

/// A managed identity, by what it is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManagedIdentityId {
    /// The client id of a user-assigned identity.
    ClientId(String),
    /// The object id of the identity's principal.
    ObjectId(String),
    /// The resource id of a user-assigned identity.
    ResourceId(String),
}

impl ManagedIdentityId {
    /// Adds the choice to a token request, in the words of the metadata service and of Azure Arc.
    pub(super) fn append_to(
        &self,
        query: &mut url::form_urlencoded::Serializer<'_, url::UrlQuery<'_>>,
    ) {
        _ = match self {
            Self::ClientId(id) => query.append_pair("client_id", id),
            Self::ObjectId(id) => query.append_pair("object_id", id),
            Self::ResourceId(id) => query.append_pair("msi_res_id", id),
        };
    }
}

impl fmt::Display for ManagedIdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientId(id) => write!(f, "client id `{id}`"),
            Self::ObjectId(id) => write!(f, "object id `{id}`"),
            Self::ResourceId(id) => write!(f, "resource id `{id}`"),
        }
    }
}

/// A part of the chain (`token_credentials`, `AZURE_TOKEN_CREDENTIALS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainFilter {
    /// `prod`: what machines have, which is environment, workload identity, managed identity.
    Production,
    /// `dev`: what people have, which is Azure CLI, Azure Developer CLI.
    Development,
    /// The one source.
    Only(SourceKind),
}

/// The sources of the chain, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    /// `AZURE_CLIENT_ID` with a secret or a certificate.
    Environment,
    /// A token file of a Kubernetes service account.
    WorkloadIdentity,
    /// The identity of the machine, by the service that hands out its tokens.
    ManagedIdentity,
    /// Who is signed in to `az`.
    AzureCli,
    /// Who is signed in to `azd`.
    AzureDeveloperCli,
}

impl SourceKind {
    pub(super) const CHAIN: [Self; 5] = [
        Self::Environment,
        Self::WorkloadIdentity,
        Self::ManagedIdentity,
        Self::AzureCli,
        Self::AzureDeveloperCli,
    ];
}

impl ChainFilter {
    /// The part that a word of `AZURE_TOKEN_CREDENTIALS` names, in the table's spelling.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "prod" => Self::Production,
            "dev" => Self::Development,
            "EnvironmentCredential" => Self::Only(SourceKind::Environment),
            "WorkloadIdentityCredential" => Self::Only(SourceKind::WorkloadIdentity),
            "ManagedIdentityCredential" => Self::Only(SourceKind::ManagedIdentity),
            "AzureCLICredential" => Self::Only(SourceKind::AzureCli),
            "AzureDeveloperCLICredential" => Self::Only(SourceKind::AzureDeveloperCli),
            _ => return None,
        })
    }

    pub(super) fn has(self, kind: SourceKind) -> bool {
        let of_people = matches!(kind, SourceKind::AzureCli | SourceKind::AzureDeveloperCli);
        match self {
            Self::Production => !of_people,
            Self::Development => of_people,
            Self::Only(only) => kind == only,
        }
    }
}
