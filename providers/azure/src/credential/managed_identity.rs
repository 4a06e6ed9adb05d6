//! The managed identity of this machine: that of App Service, Functions and Container Apps, Azure
//! Arc's, or that of a machine in Azure (`imds.rs`).
//!
//! Own code, not `azure_identity`'s: that one has the metadata address built in, retries for 100 s
//! on a machine that isn't in Azure whatever the retry settings, and doesn't support Arc. The
//! platform is recognised by its variables, in the order of the Azure SDKs.

use std::path::Path;

use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::http::{JsonResponse, Response};
use cloud_autojoin_core::{Call, Env, Error, Secret, file};
use cloud_autojoin_provider_kit::ApiClient;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use serde::de::IgnoredAny;
use url::Url;

use super::token::{ID_NAMES, TokenApi, TokenResult};
use super::{Setup, imds, token};
use crate::cloud::is_secure_or_near;

const APP_SERVICE: &str = "get a token from App Service";
const ARC: &str = "get a token from the Azure Arc agent";

/// The maximum size of a key file.
const MAX_KEY: u64 = 4096;

/// A token of the platform this runs on. With `has_next` another source follows.
pub(super) async fn token(setup: &Setup, has_next: bool, call: &Call) -> TokenResult {
    let variable = |name| setup.variable(name);
    let Some(endpoint) = variable("IDENTITY_ENDPOINT") else {
        return imds::token(setup, has_next, call).await;
    };
    match variable("IDENTITY_HEADER") {
        Some(_) if variable("IDENTITY_SERVER_THUMBPRINT").is_some() => {
            let reason = "the managed identity of Service Fabric (`IDENTITY_SERVER_THUMBPRINT`) is not supported";
            Err(SourceOutcome::NotConfigured(reason.to_owned()))
        }
        Some(header) => app_service(setup, &endpoint, &header, call).await,
        None if variable("IMDS_ENDPOINT").is_some() => {
            let key_directory = key_directory(setup.context.env());
            arc(setup, &endpoint, Path::new(&key_directory), call).await
        }
        None => imds::token(setup, has_next, call).await,
    }
}

/// A token of App Service, which provides an endpoint on the machine and a value to send along: it
/// proves that the caller may see its environment. Facts:
/// learn.microsoft.com/azure/app-service/overview-managed-identity, api-version 2019-08-01.
async fn app_service(setup: &Setup, endpoint: &str, header: &str, call: &Call) -> TokenResult {
    const HEADER: HeaderName = HeaderName::from_static("x-identity-header");
    let names = ["client_id", "principal_id", "mi_res_id"];
    let request = setup
        .token_request(APP_SERVICE, token_url(endpoint)?, "2019-08-01", names)
        .header(HEADER, secret_header("`IDENTITY_HEADER`", header)?);
    match token::request(setup, &request, call).await {
        Err(Error::Api(error)) if matches!(error.status(), 400..=499) => {
            let hint = match setup.managed_identity() {
                Some(id) => format!("assign the identity with {id} to this app, or correct the id"),
                None => "turn on the app's system-assigned identity, or choose another with `client_id=...`".to_owned(),
            };
            Err(Error::from(error.with_hint(hint)).into())
        }
        token => Ok(token?.into_token(APP_SERVICE, call)?),
    }
}

/// A token of the agent of Azure Arc at `endpoint`, which keeps its keys in `key_directory`.
///
/// The agent proves that the caller has rights on the machine: it refuses the first request and
/// names a file that only privileged users can read; the second request sends its content. Another
/// server in the agent's place could name any file, so only files in the agent's directory are
/// read. Facts: learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication,
/// api-version 2020-06-01.
async fn arc(setup: &Setup, endpoint: &str, key_directory: &Path, call: &Call) -> TokenResult {
    let url = token_url(endpoint)?;
    let api = ApiClient::new(&setup.context, &TokenApi, url.clone());
    let request = setup.token_request(ARC, url, "2020-06-01", ID_NAMES);
    let request = request.header(imds::METADATA.0, imds::METADATA.1);
    let challenge = match api.answer::<IgnoredAny>(&request, call).await? {
        JsonResponse::Failure(response) if response.status == StatusCode::UNAUTHORIZED => response,
        response => {
            api.value(&request, response)?;
            return Err(SourceOutcome::failed(
                "the Azure Arc agent requested no key",
            ));
        }
    };
    let key = read_key(&challenge, key_directory).await;
    let key = key.map_err(|reason| SourceOutcome::failed(format!("cannot {ARC}: {reason}")))?;
    let key = secret_header("the agent's key", &format!("Basic {}", key.expose()))?;
    let token = token::request(setup, &request.header(AUTHORIZATION, key), call).await?;
    match setup.managed_identity() {
        // An agent that doesn't support the choice returns a token of the machine's own identity.
        Some(id) if !token.is_of(&id) => Err(SourceOutcome::failed(format!(
            "the Azure Arc agent gave a token without confirming that it is of the identity with {id}; leave the id out for the machine's own identity"
        ))),
        _ => Ok(token.into_token(ARC, call)?),
    }
}

/// The URL of a token service on this machine or its link.
fn token_url(endpoint: &str) -> Result<Url, SourceOutcome> {
    let url = endpoint.parse().ok().filter(is_secure_or_near);
    url.ok_or_else(|| SourceOutcome::failed("`IDENTITY_ENDPOINT` must be an https URL, or an http URL of a loopback or link-local address"))
}

fn secret_header(name: &str, value: &str) -> Result<HeaderValue, SourceOutcome> {
    let problem = |_| SourceOutcome::failed(format!("{name} can't be in a header"));
    let mut value = HeaderValue::from_str(value).map_err(problem)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Where the agent keeps its keys.
fn key_directory(env: &Env) -> String {
    if cfg!(windows) {
        let data = env.filled("ProgramData");
        let data = data.as_deref().unwrap_or(r"C:\ProgramData");
        format!(r"{data}\AzureConnectedMachineAgent\Tokens")
    } else {
        "/var/opt/azcmagent/tokens".to_owned()
    }
}

/// The key in the file that the challenge names.
async fn read_key(challenge: &Response, key_directory: &Path) -> Result<Secret, String> {
    let header = challenge.headers.get(WWW_AUTHENTICATE);
    let path = header.and_then(|value| value.to_str().ok()?.strip_prefix("Basic realm="));
    let path = Path::new(
        path.ok_or("the challenge names no key file")?
            .trim_matches('"'),
    );
    // By its parts, so that no `..` and no link in between leads out of the directory.
    let is_key = path.extension().is_some_and(|extension| extension == "key");
    if path.parent() != Some(key_directory) || !is_key {
        let directory = key_directory.display();
        return Err(format!(
            "the challenge names a file that is no key file of the agent in `{directory}`"
        ));
    }
    let unreadable = |error| {
        format!(
            "cannot read its key file: {error}; run as root or as a member of the group `himds`"
        )
    };
    let metadata = tokio::fs::symlink_metadata(path)
        .await
        .map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_KEY {
        return Err(format!(
            "its key file is no file of at most {MAX_KEY} bytes"
        ));
    }
    let key = file::read_text(path, MAX_KEY).await.map_err(unreadable)?;
    Ok(Secret::new(key.trim()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use cloud_autojoin_core::credential::AccessToken;
    use cloud_autojoin_core::http::Request;
    use cloud_autojoin_core::{Clock, Context};
    use cloud_autojoin_simulator::azure::{Simulator, world::World};
    use serde_json::json;
    use wiremock::matchers::{header, path, query_param};
    use wiremock::{Mock, MockServer, Request as Seen, ResponseTemplate};

    use super::super::{ChainOptions, ManagedIdentityId, MetadataService};
    use super::*;
    use crate::cloud::Cloud;

    fn setup(managed_identity: Option<ManagedIdentityId>) -> Setup {
        let context = Context::builder().env(Env::empty()).build().unwrap();
        Setup {
            application: None,
            options: ChainOptions {
                managed_identity,
                ..ChainOptions::default()
            },
            cloud: Cloud::default(),
            metadata: MetadataService::new(&context, "http://127.0.0.1:9".parse().unwrap()),
            context,
        }
    }

    /// The agent's two responses, with its keys in `directory`; the result and the number of
    /// requests.
    async fn token_of(
        directory: &Path,
        key_file: &str,
    ) -> (Result<AccessToken, SourceOutcome>, usize) {
        let (answer, queries) = token_for(directory, key_file, None, json!({})).await;
        (answer, queries.len())
    }

    /// The same for the identity `id`, where the agent's answer has the fields of `named` beside
    /// the token; and the queries seen.
    async fn token_for(
        directory: &Path,
        key_file: &str,
        id: Option<&ManagedIdentityId>,
        named: serde_json::Value,
    ) -> (Result<AccessToken, SourceOutcome>, Vec<String>) {
        let server = MockServer::start().await;
        // shape: learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication,
        // 2020-06-01
        let mut body = json!({ "access_token": "of-arc", "expires_in": "86400", "expires_on": "4102444800", "resource": "https://management.azure.com/", "token_type": "Bearer" });
        body.as_object_mut()
            .unwrap()
            .extend(named.as_object().unwrap().clone());
        let challenge = ResponseTemplate::new(401).insert_header(
            "www-authenticate",
            format!("Basic realm={}", directory.join(key_file).display()).as_str(),
        );
        Mock::given(path("/arc"))
            .and(query_param("api-version", "2020-06-01"))
            .and(query_param("resource", "https://management.azure.com/"))
            .and(header("metadata", "true"))
            .and(header("authorization", "Basic the-key"))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&server)
            .await;
        Mock::given(|request: &Seen| !request.headers.contains_key("authorization"))
            .respond_with(challenge)
            .mount(&server)
            .await;
        let call = Call::new(&Clock::auto_advancing(), Duration::from_secs(60));
        let endpoint = format!("{}/arc", server.uri());
        let answer = arc(&setup(id.cloned()), &endpoint, directory, &call).await;
        let requests = server.received_requests().await.unwrap();
        (
            answer,
            requests
                .iter()
                .map(|request| request.url.query().unwrap_or_default().to_owned())
                .collect(),
        )
    }

    fn reason(answer: Result<AccessToken, SourceOutcome>) -> String {
        match answer {
            Err(SourceOutcome::Failed(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_key_of_the_challenge_is_brought_back() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.key"), "the-key").unwrap();
        let (answer, requests) = token_of(directory.path(), "a.key").await;
        assert_eq!((answer.unwrap().secret().expose(), requests), ("of-arc", 2));
    }

    #[tokio::test]
    async fn a_chosen_identity_is_sent_and_a_token_counts_only_when_the_response_names_it() {
        const ID: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.key"), "the-key").unwrap();
        let client = || ManagedIdentityId::ClientId(ID.to_owned());
        let table = [
            // shape: reported Azure Arc answer for a user-assigned identity
            (
                client(),
                json!({ "client_id": ID.to_uppercase() }),
                "client_id",
                true,
            ),
            (
                client(),
                json!({ "client_id": "11111111-bbbb-cccc-dddd-eeeeeeeeeeee" }),
                "client_id",
                false,
            ),
            (client(), json!({ "client_id": 7 }), "client_id", false),
            (client(), json!({}), "client_id", false),
            (
                ManagedIdentityId::ObjectId(ID.to_owned()),
                json!({ "object_id": ID }),
                "object_id",
                true,
            ),
            (
                ManagedIdentityId::ObjectId(ID.to_owned()),
                json!({ "client_id": ID }),
                "object_id",
                false,
            ),
            (
                ManagedIdentityId::ResourceId(ID.to_owned()),
                json!({ "msi_res_id": ID }),
                "msi_res_id",
                true,
            ),
        ];
        for (id, named, parameter, is_accepted) in table {
            let (answer, queries) =
                token_for(directory.path(), "a.key", Some(&id), named.clone()).await;
            assert!(
                queries.len() == 2
                    && queries
                        .iter()
                        .all(|query| query.contains(&format!("&{parameter}={ID}"))),
                "{queries:?}"
            );
            match answer {
                Ok(token) => assert!(
                    is_accepted && token.secret().expose() == "of-arc",
                    "{named}"
                ),
                Err(refused) => assert!(
                    !is_accepted && reason(Err(refused)).contains("without confirming"),
                    "{named}"
                ),
            }
        }
    }

    #[tokio::test]
    async fn the_simulated_agent_issues_a_token_that_its_resource_manager_accepts() {
        let simulator = Simulator::start(World::shipped("uniform").unwrap())
            .await
            .unwrap();
        let setup = setup(None);
        let call = Call::new(&Clock::auto_advancing(), Duration::from_secs(60));
        let token = arc(
            &setup,
            &simulator.arc_endpoint(),
            simulator.arc_keys(),
            &call,
        )
        .await
        .unwrap();

        let set = "subscriptions/55555555-5555-4555-8555-555555555555/resourceGroups/uniform/providers/Microsoft.Compute/virtualMachineScaleSets/vault";
        let url = format!("{}/{set}?api-version=2024-07-01", simulator.arm_endpoint())
            .parse()
            .unwrap();
        let answer = setup
            .context
            .http()
            .send(
                &Request::get("read the scale set", url).bearer(token.secret()),
                &call,
            )
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        simulator.finish();
    }

    #[tokio::test]
    async fn a_key_file_that_is_too_large_a_link_or_absent_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("large.key"), "k".repeat(4097)).unwrap();
        std::fs::write(directory.path().join("target"), "the-key").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(
            directory.path().join("target"),
            directory.path().join("link.key"),
        )
        .unwrap();
        for (file, words) in [
            ("large.key", "no file of at most 4096 bytes"),
            ("link.key", "no file of at most 4096 bytes"),
            ("none.key", "cannot read its key file"),
        ] {
            let (answer, requests) = token_of(directory.path(), file).await;
            let reason = reason(answer);
            assert!(
                reason.starts_with("cannot get a token from the Azure Arc agent: ")
                    && reason.contains(words),
                "{reason}"
            );
            assert_eq!(requests, 1);
        }
    }
}
