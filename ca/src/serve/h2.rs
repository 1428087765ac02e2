//! HTTP/2 on the gRPC port, from an accepted TCP connection to its end.
//!
//! Written against hyper 1.12 and h2 0.4. Three things rest on how they work inside, and are to be looked at
//! when either is updated:
//! - hyper asks its I/O to flush after every few frames. [`coalescing_stream`] ignores that, and
//!   [`connection`]
//!   flushes after each poll of hyper's connection, so that the frames of one poll leave in one TLS record.
//! - hyper has no timeout for the client's connection preface: [`accept`] waits for its first bytes under the
//!   timeout of the handshake.
//! - h2 stops reading while it cannot write, so it sends no keepalive PING to a client that reads nothing:
//!   [`accept`] sets a TCP user timeout.

mod accept;
mod coalescing_stream;
mod connection;
mod revocable_body;

pub(super) use accept::Acceptor;
