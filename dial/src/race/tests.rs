use std::future::pending;
use std::net::{Ipv4Addr, TcpListener};

use futures::FutureExt;
use futures::future::ready;
use tokio::io::AsyncReadExt;

use super::*;

/// A port whose queue of connections is full: the system drops what else wants to connect, and says nothing.
struct Silent {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<std::net::TcpStream>,
}

fn silent() -> Silent {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(stream);
    }
    Silent { address, _listener: listener, _queue: queue }
}

fn good() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

fn refusing() -> SocketAddr {
    // Nobody listens there any more.
    good().local_addr().unwrap()
}

fn found(family: Family, addresses: &[SocketAddr]) -> Lookup {
    let addresses = Ok(addresses.to_vec());
    ready(Answer { family, addresses }).boxed()
}

async fn connect(lookups: Vec<Lookup>, within_ms: u64) -> (Result<SocketAddr, DialError>, Duration) {
    let begun = Instant::now();
    let within = Duration::from_millis(within_ms);
    let made = first_handshaken("ca.test", lookups, within, |stream| ready(Ok(stream))).await;
    (made.map(|stream| stream.peer_addr().unwrap()), begun.elapsed())
}

#[tokio::test]
async fn an_address_that_answers_nothing_costs_a_quarter_of_a_second() {
    let (silent, good) = (silent(), good());
    let good = good.local_addr().unwrap();
    let lookups = vec![found(Family::V6, &[silent.address]), found(Family::V4, &[good])];
    let (made, took) = connect(lookups, 10_000).await;
    assert_eq!(made.unwrap(), good);
    assert!(took >= CONNECTION_ATTEMPT_DELAY && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn also_when_three_addresses_of_one_family_are_dead() {
    let (dead, good) = ([silent(), silent(), silent()], good());
    let good = good.local_addr().unwrap();
    let mut addresses: Vec<_> = dead.iter().map(|silent| silent.address).collect();
    addresses.push(good);
    let (made, took) = connect(vec![found(Family::V4, &addresses)], 10_000).await;
    assert_eq!(made.unwrap(), good);
    assert!(took >= CONNECTION_ATTEMPT_DELAY * 3 && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_refusal_goes_on_at_once() {
    let good = good();
    let good = good.local_addr().unwrap();
    let addresses = [refusing(), refusing(), refusing(), refusing(), good];
    let (made, took) = connect(vec![found(Family::V4, &addresses)], 10_000).await;
    assert_eq!(made.unwrap(), good);
    assert!(took < CONNECTION_ATTEMPT_DELAY * 3, "{took:?}");
}

#[tokio::test]
async fn a_resolver_that_is_silent_about_one_family_holds_nobody_up() {
    let good = good();
    let good = good.local_addr().unwrap();
    let lookups = vec![pending().boxed(), found(Family::V4, &[good])];
    let (made, took) = connect(lookups, 10_000).await;
    assert_eq!(made.unwrap(), good);
    assert!(took >= RESOLUTION_DELAY && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn an_address_that_is_found_late_is_still_tried() {
    let (silent, good) = (silent(), good());
    let good = good.local_addr().unwrap();
    let late = async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        Answer { family: Family::V6, addresses: Ok(vec![good]) }
    };
    let (made, _) = connect(vec![late.boxed(), found(Family::V4, &[silent.address])], 10_000).await;
    assert_eq!(made.unwrap(), good);
}

/// Waits for one octet.
async fn hear(mut stream: TcpStream) -> io::Result<TcpStream> {
    stream.read_exact(&mut [0]).await?;
    Ok(stream)
}

fn speaking() -> SocketAddr {
    let listener = good();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            io::Write::write_all(&mut stream, b"!").ok();
        }
    });
    address
}

#[tokio::test]
async fn who_takes_a_connection_and_says_nothing_does_not_hide_the_next_address() {
    let (mute, speaking) = (good(), speaking());
    let lookups = vec![found(Family::V4, &[mute.local_addr().unwrap(), speaking])];
    let begun = Instant::now();
    let made = first_handshaken("ca.test", lookups, Duration::from_secs(10), hear).await.unwrap();
    assert_eq!(made.peer_addr().unwrap(), speaking);
    assert!(begun.elapsed() >= HANDSHAKE_DELAY && begun.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn who_hangs_up_does_not_hide_the_next_address_and_is_told_of_when_it_is_the_only_one() {
    let listener = good();
    let rude = listener.local_addr().unwrap();
    std::thread::spawn(move || while listener.accept().is_ok() {});
    let lookups = vec![found(Family::V4, &[rude, speaking()])];
    first_handshaken("ca.test", lookups, Duration::from_secs(10), hear).await.unwrap();
    let alone = vec![found(Family::V4, &[rude])];
    let ended = first_handshaken("ca.test", alone, Duration::from_secs(10), hear).await.unwrap_err();
    assert!(matches!(ended, DialError::Handshake(_)), "{ended:?}");
}

#[tokio::test]
async fn a_wrong_answer_is_an_answer() {
    let lookups = vec![found(Family::V4, &[speaking(), speaking()])];
    let wrong = |_| ready(Err::<(), _>(io::Error::from(io::ErrorKind::InvalidData)));
    let ended = first_handshaken("ca.test", lookups, Duration::from_secs(10), wrong).await.unwrap_err();
    assert!(matches!(ended, DialError::Handshake(why) if why.kind() == io::ErrorKind::InvalidData));
}

#[tokio::test]
async fn who_is_not_reached_hears_of_every_address() {
    let (silent, refusing) = (silent(), refusing());
    let lookups = vec![found(Family::V4, &[refusing, silent.address])];
    let (made, took) = connect(lookups, 600).await;
    let error = made.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let said = error.to_string();
    assert!(said.contains(&format!("{} does not answer", silent.address)), "{said}");
    assert!(said.contains(&format!("{refusing}: Connection refused")), "{said}");
    assert!(took >= Duration::from_millis(600) && took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_name_without_an_address_is_told_apart() {
    let none = |family| {
        let why = io::Error::other("no such name");
        ready(Answer { family, addresses: Err(why) }).boxed()
    };
    let (made, _) = connect(vec![none(Family::V6), none(Family::V4)], 1_000).await;
    assert!(made.unwrap_err().is_unresolved());
    let (made, _) = connect(vec![pending().boxed(), pending().boxed()], 50).await;
    assert!(made.unwrap_err().is_unresolved());
}

#[tokio::test]
async fn names_and_numbers_are_connected_through_the_system_resolver() {
    let good = good();
    let port = good.local_addr().unwrap().port();
    for host in ["localhost", "127.0.0.1"] {
        crate::connect(host, port, Duration::from_secs(10)).await.unwrap();
    }
    let nobody = crate::connect("no-such-host.invalid", port, Duration::from_secs(2)).await;
    assert!(nobody.unwrap_err().is_unresolved());
}

#[test]
fn families_take_turns_and_ipv6_begins() {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let mut waiting = Waiting {
        v6: [address("[::1]:1"), address("[::2]:1"), address("[::3]:1")].into(),
        v4: [address("1.0.0.1:1"), address("1.0.0.2:1")].into(),
        last: None,
    };
    let order: Vec<String> =
        std::iter::from_fn(|| waiting.next()).map(|address| address.ip().to_string()).collect();
    assert_eq!(order, ["::1", "1.0.0.1", "::2", "1.0.0.2", "::3"]);
}
