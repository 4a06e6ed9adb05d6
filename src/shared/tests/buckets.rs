//! The credentials that requests to buckets have.

use cloud_autojoin_core::http::{
    HttpClient, HttpSettings, RawResponse, Request, Transport, TransportCause,
};
use http::StatusCode;
use http::header::AUTHORIZATION;

use super::*;

/// Gives a token for whatever is exchanged, and has no object. Records what is requested.
#[derive(Debug, Default)]
struct Cloud(Mutex<Vec<String>>);

#[async_trait]
impl Transport for Cloud {
    async fn send(
        &self,
        request: &Request,
        _: cloud_autojoin_core::Instant,
    ) -> Result<RawResponse, TransportCause> {
        let authorization = request.headers().get(AUTHORIZATION);
        let authorization = authorization.map_or("", |value| value.to_str().unwrap());
        let origin = cloud_autojoin_core::http::origin_of(request.url());
        self.0
            .lock()
            .unwrap()
            .push(format!("{origin} {authorization}"));
        let token = r#"{"access_token": "exchanged", "expires_in": 3600}"#;
        Ok(match origin.as_str() {
            "https://sts.googleapis.com" => RawResponse::new(StatusCode::OK, token),
            _ => RawResponse::new(StatusCode::NOT_FOUND, ""),
        })
    }
}

/// What a read of `url` gives with these variables, and what was requested.
async fn get(url: &str, env: &[(&str, String)]) -> (Result<Object, StoreError>, Vec<String>) {
    let cloud = Arc::new(Cloud::default());
    let http = HttpClient::with_transport(Arc::clone(&cloud) as _, HttpSettings::default());
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let context = Context::builder()
        .http_client(http)
        .env(env.collect::<Env>())
        .clock(Clock::auto_advancing())
        .build()
        .unwrap();
    let object = open_store(url, &context).unwrap().get("a", None).await;
    let requests = cloud.0.lock().unwrap().clone();
    (object, requests)
}

#[tokio::test]
async fn a_bucket_of_google_cloud_is_read_by_workload_identity_federation() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("token"), "subject").unwrap();
    let account = serde_json::json!({
        "type": "external_account", "audience": "a", "subject_token_type": "jwt",
        "credential_source": {"file": path("token")},
    });
    std::fs::write(path("account"), account.to_string()).unwrap();
    let env = [("GOOGLE_APPLICATION_CREDENTIALS", path("account"))];
    let (object, requests) = get("gs://fleet/discover", &env).await;
    assert_eq!(object, Ok(Object::Absent));
    assert_eq!(
        requests,
        [
            "https://sts.googleapis.com ",
            "https://storage.googleapis.com Bearer exchanged"
        ]
    );
}

#[tokio::test]
async fn a_bucket_of_aws_is_read_with_the_key_of_a_profile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials").display().to_string();
    let profile = "[fleet]\naws_access_key_id = AKID\naws_secret_access_key = canary\n";
    std::fs::write(&path, profile).unwrap();
    let env = [
        ("AWS_SHARED_CREDENTIALS_FILE", path),
        ("AWS_PROFILE", "fleet".to_owned()),
        ("AWS_REGION", "eu-west-1".to_owned()),
    ];
    let (object, requests) = get("s3://fleet/discover", &env).await;
    assert_eq!(object, Ok(Object::Absent));
    assert!(
        requests[0].contains("Credential=AKID/") && requests[0].contains("/eu-west-1/s3/"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn a_bucket_without_a_credential_names_every_source() {
    let (object, _) = get("gs://fleet/discover", &[]).await;
    let error = object.unwrap_err().to_string();
    let reason = "neither `credentials_file` nor GOOGLE_APPLICATION_CREDENTIALS is set";
    assert!(
        error.contains(reason) && error.contains("metadata server"),
        "{error}"
    );
    let disabled = [("AWS_EC2_METADATA_DISABLED", "true".to_owned())];
    let (object, _) = get("s3://fleet/discover", &disabled).await;
    let error = object.unwrap_err().to_string();
    assert!(error.contains("`AWS_ACCESS_KEY_ID` is not set"), "{error}");
}
