//! A machine without free descriptors says nothing about its servers. Alone in its file, for the
//! limit is the whole process's.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a test of sockets, processes and time, whose helpers may panic"
)]

mod common;

use checkers::{HttpGet, Kind, Tls};
use common::{LONG, get, local, misc, run, tcp};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

#[tokio::test]
async fn no_descriptor_is_local_trouble() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let https = Kind::Http(HttpGet {
        tls: Some(Tls { verify: false, ..Tls::VERIFIED }),
        ..HttpGet::default()
    });
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Descriptors are given from the lowest free number up.
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    let tcp = run(address, tcp(checkers::Connect::default()), LONG).await;
    let http = run(address, get(), LONG).await;
    let https = run(address, https, LONG).await;
    let misc = run(address, misc(&["/bin/true"]), LONG).await;
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(1024), hard).unwrap();

    for outcome in [tcp, http, https, misc] {
        let text = local(&outcome);
        assert!(text.contains("Too many open files (raise LimitNOFILE"), "{text}");
    }
}
