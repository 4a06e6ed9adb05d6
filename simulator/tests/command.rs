//! The binary `discover-sim`: what it runs, prints and writes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn discover_sim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_discover-sim"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    discover_sim(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A shell script in the simulated cloud, which stops at the first failure and has curl to call;
/// none where curl isn't installed.
fn script(options: &[&str], script: &str) -> Option<Output> {
    let have = Command::new("curl").arg("--version").output();
    if !have.is_ok_and(|output| output.status.success()) {
        println!("skipped: this test drives curl, which is not installed");
        return None;
    }
    let mut arguments = vec!["run", "--world", "nomad-consul"];
    arguments.extend_from_slice(options);
    arguments.extend_from_slice(&["--", "sh", "-ec", script]);
    Some(run(&arguments))
}

const TOKEN: &str = r#"token=$(curl -sS --fail-with-body -d grant_type=client_credentials -d client_id=$ARM_CLIENT_ID --data-urlencode client_secret=$ARM_CLIENT_SECRET \
    -d scope=https://management.azure.com/.default https://login.microsoftonline.com/$ARM_TENANT_ID/oauth2/v2.0/token | sed 's/.*"access_token":"\([^"]*\)".*/\1/')"#;

const LIST: &str = r#"curl -sS --compressed -H "Authorization: Bearer $token" -w '\n%{http_code} %{http_version}\n' \
    "https://management.azure.com/subscriptions/$ARM_SUBSCRIPTION_ID/resourceGroups/cluster/providers/Microsoft.Network/networkInterfaces?api-version=2024-05-01""#;

#[test]
fn curl_finds_the_cloud_under_its_names() {
    let Some(output) = script(&["--credentials"], &format!("{TOKEN}\n{LIST}")) else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let text = out(&output);
    let (body, code) = text.trim_end().rsplit_once('\n').unwrap();
    let page: Value = serde_json::from_str(body).unwrap();
    assert_eq!(code, "200 2");
    assert!(page["value"].as_array().unwrap().len() > 6, "{body}");
    let summary = err(&output);
    assert!(
        summary.starts_with("discover-sim: 2 requests\n"),
        "{summary}"
    );
    assert!(
        summary.contains("list-group-network-interfaces") && summary.contains("200 x1"),
        "{summary}"
    );
    assert!(
        !summary.contains("unexpected") && !summary.contains("example-secret"),
        "{summary}"
    );
}

#[test]
fn curl_finds_instance_metadata_at_its_address() {
    let request = r#"curl -sS -H Metadata:true "http://169.254.169.254/metadata/instance/compute?api-version=2021-03-01""#;
    let Some(output) = script(&[], request) else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let compute: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(compute["provider"], "Microsoft.Compute");
}

#[test]
fn another_host_is_unreachable_and_in_the_summary() {
    let Some(output) = script(&[], "curl -sS https://elsewhere.example/") else {
        return;
    };
    assert!(!output.status.success());
    assert!(
        err(&output).contains("discover-sim: unexpected: CONNECT elsewhere.example:443 -> 502"),
        "{}",
        err(&output)
    );
}

#[test]
fn faults_and_record_work_from_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("record.json");
    let options = [
        "--credentials",
        "--quiet",
        "--fault",
        "status=429,retry-after=3,times=1,endpoint=arm",
        "--latency",
        "1ms",
        "--record",
        record.to_str().unwrap(),
    ];
    let Some(output) = script(&options, &format!("{TOKEN}\n{LIST}\n{LIST}")) else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    assert!(err(&output).is_empty(), "{}", err(&output));
    let record: Value = serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
    let statuses: Vec<&Value> = record["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|request| &request["status"])
        .collect();
    assert_eq!(statuses, [200, 429, 200]);
    assert_eq!(
        (
            &record["sequential_depth"]["arm"],
            &record["sequential_depth_of_all"]
        ),
        (&Value::from(2), &Value::from(3))
    );
    assert_eq!(record["requests"][1]["faults"][0], "status 429");
}

#[test]
fn the_exit_status_is_the_commands() {
    assert_eq!(
        run(&["run", "--", "sh", "-c", "exit 7"]).status.code(),
        Some(7)
    );
    assert_eq!(
        run(&["run", "--", "sh", "-c", "kill -KILL $$"])
            .status
            .code(),
        Some(137)
    );
    let missing = run(&["run", "--", "/no/such/program"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        err(&missing).contains("cannot run `/no/such/program`"),
        "{}",
        err(&missing)
    );
}

#[test]
fn without_credentials_none_are_set_and_what_leads_elsewhere_is_taken_away() {
    let mut command = discover_sim(&[
        "run",
        "--quiet",
        "--",
        "sh",
        "-c",
        "echo \"[$ARM_CLIENT_SECRET$ALL_PROXY$SSL_CERT_DIR] $NO_PROXY $HTTPS_PROXY $http_proxy\"; test -s $SSL_CERT_FILE",
    ]);
    let output = command
        .env("ALL_PROXY", "socks5://elsewhere.example")
        .env("SSL_CERT_DIR", "/etc/ssl/certs")
        .env_remove("ARM_CLIENT_SECRET")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = out(&output);
    assert!(
        text.starts_with("[] localhost,127.0.0.1,::1 http://127.0.0.1:"),
        "{text}"
    );
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(words[2], words[3]);
}

#[test]
fn mistakes_are_named() {
    for (arguments, words) in [
        (
            vec!["run", "--world", "nowhere", "--", "true"],
            "no world `nowhere` is shipped: there are nomad-consul",
        ),
        (
            vec!["run", "--world", "/no/such.toml", "--", "true"],
            "cannot read the world `/no/such.toml`",
        ),
        (
            vec!["run", "--fault", "explode", "--", "true"],
            "no action `explode`",
        ),
        (
            vec!["run", "--latency", "soon", "--", "true"],
            "`soon` is no duration",
        ),
        (
            vec!["scripted", "nowhere"],
            "cannot read nowhere: No such file or directory",
        ),
        (vec!["worlds", "nowhere"], "no world `nowhere` is shipped"),
        (
            vec!["serve", "--control", "0.0.0.0:7070"],
            "must be a loopback address",
        ),
        (
            vec!["replace", "nomad"],
            "required arguments were not provided: <INSTANCE>",
        ),
        (
            vec!["remove", "nomad", "nomad-1"],
            "it isn't known which simulator to change",
        ),
        (vec!["sevre"], "unrecognized subcommand 'sevre'"),
    ] {
        let output = discover_sim(&arguments)
            .env_remove("DISCOVER_SIM_CONTROL")
            .output()
            .unwrap();
        assert!(!output.status.success());
        let text = err(&output);
        assert!(text.contains(words), "{arguments:?}: {text}");
        // In the form of `discover`.
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines.len() == 2
                && lines[0].starts_with("discover-sim: ")
                && lines[1].starts_with("hint: "),
            "{arguments:?}: {text}"
        );
    }
}

#[test]
fn invalid_usage_exits_with_2_and_names_the_help() {
    let output = run(&["run", "--latency", "soon", "--", "true"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        err(&output),
        "discover-sim: invalid value 'soon' for '--latency <DURATION>': `soon` is no duration; write it as `50ms`, `1.5s` or `2m`\n\
         hint: `discover-sim run --help` lists the options\n"
    );
    for arguments in [&["--help"][..], &[]] {
        let output = run(arguments);
        assert!(
            output.status.success() && out(&output).contains("Usage: discover-sim <COMMAND>"),
            "{output:?}"
        );
    }
}

#[test]
fn worlds_are_listed_and_printed() {
    let list = out(&run(&["worlds"]));
    assert!(
        list.lines().count() >= 4 && list.lines().all(|line| line.len() > 20),
        "{list}"
    );
    for line in list.lines() {
        let name = line.split_whitespace().next().unwrap();
        let text = out(&run(&["worlds", name]));
        assert!(
            cloud_autojoin_simulator::azure::world::World::from_toml(&text).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn a_world_can_be_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("own.toml");
    std::fs::write(&file, out(&run(&["worlds", "uniform"]))).unwrap();
    assert!(
        run(&["run", "--world", file.to_str().unwrap(), "--", "true"])
            .status
            .success()
    );
}

/// A process that doesn't outlive its test.
struct Running(Option<std::process::Child>);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(Some(
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        ))
    }

    fn child(&mut self) -> &mut std::process::Child {
        self.0.as_mut().unwrap()
    }

    fn end(mut self) -> Output {
        let id = self.child().id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &id])
                .status()
                .unwrap()
                .success()
        );
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits for the file that `serve` writes when it is open, without a clock of its own: the process
/// ends or the file comes.
fn ready(file: &Path, serving: &mut std::process::Child) -> Value {
    loop {
        if let Ok(text) = std::fs::read_to_string(file) {
            return serde_json::from_str(&text).unwrap();
        }
        assert!(
            serving.try_wait().unwrap().is_none(),
            "discover-sim serve ended"
        );
        std::thread::yield_now();
    }
}

/// A simulator that serves, and what it wrote when it was ready.
fn served(directory: &Path, options: &[&str]) -> (Running, Value) {
    let file = directory.join("ready.json");
    let mut arguments = vec!["serve", "--ready-file", file.to_str().unwrap()];
    arguments.extend_from_slice(options);
    let mut serving = Running::start(&mut discover_sim(&arguments));
    let ready = ready(&file, serving.child());
    (serving, ready)
}

#[test]
fn a_running_simulator_is_changed_from_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let (serving, ready) = served(directory.path(), &["--world", "uniform"]);
    let control = ready["control"].as_str().unwrap();
    let change = |arguments: &[&str]| {
        let output = run(&[arguments, &["--control", control]].concat());
        (output.status.code().unwrap(), out(&output), err(&output))
    };
    let done = |text: &str| (0, text.to_owned(), String::new());
    let metadata = ready["metadata_endpoint"]
        .as_str()
        .unwrap()
        .strip_prefix("http://")
        .unwrap();
    let status = || {
        let mut stream = std::net::TcpStream::connect(metadata).unwrap();
        stream
            .write_all(
                b"GET /metadata/instance?api-version=2021-03-01 HTTP/1.0\r\nMetadata: true\r\n\r\n",
            )
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    };
    let set = "vault";
    let (code, number, _) = change(&["add", set]);
    let number = number.trim_end().to_owned();
    assert!(code == 0 && number.parse::<u32>().is_ok(), "{number}");
    let (code, next, _) = change(&["replace", set, &number]);
    assert!(
        code == 0 && next.trim_end().parse::<u32>().unwrap() > number.parse().unwrap(),
        "{next}"
    );
    assert_eq!(change(&["remove", set, next.trim_end()]), done(""));
    assert_eq!(
        change(&["remove", set, &number]),
        (
            1,
            String::new(),
            format!("discover-sim: there is no Uniform instance `{set}/{number}`\n")
        )
    );

    assert_eq!(status(), "200");
    assert_eq!(change(&["fault", "status=503,endpoint=metadata"]), done(""));
    assert_eq!(status(), "503");
    assert_eq!(change(&["fault", "--clear"]), done(""));
    assert_eq!(status(), "200");
    let (code, _, problem) = change(&["fault", "explode"]);
    assert!(
        code == 1 && problem.contains("no action `explode`"),
        "{problem}"
    );
    let output = serving.end();
    assert!(
        out(&output).contains(&format!("control    {control}\n")),
        "{}",
        out(&output)
    );
}

#[test]
fn a_command_changes_the_simulator_that_it_runs_in() {
    let script = format!(
        "{} add consul-servers && {0} fault hang",
        env!("CARGO_BIN_EXE_discover-sim")
    );
    let output = run(&["run", "--quiet", "--", "sh", "-ec", &script]);
    assert!(
        output.status.success() && out(&output).starts_with("consul-servers"),
        "{output:?}"
    );
}

#[test]
fn without_a_simulator_a_change_names_the_address() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let output = run(&["add", "nomad", "--control", &format!("127.0.0.1:{port}")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).starts_with(&format!(
            "discover-sim: cannot reach a simulator at 127.0.0.1:{port}: "
        )),
        "{}",
        err(&output)
    );
}

#[test]
fn a_directory_keeps_the_certificate_authority_across_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let option = ["--directory", directory.path().to_str().unwrap()];
    let (first, _) = served(directory.path(), &option);
    let trusted = std::fs::read(directory.path().join("ca.pem")).unwrap();
    first.end();
    let (second, ready) = served(directory.path(), &option);
    // What trusted the first run's certificate trusts the second run.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&trusted).unwrap()])
        .no_proxy()
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let response = runtime.block_on(client.get(ready["authority_host"].as_str().unwrap()).send());
    assert_eq!(response.unwrap().status(), 404);
    second.end();
}

#[test]
fn a_script_is_served_to_a_command() {
    let url = "https://api.digitalocean.com/v2/droplets?tag_name=consul";
    let script = format!(
        "curl -sS -H 'Authorization: Bearer example-token' '{url}' && echo $DISCOVER_SIM_SERVICE_ENDPOINT"
    );
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: this test drives curl, which is not installed");
        return;
    }
    let output = run(&[
        "scripted",
        "digitalocean",
        "--fault",
        "delay=1ms",
        "--",
        "sh",
        "-ec",
        &script,
    ]);
    assert!(
        output.status.success()
            && out(&output).contains("consul-1")
            && out(&output).contains("\nhttp://127.0.0.1:"),
        "{output:?}"
    );
    assert!(
        err(&output).contains("service    list-droplets"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_script_is_served_until_interrupted_and_takes_faults() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ready.json");
    let mut serving = Running::start(&mut discover_sim(&[
        "scripted",
        "digitalocean",
        "--ready-file",
        file.to_str().unwrap(),
    ]));
    let ready = ready(&file, serving.child());
    let control = ready["control"].as_str().unwrap();
    assert_eq!(
        ready["join_string"],
        "provider=digitalocean api_token=example-token tag_name=consul"
    );
    assert!(
        run(&["fault", "hang", "--control", control])
            .status
            .success()
    );
    let refused = run(&["add", "set", "--control", control]);
    assert_eq!(
        err(&refused),
        "discover-sim: a scripted service has no scale sets: only faults can change it\n"
    );
    let output = serving.end();
    assert!(
        out(&output).contains("A join string:\nprovider=digitalocean "),
        "{}",
        out(&output)
    );
}

#[test]
fn serve_prints_its_addresses_and_ends_on_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ready.json");
    let arguments = [
        "serve",
        "--ready-file",
        file.to_str().unwrap(),
        "--directory",
        directory.path().to_str().unwrap(),
    ];
    let mut serving = Running::start(&mut discover_sim(&arguments));
    let ready = ready(&file, serving.child());
    assert_eq!(
        ready["ca_file"],
        directory.path().join("ca.pem").to_str().unwrap()
    );
    let arm = ready["arm_endpoint"].as_str().unwrap();
    let join = ready["join_string"].as_str().unwrap();
    assert!(
        join.starts_with("provider=azure ")
            && join.contains("vm_scale_set=consul-servers")
            && join.contains(&format!("arm_endpoint={arm} ")),
        "{join}"
    );
    assert!(std::net::TcpStream::connect(arm.strip_prefix("http://").unwrap()).is_ok());
    let output = serving.end();
    assert!(output.status.success());
    assert!(
        out(&output).contains(join) && out(&output).contains("HTTPS_PROXY=http://127.0.0.1:"),
        "{}",
        out(&output)
    );
    assert!(!file.exists());
}
