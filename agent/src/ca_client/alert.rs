//! A TLS stream that records the alert with which the server closed it.
//!
//! In TLS 1.3 a client's handshake ends before the server has seen its certificate: a refusal comes with the
//! first read, inside hyper, which reports a broken connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use diagnostics::cause;
use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The alert, once one was received.
pub(super) type Alert = Arc<OnceLock<String>>;

/// A stream that records the alert that ended it.
pub(super) struct AlertRecorder<S> {
    stream: S,
    alert: Alert,
}

impl<S> AlertRecorder<S> {
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

/// The alert of a server that does not take the device's certificate (RFC 8446, section 6.2), and no other.
pub(super) fn about_our_certificate(error: &io::Error) -> Option<AlertDescription> {
    use AlertDescription as Alert;
    match cause(error) {
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

impl<S: AsyncRead + Unpin> AlertRecorder<S> {
    /// Reads once after a failed write: the alert may be waiting to be read.
    fn read_what_is_left(&mut self, context: &mut Context<'_>) {
        let mut scratch = [0; 64];
        let mut buffer = ReadBuf::new(&mut scratch);
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
            self.note(read).ok();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AlertRecorder<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        Poll::Ready(self.note(read))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for AlertRecorder<S> {
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
