//! As much of HTTP/1.1 as a client needs that speaks to the lab's nginx.

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends `GET /` and returns the body, which is the server's name. `connection` is the value of
/// the header of that name: `close` or `keep-alive`.
pub(super) async fn get(stream: &mut TcpStream, connection: &str) -> Result<String> {
    let request = format!("GET / HTTP/1.1\r\nHost: lab\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.context("sending the request")?;
    let mut answer = Vec::new();
    loop {
        if let Some(body) = body(&answer)? {
            return Ok(body);
        }
        let read = stream.read_buf(&mut answer).await.context("reading the answer")?;
        ensure!(read > 0, "the connection was closed inside the answer");
    }
}

/// The body of an answer with status 200, None while it is not complete.
fn body(answer: &[u8]) -> Result<Option<String>> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 200"), "answered {status}");
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .context("an answer without Content-Length")?;
    Ok((body.len() >= length).then(|| body.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_complete() {
        let whole = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 4\r\n\r\nrs1\n";
        assert_eq!(body(whole.as_bytes()).unwrap().as_deref(), Some("rs1"));
        for end in 0..whole.len() {
            assert_eq!(body(&whole.as_bytes()[..end]).unwrap(), None, "{end} octets");
        }
    }

    #[test]
    fn another_status_is_an_error() {
        let answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
        let error = body(answer.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "answered HTTP/1.1 500 Internal Server Error");
    }
}
