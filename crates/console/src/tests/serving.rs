//! The console on a real socket, from the first request to the stop.

use std::sync::Arc;
use std::time::Duration;

use store::{OpenRole, Sqlite, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Rig, now, seed};
use crate::App;

async fn ask(port: u16, path: &str, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {cookie}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(wanted) {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

#[tokio::test]
async fn a_real_listener_serves_streams_and_stops_with_a_stream_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(folder.path(), OpenRole::Node).unwrap());
    seed::fill(store.as_ref(), &seed::cases(), now()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let cookie = super::session_in(store.as_ref(), port);
    let live = tokio::sync::broadcast::Sender::new(4);
    let app = App {
        store,
        clock: Arc::new(event::ManualClock::at(now())),
        status: Arc::new(Status::default),
        metrics: Arc::new(String::new),
        live: live.clone(),
        setup_token: String::new(),
        demo: true,
        random: |bytes| bytes.fill(7),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(crate::serve(listener, app, async move {
        stopped.await.unwrap();
    }));

    let page = read_until(&mut ask(port, "/", &cookie).await, "</html>").await;
    assert!(page.contains("demo data"));
    let mut stream = ask(port, "/api/events/stream", &cookie).await;
    let hello = read_until(&mut stream, "event: hello").await;
    assert!(hello.contains("text/event-stream"), "{hello}");
    live.send(crate::Changed {
        topic: "approvals",
        version: 1,
    })
    .unwrap();
    read_until(&mut stream, "\"topic\":\"approvals\"").await;

    stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), served).await;
    ended
        .expect("serve returns although a browser listens")
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn an_empty_set_up_token_opens_nothing() {
    let rig = Rig::without_token();
    let form = "token=&name=ana&password=correct+horse+battery";
    assert_eq!(rig.post("/setup", form).await.status, 403);
}
