//! The same identities against the simulator, which checks what it is sent: Entra behind TLS,
//! tokens that ARM takes or refuses.

use std::time::Duration;

use cloud_autojoin_azure::SPEC;
use cloud_autojoin_core::http::HttpSettings;
use cloud_autojoin_core::{Call, Clock, Context, Discovery, Error};
use cloud_autojoin_simulator::azure::Operation;
use cloud_autojoin_simulator::azure::world::World;
use cloud_autojoin_simulator::azure::{Endpoint, Simulator};

use crate::stage::{Commands, found, lines};

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const APPLICATION: &str = "33333333-3333-4333-8333-333333333333";
const SECRET: &str = "example-secret-of-discover";
const LENT: &str = "44444444-4444-4444-8444-444444444444";
const LENT_RESOURCE: &str = "/subscriptions/77777777-7777-4777-8777-777777777777/resourceGroups/machines/providers/Microsoft.ManagedIdentity/userAssignedIdentities/lent";

const CERTIFIED: &str = "66666666-6666-4666-8666-666666666666";

fn fixture(name: &str) -> String {
    format!(
        "{}/tests/fixtures/identity/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// The tagged world, on one machine of it, with an identity of each kind, and an application that
/// trusts a Kubernetes subject.
async fn simulator() -> Simulator {
    let application = std::fs::read_to_string(fixture("application.pem")).unwrap();
    let certificate = &application[..application.find("-----BEGIN PRIVATE").unwrap()];
    let more = format!(
        r#"
[[principal]]
name = "own"
client_id = "55555555-5555-4555-8555-555555555555"
object_id = "55555555-aaaa-4555-8555-555555555555"
kind = "system-identity"

[[principal]]
name = "lent"
client_id = "{LENT}"
object_id = "44444444-aaaa-4444-8444-444444444444"
kind = "user-assigned-identity"
resource_id = "{LENT_RESOURCE}"
federated_subject = "system:serviceaccount:default:discover"

[[principal]]
name = "certified"
client_id = "{CERTIFIED}"
object_id = "66666666-aaaa-4666-8666-666666666666"
certificate = """{certificate}"""

[machine]
resource_group = "machines"
virtual_machine = "consul-client"
identities = ["own", "lent"]
"#
    );
    let world =
        World::from_toml(&format!("{}{more}", World::shipped_text("tagged").unwrap())).unwrap();
    Simulator::builder(world).strict().start().await.unwrap()
}

async fn discover<const N: usize>(
    simulator: &Simulator,
    keys: &str,
    variables: [(&str, &str); N],
) -> Result<Discovery, Error> {
    let clock = Clock::auto_advancing();
    let mut settings = HttpSettings::default();
    settings.proxy_from_environment = false;
    settings.certificate_authorities = vec![simulator.ca_pem().as_bytes().to_vec()];
    let context = Context::builder()
        .env(variables)
        .http(settings)
        .clock(clock.clone())
        .commands(Commands::none())
        .build()
        .unwrap();
    let string = format!(
        "provider=azure subscription_id=self tag_name=consul tag_value=server {} {keys}",
        simulator.join_settings()
    );
    let provider = SPEC.build(&string.parse().unwrap(), &context).unwrap();
    provider
        .discover(&Call::new(&clock, Duration::from_secs(600)))
        .await
}

#[tokio::test]
async fn an_application_signs_in_over_tls_with_one_request() {
    let simulator = simulator().await;
    let (addresses, identity) = found(
        discover(
            &simulator,
            &format!("tenant_id={TENANT} client_id={APPLICATION} client_secret={SECRET}"),
            [],
        )
        .await,
    );
    assert_eq!(
        (addresses.len(), identity),
        (5, format!("client secret of application `{APPLICATION}`"))
    );
    assert_eq!(
        (
            simulator.count(Operation::Token),
            simulator.count(Operation::AuthorityDiscovery)
        ),
        (1, 0)
    );
    let token = simulator
        .requests()
        .into_iter()
        .find(|request| request.operation == Operation::Token)
        .unwrap();
    assert_eq!(token.endpoint, Endpoint::Authority);
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_application_are_distinguished() {
    let simulator = simulator().await;
    for (client, code, advice) in [
        (APPLICATION, "AADSTS7000215", "not its id"),
        (
            "99999999-9999-4999-8999-999999999999",
            "AADSTS700016",
            "`tenant_id`",
        ),
    ] {
        let error = discover(
            &simulator,
            &format!("tenant_id={TENANT} client_id={client} client_secret=canary-wrong"),
            [],
        )
        .await
        .unwrap_err();
        let line = lines(&error)[1].clone();
        assert!(
            line.contains(&format!("`{code}`: ")) && !line.contains(['\n', '\r']),
            "{line}"
        );
        assert!(
            error.hint().is_some_and(|hint| hint.contains(advice)),
            "{:?}",
            error.hint()
        );
        assert!(!format!("{error:?}").contains("canary-wrong"));
    }
}

#[tokio::test]
async fn an_authority_whose_certificate_is_not_trusted_is_no_place_for_a_secret() {
    let simulator = simulator().await;
    let clock = Clock::auto_advancing();
    let mut settings = HttpSettings::default();
    settings.proxy_from_environment = false;
    settings.certificate_authorities = vec![std::fs::read(fixture("elliptic.pem")).unwrap()];
    let context = Context::builder()
        .env([("A", "")])
        .http(settings)
        .clock(clock.clone())
        .build()
        .unwrap();
    let string = format!(
        "subscription_id=77777777-7777-4777-8777-777777777777 tag_name=a tag_value=b tenant_id={TENANT} client_id={APPLICATION} client_secret={SECRET} {}",
        simulator.join_settings()
    );
    let provider = SPEC.build(&string.parse().unwrap(), &context).unwrap();
    let error = provider
        .discover(&Call::new(&clock, Duration::from_secs(600)))
        .await
        .unwrap_err();
    assert!(
        lines(&error)[1].starts_with(&format!(
            "cannot sign in as application `{APPLICATION}`: no TLS connection to https://localhost:"
        )),
        "{:?}",
        lines(&error)
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("SSL_CERT_FILE")),
        "{:?}",
        error.hint()
    );
    assert_eq!(simulator.count(Operation::Token), 0);
}

#[tokio::test]
async fn machines_have_their_own_identity_and_those_lent_to_them() {
    let simulator = simulator().await;
    let table = [
        (String::new(), "managed identity of this machine".to_owned()),
        (
            format!("client_id={LENT}"),
            format!("managed identity of client id `{LENT}`"),
        ),
        (
            format!("identity_resource_id={LENT_RESOURCE}"),
            format!("managed identity of resource id `{LENT_RESOURCE}`"),
        ),
        (
            "identity_object_id=44444444-aaaa-4444-8444-444444444444".to_owned(),
            "managed identity of object id `44444444-aaaa-4444-8444-444444444444`".to_owned(),
        ),
    ];
    for (keys, expected) in table {
        let (addresses, identity) = found(discover(&simulator, &keys, []).await);
        assert_eq!((addresses.len(), identity), (5, expected));
    }
}

#[tokio::test]
async fn metadata_token_and_probe_are_requested_concurrently() {
    let simulator = simulator().await;
    simulator.set_latency(Duration::from_millis(500));
    assert_eq!(found(discover(&simulator, "", []).await).0.len(), 5);
    assert_eq!(
        (
            simulator.count(Operation::MetadataToken),
            simulator.count(Operation::MetadataInstance)
        ),
        (2, 1),
        "{}",
        simulator.summary()
    );
    let depth = |endpoint| simulator.sequential_depth(endpoint);
    assert_eq!(
        (
            depth(Endpoint::Metadata),
            simulator.sequential_depth_of_all()
        ),
        (1, 1 + depth(Endpoint::Arm)),
        "{}",
        simulator.summary()
    );
}

#[tokio::test]
async fn app_service_gives_tokens_to_whoever_sees_its_environment() {
    let simulator = simulator().await;
    let endpoint = simulator.app_service_endpoint();
    let header = simulator.app_service_header().to_owned();
    assert_eq!(
        found(
            discover(
                &simulator,
                "",
                [
                    ("IDENTITY_ENDPOINT", &endpoint),
                    ("IDENTITY_HEADER", &header)
                ]
            )
            .await
        )
        .0
        .len(),
        5
    );
    let error = discover(
        &simulator,
        "",
        [
            ("IDENTITY_ENDPOINT", endpoint.as_str()),
            ("IDENTITY_HEADER", "wrong"),
        ],
    )
    .await
    .unwrap_err();
    assert!(
        lines(&error)[1].starts_with("cannot get a token from App Service: status 401"),
        "{:?}",
        lines(&error)
    );
}

#[tokio::test]
async fn a_token_of_kubernetes_is_exchanged_and_one_of_another_subject_is_not() {
    use base64::Engine as _;
    let jwt = |subject: &str| {
        let part = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let claims = format!(
            r#"{{"iss":"https://kubernetes.default.svc","sub":"{subject}","aud":["api://AzureADTokenExchange"],"exp":4102444800}}"#
        );
        format!(
            "{}.{}.c2lnbmF0dXJl\n",
            part(r#"{"alg":"RS256"}"#.to_owned()),
            part(claims)
        )
    };
    let simulator = simulator().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let path = file.to_str().unwrap();
    let variables = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", LENT),
        ("AZURE_FEDERATED_TOKEN_FILE", path),
    ];
    std::fs::write(&file, jwt("system:serviceaccount:default:discover")).unwrap();
    assert_eq!(found(discover(&simulator, "", variables).await).0.len(), 5);
    std::fs::write(&file, jwt("system:serviceaccount:default:other")).unwrap();
    let error = discover(&simulator, "", variables).await.unwrap_err();
    assert!(
        lines(&error)[1].contains("`AADSTS700213`: No matching federated identity record found"),
        "{:?}",
        lines(&error)
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("federated credential")),
        "{:?}",
        error.hint()
    );
}

#[tokio::test]
async fn an_application_signs_in_with_its_certificate() {
    let simulator = simulator().await;
    let file = fixture("application.pem");
    let variables = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CERTIFIED),
        ("AZURE_CLIENT_CERTIFICATE_PATH", file.as_str()),
    ];
    let (addresses, identity) = found(discover(&simulator, "", variables).await);
    assert_eq!(
        (addresses.len(), identity),
        (5, format!("environment of application `{CERTIFIED}`"))
    );

    // The same certificate for an application that does not have it.
    let variables = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", APPLICATION),
        ("AZURE_CLIENT_CERTIFICATE_PATH", file.as_str()),
    ];
    let error = discover(&simulator, "", variables).await.unwrap_err();
    assert!(
        lines(&error)[1].contains("`AADSTS700027`: "),
        "{:?}",
        lines(&error)
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("add this certificate to the application, or use one that is there")
    );
}

#[tokio::test]
async fn a_token_that_expired_early_is_renewed_once() {
    let simulator = simulator().await;
    let clock = Clock::auto_advancing();
    let mut settings = HttpSettings::default();
    settings.proxy_from_environment = false;
    let context = Context::builder()
        .env([("A", "")])
        .http(settings)
        .clock(clock.clone())
        .commands(Commands::none())
        .build()
        .unwrap();
    let string = format!(
        "subscription_id=self tag_name=consul tag_value=server audience=https://management.azure.com/ metadata_endpoint={} arm_endpoint={}",
        simulator.metadata_endpoint(),
        simulator.arm_endpoint()
    );
    let provider = SPEC.build(&string.parse().unwrap(), &context).unwrap();
    let call = || Call::new(&clock, Duration::from_secs(600));
    found(provider.discover(&call()).await);
    simulator.expire_tokens();
    simulator.reset_record();
    assert_eq!(found(provider.discover(&call()).await).0.len(), 5);
    assert_eq!(simulator.count(Operation::MetadataToken), 1);
}
