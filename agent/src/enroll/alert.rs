//! A TLS stream that remembers with which alert the other end closed it.
//!
//! In TLS 1.3 a client is done before the server has looked at its certificate: a refusal comes with the first read, in whatever layer
//! reads then, and what that layer makes of it is no longer a refusal.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::tls_error;

/// The alert, once there was one.
pub(super) type Alert = Arc<OnceLock<String>>;

/// A stream, and what ended it.
pub(super) struct Remembering<S> {
    stream: S,
    alert: Alert,
}

impl<S> Remembering<S> {
    pub(super) fn new(stream: S) -> (Self, Alert) {
        let alert = Alert::default();
        (Self { stream, alert: alert.clone() }, alert)
    }

    fn note<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome
            && let Some(alert) = about_our_certificate(error)
        {
            self.alert.get_or_init(|| format!("{alert:?}"));
        }
        outcome
    }
}

/// The alert of a server that does not take our certificate (RFC 8446, section 6.2), if that is what went wrong. Any other alert is a
/// broken connection.
pub(super) fn about_our_certificate(error: &io::Error) -> Option<AlertDescription> {
    use AlertDescription as Alert;
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError),
        )) => Some(*alert),
        _ => None,
    }
}

impl<S: AsyncRead + Unpin> Remembering<S> {
    /// A write that failed may have met a closed door before anybody read the note on it.
    fn read_what_is_left(&mut self, context: &mut Context<'_>) {
        let mut scratch = [0; 64];
        let mut buffer = ReadBuf::new(&mut scratch);
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
            self.note(read).ok();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Remembering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        Poll::Ready(self.note(read))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Remembering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        if written.is_err() {
            self.read_what_is_left(context);
        }
        Poll::Ready(self.note(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        if flushed.is_err() {
            self.read_what_is_left(context);
        }
        Poll::Ready(self.note(flushed))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
