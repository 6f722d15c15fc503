//! Servers with faults.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{CertificateParams, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::common::authority::{Authority, authority, server_config};
use crate::common::faults::{First, filtered, refusing};
use crate::common::server;
use crate::speech::Speech;
use crate::subject::Subject;

/// What a server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody listens on the port.
    Refuses,
    /// Packets get lost on their way.
    Filtered,
    /// Accepts and stays silent.
    Silent,
    /// Says the right thing, but each byte comes late.
    ByteByByte,
    /// What may come before an answer never ends.
    EndlessPrelude,
    EndlessHead,
    EndlessBody,
    /// Says something else, and waits.
    Garbage,
    /// Resets the connection in the middle of the answer.
    ResetInTheMiddle,
    /// Ends its half of the connection in the middle of the answer, and goes on listening.
    HalfClose,
    /// Accepts and closes at once.
    Closes,
    /// Its certificate is for another name.
    WrongName,
    Expired,
    SelfSigned,
}

impl Fault {
    pub(crate) const ALL: [Self; 14] = [
        Self::Refuses,
        Self::Filtered,
        Self::Silent,
        Self::ByteByByte,
        Self::EndlessPrelude,
        Self::EndlessHead,
        Self::EndlessBody,
        Self::Garbage,
        Self::ResetInTheMiddle,
        Self::HalfClose,
        Self::Closes,
        Self::WrongName,
        Self::Expired,
        Self::SelfSigned,
    ];
}

/// Between two bytes of [`Fault::ByteByByte`]: less than the timeout, which is for the whole run.
const PAUSE: Duration = Duration::from_millis(100);
/// Nothing in any protocol.
const GARBAGE: [u8; 12] = *b"\xff\xfe\0\x80\xff\xfe\0\x80\xff\xfe\0\x80";
/// The name that checks expect in certificates.
pub(crate) const NAME: &str = "www.example.org";

/// What the servers share, and keep while the test runs.
pub(crate) struct Lab {
    pub(crate) authority: Authority,
    good: TlsAcceptor,
    wrong_name: TlsAcceptor,
    expired: TlsAcceptor,
    self_signed: TlsAcceptor,
    refusing: (socket2::Socket, SocketAddr),
    filtered: ((socket2::Socket, Vec<TcpStream>), SocketAddr),
}

impl Lab {
    pub(crate) async fn new() -> Self {
        let authority = authority();
        let certified = |name, signer, change: fn(&mut CertificateParams)| {
            let mut config = server_config(&[name], signer, None, change);
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            TlsAcceptor::from(Arc::new(config))
        };
        let expired = |params: &mut CertificateParams| {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        };
        Self {
            good: certified(NAME, Some(&authority), |_| ()),
            wrong_name: certified("mail.example.org", Some(&authority), |_| ()),
            expired: certified(NAME, Some(&authority), expired),
            self_signed: certified(NAME, None, |_| ()),
            authority,
            refusing: refusing(),
            filtered: filtered().await,
        }
    }

    fn certificate(&self, fault: Fault) -> Option<TlsAcceptor> {
        match fault {
            Fault::WrongName => Some(self.wrong_name.clone()),
            Fault::Expired => Some(self.expired.clone()),
            Fault::SelfSigned => Some(self.self_signed.clone()),
            _ => None,
        }
    }
}

/// Starts a server. Gives its address, and how many bytes it has said up to now.
pub(crate) async fn start(
    subject: Subject,
    fault: Fault,
    lab: &Lab,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let said = Arc::new(AtomicUsize::new(0));
    let address = match fault {
        _ if subject.has_datagrams() => datagrams(fault, Arc::clone(&said)).await,
        Fault::Refuses => lab.refusing.1,
        Fault::Filtered => lab.filtered.1,
        _ => {
            let shown = lab.certificate(fault);
            let good = Speech::of(subject).tls.then(|| lab.good.clone());
            let (acceptor, said) = (shown.or(good), Arc::clone(&said));
            server(move |stream| treat(stream, subject, fault, acceptor.clone(), Arc::clone(&said)))
                .await
        }
    };
    (address, said)
}

async fn treat(
    mut stream: TcpStream,
    subject: Subject,
    fault: Fault,
    acceptor: Option<TlsAcceptor>,
    said: Arc<AtomicUsize>,
) {
    if fault == Fault::Closes {
        return;
    }
    stream.set_nodelay(true).unwrap();
    socket2::SockRef::from(&stream).set_send_buffer_size(64 << 10).unwrap();
    let speech = Speech::of(subject);
    for (turn, words) in speech.before.iter().enumerate() {
        while turn > 0 && stream.read_u8().await.is_ok_and(|byte| byte != b'\n') {}
        let _ = stream.write_all(words).await;
    }
    let Some(acceptor) = acceptor else { return strike(stream, fault, speech, &said).await };
    if let Ok(stream) = acceptor.accept(stream).await {
        strike(stream, fault, speech, &said).await;
    }
}

/// A connection, and what carries it.
trait Connection: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Connection for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Connection for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn strike(mut stream: impl Connection, fault: Fault, speech: Speech, said: &AtomicUsize) {
    let Speech { first, answer, prelude, head, body, .. } = speech;
    if first == First::Client {
        let _ = stream.read(&mut [0; 4096]).await;
    }
    let half = &answer[..answer.len() / 2];
    match fault {
        Fault::ByteByByte => {
            for byte in answer {
                say(&mut stream, &[byte], said).await;
                tokio::time::sleep(PAUSE).await;
            }
        }
        Fault::EndlessPrelude => endlessly(&mut stream, prelude, said).await,
        Fault::EndlessHead => endlessly(&mut stream, head, said).await,
        Fault::EndlessBody => endlessly(&mut stream, body, said).await,
        Fault::Garbage => drop(say(&mut stream, &GARBAGE, said).await),
        Fault::ResetInTheMiddle => {
            say(&mut stream, half, said).await;
            socket2::SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO)).unwrap();
            return;
        }
        Fault::HalfClose => {
            say(&mut stream, half, said).await;
            let _ = stream.shutdown().await;
        }
        _ => {}
    }
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

/// Whether somebody still takes it.
async fn say(stream: &mut impl Connection, words: &[u8], said: &AtomicUsize) -> bool {
    said.fetch_add(words.len(), Ordering::Relaxed);
    stream.write_all(words).await.is_ok() && stream.flush().await.is_ok()
}

async fn endlessly(
    stream: &mut impl Connection,
    words: Option<(Vec<u8>, Vec<u8>)>,
    said: &AtomicUsize,
) {
    let Some((start, piece)) = words else { return };
    let mut goes_on = say(stream, &start, said).await;
    while goes_on {
        goes_on = say(stream, &piece, said).await;
    }
}

/// The same faults with datagrams, as far as there are such.
async fn datagrams(fault: Fault, said: Arc<AtomicUsize>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    if fault == Fault::Refuses {
        // It takes datagrams from itself alone.
        socket.connect(address).await.unwrap();
    }
    tokio::spawn(async move {
        let (_, peer) = socket.recv_from(&mut [0; 4096]).await.unwrap();
        loop {
            let words: &[u8] = match fault {
                Fault::ByteByByte => b"x",
                Fault::EndlessBody | Fault::Garbage => &GARBAGE,
                _ => b"",
            };
            if !words.is_empty() {
                said.fetch_add(words.len(), Ordering::Relaxed);
                // Refused as soon as the check has ended.
                if socket.send_to(words, peer).await.is_err() {
                    return;
                }
            }
            match fault {
                Fault::EndlessBody => tokio::task::yield_now().await,
                Fault::ByteByByte => tokio::time::sleep(PAUSE).await,
                _ => std::future::pending().await,
            }
        }
    });
    address
}
