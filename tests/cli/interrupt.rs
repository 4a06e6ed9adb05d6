//! Ctrl-C, which a terminal sends to the process group of `discover` alone.

#![cfg(unix)]

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

#[test]
fn an_interrupted_call_ends_the_azure_cli_and_what_that_started() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
        assert!(
            Command::new(program)
                .args(arguments)
                .status()
                .unwrap()
                .success()
        )
    };
    run("mkfifo", &[path("alive").as_os_str()]);
    // As the real one, a script around an interpreter, which holds the pipe open while it lives.
    fs::write(
        path("az"),
        format!(
            "#!/bin/sh\n(echo started; exec tail -f /dev/null) > {} &\nwait\n",
            path("alive").display()
        ),
    )
    .unwrap();
    fs::set_permissions(path("az"), Permissions::from_mode(0o755)).unwrap();
    let subscription = "subscription_id=22222222-2222-4222-8222-222222222222";
    let mut discover = Command::new(env!("CARGO_BIN_EXE_discover"))
        .args([
            "addrs",
            "--timeout=60s",
            "provider=azure",
            subscription,
            "resource_group=a",
            "vm_scale_set=b",
        ])
        .args([
            "token_credentials=AzureCLICredential",
            "arm_endpoint=http://127.0.0.1:9",
            "audience=https://management.azure.com/",
        ])
        .env_clear()
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", directory.path().display()),
        )
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Waits for the child of the script.
    let mut alive = fs::File::open(path("alive")).unwrap();
    let mut started = [0; 8];
    alive.read_exact(&mut started).unwrap();
    run(
        "sh",
        &[
            "-c".as_ref(),
            format!("kill -INT {}", discover.id()).as_ref(),
        ],
    );
    assert_eq!(discover.wait().unwrap().code(), Some(130));
    // The end of the pipe is the end of that child. Without it the test would wait.
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(alive.read_to_end(&mut Vec::new())));
    ended
        .recv_timeout(std::time::Duration::from_secs(30))
        .expect("a process outlives the call")
        .unwrap();
}
