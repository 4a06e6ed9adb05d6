//! What a configuration means, and that everything that is wrong with it is said at once.

use std::fs;

use cloud_autojoin::Env;
use tempfile::TempDir;

use super::*;
use crate::watch::output::Kind;

const JOIN: &str = "provider=azure subscription_id=22222222-2222-4222-8222-222222222222 resource_group=a vm_scale_set=b";

async fn judged(text: &str) -> Result<Judged, Vec<String>> {
    let context = Context::builder().env(Env::from([("STATE_DIRECTORY", "/var/lib/discover:/other")])).build().unwrap();
    let shown = |problems: Vec<ConfigProblem>| problems.iter().map(crate::watch::daemon::shown).collect::<Vec<_>>();
    judge(parse(Path::new("watch.toml"), text).map_err(shown)?, &context).await.map_err(shown)
}

#[tokio::test]
async fn the_shortest_configuration_has_the_defaults() {
    let text = format!("[[watch]]\njoin = \"{JOIN}\"\n[[watch.file]]\nkind = \"consul\"\npath = \"/etc/consul.d/join.hcl\"\n");
    let Judged { config, warnings } = judged(&text).await.unwrap();
    assert_eq!((config.listen, warnings.len()), (Some("127.0.0.1:8510".parse().unwrap()), 0));
    let watch = &config.watches[0];
    assert_eq!((watch.name.as_str(), watch.interval, watch.timeout, watch.splay), ("peers", Duration::from_secs(30), Duration::from_secs(60), Duration::ZERO));
    assert_eq!(watch.guards, Guards::default());
    assert_eq!(watch.last_good.as_deref(), Some(Path::new("/var/lib/discover/peers.json")));
    assert_eq!(
        watch.outputs[0],
        Output { kind: Kind::Consul(crate::watch::output::Syntax::Hcl), path: "/etc/consul.d/join.hcl".into(), port: None, mode: 0o644 }
    );
}

#[tokio::test]
async fn everything_can_be_said() {
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
    let [servers, clients] = &config.watches[..] else { panic!("not two") };
    assert_eq!((servers.guards.min, servers.guards.stable_for, servers.guards.max_shrink), (3, Duration::from_secs(10), None));
    assert_eq!((servers.outputs[0].mode, servers.outputs[0].port), (0o640, Some(8200)));
    assert_eq!((servers.agents.len(), servers.on_change.len(), servers.on_change[0].debounce), (1, 2, Duration::ZERO));
    assert_eq!(clients.join.get("tag_name"), Some("a b"));
    assert!(servers.says_the_same(&judged(&text).await.unwrap().config.watches[0]));
    assert!(!servers.says_the_same(&judged(&text.replace("1m", "2m")).await.unwrap().config.watches[0]));
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once_and_no_value_is_repeated() {
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
        "`listen` must be an address with a port, as 127.0.0.1:8510, or none",
        "unknown key `lisen` (hint: did you mean `listen`?)",
        "watch 1: `name` is missing (hint: each of several watches needs one)",
        "watch `watch-1`: `interval` must be a duration such as 30s, 1m30s, 1.5h, above zero",
        "watch `watch-1`: `min` must be a whole number from 1 to 100000",
    ];
    assert_eq!(problems[..5], wanted);
    let rest = problems[5..].join("\n");
    for part in [
        "watch `watch-1`, file 1: cannot read the template /nowhere/canary.tmpl: No such file or directory (os error 2)",
        "watch `watch-1`, file 1: `template` means nothing for `consul` (hint: it belongs to vault, template)",
        "watch `watch-1`, file 1: `path` must end in .hcl or .json for `consul` (hint: the agent reads no other files of its directory)",
        "watch `watch-1`, file 2: a `vault` file needs a `template` with the whole `storage` block",
        "watch `watch-1`, file 3: `path` is missing",
        "watch `watch-1`, file 3: unknown `kind` of file",
        "watch `watch-1`, agent 1: `certificate_file` is missing (`key_file` is given)",
        "watch `watch-1`, agent 1: `url` must be https: plain http is for agents on this machine",
        "watch `watch-1`, on_change 1: `pid_file` is missing (`signal` is given)",
        "watch 2: `name` must be at most 64 letters, digits, `-`, `_` and `.`",
        "watch 2: `join` is missing",
        "watch 2: nothing is done with its answers",
    ] {
        assert!(rest.contains(part), "{part}\n--- in\n{rest}");
    }
    assert!(rest.contains("watch `watch-1`: `resource_group` alone selects nothing"), "{rest}");
    assert!(!problems.join("\n").replace("canary.tmpl", "").contains("canary"), "{problems:?}");
}

#[tokio::test]
async fn two_parts_that_would_work_against_each_other_are_refused() {
    let watch = format!("[[watch]]\nname = \"a\"\njoin = \"{JOIN}\"\n[[watch.file]]\nkind = \"lines\"\npath = \"/a\"\n[[watch.agent]]\nkind = \"consul\"\n");
    let problems = judged(&format!("{watch}{watch}")).await.unwrap_err();
    assert_eq!(
        problems,
        [
            "two watches are called `a` (hint: give each a `name`)",
            "/a is written twice (hint: give each file a path of its own)",
            "the consul agent http://127.0.0.1:8500 is there twice",
        ]
    );
}

#[tokio::test]
async fn a_file_that_is_no_toml_is_refused_by_its_line_alone() {
    let problems = judged("listen = \"none\"\nsecret = canary\n").await.unwrap_err();
    assert!(problems[0].starts_with("watch.toml is not TOML: ") && problems[0].ends_with("(line 2)"), "{problems:?}");
    assert!(!problems[0].contains("canary"));
}

#[tokio::test]
async fn a_key_that_the_provider_does_not_know_is_a_warning() {
    let text = format!("[[watch]]\njoin = \"{JOIN} resource_grup=x\"\n[[watch.file]]\nkind = \"lines\"\npath = \"/a\"\n");
    assert_eq!(judged(&text).await.unwrap().warnings, ["watch `peers`: unknown key `resource_grup` is ignored; did you mean `resource_group`?"]);
}

/// `mkfifo`, whose reader waits until there is a writer.
fn pipe(path: &Path) -> String {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    path.display().to_string()
}

#[tokio::test]
async fn a_named_pipe_in_place_of_a_file_is_refused_at_once() {
    let directory = TempDir::new().unwrap();
    let pipe = pipe(&directory.path().join("pipe"));
    let text = format!("[[watch]]\njoin = \"@{pipe}\"\n[[watch.file]]\nkind = \"template\"\npath = \"/a\"\ntemplate = \"{pipe}\"\n");
    let problems = judged(&text).await.unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains(&format!("cannot read the join string from {pipe}: a named pipe, not a regular file")), "{problems:?}");
    assert!(problems[1].contains(&format!("cannot read the template {pipe}: a named pipe, not a regular file")), "{problems:?}");
}
