//! Files that cannot be written: this is reported, the old file stays whole, and it recovers by
//! itself.
//!
//! Some need root, for a file system of their own or another user; without it they report that they
//! were skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cloud_autojoin_simulator::azure::Simulator;

use crate::harness::{Sidecar, Workspace, command, file_is, join, simulator, until};

fn config(simulator: &Simulator, target: &Path) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\n[[watch]]\njoin = \"{}\"\ninterval = \"20ms\"\nmax_shrink = 100\n[[watch.file]]\nkind = \"lines\"\npath = \"{}\"\n",
        join(simulator),
        target.display()
    )
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A small file system of memory, which goes when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this process may not mount one.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mounted = is_root()
            && Self::run(
                "mount",
                &["-t", "tmpfs", "-o", "size=64k", "tmpfs", at.to_str()?],
            );
        if !mounted {
            println!("skipped: this user may not mount a small file system");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    fn run(program: &str, arguments: &[&str]) -> bool {
        std::process::Command::new(program)
            .args(arguments)
            .output()
            .is_ok_and(|output| output.status.success())
    }

    fn remount(&self, how: &str) {
        assert!(Self::run(
            "mount",
            &["-o", &format!("remount,{how}"), self.0.to_str().unwrap()]
        ));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Self::run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

#[tokio::test]
async fn a_full_disk_is_reported_and_recovers() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let Some(disk) = SmallDisk::mount(&place.path("disk")) else {
        return;
    };
    let target = disk.0.join("a");
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&simulator, &target)));
    file_is(&target, "10.0.1.4\n", &sidecar).await;
    // No byte is left, nor is a file's own page.
    let filler = disk.0.join("filler");
    assert!(fs::write(&filler, vec![b'x'; 1 << 20]).is_err());
    simulator.with_world(|world| world.add_instance("servers").unwrap());
    sidecar
        .logs("No space left on device (os error 28); the old file stays")
        .await;
    assert_eq!(fs::read_to_string(&target).unwrap(), "10.0.1.4\n");
    assert!(
        sidecar
            .get("/")
            .await
            .1
            .contains("make room on the file system of")
    );
    assert!(
        sidecar
            .get("/metrics")
            .await
            .1
            .contains("outcome=\"failed\"}")
    );
    fs::remove_file(&filler).unwrap();
    until(
        "the file to be written",
        || fs::read_to_string(&target).unwrap().lines().count() == 2,
        || sidecar.log(),
    )
    .await;
    // Nothing unfinished is left.
    assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 1);
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn a_read_only_file_system_is_reported_and_recovers() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let Some(disk) = SmallDisk::mount(&place.path("disk")) else {
        return;
    };
    let target = disk.0.join("a");
    fs::write(&target, "old\n").unwrap();
    disk.remount("ro");
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&simulator, &target)));
    sidecar
        .logs("Read-only file system (os error 30); the old file stays")
        .await;
    assert_eq!(sidecar.get("/ready").await.0, 503);
    assert_eq!(fs::read_to_string(&target).unwrap(), "old\n");
    disk.remount("rw");
    file_is(&target, "10.0.1.4\n", &sidecar).await;
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn a_directory_that_goes_and_comes_back_is_written_to_again() {
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let directory = place.path("consul.d");
    let target = directory.join("a");
    fs::create_dir(&directory).unwrap();
    let sidecar = Sidecar::start(&place.write("watch.toml", &config(&simulator, &target)));
    file_is(&target, "10.0.1.4\n", &sidecar).await;
    fs::rename(&directory, place.path("away")).unwrap();
    sidecar
        .logs(&format!(
            "cannot write {}: No such file or directory (os error 2)",
            target.display()
        ))
        .await;
    fs::create_dir(&directory).unwrap();
    file_is(&target, "10.0.1.4\n", &sidecar).await;
    // A lasting failure is logged once.
    assert_eq!(
        sidecar.log().matches("cannot write").count(),
        1,
        "{}",
        sidecar.log()
    );
    sidecar.stop().await;
    simulator.finish();
}

#[tokio::test]
async fn a_directory_without_write_permission_is_reported_and_recovers() {
    if !is_root() {
        println!("skipped: only root can run the sidecar as another user");
        return;
    }
    let (simulator, place) = (simulator(&["10.0.1.4"]).await, Workspace::new());
    let directory = place.path("consul.d");
    fs::create_dir(&directory).unwrap();
    let target = directory.join("a");
    fs::write(&target, "old\n").unwrap();
    let open =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    open(place.root(), 0o755);
    open(&directory, 0o755);
    // The binary may be where another user cannot go.
    let binary = place.path("discover");
    fs::copy(env!("CARGO_BIN_EXE_discover"), &binary).unwrap();
    let file = place.write("watch.toml", &config(&simulator, &target));
    let mut started = tokio::process::Command::new(&binary);
    let inner = command(&[]);
    for (name, value) in inner.as_std().get_envs() {
        if let Some(value) = value {
            started.env(name, value);
        }
    }
    started
        .arg("watch")
        .arg("--config")
        .arg(&file)
        .uid(65_534)
        .gid(65_534);
    started
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true);
    let sidecar = Sidecar::spawn(started);
    sidecar
        .logs("Permission denied (os error 13); the old file stays")
        .await;
    assert_eq!(fs::read_to_string(&target).unwrap(), "old\n");
    // The directory alone is not enough: the group of root's file could not be kept.
    open(&directory, 0o777);
    sidecar.logs("its group 0 could not be kept").await;
    assert_eq!(fs::read_to_string(&target).unwrap(), "old\n");
    fs::remove_file(&target).unwrap();
    file_is(&target, "10.0.1.4\n", &sidecar).await;
    sidecar.stop().await;
    simulator.finish();
}
