//! Servers with every fault that a server can have, whatever the protocol.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server;

/// Who speaks first in the protocol that the server pretends to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    Client,
    Server,
}

impl First {
    /// Waits for the client's first words if it is to speak first.
    async fn wait(self, stream: &mut TcpStream) {
        if self == Self::Client {
            let _ = stream.read(&mut [0; 4096]).await;
        }
    }
}

/// Accepts and stays silent.
pub(crate) async fn silent() -> SocketAddr {
    saying(First::Server, b"").await
}

/// Says this, then nothing more, and keeps the connection open.
pub(crate) async fn saying(first: First, words: &'static [u8]) -> SocketAddr {
    server(move |mut stream| async move {
        first.wait(&mut stream).await;
        let _ = stream.write_all(words).await;
        std::future::pending::<()>().await;
    })
    .await
}

/// Says this, then `piece` for ever, with a pause before each.
pub(crate) async fn dripping(
    first: First,
    start: &'static [u8],
    piece: &'static [u8],
    pause: Duration,
) -> SocketAddr {
    server(move |mut stream| async move {
        first.wait(&mut stream).await;
        let _ = stream.write_all(start).await;
        while stream.write_all(piece).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    })
    .await
}

/// Says this, then that it will say no more, and goes on listening.
pub(crate) async fn half_closing(first: First, words: &'static [u8]) -> SocketAddr {
    server(move |mut stream| async move {
        first.wait(&mut stream).await;
        let _ = stream.write_all(words).await;
        let _ = stream.shutdown().await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await
}

/// A port of 127.0.0.1 on which nobody listens, and nobody can while the socket lives.
pub(crate) fn refusing() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A port of 127.0.0.1 that does not answer at all, as behind a filter that drops, while the
/// sockets live: its accept queue is full.
pub(crate) async fn filtered() -> ((socket2::Socket, Vec<TcpStream>), SocketAddr) {
    let (socket, address) = refusing();
    socket.listen(0).unwrap();
    let mut filling = Vec::new();
    loop {
        let connecting = TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(500), connecting).await {
            Ok(stream) => filling.push(stream.unwrap()),
            Err(_) => return ((socket, filling), address),
        }
    }
}
