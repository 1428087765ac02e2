//! `touchmark-agent factory`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent::arguments::Factory;
use agent::factory::{Dialogue, End, Limits, ServeError, serve};
use agent::state::{State, Storage};
use anyhow::{Context, bail};
use cli::Status;
use diagnostics::error_chain;
use identity::{DeviceId, SystemClock};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use serial_port::{Port, PortAddress};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

pub(crate) async fn run(arguments: Factory, storage: Storage) -> anyhow::Result<Status> {
    let mut state = State::open_or_create(&arguments.state, storage)?;
    let own = arguments.product.zip(arguments.serial);
    let has_its_own = own.is_some();
    if let Some((product, serial)) = own {
        keep_identity(&mut state, DeviceId { product, serial })?;
    }
    let mut dialogue = Dialogue::new(state, Arc::new(SystemClock));
    if has_its_own {
        dialogue = dialogue.with_an_identity_of_its_own();
    }
    let limits = Limits { idle: arguments.idle_timeout, after_lock: AFTER_LOCK };
    match (arguments.link.tcp, arguments.link.tty) {
        (Some(address), _) => over_tcp(&mut dialogue, address, limits).await,
        (None, Some(address)) => over_tty(&mut dialogue, &address, limits).await,
        (None, None) => {
            let _raw = RawTerminal::set().context("standard input cannot be set to raw mode")?;
            let end = serve(&mut dialogue, tokio::io::stdin(), tokio::io::stdout(), limits).await?;
            info!(locked = dialogue.is_locked(), "the link ended: {end:?}");
            Ok(Status::Done)
        }
    }
}

/// Records the identity of the command line, unless the unit has another one.
fn keep_identity(state: &mut State, device: DeviceId) -> anyhow::Result<()> {
    match &state.record().device {
        Some(own) if *own == device => Ok(()),
        Some(own) => bail!("this state directory belongs to {own}, not to {device}"),
        None => Ok(state.update(|record| record.device = Some(device))?),
    }
}

/// One station after another, until the unit is locked.
async fn over_tcp(dialogue: &mut Dialogue, address: SocketAddr, limits: Limits) -> anyhow::Result<Status> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))?;
    info!("waiting for a station on {}", listener.local_addr()?);
    loop {
        let Ok(accepted) = timeout(limits.idle, listener.accept()).await else {
            bail!("no station came for {}", humantime::format_duration(limits.idle));
        };
        let (stream, peer) = accepted.context("the station's connection is lost")?;
        info!("the station is at {peer}");
        let (reader, writer) = stream.into_split();
        if let Err(error) = serve(dialogue, reader, writer, limits).await {
            warn!("the link broke: {}", error_chain(&error));
        }
        if dialogue.is_locked() {
            return Ok(Status::Done);
        }
    }
}

/// One station after another, until the unit is locked. A serial line does not show where a session ends: the
/// next one goes on where it was.
async fn over_tty(dialogue: &mut Dialogue, address: &PortAddress, limits: Limits) -> anyhow::Result<Status> {
    let mut port = Port::open(&address.path, address.speed).await?;
    loop {
        info!("waiting for a station on {address}");
        let Ok(came) = timeout(limits.idle, port.readable()).await else {
            bail!("no station came for {}", humantime::format_duration(limits.idle));
        };
        came.context("the serial port cannot be waited for")?;
        let (reader, writer) = port.split();
        match serve(dialogue, reader, writer, limits).await {
            Ok(End::Closed | End::Locked) => {}
            Err(error @ ServeError::Silence(_)) => return Err(error.into()),
            Err(error) => warn!("the link broke: {}", error_chain(&error)),
        }
        if dialogue.is_locked() {
            return Ok(Status::Done);
        }
        port = reopened(address, limits.idle).await?;
    }
}

/// The port, once it is back.
async fn reopened(address: &PortAddress, patience: Duration) -> anyhow::Result<Port> {
    let end = Instant::now() + patience;
    loop {
        sleep(REOPEN_PAUSE).await;
        match Port::open(&address.path, address.speed).await {
            Ok(port) => return Ok(port),
            Err(error) if error.may_pass() && Instant::now() < end => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Standard input as a terminal device that carries all byte values unchanged: no echo, no line editing, no
/// signals from the keyboard. Set back to what it was when dropped.
struct RawTerminal(Termios);

impl RawTerminal {
    /// `None` when standard input is not a terminal.
    fn set() -> Result<Option<Self>, Errno> {
        let stdin = rustix::stdio::stdin();
        let before = match tcgetattr(stdin) {
            Ok(before) => before,
            Err(Errno::NOTTY | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin, OptionalActions::Now, &raw)?;
        Ok(Some(Self(before)))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Drain, &self.0).ok();
    }
}

/// Before a port that broke is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);

/// How long a locked unit waits for a station that missed its last answer and asks again in a second.
const AFTER_LOCK: Duration = Duration::from_secs(5);
