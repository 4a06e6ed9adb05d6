//! The conditional writes of each store.

use cloud_autojoin_core::http::{
    HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause,
};
use cloud_autojoin_core::{KeySpec, ProviderSpec};
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

/// Consul's API as far as the store uses it: keys, sessions and transactions.
#[derive(Debug, Default)]
struct Consul(Mutex<ConsulState>);

#[derive(Debug, Default)]
struct ConsulState {
    /// Value, index and session of each key.
    keys: BTreeMap<String, (String, u64, Option<String>)>,
    sessions: Vec<String>,
    opened: usize,
    renewals: usize,
    index: u64,
    /// What is denied, as Consul says it.
    denied: Option<(&'static str, &'static str)>,
}

impl ConsulState {
    fn end_session(&mut self, session: &str) {
        self.sessions.retain(|open| open != session);
        for (_, index, holder) in self.keys.values_mut() {
            if holder.as_deref() == Some(session) {
                self.index += 7;
                (*index, *holder) = (self.index, None);
            }
        }
    }

    fn entry(&self, key: &str) -> String {
        let (value, index, session) = &self.keys[key];
        let session = session.iter().map(|id| format!(r#""Session":"{id}","#));
        format!(
            r#"{{"LockIndex":1,"Key":"{key}","Flags":0,"Value":"{value}",{}"CreateIndex":1,"ModifyIndex":{index}}}"#,
            session.collect::<String>()
        )
    }

    /// Why an operation of a transaction fails, in Consul's words.
    fn apply(&mut self, operation: &serde_json::Value) -> Result<(), String> {
        let key = operation["Key"].as_str().unwrap();
        assert_eq!(key, "discover/prod & test/discover-a.json");
        let present = self.keys.get(key).cloned();
        let session = operation["Session"].as_str();
        let holder = present.as_ref().and_then(|key| key.2.clone());
        match operation["Verb"].as_str().unwrap() {
            "check-not-exists" if present.is_some() => Err(format!("key \"{key}\" exists")),
            "check-index" if present.as_ref().map(|key| key.1) != operation["Index"].as_u64() => {
                Err("failed index check".to_owned())
            }
            "check-not-exists" | "check-index" => Ok(()),
            "unlock" if holder.as_deref() == session => {
                self.keys.get_mut(key).unwrap().2 = None;
                Ok(())
            }
            "lock" if !self.sessions.iter().any(|open| Some(&**open) == session) => {
                Err("invalid session".to_owned())
            }
            "lock" if holder.is_none() || holder.as_deref() == session => {
                let value = operation["Value"].as_str().unwrap().to_owned();
                let key = self.keys.entry(key.to_owned()).or_default();
                *key = (value, self.index, session.map(str::to_owned));
                Ok(())
            }
            verb => Err(format!("failed to {verb}, lock isn't held, or is already")),
        }
    }
}

#[async_trait]
impl Transport for Consul {
    async fn send(
        &self,
        request: &Request,
        _: cloud_autojoin_core::Instant,
    ) -> Result<RawResponse, TransportCause> {
        assert_eq!(request.headers()["x-consul-token"], "secret");
        let response = |status, body: String| Ok(RawResponse::new(status, body));
        let mut state = self.0.lock().unwrap();
        let path = request.url().path().strip_prefix("/v1/").unwrap();
        if let Some((denied, message)) = state.denied.filter(|denied| path.starts_with(denied.0)) {
            return if denied == "txn" {
                let body = format!(r#"{{"Errors":[{{"OpIndex":0,"What":"{message}"}}]}}"#);
                response(StatusCode::CONFLICT, body)
            } else {
                response(StatusCode::FORBIDDEN, message.to_owned())
            };
        }
        if path == "session/create" {
            state.opened += 1;
            let id = format!("session-{}", state.opened);
            state.sessions.push(id.clone());
            return response(StatusCode::OK, format!(r#"{{"ID":"{id}"}}"#));
        }
        if let Some(session) = path.strip_prefix("session/renew/") {
            state.renewals += 1;
            let is_open = state.sessions.iter().any(|open| open == session);
            let status = [StatusCode::NOT_FOUND, StatusCode::OK][usize::from(is_open)];
            return response(status, "[]".to_owned());
        }
        if path == "txn" {
            let before = (state.keys.clone(), state.index);
            state.index += 7;
            let operations: Vec<serde_json::Value> =
                serde_json::from_slice(request.body().unwrap()).unwrap();
            for operation in &operations {
                if let Err(what) = state.apply(&operation["KV"]) {
                    (state.keys, state.index) = before;
                    let what = serde_json::json!({"Errors": [{"OpIndex": 0, "What": what}]});
                    return response(StatusCode::CONFLICT, what.to_string());
                }
            }
            let key = operations[0]["KV"]["Key"].as_str().unwrap();
            let entry = state.entry(key);
            let body = format!(r#"{{"Results":[{{"KV":{entry}}}],"Errors":null}}"#);
            return response(StatusCode::OK, body);
        }
        assert_eq!(
            (request.method(), path),
            (&Method::GET, "kv/discover/prod%20&%20test/discover-a.json")
        );
        match state.keys.keys().next() {
            None => response(StatusCode::NOT_FOUND, String::new()),
            Some(key) => response(StatusCode::OK, format!("[{}]", state.entry(key))),
        }
    }
}

impl Consul {
    /// The store as a member of its own opens it.
    fn open(self: &Arc<Self>) -> Arc<dyn Store> {
        let http = HttpClient::with_transport(Arc::clone(self) as _, HttpSettings::default());
        let context = Context::builder()
            .http_client(http)
            .env([("CONSUL_HTTP_TOKEN", "secret")])
            .build()
            .unwrap();
        let url = "consul+http://127.0.0.1:8500/discover/prod%20&%20test";
        open_store(url, &context).unwrap()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, ConsulState> {
        self.0.lock().unwrap()
    }
}

const NAME: &str = "discover-a.json";

/// What was read, and whether its writer is gone.
fn found(object: Result<Object, StoreError>) -> (Bytes, Version, bool) {
    match object.unwrap() {
        Object::Found(contents, version) => (contents, version, false),
        Object::Released(contents, version) => (contents, version, true),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn keys_of_consul_are_replaced_on_their_condition_alone() {
    let consul = Arc::new(Consul::default());
    let store = consul.open();
    check(store.as_ref()).await;
    assert!(!format!("{store} {store:?}").contains("secret"));
}

#[tokio::test]
async fn a_key_of_consul_is_locked_by_the_session_of_the_member_that_wrote_it_last() {
    let consul = Arc::new(Consul::default());
    let (leader, other) = (consul.open(), consul.open());
    leader.put(NAME, "one".into(), None).await.unwrap();
    let (_, version, is_released) = found(other.get(NAME, None).await);
    assert!(!is_released);
    // The leader's reads renew its session, and those of others don't.
    assert_eq!(consul.state().renewals, 0);
    assert_eq!(
        leader.get(NAME, Some(&version)).await,
        Ok(Object::Unchanged)
    );
    assert_eq!(consul.state().renewals, 1);
    // A member that takes over breaks the lock in the transaction that locks the key for itself.
    let put = other.put(NAME, "two".into(), Some(&version)).await;
    assert!(matches!(put, Ok(Put::Done(_))), "{put:?}");
    assert!(!found(leader.get(NAME, None).await).2);
    assert_eq!(consul.state().renewals, 1);
    assert_eq!(consul.state().opened, 2);
    let put = leader.put(NAME, "late".into(), Some(&version)).await;
    assert_eq!(put, Ok(Put::Conflict));
}

#[tokio::test]
async fn a_session_of_consul_that_ended_releases_the_key_and_keeps_its_member_from_writing() {
    let consul = Arc::new(Consul::default());
    let (leader, other) = (consul.open(), consul.open());
    let put = leader.put(NAME, "one".into(), None).await.unwrap();
    let Put::Done(version) = put else {
        panic!("a conflict")
    };
    consul.state().end_session("session-1");
    let (contents, released, is_released) = found(other.get(NAME, Some(&version)).await);
    assert!(is_released && contents == "one" && released != version);
    // No one else has written, and still the leader's condition fails.
    let put = leader.put(NAME, "late".into(), Some(&version)).await;
    assert_eq!(put, Ok(Put::Conflict));
    let put = other.put(NAME, "two".into(), Some(&released)).await;
    assert!(matches!(put, Ok(Put::Done(_))), "{put:?}");
    // The old leader writes with a new session, once it is its turn.
    let (_, version, _) = found(leader.get(NAME, None).await);
    let put = leader.put(NAME, "three".into(), Some(&version)).await;
    assert!(matches!(put, Ok(Put::Done(_))), "{put:?}");
    assert_eq!(
        consul.state().keys.values().next().unwrap().2.as_deref(),
        Some("session-3")
    );
}

#[tokio::test]
async fn what_the_token_of_consul_lacks_is_in_the_error() {
    let consul = Arc::new(Consul::default());
    let store = consul.open();
    let lacks = "Permission denied: token lacks permission 'session:write' on 'vm'";
    for path in ["kv/", "session/", "txn"] {
        consul.state().denied = Some((path, lacks));
        let error = match path {
            "kv/" => store.get(NAME, None).await.unwrap_err(),
            _ => store.put(NAME, "one".into(), None).await.unwrap_err(),
        };
        let error = error.to_string();
        assert!(
            error.contains("`key_prefix` write on `discover/prod & test/`")
                && error.contains("`session_prefix` write")
                && error.contains(lacks),
            "{error}"
        );
    }
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

/// What identifies a query of a provider whose project is that of the machine by default.
fn identity(join_string: &str, env: &[(&str, &str)]) -> Result<String> {
    const KEYS: &[KeySpec] = &[
        KeySpec::new("project", "project")
            .aliases(&["project_id"])
            .env(&["EXAMPLE_PROJECT"])
            .machine_default(&["cloud"]),
        KeySpec::new("cloud", "cloud"),
        KeySpec::new("region", "region").env(&["EXAMPLE_REGION"]),
        KeySpec::new("zone", "zone")
            .env(&["EXAMPLE_ZONE"])
            .env_if_empty(),
        KeySpec::new("token", "token")
            .env(&["EXAMPLE_TOKEN"])
            .secret(),
    ];
    let spec = ProviderSpec::new("example", "Example", KEYS, |_, _| unreachable!());
    let registry = crate::Registry::empty().with(spec);
    let env = env
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    query_of([&join_string.parse().unwrap()], &registry, &env.collect())
}

#[test]
fn values_and_defaults_that_differ_between_machines_are_refused() {
    let refused = |join_string: &str| identity(join_string, &[]).unwrap_err().chain().to_string();
    for join_string in [
        "project=self",
        "project=p region=self",
        "project=p region=a,self",
    ] {
        let why = refused(&format!("provider=example {join_string}"));
        assert!(
            why.contains("=self` differs from machine to machine"),
            "{why}"
        );
    }
    let why = refused("provider=example region=a");
    assert!(
        why.contains("the default of `project` differs from machine to machine"),
        "{why}"
    );
    for given in ["project=p", "project_id=p", "cloud=c"] {
        identity(&format!("provider=example {given}"), &[]).unwrap();
    }
}

#[test]
fn queries_that_variables_make_different_are_different() {
    let of = |env: &[(&str, &str)]| identity("provider=example token=t", env).unwrap();
    let one = of(&[("EXAMPLE_PROJECT", "one"), ("EXAMPLE_TOKEN", "canary")]);
    assert_eq!(one, "provider=example project=one token=***");
    assert_ne!(one, of(&[("EXAMPLE_PROJECT", "two")]));
    assert_ne!(
        one,
        of(&[("EXAMPLE_PROJECT", "one"), ("EXAMPLE_REGION", "r")])
    );
    // As the provider has it: an empty value disables one variable and not the other.
    let empty = |env: &[(&str, &str)]| {
        identity("provider=example project=p region=\"\" zone=\"\"", env).unwrap()
    };
    assert_eq!(empty(&[]), empty(&[("EXAMPLE_REGION", "r")]));
    assert_ne!(empty(&[]), empty(&[("EXAMPLE_ZONE", "z")]));
    // Members may have different secrets.
    assert_eq!(
        one,
        of(&[("EXAMPLE_PROJECT", "one"), ("EXAMPLE_TOKEN", "other")])
    );
}
