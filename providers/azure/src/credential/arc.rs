//! The managed identity of a machine outside Azure that Azure Arc manages.
//!
//! The agent proves that the caller has rights on the machine: it refuses the first request and
//! names a file that only privileged users can read; the second one brings its content. Another
//! server in the agent's place could name any file, so the file is read only where the agent keeps
//! its keys. Facts: learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication,
//! api-version 2020-06-01.

use std::path::Path;

use cloud_autojoin_core::credential::AccessToken;
use cloud_autojoin_core::error::SourceOutcome;
use cloud_autojoin_core::file;
use cloud_autojoin_core::http::{JsonResponse, Response};
use cloud_autojoin_core::{Call, Env, Error, Secret};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};

use super::identity::ManagedIdentityId;
use super::metadata::METADATA;
use super::setup::Setup;
use super::token_response::{TokenResponse, near_endpoint, refused, token_request};
use crate::keys::PROVIDER_NAME;

const OPERATION: &str = "get a token from the Azure Arc agent";

/// The most that a key file holds.
const LARGEST_KEY: u64 = 4096;

/// Where the agent keeps its keys.
pub(super) fn key_directory(env: &Env) -> String {
    if cfg!(windows) {
        let data = env.filled("ProgramData");
        let data = data.as_deref().unwrap_or(r"C:\ProgramData");
        format!(r"{data}\AzureConnectedMachineAgent\Tokens")
    } else {
        "/var/opt/azcmagent/tokens".to_owned()
    }
}

/// A token of the agent at `endpoint`, which keeps its keys in `key_directory`.
pub(super) async fn token(
    setup: &Setup,
    endpoint: &str,
    key_directory: &Path,
    call: &Call,
) -> Result<AccessToken, SourceOutcome> {
    let failed = |reason: &str| SourceOutcome::failed(format!("cannot {OPERATION}: {reason}"));
    let http = setup.context.http();
    let id = setup.managed_identity();
    let parameter = id.as_ref().map(ManagedIdentityId::parameter);
    let url = near_endpoint("IDENTITY_ENDPOINT", endpoint)?;
    let request = token_request(
        OPERATION,
        url,
        "2020-06-01",
        &setup.cloud.audience,
        parameter,
    )
    .header(METADATA.0, METADATA.1);
    let challenge = http.send(&request, call).await?;
    if challenge.status != StatusCode::UNAUTHORIZED {
        return Err(Error::from(refused(OPERATION, &challenge)).into());
    }
    let key = read_key(&challenge, key_directory).await;
    let key = key.map_err(|reason| failed(&reason))?;
    let mut value = HeaderValue::from_str(&format!("Basic {}", key.expose()))
        .map_err(|_| failed("its key cannot stand in a header"))?;
    value.set_sensitive(true);
    let request = request.header(AUTHORIZATION, value);
    match (
        http.json::<TokenResponse>(PROVIDER_NAME, &request, call)
            .await?,
        id,
    ) {
        // An agent that does not know the choice answers with a token of the machine's own
        // identity.
        (JsonResponse::Success(answer, _), Some(id)) if !answer.is_of(&id) => {
            Err(SourceOutcome::failed(format!(
                "the Azure Arc agent gave a token without confirming that it is of the identity with {id}; leave the id out for the machine's own identity"
            )))
        }
        (JsonResponse::Success(answer, _), _) => {
            Ok(answer.into_token(OPERATION, "no `access_token` with its lifetime", call)?)
        }
        (JsonResponse::Failure(response), _) => {
            Err(Error::from(refused(OPERATION, &response)).into())
        }
    }
}

/// The key in the file that the challenge names.
async fn read_key(challenge: &Response, key_directory: &Path) -> Result<Secret, String> {
    let header = challenge.headers.get(WWW_AUTHENTICATE);
    let path = header
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic realm="))
        .map(|path| Path::new(path.trim_matches('"')))
        .ok_or("the challenge names no key file")?;
    // By its parts, so that no `..` and no link in between leads out of the directory.
    if path.parent() != Some(key_directory)
        || path.extension().is_none_or(|extension| extension != "key")
    {
        return Err(format!(
            "the challenge names a file that is no key file of the agent in `{}`",
            key_directory.display()
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
    if !metadata.is_file() || metadata.len() > LARGEST_KEY {
        return Err(format!(
            "its key file is no file of at most {LARGEST_KEY} bytes"
        ));
    }
    let key = file::read_text(path, LARGEST_KEY)
        .await
        .map_err(unreadable)?;
    Ok(Secret::new(key.trim()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use cloud_autojoin_core::http::Request;
    use cloud_autojoin_core::{Clock, Context};
    use cloud_autojoin_simulator::azure::{Simulator, world::World};
    use serde_json::json;
    use wiremock::matchers::{header, path, query_param};
    use wiremock::{Mock, MockServer, Request as Seen, ResponseTemplate};

    use super::super::{ChainOptions, MetadataService};
    use super::*;
    use crate::cloud::Cloud;

    fn setup(managed_identity: Option<ManagedIdentityId>) -> Setup {
        let context = Context::builder().env(Env::empty()).build().unwrap();
        Setup {
            options: ChainOptions {
                managed_identity,
                ..ChainOptions::default()
            },
            cloud: Cloud::default(),
            metadata: MetadataService::new(&context, "http://127.0.0.1:9".parse().unwrap()),
            context,
        }
    }

    /// The agent's two answers, with its keys in `directory`; what came of asking it.
    async fn ask(directory: &Path, key_file: &str) -> (Result<AccessToken, SourceOutcome>, usize) {
        let (answer, queries) = ask_for(directory, key_file, None, json!({})).await;
        (answer, queries.len())
    }

    /// The same for the identity `id`, where the agent's answer has the fields of `named` beside
    /// the token; and the queries seen.
    async fn ask_for(
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
        let answer = token(&setup(id.cloned()), &endpoint, directory, &call).await;
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
        let (answer, requests) = ask(directory.path(), "a.key").await;
        assert_eq!((answer.unwrap().secret().expose(), requests), ("of-arc", 2));
    }

    #[tokio::test]
    async fn a_chosen_identity_is_sent_and_a_token_counts_only_when_the_answer_names_it() {
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
                ask_for(directory.path(), "a.key", Some(&id), named.clone()).await;
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
    async fn the_pretend_agent_gives_a_token_that_its_resource_manager_takes() {
        let simulator = Simulator::start(World::shipped("uniform").unwrap())
            .await
            .unwrap();
        let setup = setup(None);
        let call = Call::new(&Clock::auto_advancing(), Duration::from_secs(60));
        let token = token(
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
            let (answer, requests) = ask(directory.path(), file).await;
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
