//! The status endpoint, on loopback by default: `/live`, `/ready`, `/metrics`, `/addresses`, and a
//! page for people at `/`. It is read-only.
//!
//! `page.rs` has the page, `metrics.rs` the metrics. It uses hyper alone: a framework would only
//! add the routing of five paths, and none limits the time of a whole connection, which keeps slow
//! clients from blocking health checks.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::config::cannot_listen;
use super::failure::Failure;
use super::output::file_sd;
use super::status::SidecarStatus;

pub(crate) mod metrics;
mod page;

/// The maximum number of connections. One more closes the oldest: a client that keeps connections
/// open must not block health checks.
const MAX_CONNECTIONS: usize = 64;

/// The time limit of a whole connection. Each serves one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The page has its own style and nothing else: no script, image, form or frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A running status server; dropping it ends the server.
#[derive(Debug)]
pub(crate) struct StatusServer {
    /// The configured address; port 0 stays 0 here.
    configured: Option<SocketAddr>,
    pub(super) task: JoinHandle<()>,
}

impl StatusServer {
    /// Serves at `wanted` instead of the current address.
    ///
    /// # Errors
    ///
    /// The address can't be bound. `current` goes on as it was.
    pub(crate) async fn change(
        current: &mut Option<Self>,
        wanted: Option<SocketAddr>,
        status: &Arc<SidecarStatus>,
    ) -> Result<(), Failure> {
        let before = current.as_ref().and_then(|server| server.configured);
        if before == wanted {
            return Ok(());
        }
        let Some(address) = wanted else {
            *current = None;
            return Ok(());
        };
        let opened = match (Self::open(address, status).await, before) {
            // 127.0.0.1:8510 and 0.0.0.0:8510 exclude each other, so the old one is closed first.
            (Err(error), Some(before))
                if error.kind() == io::ErrorKind::AddrInUse && before.port() == address.port() =>
            {
                if let Some(old) = current.take() {
                    old.stop().await;
                }
                let opened = Self::open(address, status).await;
                if opened.is_err() {
                    *current = Self::open(before, status)
                        .await
                        .inspect_err(|error| tracing::error!(address = %before, "the status is served no more: cannot listen again: {error}"))
                        .ok();
                }
                opened
            }
            (opened, _) => opened,
        };
        *current = Some(opened.map_err(|error| cannot_listen(address, &error))?);
        Ok(())
    }

    async fn open(wanted: SocketAddr, status: &Arc<SidecarStatus>) -> io::Result<Self> {
        Self::serve(TcpListener::bind(wanted).await?, Some(wanted), status)
    }

    /// Serves on `listener`, which was bound for the address `configured`.
    pub(crate) fn serve(
        listener: TcpListener,
        configured: Option<SocketAddr>,
        status: &Arc<SidecarStatus>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the status is shown beyond this machine, to everyone who can reach this address");
        }
        tracing::info!(%address, "serving the status");
        Ok(Self {
            configured,
            task: tokio::spawn(serve(listener, address.ip(), Arc::clone(status))),
        })
    }

    /// Stops it and waits until the address is free.
    async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl StatusServer {
    /// Waits until the server ends unexpectedly, by a panic or a bug.
    pub(crate) async fn ended(&mut self) -> Failure {
        let why = (&mut self.task)
            .await
            .err()
            .map_or_else(String::new, |error| format!(": {error}"));
        Failure::new(format!("the status listener ended unexpectedly{why}"))
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, bound_to: IpAddr, status: Arc<SidecarStatus>) {
    let mut connections = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // For instance out of file descriptors: it passes, and the loop must not spin.
                tracing::warn!("cannot take a connection: {error}");
                status.clock().sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        // Removes those that have ended.
        while connections.try_join_next().is_some() {}
        oldest_first.retain(|connection| !connection.is_finished());
        if oldest_first.len() >= MAX_CONNECTIONS
            && let Some(oldest) = oldest_first.pop_front()
        {
            oldest.abort();
        }
        oldest_first.push_back(connections.spawn(connection(
            stream,
            bound_to,
            Arc::clone(&status),
        )));
    }
}

/// Serves one request.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    bound_to: IpAddr,
    status: Arc<SidecarStatus>,
) {
    let clock = status.clock().clone();
    let service = service_fn(move |request| {
        let response = if is_rebound(&request, bound_to) {
            misdirected()
        } else {
            respond(&request, &status)
        };
        async move { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // Errors of a client are ignored.
        _ = serving => {}
        () = clock.sleep(CONNECTION_TIMEOUT) => {}
    }
}

/// Whether the request may come from a browser by a foreign DNS name that points to this machine
/// (DNS rebinding), whose owner's scripts could read the response. IP addresses can't be rebound,
/// and the names of a listener beyond loopback aren't known.
fn is_rebound<Body>(request: &Request<Body>, bound_to: IpAddr) -> bool {
    if !bound_to.is_loopback() {
        return false;
    }
    let in_header = request
        .headers()
        .get(HOST)
        .map(|host| Authority::try_from(host.as_bytes()).ok());
    let in_uri = request.uri().authority().cloned().map(Some);
    [in_header, in_uri]
        .into_iter()
        .flatten()
        .any(|host| host.is_none_or(|host| !is_local_name(host.host())))
}

fn is_local_name(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

fn misdirected() -> Response<Full<Bytes>> {
    let text =
        "this listener is bound to loopback and accepts `localhost` and IP addresses alone\n";
    reply(StatusCode::MISDIRECTED_REQUEST, TEXT, text)
}

fn respond<Body>(request: &Request<Body>, status: &SidecarStatus) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/" => match page::render(status) {
            Ok(page) => reply(StatusCode::OK, HTML, page),
            Err(error) => reply(
                StatusCode::INTERNAL_SERVER_ERROR,
                TEXT,
                format!("{error}\n"),
            ),
        },
        "/live" => reply(StatusCode::OK, TEXT, "live\n"),
        "/ready" if status.is_ready() => reply(StatusCode::OK, TEXT, "ready\n"),
        "/ready" => reply(
            StatusCode::SERVICE_UNAVAILABLE,
            TEXT,
            format!("not ready: {}\n", status.line()),
        ),
        "/metrics" => match metrics::render(status) {
            Ok(text) => reply(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(error) => reply(
                StatusCode::INTERNAL_SERVER_ERROR,
                TEXT,
                format!("{error}\n"),
            ),
        },
        "/addresses" => addresses(status, request.uri().query()),
        _ => reply(
            StatusCode::NOT_FOUND,
            TEXT,
            "there are /, /live, /ready, /metrics and /addresses\n",
        ),
    }
}

/// Prometheus' http_sd: all watches, or that of `?watch=NAME`, with `?port=N` for addresses that
/// have none of their own.
///
/// 503 before the first result: an empty list would remove all targets.
fn addresses(status: &SidecarStatus, query: Option<&str>) -> Response<Full<Bytes>> {
    let (mut only, mut port) = (None, None);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match (&*name, value.parse()) {
            ("watch", _) => only = Some(value.into_owned()),
            ("port", Ok(number)) => port = Some(number),
            _ => {
                return reply(
                    StatusCode::BAD_REQUEST,
                    TEXT,
                    "`watch=NAME` and `port=NUMBER` are known\n",
                );
            }
        }
    }
    let watches = status.watches();
    let mut groups = Vec::new();
    let mut found = false;
    for watch in watches
        .iter()
        .filter(|watch| only.as_ref().is_none_or(|only| *only == watch.name))
    {
        found = true;
        let Some(used) = watch.polls.read().in_use else {
            return reply(
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                format!("watch {}\n", watch.line()),
            );
        };
        groups.extend(file_sd::groups(
            &watch.name,
            &used.addresses,
            port,
            &file_sd::Labels::new(),
        ));
    }
    if !found {
        return reply(StatusCode::NOT_FOUND, TEXT, "no such watch\n");
    }
    match serde_json::to_string(&groups) {
        Ok(text) => reply(StatusCode::OK, JSON, text + "\n"),
        Err(error) => reply(
            StatusCode::INTERNAL_SERVER_ERROR,
            TEXT,
            format!("{error}\n"),
        ),
    }
}

fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

#[cfg(test)]
mod tests {
    use cloud_autojoin::Clock;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpStream;

    use super::*;

    fn status() -> Arc<SidecarStatus> {
        SidecarStatus::new(&Clock::system())
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_its_response_is_disconnected() {
        // The response doesn't fit, as that of a large fleet doesn't fit a socket.
        let (mut client, server) = tokio::io::duplex(64);
        let clock = Clock::auto_advancing();
        let started = clock.now();
        client
            .write_all(b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let serving = connection(
            server,
            IpAddr::from([127, 0, 0, 1]),
            SidecarStatus::new(&clock),
        );
        tokio::time::timeout(CONNECTION_TIMEOUT, serving)
            .await
            .expect("the connection is still open");
        assert!(clock.now() - started >= CONNECTION_TIMEOUT);
    }

    #[tokio::test]
    async fn open_connections_that_do_nothing_do_not_shut_out_a_health_check() {
        use tokio::io::AsyncReadExt;

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, address.ip(), status()));
        let mut idle = Vec::new();
        for _ in 0..2 * MAX_CONNECTIONS {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut response = String::new();
        let reading = client.read_to_string(&mut response);
        tokio::time::timeout(CONNECTION_TIMEOUT / 2, reading)
            .await
            .expect("no response")
            .unwrap();
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        serving.abort();
    }

    #[test]
    fn a_name_of_someone_else_is_refused_on_loopback_alone() {
        let request = |host: Option<&str>| {
            host.map_or_else(Request::builder, |host| {
                Request::builder().header(HOST, host)
            })
            .body(())
            .unwrap()
        };
        let (loopback, any) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0]));
        for host in [
            None,
            Some("localhost"),
            Some("LOCALHOST:8510"),
            Some("127.0.0.1:8510"),
            Some("[::1]:8510"),
            Some("10.0.0.4"),
        ] {
            assert!(!is_rebound(&request(host), loopback), "{host:?}");
        }
        for host in [
            "evil.example",
            "evil.example:8510",
            "localhost.evil.example",
            "",
            "127.0.0.1.evil.example",
            "a b",
        ] {
            assert!(is_rebound(&request(Some(host)), loopback), "{host:?}");
            assert!(!is_rebound(&request(Some(host)), any), "{host:?}");
        }
        let absolute = Request::builder()
            .uri("http://evil.example/")
            .header(HOST, "localhost")
            .body(())
            .unwrap();
        assert!(is_rebound(&absolute, loopback));
    }

    #[tokio::test]
    async fn only_the_host_of_the_listener_can_change() {
        let status = status();
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let at = |host: [u8; 4]| Some(SocketAddr::from((host, port)));
        let mut server = None;
        StatusServer::change(&mut server, at([127, 0, 0, 1]), &status)
            .await
            .unwrap();
        StatusServer::change(&mut server, at([0, 0, 0, 0]), &status)
            .await
            .unwrap();
        StatusServer::change(&mut server, at([127, 0, 0, 1]), &status)
            .await
            .unwrap();
        // An address that isn't this machine's is refused, and the old one stays in use.
        StatusServer::change(&mut server, at([192, 0, 2, 1]), &status)
            .await
            .unwrap_err();
        TcpStream::connect((IpAddr::from([127, 0, 0, 1]), port))
            .await
            .unwrap();
        // So is one that someone else has.
        let other = std::net::TcpListener::bind(("127.0.0.2", port)).unwrap();
        StatusServer::change(&mut server, at([0, 0, 0, 0]), &status)
            .await
            .unwrap_err();
        drop(other);
        TcpStream::connect((IpAddr::from([127, 0, 0, 1]), port))
            .await
            .unwrap();
        assert_eq!(
            server.as_ref().map(|server| server.configured),
            Some(at([127, 0, 0, 1]))
        );
        StatusServer::change(&mut server, None, &status)
            .await
            .unwrap();
        assert!(server.is_none());
    }
}
