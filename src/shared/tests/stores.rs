//! The conditional writes of each store.

use cloud_autojoin_core::http::{
    HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause,
};
use http::{Method, StatusCode};

use super::*;

/// What every store must do.
async fn check(store: &dyn Store) {
    let name = "discover-a.json";
    let done = |put| match put {
        Put::Done(version) => version,
        Put::Conflict => panic!("a conflict"),
    };
    assert_eq!(store.get(name, None).await, Ok(Object::Absent));
    let first = done(store.put(name, "one".into(), None).await.unwrap());
    assert_eq!(store.put(name, "two".into(), None).await, Ok(Put::Conflict));
    assert_eq!(
        store.get(name, None).await,
        Ok(Object::Found("one".into(), first.clone()))
    );
    assert_eq!(store.get(name, Some(&first)).await, Ok(Object::Unchanged));
    let second = done(store.put(name, "two".into(), Some(&first)).await.unwrap());
    assert_ne!(first, second);
    let late = store.put(name, "late".into(), Some(&first)).await;
    assert_eq!(late, Ok(Put::Conflict));
    assert_eq!(
        store.get(name, Some(&first)).await,
        Ok(Object::Found("two".into(), second))
    );
}

#[tokio::test]
async fn files_are_replaced_on_their_condition_alone() {
    let folder = tempfile::tempdir().unwrap();
    check(&FileStore::new(folder.path())).await;
    let store = FileStore::new(folder.path());
    let version = match store.get("discover-a.json", None).await.unwrap() {
        Object::Found(_, version) => version,
        other => panic!("{other:?}"),
    };
    // Of many writers at the same time one succeeds.
    let mut writers = tokio::task::JoinSet::new();
    for index in 0..20 {
        let (store, version) = (store.clone(), version.clone());
        writers.spawn(async move {
            let contents = Bytes::from(format!("writer {index}"));
            store.put("discover-a.json", contents, Some(&version)).await
        });
    }
    let puts = writers.join_all().await;
    let done = puts.iter().filter(|put| matches!(put, Ok(Put::Done(_))));
    assert_eq!(done.count(), 1, "{puts:?}");
    let missing = FileStore::new(folder.path().join("missing"));
    assert!(missing.put("a", "b".into(), None).await.is_err());
}

/// Consul's KV API as far as the store uses it.
#[derive(Debug, Default)]
struct Consul {
    keys: Mutex<BTreeMap<String, (Bytes, u64)>>,
    index: AtomicU64,
    status: Mutex<Option<StatusCode>>,
}

#[async_trait]
impl Transport for Consul {
    async fn send(
        &self,
        request: &Request,
        _: cloud_autojoin_core::Instant,
    ) -> Result<RawResponse, TransportCause> {
        use base64::Engine as _;
        let ok = |body: String| Ok(RawResponse::new(StatusCode::OK, body));
        if let Some(status) = *self.status.lock().unwrap() {
            return Ok(RawResponse::new(status, "Permission denied"));
        }
        assert_eq!(request.headers()["x-consul-token"], "secret");
        let key = request.url().path().to_owned();
        assert!(key.starts_with("/v1/kv/discover/prod/"), "{key}");
        let mut keys = self.keys.lock().unwrap();
        if request.method() == Method::GET {
            return match keys.get(&key) {
                None => Ok(RawResponse::new(StatusCode::NOT_FOUND, "")),
                Some((value, index)) => {
                    let value = base64::prelude::BASE64_STANDARD.encode(value);
                    ok(format!(
                        r#"[{{"LockIndex":0,"Key":"k","Flags":0,"Value":"{value}","CreateIndex":1,"ModifyIndex":{index}}}]"#
                    ))
                }
            };
        }
        let query = request.url().query().unwrap();
        let expected: u64 = query.strip_prefix("cas=").unwrap().parse().unwrap();
        if keys.get(&key).map_or(0, |(_, index)| *index) != expected {
            return ok("false".to_owned());
        }
        let index = self.index.fetch_add(7, Ordering::SeqCst) + 7;
        keys.insert(key, (request.body().unwrap().clone(), index));
        ok("true\n".to_owned())
    }
}

#[tokio::test]
async fn keys_of_consul_are_replaced_on_their_condition_alone() {
    let consul = Arc::new(Consul::default());
    let http = HttpClient::with_transport(Arc::clone(&consul) as _, HttpSettings::default());
    let context = Context::builder()
        .http_client(http)
        .env([("CONSUL_HTTP_TOKEN", "secret")])
        .build()
        .unwrap();
    let store = open_store("consul+http://127.0.0.1:8500/discover/prod", &context).unwrap();
    check(store.as_ref()).await;
    assert!(!format!("{store} {store:?}").contains("secret"));
    *consul.status.lock().unwrap() = Some(StatusCode::FORBIDDEN);
    let error = store.get("a", None).await.unwrap_err().to_string();
    assert!(
        error.contains("`key_prefix` write on `discover/prod/`"),
        "{error}"
    );
}

#[test]
fn a_url_that_names_no_store_is_an_error_without_its_password() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    for url in [
        "file://",
        "file:///",
        "/var/lib/discover",
        "consul+http://user:hunter2@127.0.0.1:8500/a",
        "https://hunter2@example.com/a",
        "consul://127.0.0.1",
    ] {
        let error = open_store(url, &context).unwrap_err();
        let shown = format!("{} {:?}", error.chain(), error.hint());
        assert!(
            shown.contains("file:///DIRECTORY") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[cfg(not(feature = "shared-buckets"))]
#[test]
fn a_bucket_without_its_feature_is_an_error_that_names_the_feature() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    for url in ["s3://fleet/a", "az://fleet", "gs://fleet/a"] {
        let error = open_store(url, &context).unwrap_err();
        assert!(
            error
                .chain()
                .to_string()
                .contains("lacks the feature `shared-buckets`"),
            "{error:?}"
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("--features shared-buckets"), "{hint}");
    }
}

#[test]
fn values_that_differ_between_machines_are_refused() {
    let registry = crate::Registry::empty();
    let config = "provider=pretend a=b".parse().unwrap();
    assert!(query_of([&config], &registry).is_err());
}
