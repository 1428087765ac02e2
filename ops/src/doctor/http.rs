//! Fetches a URL by plain HTTP, as relying parties do.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;

/// The length of the content in bytes; the error is a text.
pub(super) async fn length_of(url: &str) -> Result<usize, String> {
    match tokio::time::timeout(FETCHED_WITHIN, fetch(url)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", FETCHED_WITHIN.as_secs())),
    }
}

async fn fetch(url: &str) -> Result<usize, String> {
    let uri: Uri = url.parse().map_err(|_| "not a URL".to_owned())?;
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err("not http://HOST/… (RFC 5280, section 4.2.1.13)".to_owned());
    };
    let (name, port) = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let stream = dial::connect(name, port, CONNECTED_WITHIN).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path).header(header::HOST, host).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(response.status().to_string());
        }
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        Ok(body.map_err(|error| error.to_string())?.to_bytes().len())
    };
    // Polls the connection while the exchange runs.
    tokio::pin!(exchange);
    tokio::select! {
        outcome = &mut exchange => outcome,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

/// A part of [`FETCHED_WITHIN`], so that a silent address is not reported as a silent server.
const CONNECTED_WITHIN: Duration = Duration::from_secs(8);

/// A shard's CRL has less than a megabyte.
const FETCHED_WITHIN: Duration = Duration::from_secs(10);

const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
