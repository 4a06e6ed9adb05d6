//! The listener, on loopback by default: `/live`, `/ready`, `/metrics`, `/addresses`, and a page for a person's eye at `/`. It reads the board and changes nothing.
//!
//! `page.rs` has the page, `metrics.rs` the metrics.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::board::Board;
use super::output::file_sd;

pub(crate) mod metrics;
mod page;

/// Connections at once; more wait.
const CONNECTIONS: usize = 32;

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The page brings its own style and nothing else: no script, no picture, no form, and no frame around it.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");

/// A listener at work; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Admin {
    /// What was asked for; port 0 stays 0 here.
    pub(crate) wanted: SocketAddr,
    task: JoinHandle<()>,
}

impl Admin {
    /// Opens the listener.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub(crate) async fn open(wanted: SocketAddr, board: Arc<Board>) -> io::Result<Self> {
        let listener = TcpListener::bind(wanted).await?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the status is shown beyond this machine, to everyone who can reach this address");
        }
        tracing::info!(%address, "serving the status");
        Ok(Self { wanted, task: tokio::spawn(serve(listener, board)) })
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, board: Arc<Board>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Those that have ended are not kept.
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, say: it passes, and must not spin.
                tracing::warn!("cannot take a connection: {error}");
                board.clock().sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let board = Arc::clone(&board);
        connections.spawn(async move {
            let _place = place;
            let service = service_fn(move |request| {
                let answer = answer(&request, &board);
                async move { Ok::<_, Infallible>(answer) }
            });
            // What a client does wrong is its own trouble.
            let _ = http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(PATIENCE).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(request: &Request<Incoming>, board: &Board) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/" => match page::render(board) {
            Ok(page) => reply(StatusCode::OK, HTML, page),
            Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        "/live" => reply(StatusCode::OK, TEXT, "live\n"),
        "/ready" if board.is_ready() => reply(StatusCode::OK, TEXT, "ready\n"),
        "/ready" => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {}\n", board.line())),
        "/metrics" => match metrics::render(board) {
            Ok(text) => reply(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        "/addresses" => addresses(board, request.uri().query()),
        _ => reply(StatusCode::NOT_FOUND, TEXT, "there are /, /live, /ready, /metrics and /addresses\n"),
    }
}

/// Prometheus' http_sd: all watches, or that of `?watch=NAME`, with `?port=N` for addresses that have none of their own.
///
/// 503 while there is nothing to tell yet: an empty list would take all targets away.
fn addresses(board: &Board, query: Option<&str>) -> Response<Full<Bytes>> {
    let (mut only, mut port) = (None, None);
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match (&*name, value.parse()) {
            ("watch", _) => only = Some(value.into_owned()),
            ("port", Ok(number)) => port = Some(number),
            _ => return reply(StatusCode::BAD_REQUEST, TEXT, "`watch=NAME` and `port=NUMBER` are known\n"),
        }
    }
    let watches = board.watches();
    let mut groups = Vec::new();
    let mut found = false;
    for watch in watches.iter().filter(|watch| only.as_ref().is_none_or(|only| *only == watch.name)) {
        found = true;
        let Some(used) = watch.status.read().in_use else {
            return reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("watch {} has no answer yet\n", watch.name));
        };
        groups.extend(file_sd::groups(&watch.name, &used.addresses, port, &file_sd::Labels::new()));
    }
    if !found {
        return reply(StatusCode::NOT_FOUND, TEXT, "no such watch\n");
    }
    match serde_json::to_string(&groups) {
        Ok(text) => reply(StatusCode::OK, JSON, text + "\n"),
        Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}
