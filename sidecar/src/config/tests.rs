//! What a configuration means, and that all its problems are reported at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cloud_autojoin::Env;
use tempfile::TempDir;

use super::*;
use crate::output::Kind;

const JOIN: &str = "provider=azure subscription_id=22222222-2222-4222-8222-222222222222 resource_group=a vm_scale_set=b";

async fn judged(text: &str) -> Result<CheckedConfig, Vec<String>> {
    let context = Context::builder()
        .env(Env::from([("STATE_DIRECTORY", "/var/lib/discover:/other")]))
        .build()
        .unwrap();
    let shown = |problems: Vec<ConfigProblem>| {
        problems
            .iter()
            .map(crate::supervisor::one_line)
            .collect::<Vec<_>>()
    };
    check(
        ConfigSource::parse(Path::new("watch.toml"), text).map_err(shown)?,
        CheckDepth::Text,
        &context,
    )
    .await
    .map_err(shown)
}

#[tokio::test]
async fn the_shortest_configuration_has_the_defaults() {
    let text = format!(
        "[[watch]]\njoin = \"{JOIN}\"\n[[watch.file]]\nkind = \"consul\"\npath = \"/etc/consul.d/join.hcl\"\n"
    );
    let CheckedConfig { config, warnings } = judged(&text).await.unwrap();
    assert_eq!(
        (config.listen, warnings.len()),
        (Some("127.0.0.1:8510".parse().unwrap()), 0)
    );
    let watch = &config.watches[0];
    assert_eq!(
        (
            watch.name.as_str(),
            watch.interval,
            watch.timeout,
            watch.splay
        ),
        (
            "peers",
            Duration::from_secs(30),
            Duration::from_secs(60),
            Duration::ZERO
        )
    );
    assert_eq!(watch.guards, Guards::default());
    assert_eq!(
        watch.last_good.as_deref(),
        Some(Path::new("/var/lib/discover/peers.json"))
    );
    assert_eq!(
        watch.outputs[0],
        Output {
            kind: Kind::Consul(crate::output::Syntax::Hcl),
            path: "/etc/consul.d/join.hcl".into(),
            port: None,
            mode: 0o644
        }
    );
}

#[tokio::test]
async fn every_key_can_be_set() {
    let directory = TempDir::new().unwrap();
    let template = directory.path().join("vault.tmpl");
    fs::write(&template, "{{ retry_join }}").unwrap();
    let join = directory.path().join("join");
    fs::write(&join, JOIN).unwrap();
    let text = format!(
        r#"
listen = "none"
state_directory = "/state"
[[watch]]
name = "servers"
join = "@{join}"
interval = "1m"
timeout = "20s"
splay = "5s"
min = 3
stable_for = "10s"
max_shrink = 100
[[watch.file]]
kind = "vault"
path = "/etc/vault.d/storage.hcl"
template = "{template}"
scheme = "http"
port = 8200
mode = "0640"
stanza = {{ leader_tls_servername = "vault.internal" }}
[[watch.agent]]
kind = "consul"
url = "https://consul.internal:8501"
token_file = "/etc/token"
ca_file = "/etc/ca.pem"
certificate_file = "/etc/cert.pem"
key_file = "/etc/key.pem"
[[watch.on_change]]
command = ["serf", "join"]
debounce = "0s"
timeout = "5s"
[[watch.on_change]]
signal = "SIGHUP"
pid_file = "/run/a.pid"
[[watch]]
name = "clients"
join = ["provider=azure", "subscription_id=22222222-2222-4222-8222-222222222222", "tag_name=a b", "tag_value=c"]
[[watch.agent]]
kind = "nomad-client"
"#,
        join = join.display(),
        template = template.display()
    );
    let config = judged(&text).await.unwrap().config;
    assert_eq!((config.listen, config.watches.len()), (None, 2));
    let [servers, clients] = &config.watches[..] else {
        panic!("not two")
    };
    assert_eq!(
        (
            servers.guards.min,
            servers.guards.stable_for,
            servers.guards.max_shrink
        ),
        (3, Duration::from_secs(10), None)
    );
    assert_eq!(
        (servers.outputs[0].mode, servers.outputs[0].port),
        (0o640, Some(8200))
    );
    assert_eq!(
        (
            servers.agents.len(),
            servers.on_change.len(),
            servers.on_change[0].debounce
        ),
        (1, 2, Duration::ZERO)
    );
    assert_eq!(clients.join[0].get("tag_name"), Some("a b"));
    assert!(servers.is_equivalent(&judged(&text).await.unwrap().config.watches[0]));
    assert!(
        !servers.is_equivalent(
            &judged(&text.replace("1m", "2m"))
                .await
                .unwrap()
                .config
                .watches[0]
        )
    );
}

#[tokio::test]
async fn several_join_strings_are_watched_as_one() {
    let text = |join: &str| {
        format!("[[watch]]\njoin = {join}\n[[watch.file]]\nkind = \"lines\"\npath = \"/run/a\"\n")
    };
    let config = judged(&text(
        r#"["provider=dns name=a.test. port=1", "provider=exec command=/bin/members"]"#,
    ))
    .await
    .unwrap()
    .config;
    assert_eq!(config.watches[0].join.len(), 2);
    assert_eq!(
        config.watches[0].provider.subject(),
        "the addresses of `a.test.` and the addresses that `/bin/members` prints"
    );
    let problems = judged(&text(
        r#"["provider=dns port=1", "provider=exec timeout=soon"]"#,
    ))
    .await
    .err()
    .unwrap();
    let text = format!("{problems:?}");
    assert!(
        ["`name` is missing", "`command` is missing", "`timeout`"]
            .iter()
            .all(|part| text.contains(part)),
        "{text}"
    );
}

#[tokio::test]
async fn all_problems_are_reported_at_once_without_values() {
    let text = r#"
listen = "here"
lisen = "canary"
[[watch]]
join = "provider=azure resource_group=a client_secret=canary"
interval = "soon-canary"
min = 0
[[watch.file]]
kind = "consul"
path = "/etc/consul.d/join.conf"
template = "/nowhere/canary.tmpl"
[[watch.file]]
kind = "vault"
path = "/etc/vault.d/a.hcl"
[[watch.file]]
kind = "xml"
[[watch.agent]]
kind = "consul"
url = "http://10.0.0.1:8500"
key_file = "a"
[[watch.on_change]]
signal = "HUP"
[[watch]]
name = "two/three"
"#;
    let problems = judged(text).await.unwrap_err();
    let wanted = [
        "watch.toml:2: `listen` must be an address with a port, as 127.0.0.1:8510, or none",
        "watch.toml:3: unknown key `lisen` (hint: did you mean `listen`?)",
        "watch.toml:4: watch 1: `name` is missing (hint: each of several watches needs one)",
        "watch.toml:6: watch `watch-1`: `interval` must be a duration such as 30s, 1m30s, 1.5h, above zero",
        "watch.toml:7: watch `watch-1`: `min` must be a whole number from 1 to 100000",
    ];
    assert_eq!(problems[..5], wanted);
    let rest = problems[5..].join("\n");
    for part in [
        "watch.toml:11: watch `watch-1`, file 1: cannot read the template /nowhere/canary.tmpl: No such file or directory (os error 2)",
        "watch `watch-1`, file 1: `template` means nothing for `consul` (hint: it belongs to vault, template)",
        "watch `watch-1`, file 1: `path` must end in .hcl or .json for `consul` (hint: the agent reads no other files of its directory)",
        "watch.toml:12: watch `watch-1`, file 2: a `vault` file needs a `template` with the whole `storage` block",
        "watch `watch-1`, file 3: `path` is missing",
        "watch `watch-1`, file 3: unknown `kind` of file",
        "watch `watch-1`, agent 1: `certificate_file` is missing (`key_file` is given)",
        "watch `watch-1`, agent 1: `url` must be https: plain http is for agents on this machine",
        "watch `watch-1`, on_change 1: `pid_file` is missing (`signal` is given)",
        "watch 2: `name` must be at most 64 letters, digits, `-`, `_` and `.`",
        "watch 2: `join` is missing",
        "watch 2: nothing is done with its results",
    ] {
        assert!(rest.contains(part), "{part}\n--- in\n{rest}");
    }
    assert!(
        rest.contains("watch `watch-1`: `resource_group` alone selects nothing"),
        "{rest}"
    );
    assert!(
        !problems
            .join("\n")
            .replace("canary.tmpl", "")
            .contains("canary"),
        "{problems:?}"
    );
}

#[tokio::test]
async fn two_parts_that_would_work_against_each_other_are_refused() {
    let watch = format!(
        "[[watch]]\nname = \"a\"\njoin = \"{JOIN}\"\n[[watch.file]]\nkind = \"lines\"\npath = \"/a\"\n[[watch.agent]]\nkind = \"consul\"\n"
    );
    let problems = judged(&format!("{watch}{watch}")).await.unwrap_err();
    assert_eq!(
        problems,
        [
            "watch.toml:9: two watches are called `a` (hint: give each a `name`)",
            "watch.toml:9: /a is written twice (hint: give each file a path of its own)",
            "watch.toml:9: the consul agent http://127.0.0.1:8500 is there twice",
        ]
    );
}

#[tokio::test]
async fn a_file_that_is_no_toml_is_refused_by_its_line_alone() {
    let problems = judged("listen = \"none\"\nsecret = canary\n")
        .await
        .unwrap_err();
    assert!(
        problems[0].starts_with("watch.toml:2: not TOML: "),
        "{problems:?}"
    );
    assert!(!problems[0].contains("canary"));
}

#[tokio::test]
async fn a_key_that_the_provider_does_not_know_is_a_warning() {
    let text = format!(
        "[[watch]]\njoin = \"{JOIN} resource_grup=x\"\n[[watch.file]]\nkind = \"lines\"\npath = \"/a\"\n"
    );
    assert_eq!(
        judged(&text).await.unwrap().warnings,
        [
            "watch.toml:2: watch `peers`: unknown key `resource_grup` is ignored; did you mean `resource_group`?"
        ]
    );
}

/// `mkfifo`, whose reader waits until there is a writer.
fn pipe(path: &Path) -> String {
    assert!(
        std::process::Command::new("mkfifo")
            .arg(path)
            .status()
            .unwrap()
            .success()
    );
    path.display().to_string()
}

#[tokio::test]
async fn a_named_pipe_in_place_of_a_file_is_refused_at_once() {
    let directory = TempDir::new().unwrap();
    let pipe = pipe(&directory.path().join("pipe"));
    let text = format!(
        "[[watch]]\njoin = \"@{pipe}\"\n[[watch.file]]\nkind = \"template\"\npath = \"/a\"\ntemplate = \"{pipe}\"\n"
    );
    let problems = judged(&text).await.unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains(&format!(
            "cannot read the join string from {pipe}: a named pipe, not a regular file"
        )),
        "{problems:?}"
    );
    assert!(
        problems[1].contains(&format!(
            "cannot read the template {pipe}: a named pipe, not a regular file"
        )),
        "{problems:?}"
    );
}

/// Judges for `--check`, on this machine.
async fn checked(text: &str) -> Result<CheckedConfig, Vec<String>> {
    let context = Context::builder()
        .env(Env::from([("PATH", "/usr/bin:/bin")]))
        .build()
        .unwrap();
    let shown = |problems: Vec<ConfigProblem>| {
        problems
            .iter()
            .map(crate::supervisor::one_line)
            .collect::<Vec<_>>()
    };
    check(
        ConfigSource::parse(Path::new("watch.toml"), text).map_err(shown)?,
        CheckDepth::Machine,
        &context,
    )
    .await
    .map_err(shown)
}

fn watch_with(part: &str) -> String {
    format!("listen = \"none\"\n[[watch]]\njoin = \"{JOIN}\"\n{part}\n")
}

#[tokio::test]
async fn a_configuration_that_cannot_work_on_this_machine_is_found_before_it_runs() {
    let directory = TempDir::new().unwrap();
    let root = directory.path().display();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write(
        "field.tmpl",
        "{% for a in addresses %}{{ a.addres }}{% endfor %}",
    );
    write(
        "vault.tmpl",
        "storage \"raft\" {\n  path = \"/opt/vault\"\n}\n",
    );
    write("script", "#!/bin/sh\n");
    write("file", "");
    let wrong = [
        (
            format!(
                "[[watch.file]]\nkind = \"template\"\npath = \"{root}/a\"\ntemplate = \"{root}/field.tmpl\""
            ),
            7,
            "cannot make the file of sample addresses: the template",
        ),
        (
            format!(
                "[[watch.file]]\nkind = \"vault\"\npath = \"{root}/a.hcl\"\ntemplate = \"{root}/vault.tmpl\""
            ),
            7,
            "the file made of sample addresses is wrong: the `storage \"raft\"` block does not name every address (hint: write `{{ retry_join }}`",
        ),
        (
            format!("[[watch.file]]\nkind = \"lines\"\npath = \"{root}/none/a\""),
            6,
            "No such file or directory",
        ),
        (
            format!("[[watch.file]]\nkind = \"lines\"\npath = \"{root}\""),
            6,
            "it exists and is not a regular file",
        ),
        (
            format!("[[watch.file]]\nkind = \"lines\"\npath = \"{root}/file/a\""),
            6,
            "Not a directory",
        ),
        (
            "[[watch.on_change]]\ncommand = \"no-such-program\"".to_owned(),
            5,
            "there is no program no-such-program on PATH",
        ),
        (
            format!("[[watch.on_change]]\ncommand = \"{root}/none\""),
            5,
            "there is no program",
        ),
        (
            format!("[[watch.on_change]]\ncommand = [\"{root}/script\"]"),
            5,
            "can't be executed (hint: name a program; make a script one with `chmod +x",
        ),
        (
            format!("[[watch.agent]]\nkind = \"consul\"\ntoken_file = \"{root}/none\""),
            4,
            "cannot read",
        ),
        (
            format!("[[watch.agent]]\nkind = \"consul\"\ntoken_file = \"{root}/file\""),
            4,
            "there is no token in",
        ),
    ];
    for (part, line, expected) in wrong {
        let text = watch_with(&part);
        judged(&text).await.unwrap();
        let problems = checked(&text).await.unwrap_err();
        assert!(
            problems.len() == 1
                && problems[0].starts_with(&format!("watch.toml:{line}: "))
                && problems[0].contains(expected),
            "{expected}\n{problems:?}"
        );
    }
    let state = format!(
        "state_directory = \"{root}/file/state\"\n{}",
        watch_with(&format!(
            "[[watch.file]]\nkind = \"lines\"\npath = \"{root}/a\""
        ))
    );
    assert!(checked(&state).await.unwrap_err()[0].starts_with("watch.toml:1: cannot make "));
    // An address of no one: for documentation.
    let listen =
        watch_with("[[watch.on_change]]\ncommand = \"sh\"").replace("none", "192.0.2.1:8510");
    assert!(
        checked(&listen).await.unwrap_err()[0]
            .starts_with("watch.toml:1: cannot listen on 192.0.2.1:8510: ")
    );

    write(
        "good.tmpl",
        "{% for a in addresses if a.instance == 'web-1' %}{{ a.host }}{% endfor %}",
    );
    let good = format!(
        "[[watch.file]]\nkind = \"consul\"\npath = \"{root}/a.hcl\"\n[[watch.on_change]]\ncommand = [\"sh\", \"-c\", \"true\"]\n\
         [[watch.file]]\nkind = \"template\"\npath = \"{root}/b\"\ntemplate = \"{root}/good.tmpl\""
    );
    let warnings = checked(&watch_with(&good)).await.unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "watch.toml:12: watch `peers`, file 2: the template makes an empty file of sample addresses"
        ]
    );
    assert!(!directory.path().join("a.hcl").exists() && !directory.path().join("b").exists());
}

#[tokio::test]
async fn an_interval_has_a_floor_and_a_short_one_is_a_warning() {
    let with = |interval: &str| {
        watch_with(&format!(
            "interval = \"{interval}\"\n[[watch.file]]\nkind = \"lines\"\npath = \"/a\""
        ))
    };
    for interval in ["1ms", "999ms"] {
        let problems = judged(&with(interval)).await.unwrap_err();
        assert_eq!(
            problems,
            [
                "watch.toml:4: watch `peers`: `interval` must be at least 1 s (hint: 30s, the default, is enough for most clusters)"
            ]
        );
    }
    for (interval, warnings) in [("1s", 1), ("9.9s", 1), ("10s", 0)] {
        assert_eq!(
            judged(&with(interval)).await.unwrap().warnings.len(),
            warnings,
            "{interval}"
        );
    }
}

#[tokio::test]
async fn a_label_that_prometheus_does_not_take_is_refused() {
    let with = |name: &str| {
        watch_with(&format!(
            "[[watch.file]]\nkind = \"file_sd\"\npath = \"/a.json\"\nport = 1\nlabels = {{ \"{name}\" = \"x\" }}"
        ))
    };
    for name in ["a-b", "1a", "", "a b", "\u{e9}"] {
        let problems = judged(&with(name)).await.unwrap_err();
        assert!(
            problems[0].starts_with("watch.toml:8: watch `peers`, file 1: `")
                && problems[0].contains("is no name of a label"),
            "{problems:?}"
        );
    }
    judged(&with("_datacenter1")).await.unwrap();
}

#[tokio::test]
async fn the_server_name_of_an_agent_is_its_key_or_the_variable_of_its_tools() {
    let client = async |agent: &str| {
        let env = Env::from([
            ("CONSUL_TLS_SERVER_NAME", "server.dc1.consul"),
            ("NOMAD_TLS_SERVER_NAME", "server.global.nomad"),
        ]);
        let context = Context::builder().env(env).build().unwrap();
        let source = ConfigSource::parse(
            Path::new("watch.toml"),
            &format!("[[watch]]\njoin = \"{JOIN}\"\n[[watch.agent]]\n{agent}"),
        )
        .unwrap();
        let judged = check(source, CheckDepth::Text, &context)
            .await
            .map_err(|problems| {
                problems
                    .iter()
                    .map(crate::supervisor::one_line)
                    .collect::<Vec<_>>()
            });
        judged.map(|judged| {
            judged.config.watches[0].agents[0]
                .client
                .server_name()
                .map(str::to_owned)
        })
    };
    for (agent, name) in [
        (
            "kind = \"consul\"\nurl = \"https://127.0.0.1:8501\"",
            Some("server.dc1.consul"),
        ),
        (
            "kind = \"nomad-server\"\nurl = \"https://127.0.0.1:4646\"",
            Some("server.global.nomad"),
        ),
        (
            "kind = \"nomad-client\"\nurl = \"https://127.0.0.1:4646\"\nserver_name = \"client.global.nomad\"",
            Some("client.global.nomad"),
        ),
        ("kind = \"consul\"", None),
    ] {
        assert_eq!(client(agent).await.unwrap().as_deref(), name, "{agent}");
    }
    assert_eq!(
        client("kind = \"consul\"\nserver_name = \"a.example\"")
            .await
            .unwrap_err(),
        [
            "watch.toml:5: watch `peers`, agent 1: `server_name` means nothing without TLS (hint: give `url` the scheme https)"
        ]
    );
    assert_eq!(
        client("kind = \"consul\"\nurl = \"https://127.0.0.1:8501\"\nserver_name = \"10.0.0.4\"")
            .await
            .unwrap_err(),
        [
            "watch.toml:6: watch `peers`, agent 1: `server_name` must be a DNS name (hint: it is the name in the agent's certificate, as server.dc1.consul)"
        ]
    );
}

#[tokio::test]
async fn a_shared_store_is_read_by_all_members_more_often_than_the_cloud_is_polled() {
    let directory = TempDir::new().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let of = |shared: &str, join: &str| {
        format!(
            "listen = \"none\"\n{shared}\n[[watch]]\njoin = \"{join}\"\n[[watch.on_change]]\ncommand = \"true\"\n"
        )
    };
    let url = format!("url = \"file://{}\"", directory.path().display());
    let shared = format!("[shared]\n{url}\nkey_file = \"{}\"", key.display());
    let config = judged(&of(&shared, JOIN)).await.unwrap().config;
    assert_eq!(config.watches[0].interval, Duration::from_millis(7500));
    assert!(config.watches[0].shared.is_some());
    fs::write(&key, "short").unwrap();
    for (shared, join, line, expected) in [
        ("[shared]", JOIN, 2, "`url` is missing"),
        (
            "[shared]\nurl = \"ftp://hunter2@a/b\"",
            JOIN,
            3,
            "the URL of the shared store",
        ),
        (
            shared.as_str(),
            JOIN,
            4,
            "the key has 5 of at least 16 bytes",
        ),
        (
            &format!("[shared]\n{url}"),
            "provider=azure subscription_id=self tag_name=a tag_value=b",
            5,
            "`subscription_id=self` differs from machine to machine",
        ),
    ] {
        let problems = judged(&of(shared, join)).await.unwrap_err();
        assert!(
            problems.len() == 1
                && problems[0].starts_with(&format!("watch.toml:{line}: "))
                && problems[0].contains(expected)
                && !problems[0].contains("hunter2"),
            "{expected}\n{problems:?}"
        );
    }
}
