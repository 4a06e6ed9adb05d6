//! A server with the exchanges of a provider, and discoveries against it.

use std::sync::Arc;
use std::time::Duration;

use cloud_autojoin_core::http::{HttpClient, HttpSettings};
use cloud_autojoin_core::{
    Call, Clock, ConfigString, Context, Detail, Discovery, Env, Error, Provider,
};
use wiremock::{Match, Mock, MockServer, Request, ResponseTemplate};

use super::faults::FaultTransport;
use super::{CANARY, Conformance, Exchange, Fault, Refusal};

/// The deadline of a discovery, by the clock.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A server, and a provider that uses it.
pub struct Harness {
    /// The description of the provider.
    pub conformance: Conformance,
    /// The server.
    pub server: MockServer,
    faults: Vec<Fault>,
    max_body: Option<usize>,
    detail: Detail,
}

impl Harness {
    /// A server without responses.
    pub async fn start(conformance: Conformance) -> Self {
        let server = MockServer::start().await;
        Self {
            conformance,
            server,
            faults: Vec::new(),
            max_body: None,
            detail: Detail::Addresses,
        }
    }

    /// A server with the exchanges of a successful discovery.
    pub async fn serving(conformance: Conformance) -> Self {
        let harness = Self::start(conformance).await;
        harness.mount(&harness.conformance.exchanges).await;
        harness
    }

    /// Serves these exchanges, each as often as it is requested.
    pub async fn mount(&self, exchanges: &[Exchange]) {
        for exchange in exchanges {
            Mock::given(Shape(exchange.clone()))
                .respond_with(self.reply(exchange))
                .with_priority(5)
                .mount(&self.server)
                .await;
        }
    }

    /// Serves this error for the request of `exchange` this many times, before its other responses.
    pub async fn refuse(&self, exchange: &Exchange, refusal: &Refusal, times: u64) {
        Mock::given(Shape(exchange.clone()))
            .respond_with(refusal.template())
            .up_to_n_times(times)
            .with_priority(1)
            .mount(&self.server)
            .await;
    }

    /// The response of an exchange.
    pub fn reply(&self, exchange: &Exchange) -> ResponseTemplate {
        let body = exchange.reply.replace("ENDPOINT", &self.server.uri());
        let kind = if body.starts_with('<') {
            "text/xml"
        } else {
            "application/json"
        };
        let template = ResponseTemplate::new(200).set_body_raw(body, kind);
        let uri = self.server.uri();
        exchange
            .reply_headers
            .iter()
            .fold(template, |template, (name, value)| {
                template.insert_header(*name, value.replace("ENDPOINT", &uri).as_str())
            })
    }

    /// Injects these faults into the next requests.
    #[must_use]
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// Limits the size of a body.
    #[must_use]
    pub fn with_max_body(mut self, max_body: usize) -> Self {
        self.max_body = Some(max_body);
        self
    }

    /// Keeps every examined resource.
    #[must_use]
    pub fn with_full_detail(mut self) -> Self {
        self.detail = Detail::Everything;
        self
    }

    /// The join string against this server.
    pub fn config(&self) -> ConfigString {
        let join = self
            .conformance
            .join
            .replace("ENDPOINT", &self.server.uri());
        ConfigString::parse(&join).expect("the conformance join string parses")
    }

    /// The environment against this server.
    pub fn env(&self) -> Env {
        let uri = self.server.uri();
        let variables = self.conformance.env.iter();
        variables
            .map(|(name, value)| ((*name).to_owned(), value.replace("ENDPOINT", &uri)))
            .collect()
    }

    /// A context with the faults, the environment and an auto-advancing clock.
    pub fn context(&self) -> Context {
        let mut settings = HttpSettings::default();
        settings.max_body = self.max_body.unwrap_or(settings.max_body);
        let client = HttpClient::new(settings.clone()).expect("a client");
        let transport = FaultTransport::new(client.transport(), self.faults.iter().copied());
        Context::builder()
            .env(self.env())
            .clock(Clock::auto_advancing())
            .http_client(HttpClient::with_transport(Arc::new(transport), settings))
            .build()
            .expect("a context")
    }

    /// Builds the provider.
    pub fn provider(&self, context: &Context) -> Box<dyn Provider> {
        let provider = self.conformance.spec.build(&self.config(), context);
        let provider =
            provider.unwrap_or_else(|error| panic!("the join string builds: {}", error.chain()));
        assert_no_secret(&format!("{provider:?} {}", provider.subject()));
        provider
    }

    /// Builds the provider and runs one discovery.
    pub async fn discover(&self) -> Outcome {
        let context = self.context();
        let provider = self.provider(&context);
        self.ask(provider.as_ref(), &context).await
    }

    /// Runs one discovery.
    pub async fn ask(&self, provider: &dyn Provider, context: &Context) -> Outcome {
        let call = Call::new(context.clock(), TIMEOUT).with_detail(self.detail);
        let result = provider.discover(&call).await;
        for record in call.requests() {
            assert_no_secret(&format!("{record:?}"));
        }
        match &result {
            Ok(discovery) => {
                assert_no_secret(&serde_json::to_string(discovery).expect("a discovery serialises"))
            }
            Err(error) => {
                assert_no_secret(&format!("{error:?} {} {:?}", error.chain(), error.hint()))
            }
        }
        Outcome {
            result,
            elapsed: call.elapsed(),
            requests: call.requests().len(),
        }
    }

    /// The URLs that were requested, in order.
    pub async fn requested(&self) -> Vec<Request> {
        self.server
            .received_requests()
            .await
            .expect("the server records")
    }

    /// The first request of the list, into which faults are injected.
    pub fn last_exchange(&self) -> &Exchange {
        self.conformance
            .exchanges
            .last()
            .expect("at least one exchange")
    }
}

/// The outcome of one discovery.
pub struct Outcome {
    /// The discovery or the error.
    pub result: Result<Discovery, Error>,
    /// The clock's time it took.
    pub elapsed: Duration,
    /// How many requests were recorded.
    pub requests: usize,
}

impl Outcome {
    /// The addresses as printed.
    pub fn addresses(&self) -> Vec<String> {
        self.discovery()
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// The discovery.
    pub fn discovery(&self) -> &Discovery {
        self.result
            .as_ref()
            .unwrap_or_else(|error| panic!("a discovery, not: {}", error.chain()))
    }

    /// The error.
    pub fn error(&self) -> &Error {
        match &self.result {
            Err(error) => error,
            Ok(discovery) => panic!("an error, not {:?}", discovery.addresses()),
        }
    }
}

/// Fails when `text` contains a secret of the join string.
pub(super) fn assert_no_secret(text: &str) {
    assert!(!text.contains(CANARY), "a secret is shown: {text}");
}

/// Matches the request of an exchange.
pub(super) struct Shape(pub(super) Exchange);

impl Match for Shape {
    fn matches(&self, request: &Request) -> bool {
        let Exchange {
            method,
            path,
            query,
            headers,
            body_parts,
            absent_body_parts,
            ..
        } = &self.0;
        let has = |name: &str, value: &Option<String>| match value {
            Some(value) => request
                .url
                .query_pairs()
                .any(|(known, found)| known == name && found == *value),
            None => !request.url.query_pairs().any(|(known, _)| known == name),
        };
        let body = String::from_utf8_lossy(&request.body);
        request.method.as_str() == *method
            && request.url.path() == path
            && query.iter().all(|(name, value)| has(name, value))
            && headers.iter().all(|(name, value)| {
                request
                    .headers
                    .get(*name)
                    .is_some_and(|found| found == value.as_str())
            })
            && body_parts.iter().all(|part| body.contains(part))
            && !absent_body_parts.iter().any(|part| body.contains(part))
    }
}
