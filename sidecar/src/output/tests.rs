//! The content of each kind of file, and what happens when it cannot be written.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use tempfile::TempDir;

use super::*;

fn addresses() -> Vec<Address> {
    vec![
        Address::ip("10.0.0.4".parse().unwrap()).with_instance("vm1"),
        Address::ip("2001:db8::5".parse().unwrap()),
        Address::name("${evil}\"\n.example").with_port(9000),
    ]
}

fn view(addresses: &[Address]) -> View<'_> {
    View {
        watch: "servers",
        provider: "azure",
        subject: "scale set `web`",
        addresses,
    }
}

fn output(kind: Kind, path: &str) -> Output {
    Output {
        kind,
        path: path.into(),
        port: None,
        mode: 0o644,
    }
}

/// Renders, and verifies as a reader would.
fn text(output: &Output) -> String {
    let addresses = addresses();
    let text = output.render(&view(&addresses)).unwrap();
    output.verify(&view(&addresses), &text).unwrap();
    text
}

#[test]
fn consul_and_nomad_get_their_blocks_in_both_syntaxes() {
    let consul = text(&output(Kind::Consul(Syntax::Hcl), "a.hcl"));
    assert!(consul.starts_with("# Kept by `discover watch`"), "{consul}");
    assert!(
        consul.contains("retry_join = [\n")
            && consul.contains("\"10.0.0.4\"")
            && consul.contains("\"[2001:db8::5]:8301\""),
        "{consul}"
    );
    // What looks like an expression is a text.
    assert!(
        consul.contains(r#""$${evil}\"\n.example:9000""#),
        "{consul}"
    );

    let json: serde_json::Value =
        serde_json::from_str(&text(&output(Kind::Consul(Syntax::Json), "a.json"))).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"retry_join": ["10.0.0.4", "[2001:db8::5]:8301", "${evil}\"\n.example:9000"]})
    );

    for (role, block, port) in [
        (nomad::Role::Server, "server", 4648),
        (nomad::Role::Client, "client", 4647),
    ] {
        let wanted = serde_json::json!({block: {"server_join": {"retry_join": ["10.0.0.4", format!("[2001:db8::5]:{port}"), "${evil}\"\n.example:9000"]}}});
        let json: serde_json::Value =
            serde_json::from_str(&text(&output(Kind::Nomad(role, Syntax::Json), "a.json")))
                .unwrap();
        assert_eq!(json, wanted);
        let blocks: serde_json::Value =
            hcl::from_str(&text(&output(Kind::Nomad(role, Syntax::Hcl), "a.hcl"))).unwrap();
        assert_eq!(blocks, wanted);
    }
}

#[test]
fn a_port_counts_for_addresses_that_have_none() {
    let lines = Output {
        port: Some(7000),
        ..output(Kind::Lines, "a")
    };
    let addresses = [
        Address::ip("10.0.0.4".parse().unwrap()),
        Address::ip("2001:db8::5".parse().unwrap()).with_port(1),
    ];
    assert_eq!(
        lines.render(&view(&addresses)).unwrap(),
        "10.0.0.4:7000\n[2001:db8::5]:1\n"
    );
    assert_eq!(
        output(Kind::Lines, "a").render(&view(&addresses)).unwrap(),
        "10.0.0.4\n[2001:db8::5]:1\n"
    );
}

#[test]
fn prometheus_gets_one_group_a_target_with_labels() {
    let kind = Kind::FileSd {
        labels: [("job".to_owned(), "consul".to_owned())].into(),
    };
    let read: serde_json::Value = serde_json::from_str(&text(&Output {
        port: Some(9100),
        ..output(kind, "a.json")
    }))
    .unwrap();
    assert_eq!(
        read[0],
        serde_json::json!({"targets": ["10.0.0.4:9100"], "labels": {"__meta_discover_instance": "vm1", "__meta_discover_watch": "servers", "job": "consul"}})
    );
    assert_eq!(read[1]["targets"][0], "[2001:db8::5]:9100");
    assert_eq!(read.as_array().unwrap().len(), 3);
}

const VAULT_HCL: &str =
    "storage \"raft\" {\n  path = \"/opt/vault\"\n  node_id = \"a\"\n{{ retry_join }}}\n";
const VAULT_JSON: &str = r#"{"storage": {"raft": {"path": "/opt/vault", "node_id": "a", "retry_join": {{ retry_join }}}}}"#;

fn vault(syntax: Syntax, source: &str) -> Output {
    let stanza = vec![("leader_ca_cert_file".to_owned(), "/etc/ca.pem".to_owned())];
    let template = Template::new("vault.tmpl", source).unwrap();
    output(
        Kind::Vault {
            syntax,
            template,
            scheme: "https".to_owned(),
            stanza,
        },
        "vault.hcl",
    )
}

#[test]
fn vault_gets_its_whole_storage_block() {
    let wanted = serde_json::json!([
        {"leader_api_addr": "https://10.0.0.4:8200", "leader_ca_cert_file": "/etc/ca.pem"},
        {"leader_api_addr": "https://[2001:db8::5]:8200", "leader_ca_cert_file": "/etc/ca.pem"},
    ]);
    let addresses = &addresses()[..2];
    for (syntax, source) in [(Syntax::Hcl, VAULT_HCL), (Syntax::Json, VAULT_JSON)] {
        let output = vault(syntax, source);
        let text = output.render(&view(addresses)).unwrap();
        output.verify(&view(addresses), &text).unwrap();
        let read = retry_join::parse(syntax, &text).unwrap();
        assert_eq!(read["storage"]["raft"]["retry_join"], wanted, "{text}");
        assert_eq!(read["storage"]["raft"]["node_id"], "a");
    }
}

#[test]
fn a_vault_file_that_would_wipe_the_storage_block_is_refused_and_not_written() {
    let directory = TempDir::new().unwrap();
    let addresses = &addresses()[..1];
    for (source, expected) in [
        (
            "storage \"raft\" {\n{{ retry_join }}}\n",
            "the `storage \"raft\"` block has no `path`, so the file would wipe Vault's",
        ),
        (
            "{{ retry_join }}",
            "the file has no `storage \"raft\"` block",
        ),
        (
            "storage \"consul\" {\n path = \"a\"\n}\n",
            "the file has no `storage \"raft\"` block",
        ),
        (
            "storage \"raft\" {\n path = \"a\"\n}\n",
            "the `storage \"raft\"` block does not name every address",
        ),
        ("storage \"raft\" {\n", "what was written does not parse"),
    ] {
        let target = directory.path().join("vault.hcl");
        fs::write(&target, "old").unwrap();
        let error = Output {
            path: target.clone(),
            ..vault(Syntax::Hcl, source)
        }
        .write(&view(addresses))
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot write {}: {expected}", target.display())),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_template_gets_the_addresses_and_reports_where_it_fails() {
    let template = |source: &str| Template::new("peers.tmpl", source);
    let source = "{% for a in addresses %}{{ a.bracketed }} {{ a.family }} {{ a.instance or '-' }}\n{% endfor %}{{ watch }} {{ provider }} {{ subject }}\n";
    let made = output(Kind::Template(template(source).unwrap()), "peers.txt")
        .render(&view(&addresses()[..2]))
        .unwrap();
    assert_eq!(
        made,
        "10.0.0.4 ipv4 vm1\n[2001:db8::5] ipv6 -\nservers azure scale set `web`\n"
    );

    let json = output(
        Kind::Template(
            template("{\"join\": {{ addresses | map(attribute='host') | list | tojson }}}")
                .unwrap(),
        ),
        "peers.json",
    );
    assert_eq!(
        json.render(&view(&addresses()[..2])).unwrap(),
        r#"{"join": ["10.0.0.4", "2001:db8::5"]}"#
    );

    assert_eq!(
        template("\n{% for %}").unwrap_err().to_string(),
        "the template peers.tmpl (line 2) does not work: syntax error: unexpected end of block, expected in"
    );
    let unknown = output(Kind::Template(template("{{ adresses }}").unwrap()), "a.txt")
        .render(&view(&addresses()))
        .unwrap_err();
    assert!(
        unknown
            .to_string()
            .starts_with("the template peers.tmpl (line 1) does not work: undefined value"),
        "{unknown}"
    );
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("a.json");
    let broken = output(
        Kind::Template(template("{ not json").unwrap()),
        target.to_str().unwrap(),
    )
    .write(&view(&addresses()))
    .unwrap_err();
    assert!(
        broken
            .to_string()
            .contains("what was written does not parse"),
        "{broken}"
    );
    assert!(!target.exists());
}

#[test]
fn no_address_is_never_written() {
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("a");
    let error = output(Kind::Lines, target.to_str().unwrap())
        .write(&view(&[]))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot write {}: there is no address to write",
            target.display()
        )
    );
    assert!(!target.exists());
}

#[test]
fn a_file_is_replaced_only_when_its_content_differs() {
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("a");
    let lines = output(Kind::Lines, target.to_str().unwrap());
    assert_eq!(lines.write(&view(&addresses()[..2])), Ok(Written::Replaced));
    let (before, mode) = (
        fs::metadata(&target).unwrap(),
        fs::metadata(&target).unwrap().permissions().mode() & 0o7777,
    );
    assert_eq!(mode, 0o644);
    assert_eq!(
        lines.write(&view(&addresses()[..2])),
        Ok(Written::Unchanged)
    );
    let after = fs::metadata(&target).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec(), before.ctime_nsec()),
        (after.ino(), after.mtime_nsec(), after.ctime_nsec())
    );
    assert_eq!(lines.write(&view(&addresses()[..1])), Ok(Written::Replaced));
    assert_eq!(fs::read_to_string(&target).unwrap(), "10.0.0.4\n");
}

#[test]
fn mode_owner_and_links_are_kept_and_unfinished_files_swept() {
    let directory = TempDir::new().unwrap();
    let real = directory.path().join("real");
    let link = directory.path().join("link");
    fs::write(&real, "old").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root can give files away; elsewhere the owner stays who runs the test, which must hold
    // as well.
    let _ = std::os::unix::fs::chown(&real, Some(12_345), Some(12_346));
    let owner = |path: &Path| {
        fs::metadata(path)
            .map(|metadata| (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777))
            .unwrap()
    };
    let before = owner(&real);
    std::os::unix::fs::symlink("real", &link).unwrap();
    fs::write(directory.path().join(".real.AbCdEf.discover-tmp"), "half").unwrap();
    fs::write(
        directory.path().join(".other.AbCdEf.discover-tmp"),
        "of another",
    )
    .unwrap();
    let lines = output(Kind::Lines, link.to_str().unwrap());
    lines.sweep();
    assert_eq!(lines.write(&view(&addresses()[..1])), Ok(Written::Replaced));
    assert_eq!(
        (owner(&real), fs::read_to_string(&real).unwrap().as_str()),
        (before, "10.0.0.4\n")
    );
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let mut left: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".other.AbCdEf.discover-tmp", "link", "real"]);
}

#[test]
fn a_directory_that_is_gone_is_named_and_the_write_works_when_it_is_back() {
    let directory = TempDir::new().unwrap();
    let inner = directory.path().join("consul.d");
    let target = inner.join("join.hcl");
    let consul = output(Kind::Consul(Syntax::Hcl), target.to_str().unwrap());
    let error = consul.write(&view(&addresses())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot write {}: No such file or directory (os error 2); the old file stays",
            target.display()
        )
    );
    assert_eq!(
        error.hint(),
        Some(format!("make the directory {}", inner.display()).as_str())
    );
    fs::create_dir(&inner).unwrap();
    assert_eq!(consul.write(&view(&addresses())), Ok(Written::Replaced));
}

#[test]
fn a_target_that_is_a_directory_or_a_device_is_refused() {
    let directory = TempDir::new().unwrap();
    for target in [directory.path(), Path::new("/dev/full")] {
        let error = output(Kind::Lines, target.to_str().unwrap())
            .write(&view(&addresses()))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot write {}: it exists and is not a regular file; the old file stays",
                target.display()
            )
        );
    }
}
