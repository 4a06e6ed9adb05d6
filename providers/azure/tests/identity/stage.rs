//! The server that every test uses, and the requests to it.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cloud_autojoin_azure::AzureBuilder;
use cloud_autojoin_core::command::{CommandOutput, CommandRunner};
use cloud_autojoin_core::http::HttpSettings;
use cloud_autojoin_core::{Call, Clock, Context, Discovery, Env, Error, Provider};
use serde_json::json;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub(crate) const SUBSCRIPTION: &str = "77777777-7777-4777-8777-777777777777";
pub(crate) const TOKEN_PATH: &str = "/metadata/identity/oauth2/token";

/// The output of `az` and `azd` on a machine that has neither.
pub(crate) fn no_command() -> io::Result<CommandOutput> {
    Err(io::ErrorKind::NotFound.into())
}

type Script = dyn Fn(&str, &[&str]) -> io::Result<CommandOutput> + Send + Sync;

/// Answers by a function, and keeps the command lines.
pub(crate) struct Commands {
    answer: Box<Script>,
    pub(crate) seen: Mutex<Vec<String>>,
}

impl Commands {
    pub(crate) fn new(
        answer: impl Fn(&str, &[&str]) -> io::Result<CommandOutput> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            seen: Mutex::default(),
        })
    }

    pub(crate) fn none() -> Arc<Self> {
        Self::new(|_, _| no_command())
    }
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Commands")
    }
}

#[async_trait]
impl CommandRunner for Commands {
    async fn run(
        &self,
        program: &str,
        arguments: &[&str],
        limit: Duration,
    ) -> io::Result<CommandOutput> {
        assert!(limit <= Duration::from_secs(10), "{limit:?}");
        self.seen
            .lock()
            .unwrap()
            .push(format!("{program} {}", arguments.join(" ")));
        (self.answer)(program, arguments)
    }
}

/// One server for everything.
pub(crate) struct Stage {
    pub(crate) server: MockServer,
    pub(crate) clock: Clock,
    variables: BTreeMap<String, String>,
    pub(crate) commands: Arc<Commands>,
}

impl Stage {
    /// ARM answers any token with one tagged interface; the metadata service is there and refuses
    /// requests without its header; nothing gives tokens yet.
    pub(crate) async fn new() -> Self {
        let server = MockServer::start().await;
        let stage = Self {
            server,
            clock: Clock::auto_advancing(),
            variables: BTreeMap::new(),
            commands: Commands::none(),
        };
        // shape: recorded azure-cli network interface list, 2023, cut to what is read
        let interface = json!({
            "name": "a",
            "id": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/a"),
            "tags": { "consul": "server" },
            "properties": { "ipConfigurations": [{ "name": "ip", "properties": { "primary": true, "privateIPAddress": "10.0.0.4", "privateIPAddressVersion": "IPv4" } }] },
        });
        stage
            .mount(
                Mock::given(method("GET")).and(path_regex("^/subscriptions/.*/networkInterfaces$")),
                ResponseTemplate::new(200).set_body_json(json!({ "value": [interface] })),
            )
            .await;
        // shape: recorded instance metadata refusal, 2021
        let refusal = json!({ "error": "invalid_request", "error_description": "Required metadata header not specified" });
        stage
            .mount(
                Mock::given(method("GET"))
                    .and(path(TOKEN_PATH))
                    .and(without_metadata_header),
                ResponseTemplate::new(400).set_body_json(refusal),
            )
            .await;
        stage
    }

    pub(crate) async fn mount(&self, given: wiremock::MockBuilder, answer: ResponseTemplate) {
        given.respond_with(answer).mount(&self.server).await;
    }

    /// Entra gives this token for an hour.
    pub(crate) async fn entra_gives(&self, token: &str) {
        self.mount(
            Mock::given(method("POST")).and(path_regex("/oauth2/v2.0/token$")),
            entra_token(token),
        )
        .await;
    }

    pub(crate) fn variables<const N: usize>(mut self, variables: [(&str, &str); N]) -> Self {
        self.variables = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        self
    }

    pub(crate) fn commands(mut self, commands: Arc<Commands>) -> Self {
        self.commands = commands;
        self
    }

    pub(crate) fn uri(&self) -> String {
        self.server.uri()
    }

    /// A provider for one tag, with everything else from `keys`.
    pub(crate) fn provider(&self, keys: &str) -> Box<dyn Provider> {
        let uri = self.uri();
        let mut string = format!(
            "provider=azure subscription_id={SUBSCRIPTION} tag_name=consul tag_value=server {keys}"
        );
        if !string.contains("metadata_endpoint=") {
            string.push_str(&format!(" metadata_endpoint={uri}"));
        }
        let mut settings = HttpSettings::default();
        settings.proxy_from_environment = false;
        settings.idle_timeout = Duration::from_secs(5);
        settings.first_byte_timeout = Some(Duration::from_secs(5));
        let env = Env::Memory(Arc::new(self.variables.clone()));
        let commands = Arc::clone(&self.commands);
        let context = Context::builder()
            .env(env)
            .http(settings)
            .clock(self.clock.clone())
            .commands(commands)
            .build()
            .unwrap();
        // The cloud of the keys, at other hosts: a string would have to name an audience for them.
        let builder = AzureBuilder::from_config(&string.parse().unwrap(), &context).unwrap();
        let mut cloud = builder.clone().build().unwrap().cloud().clone();
        (cloud.authority, cloud.resource_manager) = (uri.parse().unwrap(), uri.parse().unwrap());
        Box::new(builder.cloud(cloud).build().unwrap())
    }

    pub(crate) async fn discover_with(&self, provider: &dyn Provider) -> Result<Discovery, Error> {
        provider
            .discover(&Call::new(&self.clock, Duration::from_secs(600)))
            .await
    }

    /// One call of a fresh provider.
    pub(crate) async fn discover(&self, keys: &str) -> Result<Discovery, Error> {
        self.discover_with(self.provider(keys).as_ref()).await
    }

    pub(crate) async fn requests(&self, of: impl Fn(&Request) -> bool) -> Vec<Request> {
        self.server
            .received_requests()
            .await
            .unwrap()
            .into_iter()
            .filter(|request| of(request))
            .collect()
    }

    /// The token requests to Entra, each as its form.
    pub(crate) async fn forms(&self) -> Vec<BTreeMap<String, String>> {
        let requests = self
            .requests(|request| request.method.as_str() == "POST")
            .await;
        requests
            .iter()
            .map(|request| {
                url::form_urlencoded::parse(&request.body)
                    .into_owned()
                    .collect()
            })
            .collect()
    }

    /// The token requests to the metadata service that were meant, each as its query.
    pub(crate) async fn queries(&self) -> Vec<BTreeMap<String, String>> {
        let requests = self
            .requests(|request| {
                request.url.path() == TOKEN_PATH && !without_metadata_header(request)
            })
            .await;
        requests.iter().map(query).collect()
    }

    /// The tokens of the requests to ARM.
    pub(crate) async fn bearers(&self) -> Vec<String> {
        let requests = self
            .requests(|request| request.url.path().starts_with("/subscriptions/"))
            .await;
        requests
            .iter()
            .map(|request| {
                request.headers["authorization"]
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }
}

pub(crate) fn query(request: &Request) -> BTreeMap<String, String> {
    request.url.query_pairs().into_owned().collect()
}

pub(crate) fn without_metadata_header(request: &Request) -> bool {
    request
        .headers
        .get("metadata")
        .is_none_or(|value| value != "true")
}

pub(crate) fn with_metadata_header(request: &Request) -> bool {
    !without_metadata_header(request)
}

/// shape: recorded Entra token (client secret, v2.0), 2021
pub(crate) fn entra_token(token: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token }))
}

/// shape: recorded instance metadata token (system-assigned), 2021
pub(crate) fn metadata_token(token: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "access_token": token,
        "client_id": "615e6319-bf4f-4279-937c-b9eb198e511f",
        "expires_in": "84513",
        "expires_on": "1637168788",
        "ext_expires_in": "86399",
        "not_before": "1637082088",
        "resource": "https://management.azure.com/",
        "token_type": "Bearer",
    }))
}

/// The error and its causes, one line each, as they are printed.
pub(crate) fn lines(error: &Error) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        lines.push(inner.to_string());
        cause = inner.source();
    }
    lines
}

/// Addresses and identity, which is what most tests want of a result.
pub(crate) fn found(answer: Result<Discovery, Error>) -> (Vec<String>, String) {
    let discovery = answer.unwrap_or_else(|error| panic!("{:?}", lines(&error)));
    (
        discovery
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect(),
        discovery.identity().unwrap_or_default().to_owned(),
    )
}
