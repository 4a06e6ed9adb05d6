//! The identity that a program or a join string chooses, and the sources that are tried for it.

use std::fmt;
use std::sync::Arc;

use cloud_autojoin_core::Secret;
use cloud_autojoin_core::credential::CredentialSource;
use cloud_autojoin_provider_kit::words;

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
    Custom(Arc<dyn CredentialSource>),
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
    /// The sources that are tried, in this order; none: all of [`SourceKind::CHAIN`].
    pub sources: Option<Vec<SourceKind>>,
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
    /// The name and value of the id, of the names for the three kinds.
    pub(super) fn parameter(&self, names: [&'static str; 3]) -> (&'static str, &str) {
        match self {
            Self::ClientId(id) => (names[0], id),
            Self::ObjectId(id) => (names[1], id),
            Self::ResourceId(id) => (names[2], id),
        }
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

words! {
    /// The sources of the chain (`token_credentials`), by their names in the Azure SDKs.
    SourceKind {
        /// `AZURE_CLIENT_ID` with a secret or a certificate.
        #[default]
        Environment = "EnvironmentCredential",
        /// A token file of a Kubernetes service account.
        WorkloadIdentity = "WorkloadIdentityCredential",
        /// The identity of the machine, by the service that hands out its tokens.
        ManagedIdentity = "ManagedIdentityCredential",
        /// Who is signed in to `az`.
        AzureCli = "AzureCLICredential",
        /// Who is signed in to `azd`.
        AzureDeveloperCli = "AzureDeveloperCLICredential",
    }
}

impl SourceKind {
    /// All sources, in the order in which they are tried.
    pub const CHAIN: [Self; 5] = [
        Self::Environment,
        Self::WorkloadIdentity,
        Self::ManagedIdentity,
        Self::AzureCli,
        Self::AzureDeveloperCli,
    ];

    /// The sources that a word of `AZURE_TOKEN_CREDENTIALS` names: those of machines (`prod`),
    /// those of people (`dev`), or one.
    pub fn chain_of_word(word: &str) -> Option<Vec<Self>> {
        match word {
            "prod" => Some(Self::CHAIN[..3].to_vec()),
            "dev" => Some(Self::CHAIN[3..].to_vec()),
            word => Some(vec![Self::from_word(word)?]),
        }
    }
}
