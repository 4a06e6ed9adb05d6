//! Faults of servers and of the way there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_autojoin_core::http::{JsonResponse, Request};
use cloud_autojoin_core::{Call, Clock, Error, RequestOutcome, TransportFailure};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::server::{
    Action, Server, bytes_of, call, client, error_parts, gzip, request, response,
    with_short_timeouts,
};

const WHOLE: &str = r#"{"value":[1,2,3]}"#;

fn whole() -> Action {
    response("200 OK", "content-type: application/json\r\n", WHOLE)
}

fn outcomes(call: &Call) -> Vec<RequestOutcome> {
    call.requests()
        .into_iter()
        .map(|record| record.outcome)
        .collect()
}

/// Sends a request to a server that takes `action` first and works after that. Returns how long it
/// took by the clock.
async fn retried_after(action: Action) -> Duration {
    // Real time passes while nothing comes, and a machine under load is slow to send what comes.
    let idle_timeout = Duration::from_secs(if matches!(action, Action::Hang(_)) {
        3
    } else {
        60
    });
    let server = Server::start([action, whole()]).await;
    let (call, client) = (
        call(),
        client(|settings| with_short_timeouts(settings, idle_timeout)),
    );
    let JsonResponse::Success(value, response) = client
        .json::<Value>("azure", &request(&server.url("/list?sig=canary")), &call)
        .await
        .unwrap()
    else {
        panic!("no value")
    };
    assert_eq!(
        (
            value.to_string().as_str(),
            response.attempts,
            server.heard().len()
        ),
        (WHOLE, 2, 2)
    );
    let targets: Vec<_> = call
        .requests()
        .into_iter()
        .map(|record| (record.attempt, record.target))
        .collect();
    let target = format!("GET {}", server.url("/list?sig=..."));
    assert_eq!(targets, [(1, target.clone()), (2, target)]);
    assert_eq!(outcomes(&call)[1], RequestOutcome::Status(200));
    call.elapsed()
}

/// Sends a request to a server that takes `action` five times.
async fn fails_after_retries(action: impl Fn() -> Action) -> (TransportFailure, u32, String) {
    let actions: Vec<Action> = std::iter::repeat_with(action).take(5).collect();
    let idle_timeout = Duration::from_secs(if matches!(actions[0], Action::Hang(_)) {
        1
    } else {
        60
    });
    let server = Server::start(actions).await;
    let client = client(|settings| with_short_timeouts(settings, idle_timeout));
    let error = client
        .json::<Value>("azure", &request(&server.url("/list?sig=canary")), &call())
        .await
        .unwrap_err();
    assert_eq!(server.heard().len(), 5);
    let (failure, tries, text) = error_parts(error);
    (failure, tries, text.replace(&server.url(""), "http://HOST"))
}

#[tokio::test]
async fn server_errors_are_retried() {
    for status in [
        "408 Request Timeout",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "504 Gateway Timeout",
    ] {
        retried_after(response(status, "", r#"{"error":{"code":"Oops"}}"#)).await;
    }
    retried_after(response(
        "503 Service Unavailable",
        "content-type: text/html\r\n",
        "<html>Our services aren't available right now</html>",
    ))
    .await;
}

#[tokio::test]
async fn a_throttled_caller_waits_as_long_as_requested() {
    let waited = retried_after(response(
        "429 Too Many Requests",
        "retry-after: 17\r\n",
        "{}",
    ))
    .await;
    assert!((17..20).contains(&waited.as_secs()), "{waited:?}");
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(30));
    let waited = retried_after(response(
        "503 Service Unavailable",
        &format!("retry-after: {date}\r\n"),
        "{}",
    ))
    .await;
    assert!((28..33).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test]
async fn the_last_failure_of_the_server_comes_back_whole() {
    let server = Server::start(
        std::iter::repeat_with(|| {
            response(
                "503 Service Unavailable",
                "retry-after: 3\r\nx-ms-request-id: 7\r\n",
                "<html>",
            )
        })
        .take(5),
    )
    .await;
    let call = call();
    let response = client(|_| {})
        .send(&request(&server.url("/")), &call)
        .await
        .unwrap();
    assert_eq!(
        (
            response.status.as_u16(),
            response.attempts,
            response.retry_after
        ),
        (503, 5, Some(Duration::from_secs(3)))
    );
    assert_eq!(
        (
            &*response.body,
            response.headers["x-ms-request-id"].as_bytes()
        ),
        (b"<html>".as_slice(), b"7".as_slice())
    );
    assert!(response.elapsed >= Duration::from_secs(12));
    assert_eq!(outcomes(&call), vec![RequestOutcome::Status(503); 5]);
}

#[tokio::test]
async fn a_reset_connection_is_retried_and_is_an_error_in_the_end() {
    retried_after(Action::Reset).await;
    let (failure, tries, text) = fails_after_retries(|| Action::Reset).await;
    assert_eq!((failure, tries), (TransportFailure::Truncated, 5));
    assert!(
        text.starts_with(
            "cannot list things: the response of http://HOST is incomplete, 5 attempts in "
        ),
        "{text}"
    );
}

#[tokio::test]
async fn what_does_not_speak_http_is_named_so() {
    let greeting = || Action::Write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec());
    let (failure, tries, text) = fails_after_retries(greeting).await;
    assert_eq!((failure, tries), (TransportFailure::NotHttp, 5));
    assert!(
        text.starts_with("cannot list things: the response of http://HOST isn't HTTP, 5 attempts"),
        "{text}"
    );
}

#[tokio::test]
async fn a_truncated_body_is_retried_and_is_an_error_in_the_end() {
    let cut = || Action::Write(bytes_of(WHOLE.len(), "", &WHOLE.as_bytes()[..9]));
    retried_after(cut()).await;
    assert_eq!(
        fails_after_retries(cut).await.0,
        TransportFailure::Truncated
    );

    let chunked = || {
        Action::Write(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11\r\n{\"value\":[1,2,3]}\r\n"
                .to_vec(),
        )
    };
    retried_after(chunked()).await;
    assert_eq!(
        fails_after_retries(chunked).await.0,
        TransportFailure::Truncated
    );

    let zipped = gzip(WHOLE.as_bytes());
    let half = zipped[..zipped.len() - 10].to_vec();
    let in_gzip = move || response("200 OK", "content-encoding: gzip\r\n", &half);
    retried_after(in_gzip()).await;
    assert_eq!(
        fails_after_retries(in_gzip).await.0,
        TransportFailure::Truncated
    );
}

#[tokio::test]
async fn json_truncated_within_a_complete_body_is_retried_and_is_an_error_in_the_end() {
    // Closed without a length: a complete response in HTTP.
    let cut = || Action::Write(b"HTTP/1.1 200 OK\r\n\r\n{\"value\":[1,2".to_vec());
    retried_after(cut()).await;
    let (failure, tries, text) = fails_after_retries(cut).await;
    assert_eq!((failure, tries), (TransportFailure::Truncated, 5));
    assert!(
        text.ends_with(": EOF while parsing a list at line 1 column 13"),
        "{text}"
    );
}

#[tokio::test]
async fn a_silent_server_times_out_and_is_retried() {
    retried_after(Action::Hang(Vec::new())).await;
    retried_after(Action::Hang(bytes_of(
        WHOLE.len(),
        "",
        &WHOLE.as_bytes()[..9],
    )))
    .await;
    let (failure, tries, text) = fails_after_retries(|| Action::Hang(Vec::new())).await;
    assert_eq!((failure, tries), (TransportFailure::IdleTimeout, 5));
    assert!(
        text.starts_with(
            "cannot list things: http://HOST sent nothing for too long (1.0 s), 5 attempts in "
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_silent_server_does_not_outlast_the_deadline() {
    let server = Server::start([Action::Hang(bytes_of(99, "", b"{"))]).await;
    let call = Call::new(&Clock::system(), Duration::from_millis(100));
    let (failure, tries, _) = error_parts(
        client(|_| {})
            .send(&request(&server.url("/")), &call)
            .await
            .unwrap_err(),
    );
    assert_eq!((failure, tries), (TransportFailure::Deadline, 1));
    assert_eq!(
        outcomes(&call),
        [RequestOutcome::Failed("the deadline passed".to_owned())]
    );
}

#[tokio::test]
async fn a_refused_connection_is_retried_and_is_an_error_in_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?sig=canary", listener.local_addr().unwrap());
    drop(listener);
    let (failure, tries, text) = error_parts(
        client(|_| {})
            .send(&request(&url), &call())
            .await
            .unwrap_err(),
    );
    assert_eq!((failure, tries), (TransportFailure::Connect, 5));
    assert!(
        text.contains("no connection to http://127.0.0.1:") && text.contains("refused"),
        "{text}"
    );
}

#[tokio::test]
async fn a_redirect_to_another_host_is_an_error_and_nothing_is_sent_there() {
    let elsewhere = Server::start([whole()]).await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let place = elsewhere.url("/stolen?canary");
        let server = Server::start([response(status, &format!("location: {place}\r\n"), "")]).await;
        let post = Request::post(
            "get a token",
            server.url("/").parse().unwrap(),
            "client_secret=canary",
        );
        let (failure, tries, text) =
            error_parts(client(|_| {}).send(&post, &call()).await.unwrap_err());
        assert_eq!((failure, tries), (TransportFailure::Redirected, 1));
        assert!(
            text.ends_with(&format!(
                "redirects (status {} to {})",
                &status[..3],
                elsewhere.url("")
            )),
            "{text}"
        );
        assert_eq!(server.heard().len(), 1);
    }
    assert_eq!(elsewhere.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_response_of_any_size_is_read_up_to_the_limit_only() {
    const LIMIT: usize = 100_000;
    let bomb = gzip(&vec![b' '; 5_000_000]);
    assert!(bomb.len() < LIMIT);
    let honest = || response("200 OK", "", vec![b' '; LIMIT + 1]);
    let endless = || {
        let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        bytes.resize(LIMIT * 2, b' ');
        Action::Write(bytes)
    };
    // Refused on its word: nothing of it is waited for.
    let announced = Action::Hang(bytes_of(LIMIT + 1, "", b""));
    for action in [
        honest(),
        announced,
        endless(),
        response("200 OK", "content-encoding: gzip\r\n", bomb),
    ] {
        let server = Server::start([action]).await;
        let (failure, tries, text) = error_parts(
            client(|settings| settings.max_body = LIMIT)
                .send(&request(&server.url("/")), &call())
                .await
                .unwrap_err(),
        );
        assert_eq!((failure, tries), (TransportFailure::TooLarge, 1));
        assert!(
            text.ends_with("is too large (the limit is 100000 bytes)"),
            "{text}"
        );
    }
    let server = Server::start([response("200 OK", "", vec![b' '; LIMIT])]).await;
    let response = client(|settings| settings.max_body = LIMIT)
        .send(&request(&server.url("/")), &call())
        .await
        .unwrap();
    assert_eq!(response.body.len(), LIMIT);
}

#[tokio::test]
async fn compressed_responses_are_requested_and_decompressed() {
    let server = Server::start([response(
        "200 OK",
        "content-encoding: gzip\r\n",
        gzip(WHOLE.as_bytes()),
    )])
    .await;
    let call = call();
    let response = client(|settings| settings.user_agent = "tester/1".to_owned())
        .send(&request(&server.url("/a?b=c")), &call)
        .await
        .unwrap();
    assert_eq!(&*response.body, WHOLE.as_bytes());
    assert_eq!(call.requests()[0].bytes, WHOLE.len() as u64);
    let heard = server.heard().remove(0).to_ascii_lowercase();
    for line in [
        "get /a?b=c http/1.1",
        "user-agent: tester/1",
        "accept-encoding: gzip",
        "authorization: bearer canary",
    ] {
        assert!(
            heard.lines().any(|heard| heard == line),
            "{line} is not in {heard}"
        );
    }
}

#[tokio::test]
async fn the_body_of_a_post_is_sent_again_whole() {
    let server = Server::start([response("503 Service Unavailable", "", ""), whole()]).await;
    let post = Request::post(
        "get a token",
        server.url("/token").parse().unwrap(),
        "grant_type=x&client_secret=canary",
    );
    client(|_| {}).send(&post, &call()).await.unwrap();
    for heard in server.heard() {
        assert!(
            heard.starts_with("POST /token ")
                && heard.ends_with("\r\n\r\ngrant_type=x&client_secret=canary"),
            "{heard}"
        );
    }
}

#[tokio::test]
async fn html_with_a_good_status_is_an_error_and_not_an_empty_list() {
    let server = Server::start([response(
        "200 OK",
        "",
        "<html>canary, please log in to this network</html>",
    )])
    .await;
    let error = client(|_| {})
        .json::<Value>("azure", &request(&server.url("/")), &call())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Decode(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("canary"));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_retry_is_one_line_of_the_log_and_no_line_holds_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    retried_after(response("503 Service Unavailable", "", "canary")).await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("retrying"))
        .collect();
    assert_eq!(lines.len(), 1, "{text}");
    for part in [
        "DEBUG cloud_autojoin_core::http",
        "operation=\"list things\"",
        "/list?sig=...\"",
        "attempt=1",
        "wait_ms=",
        "met=status 503",
    ] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
    assert!(!text.contains("canary"), "{text}");
}
