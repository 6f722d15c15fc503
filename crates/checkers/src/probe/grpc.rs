//! `grpc_check`: gRPC health checking.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, Uri, Version};

use super::http::{self, exchange};
use super::{Context, Deadline, Passed, Stop, socket, tls};
use crate::outcome::Cause;
use crate::spec::{GrpcCheck, HttpVersion};
use crate::wire::grpc;

pub(super) async fn run(
    target: SocketAddr,
    check: &GrpcCheck,
    deadline: &Deadline,
    context: &Context,
) -> Result<Passed, Stop> {
    let address = check.connect.destination(target);
    let request = request(address, check)?;
    let stream = socket::connect_for_frames(target, &check.connect, grpc::LIMIT, deadline).await?;
    let judge = async |response| judge(response, deadline).await;
    let Some(settings) = &check.tls else {
        exchange(stream, HttpVersion::Http2, request, deadline, judge).await?;
        return Ok(Passed::default());
    };
    let host = check.host.as_deref().map(http::without_port);
    let peer = tls::Peer { address, host, protocols: &["h2"] };
    let secured = tls::connect(stream, peer, settings, &context.tls, deadline).await?;
    exchange(secured.stream, HttpVersion::Http2, request, deadline, judge).await?;
    Ok(Passed { warning: secured.warning, ..Passed::default() })
}

fn request(address: SocketAddr, check: &GrpcCheck) -> Result<Request<Full<Bytes>>, Stop> {
    let scheme = if check.tls.is_some() { "https" } else { "http" };
    let host = check.host.clone().unwrap_or_else(|| address.to_string());
    let uri = format!("{scheme}://{host}{}", grpc::PATH);
    let mut request = Request::new(Full::new(Bytes::from(grpc::request(&check.service))));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() =
        uri.parse::<Uri>().map_err(|_| Stop::Local(format!("host `{host}` cannot be sent")))?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("lvsd"));
    Ok(request)
}

async fn judge(response: Response<Incoming>, deadline: &Deadline) -> Result<(), Stop> {
    let status = response.status().as_u16();
    if status != 200 {
        let text = format!("status {status} (expected 200)");
        return Err(Stop::failed(Cause::Status(status), text));
    }
    let headers = response.headers().clone();
    let mut body = response.into_body();
    let mut content = Vec::new();
    let mut trailers = None;
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| http::stop(&error))?;
            if let Some(data) = frame.data_ref() {
                if content.len() + data.len() > grpc::LIMIT {
                    let text = format!("an answer of more than {} bytes", grpc::LIMIT);
                    return Err(Stop::failed(Cause::Protocol, text));
                }
                content.extend_from_slice(data);
            } else if let Ok(found) = frame.into_trailers() {
                trailers = Some(found);
            }
        }
        Ok(())
    };
    deadline.within("reading the answer", reading).await??;
    // An answer that is an error may have no body, and then its headers are its trailers.
    let last = trailers.as_ref().unwrap_or(&headers);
    let value = |name: &str| bytes_of(last, name);
    grpc::judge(value("grpc-status"), value("grpc-message"), &content).map_err(Stop::Failed)
}

fn bytes_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers.get(name).map(HeaderValue::as_bytes)
}
