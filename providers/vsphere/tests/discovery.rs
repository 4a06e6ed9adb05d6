//! Discoveries that the conformance suite has no case for.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::time::Duration;

use cloud_autojoin_core::{
    Call, Clock, ConfigString, Context, Detail, Discovery, Env, Error, RoleFormat,
};
use cloud_autojoin_vsphere::SPEC;
use serde_json::{Value, json};
use wiremock::matchers::{body_string_contains, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const CIS: &str = "/rest/com/vmware/cis";

fn context() -> Context {
    Context::builder()
        .env(Env::empty())
        .clock(Clock::auto_advancing())
        .build()
        .unwrap()
}

async fn discover(server: &MockServer, more: &str) -> Result<Discovery, Error> {
    let join = format!(
        "provider=vsphere host={} user=u password=p category_name=cluster tag_name=consul {more}",
        server.uri()
    );
    let context = context();
    let provider = SPEC.build(&ConfigString::parse(&join).unwrap(), &context)?;
    provider
        .discover(
            &Call::new(context.clock(), Duration::from_secs(60)).with_detail(Detail::Everything),
        )
        .await
}

fn envelope(body: &str) -> ResponseTemplate {
    let envelope = format!(
        r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"#
    );
    ResponseTemplate::new(200).set_body_raw(envelope, "text/xml")
}

async fn soap(server: &MockServer, method: &str, reply: ResponseTemplate) {
    Mock::given(path("/sdk"))
        .and(body_string_contains(format!("<{method} ")))
        .respond_with(reply)
        .mount(server)
        .await;
}

async fn rest(server: &MockServer, verb: &str, at: &str, value: Value) {
    let reply = ResponseTemplate::new(200).set_body_json(json!({ "value": value }));
    Mock::given(method(verb))
        .and(path(format!("{CIS}/{at}")))
        .respond_with(reply)
        .mount(server)
        .await;
}

/// A vCenter with the tags `consul` and `blue`, attached to these machines.
async fn vcenter(consul: Value, blue: Value) -> MockServer {
    let server = MockServer::start().await;
    rest(&server, "POST", "session", json!("s")).await;
    rest(&server, "DELETE", "session", json!(null)).await;
    rest(&server, "GET", "tagging/category", json!(["c"])).await;
    rest(
        &server,
        "GET",
        "tagging/category/id:c",
        json!({"id": "c", "name": "cluster"}),
    )
    .await;
    rest(
        &server,
        "POST",
        "tagging/tag/id:c",
        json!(["consul", "blue"]),
    )
    .await;
    for (tag, attached) in [("consul", consul), ("blue", blue)] {
        rest(
            &server,
            "GET",
            &format!("tagging/tag/id:{tag}"),
            json!({"id": tag, "name": tag}),
        )
        .await;
        let reply = ResponseTemplate::new(200).set_body_json(json!({ "value": attached }));
        let attached = Mock::given(path(format!("{CIS}/tagging/tag-association/id:{tag}")))
            .and(query_param("~action", "list-attached-objects"));
        attached.respond_with(reply).mount(&server).await;
    }
    soap(
        &server,
        "Login",
        envelope("<LoginResponse/>").insert_header("set-cookie", "vmware_soap_session=s; HttpOnly"),
    )
    .await;
    soap(&server, "Logout", envelope("<LogoutResponse/>")).await;
    server
}

fn machines(ids: &[&str]) -> Value {
    ids.iter()
        .map(|id| json!({"type": "VirtualMachine", "id": id}))
        .collect()
}

fn machine(id: &str, ip: &str) -> String {
    format!(
        r#"<objects><obj type="VirtualMachine">{id}</obj><propSet><name>name</name><val>{id}</val></propSet><propSet><name>guest.net</name><val><GuestNicInfo><ipConfig><ipAddress><ipAddress>{ip}</ipAddress></ipAddress></ipConfig></GuestNicInfo></val></propSet></objects>"#
    )
}

fn addresses(discovery: &Discovery) -> Vec<String> {
    discovery
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect()
}

async fn logouts(server: &MockServer) -> usize {
    let requests = server.received_requests().await.unwrap();
    let is_logout = |request: &&wiremock::Request| {
        request.method.as_str() == "DELETE"
            || String::from_utf8_lossy(&request.body).contains("<Logout ")
    };
    requests.iter().filter(is_logout).count()
}

#[tokio::test]
async fn properties_that_come_in_parts_are_read_to_the_end() {
    let server = vcenter(machines(&["vm-1", "vm-2"]), json!(null)).await;
    let first = format!(
        "<RetrievePropertiesExResponse><returnval><token>1</token>{}</returnval></RetrievePropertiesExResponse>",
        machine("vm-1", "10.0.0.1")
    );
    let rest = format!(
        "<ContinueRetrievePropertiesExResponse><returnval>{}</returnval></ContinueRetrievePropertiesExResponse>",
        machine("vm-2", "10.0.0.2")
    );
    soap(&server, "RetrievePropertiesEx", envelope(&first)).await;
    soap(&server, "ContinueRetrievePropertiesEx", envelope(&rest)).await;
    assert_eq!(
        addresses(&discover(&server, "").await.unwrap()),
        ["10.0.0.1", "10.0.0.2"]
    );
    assert_eq!(logouts(&server).await, 2);
}

#[tokio::test]
async fn only_vcenters_own_404_says_that_a_tag_was_deleted() {
    let found = envelope(&format!(
        "<RetrievePropertiesExResponse><returnval>{}</returnval></RetrievePropertiesExResponse>",
        machine("vm-1", "10.0.0.1")
    ));
    let own = json!({"type": "com.vmware.vapi.std.errors.not_found", "value": {"messages": []}});
    let own = ResponseTemplate::new(404).set_body_json(own);
    let of_proxy = ResponseTemplate::new(404).set_body_raw("<h1>Not Found</h1>", "text/html");
    for (reply, is_found) in [(own, true), (of_proxy, false)] {
        let server = vcenter(machines(&["vm-1"]), json!(null)).await;
        soap(&server, "RetrievePropertiesEx", found.clone()).await;
        Mock::given(path(format!("{CIS}/tagging/tag/id:blue")))
            .respond_with(reply)
            .with_priority(1)
            .mount(&server)
            .await;
        match discover(&server, "").await {
            Ok(discovery) => assert_eq!(
                (addresses(&discovery), is_found),
                (vec!["10.0.0.1".to_owned()], true)
            ),
            Err(error) => assert!(
                !is_found && error.chain().contains("404: Not Found"),
                "{error:?}"
            ),
        }
    }
}

#[tokio::test]
async fn every_further_tag_must_be_attached() {
    let server = vcenter(machines(&["vm-1", "vm-2"]), machines(&["vm-2", "vm-3"])).await;
    let both = machine("vm-1", "10.0.0.1") + &machine("vm-2", "10.0.0.2");
    soap(&server, "RetrievePropertiesEx", envelope(&format!("<RetrievePropertiesExResponse><returnval>{both}</returnval></RetrievePropertiesExResponse>")))
        .await;
    let found = discover(&server, "tag.cluster=blue").await.unwrap();
    assert_eq!(addresses(&found), ["10.0.0.2"]);
    assert_eq!(
        found.nodes()[0].excluded[0].to_string(),
        "no tag `cluster/blue`"
    );
}

#[tokio::test]
async fn an_unknown_datacenter_is_answered_with_where_the_machines_are() {
    let server = vcenter(machines(&["vm-1"]), json!(null)).await;
    let parent = |id: &str| format!("<propSet><name>parent</name><val>{id}</val></propSet>");
    let entity = |kind: &str, id: &str, up: &str| {
        let name = format!("<propSet><name>name</name><val>{id}</val></propSet>");
        format!(
            r#"<objects><obj type="{kind}">{id}</obj>{name}{}</objects>"#,
            parent(up)
        )
    };
    let machine =
        machine("vm-1", "10.0.0.1").replace("</objects>", &(parent("web") + "</objects>"));
    let found = [
        machine,
        entity("Folder", "web", "vm"),
        entity("Folder", "vm", "DC0"),
        entity("Datacenter", "DC0", "root"),
    ];
    let body = format!(
        "<RetrievePropertiesExResponse><returnval>{}</returnval></RetrievePropertiesExResponse>",
        found.concat()
    );
    soap(&server, "RetrievePropertiesEx", envelope(&body)).await;
    let found = discover(&server, "datacenter=DC1").await.unwrap();
    assert_eq!(
        found.findings()[0].message,
        "the machines with the tag are in `DC0/web`"
    );
    let found = discover(&server, "datacenter=DC0 folder=web")
        .await
        .unwrap();
    assert_eq!((found.matched(), found.findings().len()), (1, 0));
}

#[tokio::test]
async fn an_unknown_tag_is_answered_with_those_there_are() {
    let server = vcenter(json!(null), json!(null)).await;
    let found = discover(&server, "tag.cluster=green").await.unwrap();
    assert_eq!(
        found.findings()[0].message,
        "there is no tag `green` in category `cluster`"
    );
    assert!(
        found
            .hint()
            .unwrap()
            .contains("this user sees `consul`, `blue`"),
        "{:?}",
        found.hint()
    );
    let found = discover(&server, "tag.colour=green").await.unwrap();
    assert_eq!(
        found.findings()[0].message,
        "there is no tag category `colour`"
    );
    // A tag that is there and attached to nothing.
    let found = discover(&server, "").await.unwrap();
    assert_eq!(
        found.findings()[0].message,
        "the tag is attached to no virtual machine"
    );
}

#[tokio::test]
async fn a_machine_that_can_not_be_read_is_an_error_with_the_permission_and_ends_the_sessions() {
    let server = vcenter(machines(&["vm-1"]), json!(null)).await;
    let object = r#"<objects><obj type="VirtualMachine">vm-1</obj><missingSet><path>guest.net</path><fault><fault/></fault></missingSet></objects>"#;
    soap(&server, "RetrievePropertiesEx", envelope(&format!("<RetrievePropertiesExResponse><returnval>{object}</returnval></RetrievePropertiesExResponse>")))
        .await;
    let error = discover(&server, "").await.unwrap_err();
    assert!(
        error
            .chain()
            .contains("read `guest.net` of virtual machine `vm-1`"),
        "{}",
        error.chain()
    );
    assert!(
        error.hint().unwrap().contains("System.Read"),
        "{:?}",
        error.hint()
    );
    assert_eq!(logouts(&server).await, 2);
}

#[tokio::test]
async fn a_refused_password_is_sent_once() {
    let server = MockServer::start().await;
    Mock::given(path("/api/session"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&server)
        .await;
    let error = discover(&server, "").await.unwrap_err();
    assert!(
        error.hint().unwrap().contains("`user`"),
        "{:?}",
        error.hint()
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_without_its_value_is_no_empty_list() {
    let server = MockServer::start().await;
    rest(&server, "POST", "session", json!("s")).await;
    Mock::given(path(format!("{CIS}/tagging/category")))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({})))
        .mount(&server)
        .await;
    soap(
        &server,
        "Login",
        envelope("<LoginResponse/>").insert_header("set-cookie", "vmware_soap_session=s"),
    )
    .await;
    let error = discover(&server, "").await.unwrap_err();
    assert!(matches!(error, Error::Decode(_)), "{error:?}");
}

#[tokio::test]
async fn api_is_requested_once_from_a_server_without_it() {
    let server = vcenter(machines(&[]), json!(null)).await;
    let join = format!(
        "provider=vsphere host={} user=u password=p category_name=cluster tag_name=consul",
        server.uri()
    );
    let context = context();
    let provider = SPEC.build(&join.parse().unwrap(), &context).unwrap();
    for _ in 0..2 {
        let call = Call::new(context.clock(), Duration::from_secs(60));
        provider.discover(&call).await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    let asked = |at: &str| {
        requests
            .iter()
            .filter(|request| request.url.path() == at)
            .count()
    };
    assert_eq!(
        (asked("/api/session"), asked(&format!("{CIS}/session"))),
        (1, 4)
    );
}

#[tokio::test]
async fn what_the_api_says_of_a_refused_login_is_shown() {
    let server = MockServer::start().await;
    let message = json!({"args": [], "default_message": "Authentication required.", "id": "x"});
    let body = json!({"error_type": "UNAUTHENTICATED", "messages": [message]});
    Mock::given(path("/api/session"))
        .respond_with(ResponseTemplate::new(401).set_body_json(body))
        .mount(&server)
        .await;
    let text = discover(&server, "").await.unwrap_err().chain();
    assert!(
        text.contains("UNAUTHENTICATED") && text.contains("Authentication required."),
        "{text}"
    );
}

#[tokio::test]
async fn a_host_is_no_path_and_an_insecure_one_is_warned_of() {
    for host in [
        "vc.example/ui",
        "http://vc.example",
        "ftp://vc.example",
        "user@vc.example",
    ] {
        let join =
            format!("provider=vsphere host={host} user=u password=p category_name=c tag_name=t");
        let error = SPEC
            .build(&ConfigString::parse(&join).unwrap(), &context())
            .unwrap_err();
        assert!(error.to_string().contains("`host`"), "{error}");
    }
    let server = vcenter(json!(null), json!(null)).await;
    let error = discover(&server, "ca_file=/nowhere/ca.pem").await;
    let text = error.unwrap_err().chain();
    assert!(
        text.contains("cannot read `/nowhere/ca.pem` (`ca_file`)"),
        "{text}"
    );
    let found = discover(&server, "insecure_ssl=true").await.unwrap();
    assert!(
        found
            .findings()
            .last()
            .unwrap()
            .message
            .contains("isn't verified"),
        "{:?}",
        found.findings()
    );
}

#[test]
fn the_role_is_granted_to_the_user_of_the_string() {
    let config = ConfigString::parse(r#"provider=vsphere user="DOM\\discover""#).unwrap();
    let write = |format| {
        (SPEC.role.unwrap())(&config, &context(), format)
            .unwrap()
            .text
    };
    assert_eq!(
        write(RoleFormat::Native),
        "govc permissions.set -principal 'DOM\\discover' -role ReadOnly -propagate=true /\n"
    );
    assert!(write(RoleFormat::Terraform).contains(r#"user_or_group = "DOM\\discover""#));
}
