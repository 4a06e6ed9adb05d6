#![allow(clippy::unwrap_used, reason = "tests")]
#![cfg(unix)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;

fn names(directory: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_new_file_gets_the_mode_and_an_old_one_keeps_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peers");
    let file = AtomicFile::new(&path).with_mode(0o644);
    assert_eq!(file.write(b"old").unwrap(), Written::Replaced);
    assert_eq!(mode(&path), 0o644);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(file.write(b"new").unwrap(), Written::Replaced);
    assert_eq!(
        (
            mode(&path),
            fs::read(&path).unwrap().as_slice(),
            names(&directory)
        ),
        (0o640, b"new".as_slice(), vec!["peers".to_owned()])
    );
    AtomicFile::new(directory.path().join("state"))
        .write(b"")
        .unwrap();
    assert_eq!(mode(&directory.path().join("state")), 0o600);
}

#[test]
fn the_same_content_touches_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = AtomicFile::new(directory.path().join("peers"));
    file.write(b"same").unwrap();
    let before = fs::metadata(file.path()).unwrap();
    assert_eq!(file.write(b"same").unwrap(), Written::Unchanged);
    let after = fs::metadata(file.path()).unwrap();
    assert_eq!(
        (before.ino(), before.ctime_nsec()),
        (after.ino(), after.ctime_nsec())
    );
}

#[test]
fn a_link_stays_a_link_whether_it_leads_to_a_file_or_nowhere_yet() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("data")).unwrap();
    fs::write(at("data/real"), "old").unwrap();
    symlink("data/real", at("link")).unwrap();
    symlink("../link", at("data/second")).unwrap();
    symlink("data/missing", at("dangling")).unwrap();
    for (link, target) in [
        ("link", "data/real"),
        ("data/second", "data/real"),
        ("dangling", "data/missing"),
    ] {
        let file = AtomicFile::new(at(link));
        assert_eq!(file.write(link.as_bytes()).unwrap(), Written::Replaced);
        assert!(
            fs::symlink_metadata(at(link)).unwrap().is_symlink(),
            "{link}"
        );
        assert!(
            fs::symlink_metadata(at(target)).unwrap().is_file(),
            "{target}"
        );
        assert_eq!(fs::read_to_string(at(target)).unwrap(), link);
    }
    symlink("loop", at("loop")).unwrap();
    let error = AtomicFile::new(at("loop")).write(b"").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot write {}: too many levels of symbolic links; the old file stays",
            at("loop").display()
        )
    );
    assert!(fs::symlink_metadata(at("loop")).unwrap().is_symlink());
}

#[test]
fn a_sweep_removes_what_killed_processes_left_of_exactly_this_file() {
    let directory = tempfile::tempdir().unwrap();
    let left = [
        ".peers.AbCd12.discover-tmp",
        ".peers.json.AbCd12.discover-tmp",
        ".peers.AbCd123.discover-tmp",
        ".peers.AbCd12.tmp",
        "peers",
    ];
    for name in left {
        fs::write(directory.path().join(name), "half").unwrap();
    }
    AtomicFile::new(directory.path().join("peers")).sweep();
    let mut kept = left[1..].to_vec();
    kept.sort_unstable();
    assert_eq!(names(&directory), kept);
    // Through a link it is the file that the link leads to.
    fs::create_dir(directory.path().join("etc")).unwrap();
    symlink("../peers.json", directory.path().join("etc/link")).unwrap();
    AtomicFile::new(directory.path().join("etc/link")).sweep();
    assert!(!names(&directory).contains(&left[1].to_owned()));
}

#[test]
fn a_sweep_leaves_what_another_process_is_writing() {
    let directory = tempfile::tempdir().unwrap();
    let file = AtomicFile::new(directory.path().join("peers"));
    let written = file.write_verified(b"new", |_| {
        AtomicFile::new(directory.path().join("peers")).sweep();
        Ok::<_, WriteError>(())
    });
    assert_eq!(written.unwrap(), Written::Replaced);
    assert_eq!(names(&directory), ["peers"]);
}

#[test]
fn many_writers_of_neighbouring_files_never_fail_and_never_tear() {
    let directory = tempfile::tempdir().unwrap();
    let (peers, json) = (
        directory.path().join("peers"),
        directory.path().join("peers.json"),
    );
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            for path in [&peers, &json] {
                scope.spawn(move || {
                    let file = AtomicFile::new(path);
                    for round in 0..20_u8 {
                        file.sweep();
                        file.write(&vec![b'a' + writer; 1 + usize::from(round)])
                            .unwrap();
                        let read = fs::read(path).unwrap();
                        assert!(read.windows(2).all(|pair| pair[0] == pair[1]), "{read:?}");
                    }
                });
            }
        }
    });
    assert_eq!(names(&directory), ["peers", "peers.json"]);
}

#[test]
fn what_is_read_back_is_verified_before_the_file_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let file = AtomicFile::new(directory.path().join("peers"));
    file.write(b"old").unwrap();
    let refused = file.write_verified(b"new", |read| {
        assert_eq!(read, b"new");
        Err(WriteError::not_a_file(Path::new("refused")))
    });
    assert!(refused.is_err());
    assert_eq!(
        (fs::read(file.path()).unwrap().as_slice(), names(&directory)),
        (b"old".as_slice(), vec!["peers".to_owned()])
    );
}

#[test]
fn the_error_names_the_file_the_reason_and_the_next_step() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("consul.d");
    for (path, reason, hint) in [
        (
            missing.join("a"),
            "No such file or directory (os error 2)",
            format!("make the directory {}", missing.display()),
        ),
        (
            directory.path().to_owned(),
            "it exists and is not a regular file",
            "name a regular file".to_owned(),
        ),
        (
            "/dev/full".into(),
            "it exists and is not a regular file",
            "name a regular file".to_owned(),
        ),
    ] {
        let error = AtomicFile::new(&path).write(b"new").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot write {}: {reason}; the old file stays",
                path.display()
            )
        );
        assert_eq!(error.hint(), Some(hint));
    }
    let busy = WriteError::io(
        Path::new("/etc/peers"),
        io::Error::from(io::ErrorKind::ResourceBusy),
    );
    assert!(
        busy.hint()
            .unwrap()
            .ends_with("mount its directory instead"),
        "{busy:?}"
    );
}

#[test]
fn owner_and_group_are_kept_only_if_requested() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peers");
    fs::write(&path, "old").unwrap();
    // Only root can give files away; elsewhere the owner stays who runs the test, which must hold
    // as well.
    let _ = std::os::unix::fs::chown(&path, Some(12_345), Some(12_346));
    let owner = |path: &Path| {
        fs::metadata(path)
            .map(|metadata| (metadata.uid(), metadata.gid()))
            .unwrap()
    };
    let before = owner(&path);
    AtomicFile::new(&path)
        .keeping_owner()
        .write(b"new")
        .unwrap();
    assert_eq!(owner(&path), before);
    AtomicFile::new(&path).write(b"newer").unwrap();
    fs::write(directory.path().join("mine"), "").unwrap();
    assert_eq!(owner(&path), owner(&directory.path().join("mine")));
}
