//! Connections over HTTP/2 that fail after they have served well: the next request gets a new one.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cloud_autojoin_core::http::{HttpClient, HttpSettings, Response, RetryPolicy};
use cloud_autojoin_core::{Call, Clock, Result, TransportFailure};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::generate_simple_self_signed;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::sync::watch::{self, Receiver, Sender};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

use crate::server::{call, client, request, transport_error};

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Action {
    Response,
    /// Nothing; the connection goes on acknowledging frames.
    Silence,
    /// Resets the connection.
    Reset,
}

/// How the server ends a connection on which nothing is under way.
#[derive(Clone, Copy)]
enum End {
    GoAway,
    /// Closes its own half only.
    HalfClose,
    Reset,
    /// Reads no frame any more and writes none, as a host that is gone.
    Freeze,
}

/// A server that treats each request by a rule: of the number of the connection and that of
/// the request on it, from 0.
struct Server {
    url: String,
    client: HttpClient,
    connections: Arc<AtomicUsize>,
    /// A request came that gets no response, or the client closed a connection that is frozen.
    silent: Arc<Notify>,
    end: Sender<Option<End>>,
}

impl Server {
    async fn start(
        rule: fn(usize, usize) -> Action,
        change: impl FnOnce(&mut HttpSettings),
    ) -> Self {
        let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut config = builder
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        let (connections, silent) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (end, ends) = watch::channel(None);
        let (count, notify) = (Arc::clone(&connections), Arc::clone(&silent));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                // Only the first connection is ended.
                let ends = if number == 0 {
                    ends.clone()
                } else {
                    watch::channel(None).1
                };
                tokio::spawn(serve(
                    stream,
                    acceptor.clone(),
                    move |request| rule(number, request),
                    Arc::clone(&notify),
                    ends,
                ));
            }
        });
        let client = client(|settings| {
            settings.certificate_authorities = vec![certified.cert.pem().into_bytes()];
            change(settings);
        });
        Self {
            url,
            client,
            connections,
            silent,
            end,
        }
    }

    async fn send(&self) -> Result<Response> {
        self.client.send(&request(&self.url), &call()).await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    rule: impl Fn(usize) -> Action + Send + 'static,
    silent: Arc<Notify>,
    mut ends: Receiver<Option<End>>,
) {
    // A connection that is dropped midway is reset.
    stream.set_zero_linger().unwrap();
    let stream = stream.into_std().unwrap();
    let beside = stream.try_clone().unwrap();
    let Ok(stream) = acceptor.accept(TcpStream::from_std(stream).unwrap()).await else {
        return;
    };
    let (requests, reset) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let (resets, closed) = (Arc::clone(&reset), Arc::clone(&silent));
    let service = service_fn(move |_: hyper::Request<Incoming>| {
        let is_answered = match rule(requests.fetch_add(1, Ordering::SeqCst)) {
            Action::Response => true,
            Action::Silence => {
                silent.notify_one();
                false
            }
            Action::Reset => {
                resets.notify_one();
                false
            }
        };
        async move {
            if !is_answered {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(hyper::Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut connection = std::pin::pin!(
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service)
    );
    loop {
        tokio::select! {
            _ = &mut connection => return,
            () = reset.notified() => return,
            Ok(()) = ends.changed() => {
                let end = *ends.borrow_and_update();
                match end {
                    Some(End::GoAway) => connection.as_mut().graceful_shutdown(),
                    Some(End::HalfClose) => beside.shutdown(std::net::Shutdown::Write).unwrap(),
                    Some(End::Reset) => return,
                    Some(End::Freeze) => {
                        let mut beside = TcpStream::from_std(beside).unwrap();
                        // Until the client closes.
                        _ = tokio::io::copy(&mut beside, &mut tokio::io::sink()).await;
                        return closed.notify_one();
                    }
                    None => {}
                }
            }
        }
    }
}

/// Responds to everything but the second request of the first connection and all that follow there.
fn silent_from_the_second_on(connection: usize, request: usize) -> Action {
    if connection == 0 && request > 0 {
        Action::Silence
    } else {
        Action::Response
    }
}

#[tokio::test]
async fn a_connection_that_is_silent_for_too_long_is_not_used_again() {
    let server = Server::start(silent_from_the_second_on, |settings| {
        settings.first_byte_timeout = Some(Duration::from_millis(500))
    })
    .await;
    server.send().await.unwrap();
    let response = server.send().await.unwrap();
    assert!(
        response.attempts > 1 && server.connections() > 1,
        "{} tries, {} connections",
        response.attempts,
        server.connections()
    );
}

#[tokio::test]
async fn a_connection_that_is_silent_until_the_deadline_is_not_used_again() {
    let server = Server::start(silent_from_the_second_on, |settings| {
        settings.retry = RetryPolicy::none()
    })
    .await;
    server.send().await.unwrap();
    let brief = Call::new(&Clock::system(), Duration::from_millis(100));
    let error = transport_error(
        server
            .client
            .send(&request(&server.url), &brief)
            .await
            .unwrap_err(),
    );
    assert_eq!(error.failure(), TransportFailure::Deadline);
    server.send().await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_request_that_is_no_longer_needed_leaves_its_connection_in_use() {
    let server = Server::start(
        |_, request| {
            if request == 1 {
                Action::Silence
            } else {
                Action::Response
            }
        },
        |_| {},
    )
    .await;
    server.send().await.unwrap();
    tokio::select! {
        response = server.send() => panic!("{response:?}"),
        () = server.silent.notified() => {}
    }
    server.send().await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_is_reset_under_a_request_is_replaced() {
    let server = Server::start(
        |connection, request| {
            if (connection, request) == (0, 1) {
                Action::Reset
            } else {
                Action::Response
            }
        },
        |_| {},
    )
    .await;
    server.send().await.unwrap();
    assert_eq!(
        (server.send().await.unwrap().attempts, server.connections()),
        (2, 2)
    );
}

#[tokio::test]
async fn a_connection_that_is_dead_is_closed_before_the_next_request() {
    let server = Server::start(
        |_, _| Action::Response,
        |settings| settings.ping_interval = Duration::from_millis(500),
    )
    .await;
    server.send().await.unwrap();
    server.end.send(Some(End::Freeze)).unwrap();
    // The limit is for a test that fails.
    tokio::time::timeout(Duration::from_secs(60), server.silent.notified())
        .await
        .unwrap();
    server.send().await.unwrap();
    assert!(server.connections() > 1);
}

#[tokio::test]
async fn a_connection_that_ends_between_requests_is_replaced() {
    for end in [End::GoAway, End::HalfClose, End::Reset] {
        let server = Server::start(|_, _| Action::Response, |_| {}).await;
        server.send().await.unwrap();
        server.end.send(Some(end)).unwrap();
        // However soon the client hears of it.
        while server.connections() == 1 {
            server.send().await.unwrap();
        }
        server.send().await.unwrap();
        assert_eq!(server.connections(), 2);
    }
}
