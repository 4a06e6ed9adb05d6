//! Filters, places, instance groups, and what the API says.

#![allow(clippy::unwrap_used, reason = "tests")]

mod server;

use cloud_autojoin_core::{ConfigString, Context, Detail, Env, Error, RoleFormat};
use cloud_autojoin_gce::SPEC;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use server::{LIST, addresses, answer, discover, metadata, one_instance, paths, with_token};

async fn start(list: Value) -> MockServer {
    let server = MockServer::start().await;
    with_token(&server).await;
    answer(&server, "GET", LIST, list).await;
    server
}

fn instance(name: &str, address: &str) -> Value {
    json!({
        "id": name, "name": name, "status": "RUNNING", "labels": {"role": "Server"}, "tags": {"items": ["consul"]},
        "networkInterfaces": [
            {"name": "nic0", "networkIP": address, "ipv6Address": "fd20::1", "accessConfigs": [{"natIP": "203.0.113.1"}], "ipv6AccessConfigs": [{"externalIpv6": "2001:db8::1"}]},
            {"name": "nic1", "networkIP": "10.9.0.1"},
        ],
    })
}

/// The value of a query parameter of the list's request.
async fn query(server: &MockServer, name: &str) -> Option<String> {
    let requests = server.received_requests().await.unwrap();
    let list = requests
        .iter()
        .rev()
        .find(|request| request.url.path() == LIST)?;
    list.url
        .query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

fn reason(error: &Error) -> String {
    format!("{} | {}", error.chain(), error.hint().unwrap_or_default())
}

#[tokio::test]
async fn the_api_filters_unless_everything_is_to_be_explained() {
    let server = start(one_instance()).await;
    let join = "project_name=p tag_value=consul label_key=role label_value=server tag.dc=1";
    addresses(&server, join, &[]).await.unwrap();
    let filter = r#"(tags.items:"consul") AND (labels.role="server") AND (labels.dc="1")"#;
    assert_eq!(query(&server, "filter").await.as_deref(), Some(filter));
    let discovery = discover(&server, join, &[], Detail::Everything)
        .await
        .unwrap();
    assert_eq!(query(&server, "filter").await, None);
    assert_eq!(
        discovery.nodes()[0].attributes[..2],
        [
            ("project", "p".to_owned()),
            ("zone", "us-east1-b".to_owned())
        ]
    );
}

#[tokio::test]
async fn an_address_type_and_all_interfaces_can_be_selected() {
    let server =
        start(json!({"items": {"zones/us-east1-b": {"instances": [instance("a", "10.0.0.1")]}}}))
            .await;
    for (options, expected) in [
        ("", vec!["10.0.0.1"]),
        ("interfaces=all", vec!["10.0.0.1", "10.9.0.1"]),
        ("address_type=private_v6", vec!["fd20::1"]),
        ("address_type=public", vec!["203.0.113.1", "2001:db8::1"]),
    ] {
        assert_eq!(
            addresses(
                &server,
                &format!("project_name=p tag_value=consul {options}"),
                &[]
            )
            .await
            .unwrap(),
            expected,
            "{options}"
        );
    }
}

#[tokio::test]
async fn a_label_that_almost_matches_is_suggested() {
    let server =
        start(json!({"items": {"zones/us-east1-b": {"instances": [instance("a", "10.0.0.1")]}}}))
            .await;
    let hint = async |join: &str| {
        discover(
            &server,
            &format!("project_name=p {join}"),
            &[],
            Detail::Everything,
        )
        .await
        .unwrap()
        .hint()
        .unwrap()
        .to_owned()
    };
    assert_eq!(
        hint("label_key=role label_value=server").await,
        "set `label_value=Server`"
    );
    assert_eq!(hint("tag.role=server").await, "set `tag.role=Server`");
    assert!(hint("tag_value=web").await.contains("`discover explain`"));
}

#[tokio::test]
async fn a_zone_that_does_not_respond_is_an_error_unless_it_is_excluded() {
    let mut list = one_instance();
    list["items"]["zones/us-west1-a"] =
        json!({"warning": {"code": "UNREACHABLE", "message": "The zone is down."}});
    list["warning"] = json!({"code": "PARTIAL_SUCCESS", "message": "Some zones are down."});
    let server = start(list).await;
    let error = addresses(&server, "project_name=p tag_value=consul", &[])
        .await
        .unwrap_err();
    let text = reason(&error);
    assert!(
        text.contains("zones/us-west1-a: The zone is down.")
            && text.contains("`zone_pattern`")
            && error.is_transient(),
        "{text}"
    );
    assert_eq!(
        addresses(
            &server,
            "project_name=p tag_value=consul zone_pattern=us-east1-.*",
            &[]
        )
        .await
        .unwrap(),
        ["10.0.0.1"]
    );

    let mut list = one_instance();
    list["unreachables"] = json!(["projects/p/zones/us-west1-a"]);
    let server = start(list).await;
    let text = reason(
        &addresses(&server, "project_name=p tag_value=consul", &[])
            .await
            .unwrap_err(),
    );
    assert!(
        text.contains("projects/p/zones/us-west1-a: it doesn't respond"),
        "{text}"
    );
    assert_eq!(
        addresses(
            &server,
            "project_name=p tag_value=consul region=us-east1",
            &[]
        )
        .await
        .unwrap(),
        ["10.0.0.1"]
    );
}

#[tokio::test]
async fn a_partial_list_without_a_place_is_an_error() {
    let mut list = one_instance();
    list["warning"] =
        json!({"code": "LIST_OVERHEAD_QUOTA_EXCEED", "message": "Too much to filter."});
    let server = start(list).await;
    assert!(
        addresses(
            &server,
            "project_name=p tag_value=consul zone=us-east1-b",
            &[]
        )
        .await
        .is_err()
    );
}

#[tokio::test]
async fn self_is_the_place_of_this_instance() {
    let server = start(one_instance()).await;
    metadata(
        &server,
        "instance/zone",
        "projects/123/zones/europe-west1-c",
    )
    .await;
    for (key, found) in [
        ("zone=self", 0),
        ("zone=self,us-east1-b", 1),
        ("region=self", 0),
        ("region=us-east1,self", 1),
    ] {
        let found_now = addresses(
            &server,
            &format!("project_name=p tag_value=consul {key}"),
            &[],
        )
        .await
        .unwrap();
        assert_eq!(found_now.len(), found, "{key}");
    }
}

/// The members of `regions/us-east1/instanceGroupManagers/servers`.
async fn with_group(server: &MockServer) {
    let url = |name: &str| json!({"instance": format!("https://www.googleapis.com/compute/v1/projects/p/zones/us-east1-b/instances/{name}")});
    let members = "/compute/v1/projects/p/regions/us-east1/instanceGroupManagers/servers/listManagedInstances";
    let first = json!({"managedInstances": [url("a"), {"currentAction": "CREATING"}], "nextPageToken": "2"});
    Mock::given(path(members))
        .respond_with(ResponseTemplate::new(200).set_body_json(first))
        .up_to_n_times(1)
        .mount(server)
        .await;
    answer(
        server,
        "POST",
        members,
        json!({"managedInstances": [url("b")]}),
    )
    .await;
    let group = json!({"name": "servers"});
    let groups = json!({"items": {"regions/us-east1": {"instanceGroupManagers": [group]}, "zones/us-east1-b": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}}});
    answer(
        server,
        "GET",
        "/compute/v1/projects/p/aggregated/instanceGroupManagers",
        groups,
    )
    .await;
}

#[tokio::test]
async fn the_members_of_an_instance_group_are_found_wherever_it_is() {
    let instances = [
        instance("a", "10.0.0.1"),
        instance("b", "10.0.0.2"),
        instance("c", "10.0.0.3"),
    ];
    let server = start(json!({"items": {"zones/us-east1-b": {"instances": instances}}})).await;
    with_group(&server).await;
    let discovery = discover(
        &server,
        "project_name=p instance_group=servers",
        &[],
        Detail::Everything,
    )
    .await
    .unwrap();
    let found: Vec<String> = discovery
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(found, ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(
        discovery.nodes()[0].parent("instance group"),
        Some("servers")
    );
    assert_eq!(
        discovery.nodes()[2].excluded[0].to_string(),
        "not part of instance group `servers`"
    );
    assert_eq!(discovery.nodes()[2].parent("instance group"), None);
}

#[tokio::test]
async fn the_instance_group_of_this_instance_needs_no_look_up() {
    let server = start(one_instance()).await;
    with_group(&server).await;
    metadata(
        &server,
        "instance/attributes/created-by",
        "projects/123/regions/us-east1/instanceGroupManagers/servers",
    )
    .await;
    assert_eq!(
        addresses(&server, "project_name=p instance_group=self", &[])
            .await
            .unwrap(),
        ["10.0.0.1"]
    );
    assert!(
        !paths(&server)
            .await
            .iter()
            .any(|path| path.contains("aggregated/instanceGroupManagers"))
    );
}

#[tokio::test]
async fn an_unknown_instance_group_is_named_and_nothing_is_listed() {
    let server = start(one_instance()).await;
    with_group(&server).await;
    let discovery = discover(
        &server,
        "project_name=p instance_group=server",
        &[],
        Detail::Addresses,
    )
    .await
    .unwrap();
    assert_eq!(
        discovery.findings()[0].message,
        "project `p` has no managed instance group `server`"
    );
    assert!(!paths(&server).await.iter().any(|path| path == LIST));
}

#[tokio::test]
async fn what_the_api_refuses_is_explained() {
    let refused = async |status: u16, code: &str, message: &str| {
        let server = MockServer::start().await;
        with_token(&server).await;
        let body = json!({"error": {"code": status, "message": message, "errors": [{"message": message, "reason": code}]}});
        Mock::given(path(LIST))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(&server)
            .await;
        reason(
            &addresses(&server, "project_name=p tag_value=consul", &[])
                .await
                .unwrap_err(),
        )
    };
    let unknown = refused(404, "notFound", "The resource 'projects/p' was not found").await;
    assert!(
        unknown.contains("The resource 'projects/p' was not found")
            && unknown.contains("check `project_name`"),
        "{unknown}"
    );
    let disabled = refused(
        403,
        "accessNotConfigured",
        "Compute Engine API has not been used in project 1 before or it is disabled.",
    )
    .await;
    assert!(disabled.contains("gcloud services enable"), "{disabled}");
    let scopes = refused(
        403,
        "insufficientPermissions",
        "Request had insufficient authentication scopes.",
    )
    .await;
    assert!(scopes.contains("access scope `compute-ro`"), "{scopes}");
    let quota = refused(
        403,
        "quotaExceeded",
        "Quota exceeded for quota metric 'Read requests'.",
    )
    .await;
    assert!(quota.contains("throttled"), "{quota}");
}

fn problems(join: &str) -> Vec<String> {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let Err(Error::Config(error)) = SPEC.build(
        &ConfigString::parse(&format!("provider=gce {join}")).unwrap(),
        &context,
    ) else {
        panic!("{join} builds")
    };
    error
        .problems()
        .iter()
        .map(|problem| problem.message.clone())
        .collect()
}

#[test]
fn every_problem_of_a_join_string_is_reported() {
    assert_eq!(
        problems("project_name=p"),
        ["none of `tag_value`, `label_key`, `tag.NAME` and `instance_group` is given"]
    );
    assert_eq!(
        problems("label_value=v"),
        ["`label_key` is missing (`label_value` is given)"]
    );
    assert_eq!(
        problems("tag_value=t label_key=k"),
        ["`label_value` is missing (`label_key` is given)"]
    );
    let found = problems(r#"tag.a:b=1 zone_pattern="(?west|east).*" label_key=k"#);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found
            .iter()
            .any(|problem| problem == "`a:b` can't be the key of a label"),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|problem| problem.starts_with("`zone_pattern` is no regular expression: ")),
        "{found:?}"
    );
}

#[test]
fn the_role_has_what_the_join_string_needs() {
    let context = Context::builder().env(Env::empty()).build().unwrap();
    let write = SPEC.role.unwrap();
    let role = |join: &str, format| {
        write(
            &ConfigString::parse(&format!("provider=gce {join}")).unwrap(),
            &context,
            format,
        )
    };
    let yaml = role("tag_value=t project_name=p", RoleFormat::Native).unwrap();
    assert!(
        yaml.text
            .ends_with("stage: GA\nincludedPermissions:\n- compute.instances.list\n"),
        "{}",
        yaml.text
    );
    assert!(yaml.notes[0].contains("--project=p"));
    let terraform = role("instance_group=g", RoleFormat::Terraform)
        .unwrap()
        .text;
    let list = r#"permissions = [
    "compute.instances.list",
    "compute.instanceGroupManagers.list",
    "compute.instanceGroupManagers.get",
  ]"#;
    assert!(terraform.contains(list), "{terraform}");
    assert!(role("label_key=k", RoleFormat::Native).is_err());
}
