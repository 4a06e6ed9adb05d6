//! A server that treats each connection by a list of actions, byte by byte.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_autojoin_core::http::{HttpClient, HttpSettings, Request};
use cloud_autojoin_core::{Call, Clock, Error, Secret, TransportError, TransportFailure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request.
pub(crate) enum Action {
    /// Writes these bytes and closes.
    Write(Vec<u8>),
    /// Resets the connection before any response.
    Reset,
    /// Writes these bytes and then nothing more, with the connection open.
    Hang(Vec<u8>),
}

/// A response with a length.
pub(crate) fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Action {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Action::Write(bytes)
}

/// The bytes of a response that declares `length` bytes and has these.
pub(crate) fn bytes_of(length: usize, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A server on a port of its own. It stops when it is dropped.
pub(crate) struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Takes `actions` one after the other, one for each connection; one too many gets
    /// 418.
    pub(crate) async fn start(actions: impl IntoIterator<Item = Action>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut actions: VecDeque<Action> = actions.into_iter().collect();
        let ears = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let text = read_request(&mut stream).await;
                ears.lock().unwrap().push(text);
                let action = actions
                    .pop_front()
                    .unwrap_or_else(|| response("418 I'm a teapot", "", "one request too many"));
                open.extend(act(stream, action).await);
            }
        });
        Self { port, heard, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests heard so far, head and body as they came.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn act(mut stream: TcpStream, action: Action) -> Option<TcpStream> {
    match action {
        Action::Write(bytes) => {
            // A client that has had enough closes early, which is its right.
            _ = stream.write_all(&bytes).await;
            _ = stream.shutdown().await;
            None
        }
        Action::Reset => {
            stream.set_zero_linger().unwrap();
            None
        }
        Action::Hang(bytes) => {
            stream.write_all(&bytes).await.unwrap();
            Some(stream)
        }
    }
}

/// The head of a request, and its body where it has a length.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap_or(0);
        bytes.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return text;
            }
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        if body.len() >= length || count == 0 {
            return text;
        }
    }
}

/// A client with the usual settings but for `change`.
pub(crate) fn client(change: impl FnOnce(&mut HttpSettings)) -> HttpClient {
    let mut settings = HttpSettings::default();
    change(&mut settings);
    HttpClient::new(settings).unwrap()
}

/// Gives up a server after so long a silence: real time passes meanwhile.
pub(crate) fn with_short_timeouts(settings: &mut HttpSettings, silence: Duration) {
    settings.idle_timeout = silence;
    settings.first_byte_timeout = Some(silence);
}

/// A call on a clock that waits for nothing.
pub(crate) fn call() -> Call {
    Call::new(&Clock::auto_advancing(), Duration::from_secs(60))
}

/// A request that carries the canary where secrets are carried.
pub(crate) fn request(url: &str) -> Request {
    Request::get("list things", url.parse().unwrap()).bearer(&Secret::new("canary"))
}

pub(crate) fn transport_error(error: Error) -> TransportError {
    match error {
        Error::Transport(error) => *error,
        other => panic!("{other:?}"),
    }
}

/// The failure, the number of tries, and the whole chain of the error in one line, which holds no
/// canary.
pub(crate) fn error_parts(error: Error) -> (TransportFailure, u32, String) {
    let error = transport_error(error);
    let mut text = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    assert!(
        !format!("{text} {error:?}").contains("canary"),
        "{text} {error:?}"
    );
    (error.failure(), error.attempts(), text)
}
