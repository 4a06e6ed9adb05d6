//! Where the keys that sign come from, source by source, and the region.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_aws::SPEC;
use cloud_autojoin_core::command::{CommandOutput, CommandRunner};
use cloud_autojoin_core::{Call, Clock, ConfigString, Context, Discovery, Env, Error, Provider};
use tempfile::TempDir;
use wiremock::matchers::{body_string_contains, header, header_exists, method, path};
use wiremock::{Mock, MockBuilder, MockServer, ResponseTemplate};

const INSTANCES: &str = "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>\
    <instanceState><name>running</name></instanceState><privateIpAddress>10.0.0.1</privateIpAddress>\
    <tagSet><item><key>consul</key><value>server</value></item></tagSet></item></instancesSet></item></reservationSet></DescribeInstancesResponse>";

const ROLE: &str = "/latest/meta-data/iam/security-credentials/";

/// A program that prints the keys of `credential_process`.
#[derive(Debug)]
struct Process(&'static str);

#[async_trait]
impl CommandRunner for Process {
    async fn run(
        &self,
        program: &str,
        arguments: &[&str],
        _: Duration,
    ) -> std::io::Result<CommandOutput> {
        assert_eq!(
            (program, arguments),
            ("sh", ["-c", "keys --for me"].as_slice())
        );
        Ok(CommandOutput::new(0, self.0, ""))
    }
}

/// One server that is EC2, STS and every metadata service.
struct Cloud {
    server: MockServer,
    files: TempDir,
    env: Vec<(String, String)>,
    clock: Clock,
    printed: &'static str,
}

impl Cloud {
    async fn start() -> Self {
        let (server, files) = (MockServer::start().await, TempDir::new().unwrap());
        Mock::given(body_string_contains("Action=DescribeInstances"))
            .respond_with(ResponseTemplate::new(200).set_body_string(INSTANCES))
            .mount(&server)
            .await;
        let mut cloud = Self {
            server,
            files,
            env: Vec::new(),
            clock: Clock::auto_advancing(),
            printed: "",
        };
        for name in ["AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT"] {
            cloud.env.push((name.to_owned(), cloud.server.uri()));
        }
        cloud
    }

    fn set(&mut self, name: &str, value: &str) {
        self.env
            .push((name.to_owned(), value.replace("SERVER", &self.server.uri())));
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.files.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new("/"))).unwrap();
        std::fs::write(
            &path,
            text.replace("DIRECTORY", self.files.path().to_str().unwrap()),
        )
        .unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Writes the shared files and lets `HOME` lead to them.
    fn shared(&mut self, config: &str, credentials: &str) {
        self.file(".aws/config", config);
        self.file(".aws/credentials", credentials);
        let home = self.files.path().to_str().unwrap().to_owned();
        self.set("HOME", &home);
    }

    async fn answer(&self, mock: MockBuilder, status: u16, body: &str) {
        mock.respond_with(ResponseTemplate::new(status).set_body_string(body))
            .mount(&self.server)
            .await;
    }

    /// The instance metadata service, with the keys of a role.
    async fn metadata(&self, keys: &str) {
        let session = ResponseTemplate::new(200)
            .set_body_string("session")
            .insert_header("x-aws-ec2-metadata-token-ttl-seconds", "300");
        let put = Mock::given(method("PUT"))
            .and(path("/latest/api/token"))
            .and(header("x-aws-ec2-metadata-token-ttl-seconds", "300"));
        put.respond_with(session).mount(&self.server).await;
        let get = |at: &str| {
            Mock::given(method("GET"))
                .and(path(at))
                .and(header("x-aws-ec2-metadata-token", "session"))
        };
        self.answer(get(ROLE), 200, "web").await;
        self.answer(get(&format!("{ROLE}web")), 200, keys).await;
        self.answer(
            get("/latest/dynamic/instance-identity/document"),
            200,
            r#"{"region":"eu-south-1"}"#,
        )
        .await;
    }

    fn context(&self) -> Context {
        let env: Env = self.env.iter().cloned().collect();
        Context::builder()
            .env(env)
            .clock(self.clock.clone())
            .commands(Arc::new(Process(self.printed)))
            .build()
            .unwrap()
    }

    fn provider(&self, region: &str) -> (Box<dyn Provider>, Context) {
        let context = self.context();
        let config = ConfigString::parse(&format!(
            "provider=aws tag_key=consul tag_value=server {region}"
        ))
        .unwrap();
        (SPEC.build(&config, &context).unwrap(), context)
    }

    async fn ask(&self, provider: &dyn Provider) -> Result<Discovery, Error> {
        provider
            .discover(&Call::new(&self.clock, Duration::from_secs(60)))
            .await
    }

    async fn discover(&self, region: &str) -> Result<Discovery, Error> {
        self.ask(self.provider(region).0.as_ref()).await
    }

    /// The text of the error of a discovery without credentials, its hint included.
    async fn refused(&self) -> String {
        let error = self.discover("region=eu-west-1").await.unwrap_err();
        format!("{} {}", error.chain(), error.hint().unwrap_or_default())
    }

    /// Of every signed request: its action, and the start of its scope `KEY/DATE/REGION/SERVICE`.
    async fn signed(&self) -> Vec<String> {
        let mut signed = Vec::new();
        for request in self.server.received_requests().await.unwrap() {
            let Some(value) = request
                .headers
                .get("authorization")
                .and_then(|value| value.to_str().ok())
            else {
                continue;
            };
            let Some(scope) = value.strip_prefix("AWS4-HMAC-SHA256 Credential=") else {
                continue;
            };
            let parts: Vec<&str> = scope.split('/').collect();
            signed.push(format!("{} {} {}", parts[0], parts[2], parts[3]));
        }
        signed
    }

    async fn requests(&self) -> Vec<String> {
        self.server
            .received_requests()
            .await
            .unwrap()
            .iter()
            .map(|request| format!("{} {}", request.method, request.url.path()))
            .collect()
    }
}

fn keys(id: &str, token_name: &str, expiration: &str) -> String {
    format!(
        r#"{{"Code":"Success","Version":1,"AccessKeyId":"{id}","SecretAccessKey":"secret","{token_name}":"token","Expiration":"{expiration}"}}"#
    )
}

fn assumed(action: &str, id: &str) -> String {
    format!(
        "<{action}Response><{action}Result><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
         <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
    )
}

#[tokio::test]
async fn the_scope_is_the_region_once_it_is_known() {
    let mut cloud = Cloud::start().await;
    let region = |name: &str| vec![("region", name.to_owned())];
    assert_eq!(cloud.provider("region=a,b").0.scope(), region("a,b"));
    assert_eq!(cloud.provider("region=self").0.scope(), []);
    cloud
        .metadata(&keys("AKIDROLE", "Token", "2099-01-01T00:00:00Z"))
        .await;
    let (provider, _) = cloud.provider("");
    assert_eq!(provider.scope(), []);
    cloud.ask(provider.as_ref()).await.unwrap();
    assert_eq!(provider.scope(), region("eu-south-1"));
    cloud.set("AWS_REGION", "eu-west-3");
    assert_eq!(cloud.provider("").0.scope(), region("eu-west-3"));
}

#[tokio::test]
async fn keys_of_the_environment_sign_with_their_session_token() {
    let mut cloud = Cloud::start().await;
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("AWS_REGION", "eu-west-3"),
    ] {
        cloud.set(name, value);
    }
    let discovery = cloud.discover("").await.unwrap();
    assert_eq!(
        (discovery.identity(), discovery.addresses().len()),
        (Some("environment"), 1)
    );
    assert_eq!(cloud.signed().await, ["AKIDENV eu-west-3 ec2"]);
    let request = &cloud.server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers["x-amz-security-token"], "token");
}

#[tokio::test]
async fn a_web_identity_assumes_its_role_by_the_token_in_its_file() {
    let mut cloud = Cloud::start().await;
    let token = cloud.file("token", "jwt\n");
    cloud.set("AWS_WEB_IDENTITY_TOKEN_FILE", &token);
    cloud.set("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod");
    let sts = Mock::given(body_string_contains("Action=AssumeRoleWithWebIdentity"))
        .and(body_string_contains("WebIdentityToken=jwt"));
    cloud
        .answer(sts, 200, &assumed("AssumeRoleWithWebIdentity", "ASIAWEB"))
        .await;
    let discovery = cloud.discover("region=eu-west-1,eu-west-2").await.unwrap();
    assert_eq!(discovery.identity(), Some("web identity"));
    // One token serves both regions; its request carries no signature.
    let mut signed = cloud.signed().await;
    signed.sort();
    assert_eq!(signed, ["ASIAWEB eu-west-1 ec2", "ASIAWEB eu-west-2 ec2"]);
    assert_eq!(cloud.requests().await.len(), 3);
}

#[tokio::test]
async fn a_web_identity_token_that_the_service_repeats_is_masked() {
    let mut cloud = Cloud::start().await;
    let token = cloud.file("token", "header.canary.signature\n");
    cloud.set("AWS_WEB_IDENTITY_TOKEN_FILE", &token);
    cloud.set("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod");
    let refusal = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>invalid: header.canary.signature</Message></Error></ErrorResponse>";
    let sts = Mock::given(body_string_contains("Action=AssumeRoleWithWebIdentity"));
    cloud.answer(sts, 400, refusal).await;
    let text = cloud.refused().await;
    assert!(text.contains("invalid: ..."), "{text}");
}

#[tokio::test]
async fn a_profile_assumes_its_role_with_the_keys_of_another() {
    let mut cloud = Cloud::start().await;
    cloud.shared(
        "[profile dev]\nrole_arn = arn:aws:iam::1:role/dev\nsource_profile = base\nexternal_id = ext\nregion = ap-south-1\n",
        "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = secret\n",
    );
    cloud.set("AWS_PROFILE", "dev");
    let sts = Mock::given(body_string_contains("Action=AssumeRole&"))
        .and(body_string_contains("ExternalId=ext"));
    cloud
        .answer(sts, 200, &assumed("AssumeRole", "ASIADEV"))
        .await;
    assert_eq!(
        cloud.discover("").await.unwrap().identity(),
        Some("shared profile")
    );
    assert_eq!(
        cloud.signed().await,
        ["AKIDBASE ap-south-1 sts", "ASIADEV ap-south-1 ec2"]
    );
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_ends_the_chain_and_names_the_permission() {
    let mut cloud = Cloud::start().await;
    cloud.shared("[default]\nrole_arn = arn:aws:iam::1:role/dev\nsource_profile = default\naws_access_key_id = AKIDSELF\naws_secret_access_key = secret\n", "");
    cloud
        .metadata(&keys("ASIAIMDS", "Token", "2099-01-01T00:00:00Z"))
        .await;
    let refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>";
    cloud
        .answer(
            Mock::given(body_string_contains("Action=AssumeRole")),
            403,
            refusal,
        )
        .await;
    let text = cloud.refused().await;
    for part in [
        "the credential `shared profile` failed",
        "AccessDenied",
        "sts:AssumeRole",
        "role/dev",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !cloud
            .requests()
            .await
            .contains(&"PUT /latest/api/token".to_owned()),
        "the next source is not asked"
    );
}

#[tokio::test]
async fn profiles_that_lead_in_a_circle_are_an_error() {
    let mut cloud = Cloud::start().await;
    cloud.shared("[default]\nrole_arn = a\nsource_profile = b\n[profile b]\nrole_arn = b\nsource_profile = default\n", "");
    assert!(
        cloud
            .refused()
            .await
            .contains("`default`, `b` lead in a circle")
    );
    cloud.set("AWS_PROFILE", "typo");
    assert!(cloud.refused().await.contains("no profile `typo`"));
}

#[tokio::test]
async fn a_role_that_needs_a_code_is_not_requested() {
    let mut cloud = Cloud::start().await;
    cloud.shared(
        "[default]\nrole_arn = a\nsource_profile = default\nmfa_serial = m\naws_access_key_id = AKID\naws_secret_access_key = secret\n",
        "",
    );
    assert!(cloud.refused().await.contains("`mfa_serial`"));
    assert!(cloud.requests().await.is_empty());
}

/// As the AWS SDKs do: a service manager may hide the home directory of a service.
#[tokio::test]
async fn shared_files_that_cannot_be_read_end_the_chain_only_where_the_environment_names_them() {
    let mut cloud = Cloud::start().await;
    cloud
        .metadata(&keys("ASIAIMDS", "Token", "2099-01-01T00:00:00Z"))
        .await;
    cloud.file(".aws/config/a-directory", "");
    let home = cloud.files.path().to_str().unwrap().to_owned();
    cloud.set("HOME", &home);
    cloud.discover("region=eu-west-1").await.unwrap();
    assert_eq!(cloud.signed().await, ["ASIAIMDS eu-west-1 ec2"]);
    cloud.set("AWS_EC2_METADATA_DISABLED", "true");
    assert!(
        cloud
            .refused()
            .await
            .contains("no profile `default` in the shared files (cannot read")
    );
    cloud.set("AWS_CONFIG_FILE", &format!("{home}/.aws/config"));
    assert!(
        cloud
            .refused()
            .await
            .contains("the credential `shared profile` failed: cannot read")
    );
}

#[tokio::test]
async fn a_program_of_the_profile_prints_its_keys() {
    let mut cloud = Cloud::start().await;
    cloud.shared("[default]\ncredential_process = keys --for me\n", "");
    cloud.printed = r#"{"Version":1,"AccessKeyId":"ASIAPROC","SecretAccessKey":"secret","SessionToken":"t","Expiration":"2099-01-01T00:00:00+00:00"}"#;
    cloud.discover("region=eu-west-1").await.unwrap();
    assert_eq!(cloud.signed().await, ["ASIAPROC eu-west-1 ec2"]);
    cloud.printed = "canary";
    let text = cloud.refused().await;
    assert!(
        text.contains("`credential_process` didn't print the JSON of a credential")
            && !text.contains("canary"),
        "{text}"
    );
}

#[tokio::test]
async fn a_login_of_iam_identity_center_gives_the_keys_of_its_role_until_it_is_over() {
    let mut cloud = Cloud::start().await;
    cloud.shared("[default]\nsso_session = corp\nsso_account_id = 123\nsso_role_name = Dev\n[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = us-east-2\n", "");
    assert!(cloud.refused().await.contains("aws sso login"));
    // The name of the file is the SHA-1 of `corp`.
    let name = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    cloud.file(
        name,
        r#"{"startUrl":"x","accessToken":"login","expiresAt":"2099-01-01T00:00:00UTC"}"#,
    );
    let get =
        Mock::given(path("/federation/credentials")).and(header("x-amz-sso_bearer_token", "login"));
    let get = get
        .and(wiremock::matchers::query_param("account_id", "123"))
        .and(wiremock::matchers::query_param("role_name", "Dev"));
    let keys = r#"{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"secret","sessionToken":"t","expiration":18446744073709551615}}"#;
    cloud.answer(get, 200, keys).await;
    cloud.discover("region=eu-west-1").await.unwrap();
    assert_eq!(cloud.signed().await, ["ASIASSO eu-west-1 ec2"]);
    cloud.file(
        name,
        r#"{"accessToken":"login","expiresAt":"2020-01-01T00:00:00Z"}"#,
    );
    assert!(cloud.refused().await.contains("aws sso login"));
}

#[tokio::test]
async fn a_container_gives_the_keys_of_its_role_for_the_token_in_its_file() {
    let mut cloud = Cloud::start().await;
    let token = cloud.file("eks-token", "eks\n");
    cloud.set(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "SERVER/v1/credentials",
    );
    cloud.set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    let get = Mock::given(path("/v1/credentials")).and(header("authorization", "eks"));
    cloud
        .answer(get, 200, &keys("ASIAPOD", "Token", "2099-01-01T00:00:00Z"))
        .await;
    assert_eq!(
        cloud.discover("region=eu-west-1").await.unwrap().identity(),
        Some("container credentials")
    );
    assert_eq!(cloud.signed().await, ["ASIAPOD eu-west-1 ec2"]);
    cloud.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/");
    assert!(
        cloud
            .refused()
            .await
            .contains("`AWS_CONTAINER_CREDENTIALS_FULL_URI` must be")
    );
}

#[tokio::test]
async fn an_instance_gives_region_and_keys_of_its_role_which_are_renewed_before_they_end() {
    let cloud = Cloud::start().await;
    let end = humantime::format_rfc3339_seconds(cloud.clock.wall() + Duration::from_secs(3600))
        .to_string();
    cloud.metadata(&keys("ASIAIMDS", "Token", &end)).await;
    let (provider, _) = cloud.provider("");
    cloud.ask(provider.as_ref()).await.unwrap();
    assert_eq!(cloud.signed().await, ["ASIAIMDS eu-south-1 ec2"]);
    let asked = async || {
        cloud
            .requests()
            .await
            .iter()
            .filter(|request| request.ends_with("/web"))
            .count()
    };
    cloud.ask(provider.as_ref()).await.unwrap();
    assert_eq!(asked().await, 1);
    cloud.clock.sleep(Duration::from_secs(56 * 60)).await;
    cloud.ask(provider.as_ref()).await.unwrap();
    assert_eq!(asked().await, 2);
}

#[tokio::test]
async fn keys_that_are_refused_as_expired_are_replaced_once() {
    let cloud = Cloud::start().await;
    cloud
        .metadata(&keys("ASIAIMDS", "Token", "2099-01-01T00:00:00Z"))
        .await;
    let refusal = "<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has expired.</Message></Error></Errors></Response>";
    let first = Mock::given(header_exists("authorization"))
        .respond_with(ResponseTemplate::new(400).set_body_string(refusal));
    first
        .up_to_n_times(1)
        .with_priority(1)
        .mount(&cloud.server)
        .await;
    assert_eq!(
        cloud
            .discover("region=eu-west-1")
            .await
            .unwrap()
            .addresses()
            .len(),
        1
    );
    assert_eq!(
        cloud
            .requests()
            .await
            .iter()
            .filter(|request| request.ends_with("/web"))
            .count(),
        2
    );
}

#[tokio::test]
async fn without_any_credential_every_source_has_its_reason() {
    let cloud = Cloud::start().await;
    let text = cloud.refused().await;
    for part in [
        "environment: `AWS_ACCESS_KEY_ID` is not set",
        "web identity: `AWS_WEB_IDENTITY_TOKEN_FILE` is not set",
        "shared profile: no profile `default`",
        "container credentials: neither `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`",
        "instance profile: what responds at",
        "set AWS_ACCESS_KEY_ID",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn an_instance_metadata_service_that_is_silent_or_off_is_explained() {
    let mut cloud = Cloud::start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    cloud.set(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        &format!("http://{closed}"),
    );
    let error = cloud.discover("region=eu-west-1").await.unwrap_err();
    assert!(
        error.is_transient() && error.chain().contains("hop limit"),
        "{}",
        error.chain()
    );
    let error = cloud.discover("").await.unwrap_err();
    assert!(
        error.is_transient() && error.hint().unwrap().contains("region="),
        "{}",
        error.chain()
    );
    cloud.set("AWS_EC2_METADATA_DISABLED", "true");
    let error = cloud.discover("").await.unwrap_err();
    assert!(
        matches!(error, Error::Config(_)) && error.chain().contains("AWS_EC2_METADATA_DISABLED"),
        "{}",
        error.chain()
    );
}

#[tokio::test]
async fn the_region_self_is_that_of_the_machine_whatever_the_environment_says() {
    let mut cloud = Cloud::start().await;
    cloud.set("AWS_REGION", "eu-west-1");
    cloud
        .metadata(&keys("ASIAIMDS", "Token", "2099-01-01T00:00:00Z"))
        .await;
    cloud.discover("region=self").await.unwrap();
    assert_eq!(cloud.signed().await, ["ASIAIMDS eu-south-1 ec2"]);
}

#[tokio::test]
async fn in_an_ecs_task_the_region_is_that_of_the_task() {
    let mut cloud = Cloud::start().await;
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("ECS_CONTAINER_METADATA_URI_V4", "SERVER/v4/id"),
    ] {
        cloud.set(name, value);
    }
    let task = r#"{"Cluster":"default","Family":"consul","TaskARN":"arn:aws-cn:ecs:cn-north-1:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c"}"#;
    cloud
        .answer(Mock::given(path("/v4/id/task")), 200, task)
        .await;
    cloud.discover("").await.unwrap();
    assert_eq!(cloud.signed().await, ["AKIDENV cn-north-1 ec2"]);
}

/// The name of an Auto Scaling group is such a tag: `tag.aws:autoscaling:groupName=self`.
#[tokio::test]
async fn a_tag_of_value_self_is_that_of_the_instance_this_runs_on() {
    let cloud = Cloud::start().await;
    cloud
        .metadata(&keys("ASIAIMDS", "Token", "2099-01-01T00:00:00Z"))
        .await;
    let tag = Mock::given(path("/latest/meta-data/tags/instance/aws:group"))
        .and(header("x-aws-ec2-metadata-token", "session"));
    cloud.answer(tag, 200, "one*").await;
    _ = cloud
        .discover("region=eu-west-1 tag.aws:group=self")
        .await
        .unwrap();
    let requests = cloud.server.received_requests().await.unwrap();
    let body = String::from_utf8_lossy(&requests.last().unwrap().body).into_owned();
    let filter = "Name=tag%3Aaws%3Agroup&Filter.2.Value.1=one%5C*";
    assert!(body.contains(filter), "{body}");
    _ = cloud
        .discover(r"region=eu-west-1 tag.other=\self")
        .await
        .unwrap();
    let requests = cloud.server.received_requests().await.unwrap();
    let body = String::from_utf8_lossy(&requests.last().unwrap().body).into_owned();
    assert!(body.contains("Value.1=%5Cself"), "{body}");
    let error = cloud
        .discover("region=eu-west-1 tag.other=self")
        .await
        .unwrap_err();
    let text = error.chain();
    assert!(
        text.contains("no tag `other`") && text.contains("--instance-metadata-tags enabled"),
        "{text}"
    );
}

#[tokio::test]
async fn cluster_and_family_of_value_self_are_those_of_the_task_this_runs_in() {
    let mut cloud = Cloud::start().await;
    cloud.set("AWS_ACCESS_KEY", "AKIDENV");
    cloud.set("AWS_SECRET_KEY", "secret");
    let own = "service=ecs ecs_cluster=self ecs_family=self region=self";
    let error = cloud.discover(own).await.unwrap_err();
    assert!(error.chain().contains("this machine has no"), "{error:?}");
    cloud.set("ECS_CONTAINER_METADATA_URI_V4", "SERVER/v4/id");
    let task =
        r#"{"Cluster":"blue","Family":"consul","TaskARN":"arn:aws:ecs:eu-west-1:1:task/blue/1"}"#;
    cloud
        .answer(Mock::given(path("/v4/id/task")), 200, task)
        .await;
    let list = Mock::given(body_string_contains(
        r#"{"cluster":"blue","desiredStatus":"RUNNING","family":"consul"}"#,
    ));
    cloud.answer(list, 200, r#"{"taskArns":[]}"#).await;
    assert_eq!(cloud.discover(own).await.unwrap().matched(), 0);
    assert_eq!(cloud.signed().await, ["AKIDENV eu-west-1 ecs"]);
}

#[tokio::test]
async fn the_ca_and_the_attempts_of_the_environment_count() {
    let mut cloud = Cloud::start().await;
    cloud.set("AWS_ACCESS_KEY_ID", "AKIDENV");
    cloud.set("AWS_SECRET_ACCESS_KEY", "secret");
    let failing = ResponseTemplate::new(503);
    Mock::given(method("POST"))
        .respond_with(failing)
        .with_priority(1)
        .mount(&cloud.server)
        .await;
    cloud.set("AWS_MAX_ATTEMPTS", "2");
    assert!(cloud.refused().await.contains("503"));
    assert_eq!(cloud.requests().await.len(), 2);
    cloud.set("AWS_MAX_ATTEMPTS", "0");
    assert!(cloud.refused().await.contains("`AWS_MAX_ATTEMPTS` must be"));
    cloud.set("AWS_CA_BUNDLE", "/nowhere/ca.pem");
    let text = cloud.refused().await;
    assert!(
        text.contains("cannot read `/nowhere/ca.pem` of `AWS_CA_BUNDLE`"),
        "{text}"
    );
    let path = cloud.file("ca.pem", "no certificate");
    cloud.set("AWS_CA_BUNDLE", &path);
    cloud.set("AWS_MAX_ATTEMPTS", "1");
    let text = cloud.refused().await;
    assert!(text.contains("certificate"), "{text}");
    assert_eq!(cloud.requests().await.len(), 2, "nothing is sent");
}

#[tokio::test]
async fn the_service_is_connected_to_while_the_key_is_requested() {
    let mut cloud = Cloud::start().await;
    let token = cloud.file("token", "jwt");
    cloud.set("AWS_WEB_IDENTITY_TOKEN_FILE", &token);
    cloud.set("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    cloud.set("AWS_ENDPOINT_URL_EC2", &format!("https://{address}"));
    let (connected, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        _ = listener.accept();
        connected.send(())
    });
    let wait = std::sync::Mutex::new(wait);
    // The token service waits until there is a connection to EC2.
    let respond = move |_: &wiremock::Request| {
        let is_connected = wait.lock().unwrap().recv_timeout(Duration::from_secs(10));
        match is_connected {
            Ok(()) => ResponseTemplate::new(200)
                .set_body_string(assumed("AssumeRoleWithWebIdentity", "ASIAWEB")),
            Err(_) => ResponseTemplate::new(400),
        }
    };
    Mock::given(body_string_contains("Action=AssumeRoleWithWebIdentity"))
        .respond_with(respond)
        .mount(&cloud.server)
        .await;
    // It gives a key; EC2 doesn't speak TLS here.
    let error = cloud.discover("region=eu-west-1").await.unwrap_err();
    assert!(matches!(error, Error::Transport(_)), "{}", error.chain());
}
