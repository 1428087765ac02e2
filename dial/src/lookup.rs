//! The addresses of a name, both families asked for at the same time (RFC 8305, section 3).
//!
//! The system's resolver is asked (`getaddrinfo`), so that `/etc/hosts`, `nsswitch.conf` and split DNS work
//! as everywhere else. It blocks, so each lookup has a thread of its own that is not joined: a resolver that
//! takes 30 s delays neither the connection nor the end of the program.

use std::io;
use std::net::{IpAddr, SocketAddr};

use dns_lookup::{AddrFamily, AddrInfoHints, SockType, getaddrinfo};
use futures::future::{BoxFuture, FutureExt, ready};
use tokio::sync::{Semaphore, oneshot};

/// The addresses of one family.
pub(crate) struct Answer {
    pub(crate) family: Family,
    pub(crate) addresses: io::Result<Vec<SocketAddr>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V6,
    V4,
}

pub(crate) type Lookup = BoxFuture<'static, Answer>;

/// One lookup for each family; none for an address.
pub(crate) fn both_families(host: &str, port: u16) -> Vec<Lookup> {
    if let Ok(address) = host.parse::<IpAddr>() {
        let family = if address.is_ipv6() { Family::V6 } else { Family::V4 };
        let addresses = Ok(vec![SocketAddr::new(address, port)]);
        return vec![ready(Answer { family, addresses }).boxed()];
    }
    [Family::V6, Family::V4].map(|family| ask(host.to_owned(), port, family).boxed()).into()
}

async fn ask(host: String, port: u16, family: Family) -> Answer {
    let addresses = match LOOKUPS.try_acquire() {
        Ok(permit) => {
            let (answer, answered) = oneshot::channel();
            let thread = std::thread::Builder::new().name("resolver".into()).spawn(move || {
                let addresses = resolve(&host, port, family);
                drop(permit);
                // The caller may be connected by now.
                answer.send(addresses).ok();
            });
            match thread {
                Ok(_) => answered.await.unwrap_or_else(|_| Err(io::Error::other("the resolver ended"))),
                Err(error) => Err(error),
            }
        }
        Err(_) => Err(io::Error::other("the resolver has not answered many questions before this one")),
    };
    Answer { family, addresses }
}

fn resolve(host: &str, port: u16, family: Family) -> io::Result<Vec<SocketAddr>> {
    let hints = AddrInfoHints {
        address: match family {
            Family::V6 => AddrFamily::Inet6.into(),
            Family::V4 => AddrFamily::Inet.into(),
        },
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for found in getaddrinfo(Some(host), None, Some(hints)).map_err(io::Error::from)? {
        let mut address = found?.sockaddr;
        address.set_port(port);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses.truncate(ADDRESSES_MAX);
    Ok(addresses)
}

/// The most addresses of one family that are tried.
const ADDRESSES_MAX: usize = 16;

/// The most unanswered lookups: each holds a thread.
const LOOKUPS_MAX: usize = 64;

static LOOKUPS: Semaphore = Semaphore::const_new(LOOKUPS_MAX);
