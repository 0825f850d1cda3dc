use std::fs::{File, read_to_string};
use std::io::ErrorKind;

use super::*;

/// Runs `body` in a thread that has entered the sandbox.
fn inside<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        enter().unwrap();
        body()
    });
    thread.join().unwrap()
}

#[test]
fn reading_is_left_and_writing_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    std::fs::write(&old, "text").unwrap();
    let (read, appended, created) = inside({
        let new = new.clone();
        move || {
            let appended = File::options().append(true).open(&old);
            (
                read_to_string(&old),
                appended.map(drop),
                File::create(new).map(drop),
            )
        }
    });
    assert_eq!(read.unwrap(), "text");
    for refused in [appended, created] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
    assert!(!new.exists());
}

#[test]
fn neither_a_thread_nor_a_socket_nor_a_removal_is_left() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_owned();
    let (thread, socket, removed) = inside(move || {
        let thread = std::thread::Builder::new().spawn(|| ()).map(drop);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").map(drop);
        (thread, socket, std::fs::remove_file(path))
    });
    for refused in [thread, socket, removed] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}

#[test]
fn no_program_is_left() {
    #[expect(clippy::disallowed_methods, reason = "proves that it is refused")]
    let started = inside(|| std::process::Command::new("true").status().map(drop));
    assert_eq!(started.unwrap_err().kind(), ErrorKind::PermissionDenied);
}
