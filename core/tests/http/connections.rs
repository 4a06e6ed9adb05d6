//! How many connections requests take, and when they are opened.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cloud_autojoin_core::Result;
use cloud_autojoin_core::http::{HttpClient, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rcgen::generate_simple_self_signed;
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

use crate::server::{call, client, request};

/// A TLS server that counts.
struct Counting {
    url: String,
    client: HttpClient,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Counting {
    /// Speaks `protocols`, in the order of its preference; closes the first `broken` connections as
    /// soon as their handshake is done; responds when so many requests are `together`.
    async fn start(protocols: &[&[u8]], broken: usize, together: usize) -> Self {
        let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        let mut config = builder
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        let (connections, requests) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&connections), Arc::clone(&requests));
        let barrier = Arc::new(Barrier::new(together));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counts.0.fetch_add(1, Ordering::SeqCst);
                let (acceptor, requests, barrier) = (
                    acceptor.clone(),
                    Arc::clone(&counts.1),
                    Arc::clone(&barrier),
                );
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    if number < broken {
                        return;
                    }
                    let response = service_fn(move |_: hyper::Request<Incoming>| {
                        requests.fetch_add(1, Ordering::SeqCst);
                        let barrier = Arc::clone(&barrier);
                        async move {
                            barrier.wait().await;
                            Ok::<_, Infallible>(hyper::Response::new(Empty::<Bytes>::new()))
                        }
                    });
                    _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), response)
                        .await;
                });
            }
        });
        let client = client(|settings| {
            settings.certificate_authorities = vec![certified.cert.pem().into_bytes()]
        });
        Self {
            url,
            client,
            connections,
            requests,
        }
    }

    async fn send(&self) -> Result<Response> {
        self.client.send(&request(&self.url), &call()).await
    }

    async fn connect(&self) {
        self.client
            .connect(&self.url.parse().unwrap(), &call())
            .await;
    }

    /// Connections accepted, responses sent.
    fn counts(&self) -> (usize, usize) {
        (
            self.connections.load(Ordering::SeqCst),
            self.requests.load(Ordering::SeqCst),
        )
    }
}

const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

#[tokio::test]
async fn requests_that_come_together_share_one_connection_over_http_2() {
    let server = Counting::start(BOTH, 0, 3).await;
    let (first, second, third) = tokio::join!(server.send(), server.send(), server.send());
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(server.counts(), (1, 3));
}

#[tokio::test]
async fn requests_that_come_together_have_a_connection_each_over_http_1() {
    let server = Counting::start(&[b"http/1.1"], 0, 3).await;
    let (first, second, third) = tokio::join!(server.send(), server.send(), server.send());
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(server.counts(), (3, 3));
}

#[tokio::test]
async fn a_connection_opened_ahead_carries_the_requests_that_follow_and_nothing_before() {
    for protocols in [BOTH, &[&b"http/1.1"[..]]] {
        let server = Counting::start(protocols, 0, 1).await;
        server.connect().await;
        assert_eq!(server.counts(), (1, 0));
        server.send().await.unwrap();
        server.send().await.unwrap();
        assert_eq!(server.counts(), (1, 2));
    }
}

#[tokio::test]
async fn a_connection_is_opened_ahead_once_and_not_where_there_was_one() {
    let server = Counting::start(BOTH, 0, 1).await;
    tokio::join!(server.connect(), server.connect());
    server.connect().await;
    assert_eq!(server.counts(), (1, 0));
    server.send().await.unwrap();
    server.connect().await;
    assert_eq!(server.counts(), (1, 1));
}

#[tokio::test]
async fn requests_that_come_while_a_connection_is_opened_ahead_wait_for_it() {
    let server = Counting::start(BOTH, 0, 1).await;
    let ((), first, second) = tokio::join!(server.connect(), server.send(), server.send());
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(server.counts(), (1, 2));
}

#[tokio::test]
async fn a_connection_that_breaks_before_its_first_request_is_replaced() {
    // Opened ahead, or by the first of the requests that were to share it.
    for ahead in [true, false] {
        let server = Counting::start(BOTH, 1, 1).await;
        if ahead {
            server.connect().await;
        }
        let (first, second, third) = tokio::join!(server.send(), server.send(), server.send());
        assert!(
            first.is_ok() && second.is_ok() && third.is_ok(),
            "{first:?} {second:?} {third:?}"
        );
        let (connections, requests) = server.counts();
        assert!(
            connections >= 2 && requests == 3,
            "{connections} connections, {requests} requests"
        );
    }
}

#[tokio::test]
async fn a_failed_preconnect_is_reported_by_the_request_only() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    drop(listener);
    let client = client(|_| {});
    client.connect(&url.parse().unwrap(), &call()).await;
    let error = client.send(&request(&url), &call()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no connection to https://localhost:"),
        "{error}"
    );
}
