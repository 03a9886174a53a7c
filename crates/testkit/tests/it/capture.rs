//! The capturing server captures.

use handshake_testkit::capture::Capture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test]
async fn every_byte_is_kept_and_the_answer_follows_a_whole_request() {
    let capture = Capture::start(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    capture.assert_untouched();
    let mut socket = TcpStream::connect(capture.address())
        .await
        .expect("connected");
    let request = b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";
    for half in request.chunks(20) {
        socket.write_all(half).await.expect("sent");
    }
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("answered");
    assert_eq!(answer, b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(capture.bytes(), request);
    assert_eq!(capture.connections(), 1);
}

#[tokio::test]
#[should_panic(expected = "somebody connected")]
async fn a_bare_connection_is_not_nothing() {
    let capture = Capture::start(b"").await;
    let _socket = TcpStream::connect(capture.address())
        .await
        .expect("connected");
    while capture.connections() == 0 {
        tokio::task::yield_now().await;
    }
    capture.assert_untouched();
}
