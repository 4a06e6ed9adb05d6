#![allow(clippy::unwrap_used, reason = "tests")]

use http::{HeaderMap, Method};

use super::*;

fn request(method: Method, path: &str, query: &[(&str, &str)], token: &str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    Request {
        method,
        origin: "https://api.digitalocean.com".to_owned(),
        path: path.to_owned(),
        query: query
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        headers,
        body: bytes::Bytes::new(),
    }
}

fn script() -> Script {
    Script::shipped("digitalocean").unwrap().unwrap()
}

#[test]
fn the_first_exchange_that_matches_counts() {
    let droplets = |query: &[(&str, &str)], token: &str| {
        let Handled { reply, .. } = script().handle(
            Endpoint::Service,
            Some("api.digitalocean.com"),
            &request(Method::GET, "/v2/droplets", query, token),
        );
        (
            reply.operation.to_string(),
            reply.status.as_u16(),
            reply
                .body
                .windows(13)
                .filter(|part| *part == b"\"ip_address\":")
                .count()
                / 2,
        )
    };
    let list = || "list-droplets".to_owned();
    assert_eq!(
        droplets(
            &[("tag_name", "consul"), ("per_page", "200")],
            "example-token"
        ),
        (list(), 200, 2)
    );
    assert_eq!(
        droplets(&[("tag_name", "consul"), ("page", "1")], "example-token"),
        (list(), 200, 2)
    );
    assert_eq!(
        droplets(&[("tag_name", "consul"), ("page", "2")], "example-token"),
        (list(), 200, 1)
    );
    assert_eq!(
        droplets(&[("tag_name", "nomad")], "example-token"),
        (list(), 200, 0)
    );
    assert_eq!(
        droplets(&[("tag_name", "consul")], "another"),
        (list(), 401, 0)
    );
}

#[test]
fn what_no_exchange_matches_is_unexpected() {
    for (method, host, path) in [
        (Method::POST, "api.digitalocean.com", "/v2/droplets"),
        (Method::GET, "api.digitalocean.com", "/v2/account"),
        (Method::GET, "elsewhere.example", "/v2/droplets"),
    ] {
        let handled = script().handle(
            Endpoint::Service,
            Some(host),
            &request(method, path, &[], "example-token"),
        );
        assert_eq!(
            (
                handled.reply.status,
                handled.reply.operation.to_string().as_str()
            ),
            (StatusCode::NOT_FOUND, "unexpected"),
            "{host}{path}"
        );
    }
    assert_eq!(
        script().route(Scheme::Https, "API.digitalocean.com"),
        Some(Endpoint::Service)
    );
    assert_eq!(script().route(Scheme::Https, "elsewhere.example"), None);
}

#[test]
fn links_begin_with_the_origin_of_the_request() {
    let mut request = request(
        Method::GET,
        "/v2/droplets",
        &[("tag_name", "consul")],
        "example-token",
    );
    request.origin = "http://127.0.0.1:8080".to_owned();
    let body: Value = serde_json::from_slice(
        &script()
            .handle(Endpoint::Service, None, &request)
            .reply
            .body,
    )
    .unwrap();
    assert_eq!(
        body["links"]["pages"]["next"],
        "http://127.0.0.1:8080/v2/droplets?page=2&per_page=200&tag_name=consul"
    );
}

#[test]
fn failures_have_the_body_that_the_script_gives_them() {
    assert_eq!(
        script().error_body(StatusCode::TOO_MANY_REQUESTS)["id"],
        "Too Many Requests"
    );
    assert_eq!(
        Script::default().error_body(StatusCode::NOT_FOUND),
        serde_json::json!({ "status": 404, "message": "Not Found" })
    );
}

#[test]
fn a_directory_is_read_in_the_order_of_names_with_bodies_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "b.toml",
        "[[exchange]]\nhost = 'b.example'\npath = '/'\nbody = 'second'\n[[exchange]]\nhost = 'b.example'\npath = '/two'\nbody = ''\n",
    );
    write(
        "a.toml",
        "[[exchange]]\nhost = 'b.example'\npath = '/'\nbody_file = 'first.json'\n",
    );
    write("first.json", "first");
    write("notes.md", "no script");
    let script = Script::read(directory.path()).unwrap();
    let handled = script.handle(Endpoint::Service, None, &request(Method::GET, "/", &[], ""));
    assert_eq!(
        (
            handled.reply.body.as_ref(),
            handled.reply.operation.to_string().as_str()
        ),
        (b"first".as_slice(), "GET /")
    );
    assert_eq!(script.exchanges.len(), 3);
}

#[test]
fn an_exchange_can_depend_on_the_body_of_the_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.toml");
    let exchange =
        |more: &str| format!("[[exchange]]\nmethod = 'POST'\nhost = 'a'\npath = '/'\n{more}\n");
    let second = exchange("request_body_has = '\"Offset\":100'\nbody = 'second'");
    std::fs::write(&path, second + &exchange("body = 'first'")).unwrap();
    let script = Script::read(&path).unwrap();
    let reply = |body: &'static str| {
        let mut request = request(Method::POST, "/", &[], "");
        request.body = bytes::Bytes::from_static(body.as_bytes());
        let Handled { reply, .. } = script.handle(Endpoint::Service, Some("a"), &request);
        String::from_utf8_lossy(&reply.body).into_owned()
    };
    assert_eq!(reply(r#"{"Offset":0}"#), "first");
    assert_eq!(reply(r#"{"Offset":100}"#), "second");
}

#[test]
fn a_mistake_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.toml");
    for (text, message) in [
        (
            "[[exchange]]\nhost = 'a'\npath = 'x'\n",
            "exchange 1: `path` is `x`; it starts with `/`",
        ),
        (
            "[[exchange]]\nhost = 'a'\npath = '/'\nstatus = 7\n",
            "exchange 1: `status` is 7",
        ),
        (
            "[[exchange]]\nhost = 'a'\npath = '/'\nmethod = 'GE T'\n",
            "exchange 1: `method` is `GE T`",
        ),
        (
            "[[exchange]]\nhost = 'a'\npath = '/'\nresponse_headers = { 'a b' = 'c' }\n",
            "`a b` is no HTTP header",
        ),
        (
            "[[exchange]]\nhost = 'a'\npath = '/'\ncolour = 'blue'\n",
            "unknown field `colour`",
        ),
        (
            "error_body = '{id}'\nexchange = []\n",
            "`error_body` is no JSON",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Script::read(&path).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{}: ", path.display())) && error.contains(message),
            "{error}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert!(
        Script::read(directory.path())
            .unwrap_err()
            .to_string()
            .starts_with("there is no `*.toml` in ")
    );
}

#[test]
fn the_readme_documents_every_key_of_a_script() {
    const README: &str = include_str!("../../README.md");
    let documented = |heading: &str| {
        let (_, section) = README.split_once(&format!("\n### {heading}\n")).unwrap();
        let rows = section
            .lines()
            .take_while(|line| !line.starts_with('#'))
            .filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| row.split_once("` |"))
            .map(|(key, _)| key.to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    // serde lists the keys when it meets another one.
    let keys = |message: &str| {
        let (_, expected) = message.split_once("expected").unwrap();
        expected
            .split('`')
            .skip(1)
            .step_by(2)
            .map(ToOwned::to_owned)
            .collect()
    };
    let script = toml::from_str::<script::ScriptPlan>("no_such_key = 1").unwrap_err();
    let exchange = toml::from_str::<exchange::ExchangePlan>("no_such_key = 1").unwrap_err();
    assert_eq!(documented("The script"), keys(script.message()));
    assert_eq!(documented("`[[exchange]]`"), keys(exchange.message()));
}
