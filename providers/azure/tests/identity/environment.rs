//! An application whose secret or certificate is set in the Azure SDKs' variables.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use serde_json::{Value, json};

use crate::stage::{Stage, found, lines};

fn fixture(name: &str) -> String {
    format!(
        "{}/tests/fixtures/identity/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// The message for a file that is neither PEM nor PFX.
const NO_PFX: &str = if cfg!(feature = "pfx") {
    "it is neither a PEM file nor a PFX file with this password in `AZURE_CLIENT_CERTIFICATE_PASSWORD`"
} else {
    "it is no PEM file, and this program was built without `pfx`; make a PEM file of a PFX file with `openssl pkcs12 -in FILE.pfx -out FILE.pem -nodes`"
};

#[cfg(feature = "pfx")]
#[tokio::test]
async fn a_pfx_file_of_either_age_is_opened_with_its_password_only() {
    for (file, password) in [
        ("application.pfx", "pretend-password"),
        ("application-legacy.pfx", "pretend-password"),
        ("application-open.pfx", ""),
    ] {
        let path = fixture(file);
        let variables = |password| {
            [
                ("AZURE_TENANT_ID", "t"),
                ("AZURE_CLIENT_ID", "c"),
                ("AZURE_CLIENT_CERTIFICATE_PATH", path.as_str()),
                ("AZURE_CLIENT_CERTIFICATE_PASSWORD", password),
            ]
        };
        let stage = Stage::new().await.variables(variables(password));
        stage.entra_gives("token").await;
        assert_eq!(found(stage.discover("").await).0, ["10.0.0.4"], "{file}");
        let header = URL_SAFE_NO_PAD
            .decode(
                stage.forms().await[0]["client_assertion"]
                    .split('.')
                    .next()
                    .unwrap(),
            )
            .unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(
            header["x5t#S256"], "Hz-7ioFMcAplcwfysyGhDNMrzJz6AjQWDvsA92aOY4A",
            "{file}"
        );

        let stage = Stage::new().await.variables(variables("canary-wrong"));
        let error = stage.discover("").await.unwrap_err();
        assert!(lines(&error)[1].contains(NO_PFX), "{:?}", lines(&error));
        assert!(!format!("{error:?}").contains("canary-wrong"));
    }
}

const NARROW: &str = "token_credentials=EnvironmentCredential";

#[tokio::test]
async fn a_secret_in_the_environment_is_exchanged() {
    let stage = Stage::new().await.variables([
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "s"),
    ]);
    stage.entra_gives("token").await;
    assert_eq!(
        found(stage.discover("").await),
        (
            vec!["10.0.0.4".to_owned()],
            "environment of application `c`".to_owned()
        )
    );
    let form = &stage.forms().await[0];
    assert_eq!(
        (form["client_id"].as_str(), form["client_secret"].as_str()),
        ("c", "s")
    );
}

#[tokio::test]
async fn a_certificate_signs_a_statement_that_its_key_verifies() {
    let path = fixture("application.pem");
    let stage = Stage::new().await.variables([
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", &path),
    ]);
    stage.entra_gives("token").await;
    assert_eq!(found(stage.discover("").await).0, ["10.0.0.4"]);

    let form = &stage.forms().await[0];
    assert_eq!(
        form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert_eq!(
        (form["grant_type"].as_str(), form["client_id"].as_str()),
        ("client_credentials", "c")
    );
    let (statement, signature) = form["client_assertion"].rsplit_once('.').unwrap();
    let parts: Vec<Value> = statement
        .split('.')
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    // The thumbprint is what `openssl x509 -outform DER | openssl dgst -sha256 -binary` gives.
    assert_eq!(
        parts[0],
        json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": "Hz-7ioFMcAplcwfysyGhDNMrzJz6AjQWDvsA92aOY4A" })
    );
    assert_eq!(
        parts[1]["aud"],
        json!(format!("{}/t/oauth2/v2.0/token", stage.uri()))
    );
    assert_eq!(
        (&parts[1]["iss"], &parts[1]["sub"]),
        (&json!("c"), &json!("c"))
    );
    assert_eq!(
        parts[1]["exp"].as_u64().unwrap() - parts[1]["nbf"].as_u64().unwrap(),
        600
    );

    let public_key = std::fs::read(fixture("public_key.der")).unwrap();
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let (_, verify) = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256)
        .unwrap();
    verify[0]
        .verify_signature(
            &public_key,
            statement.as_bytes(),
            &URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .unwrap();
}

#[tokio::test]
async fn the_certificate_that_belongs_to_the_key_signs_wherever_it_is_in_the_file() {
    let application = std::fs::read_to_string(fixture("application.pem")).unwrap();
    let elliptic = std::fs::read_to_string(fixture("elliptic.pem")).unwrap();
    let section = |text: &str, label: &str| {
        let (start, end) = (
            format!("-----BEGIN {label}-----"),
            format!("-----END {label}-----\n"),
        );
        text[text.find(&start).unwrap()..text.find(&end).unwrap() + end.len()].to_owned()
    };
    let other = section(&elliptic, "CERTIFICATE");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("any-order.pem");
    std::fs::write(
        &path,
        [
            section(&application, "PRIVATE KEY"),
            other,
            section(&application, "CERTIFICATE"),
        ]
        .concat(),
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let stage = Stage::new().await.variables([
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", path),
    ]);
    stage.entra_gives("token").await;
    assert_eq!(found(stage.discover("").await).0, ["10.0.0.4"]);
    let form = &stage.forms().await[0];
    let header = URL_SAFE_NO_PAD
        .decode(form["client_assertion"].split('.').next().unwrap())
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&header).unwrap()["x5t#S256"],
        "Hz-7ioFMcAplcwfysyGhDNMrzJz6AjQWDvsA92aOY4A"
    );
}

#[tokio::test]
async fn every_statement_is_another_one() {
    let path = fixture("application.pem");
    let stage = Stage::new().await.variables([
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", &path),
    ]);
    stage.entra_gives("token").await;
    for _ in 0..2 {
        found(stage.discover("").await);
    }
    // The signature differs anyway, so the id of the statement is looked at.
    let ids: Vec<Value> = stage
        .forms()
        .await
        .iter()
        .map(|form| {
            URL_SAFE_NO_PAD
                .decode(form["client_assertion"].split('.').nth(1).unwrap())
                .unwrap()
        })
        .map(|claims| serde_json::from_slice::<Value>(&claims).unwrap()["jti"].clone())
        .collect();
    assert!(
        ids.len() == 2 && ids[0].is_string() && ids[0] != ids[1],
        "{ids:?}"
    );
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_the_error_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let application = std::fs::read_to_string(fixture("application.pem")).unwrap();
    let only_certificate = &application[..application.find("-----BEGIN PRIVATE").unwrap()];
    let table = [
        (
            directory
                .path()
                .join("none.pem")
                .to_str()
                .unwrap()
                .to_owned(),
            "No such file or directory",
        ),
        (file("a.pfx", "\x30\x03\x02\x01"), NO_PFX),
        (file("a.pem", only_certificate), "no private key in it"),
        (
            file(
                "b.pem",
                &application.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
            ),
            "PEM keys with a password are not supported",
        ),
        (
            fixture("elliptic.pem"),
            "its key can't be used at Microsoft Entra ID: not an RSA key",
        ),
    ];
    for (path, reason) in table {
        let stage = Stage::new().await.variables([
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_CLIENT_CERTIFICATE_PATH", &path),
        ]);
        let error = stage.discover("").await.unwrap_err();
        let lines = lines(&error);
        assert_eq!(lines[0], "the credential `environment` failed");
        assert!(
            lines[1].starts_with(&format!(
                "cannot use the certificate `{path}` of `AZURE_CLIENT_CERTIFICATE_PATH`: {reason}"
            )),
            "{lines:?}"
        );
        assert!(stage.forms().await.is_empty());
    }
}

#[tokio::test]
async fn an_incomplete_environment_is_passed_over_with_what_is_missing() {
    let table: [(&[(&str, &str)], &str); 4] = [
        (
            &[],
            "`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` are not set",
        ),
        (
            &[("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")],
            "`AZURE_CLIENT_SECRET` is not set",
        ),
        (
            &[("AZURE_CLIENT_SECRET", "s"), ("AZURE_CLIENT_ID", "c")],
            "`AZURE_TENANT_ID` is not set",
        ),
        (
            &[
                ("AZURE_TENANT_ID", "t"),
                ("AZURE_CLIENT_SECRET", "s"),
                ("AZURE_CLIENT_ID", ""),
            ],
            "`AZURE_CLIENT_ID` is not set",
        ),
    ];
    for (variables, reason) in table {
        let mut all = [("A", ""), ("B", ""), ("C", "")];
        all[..variables.len()].copy_from_slice(variables);
        let stage = Stage::new().await.variables(all);
        let error = stage.discover(NARROW).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("no credential found: environment: {reason}")
        );
    }
}

#[tokio::test]
async fn an_application_of_the_environment_is_not_taken_for_another_one() {
    let stage = Stage::new().await.variables([
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "s"),
    ]);
    let error = stage
        .discover(&format!("{NARROW} client_id=other"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "no credential found: environment: `AZURE_CLIENT_ID` is not the configured `client_id` (`other`)"
    );
}
