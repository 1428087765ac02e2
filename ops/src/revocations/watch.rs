//! `touchmark revocations watch`: follows the feed for ever, and keeps lists fresh for those who read files.
//!
//! Each event is printed, shown by the lists and told to the hook before the cursor file stands for it. So whatever stops this
//! program, the next start repeats at most what was not finished, and misses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use identity::{Clock, SystemClock};
use proto::v1 as wire;
use proto::v1::revocation_service_client::RevocationServiceClient;
use rand::RngExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout_at};
use tonic::transport::Channel;

use super::cursor::Cursor;
use super::event::EventView;
use super::lists::Lists;
use super::{client, hook};
use crate::arguments::WatchArguments;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;

/// Follows the feed until it is stopped or, if so asked, until it is caught up.
///
/// # Errors
/// When the CA refuses, or a file cannot be written. A CA that cannot be reached is tried again for ever.
pub(super) async fn watch(
    arguments: WatchArguments,
    connection: &Connection,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut terminated =
        signal(SignalKind::terminate()).map_err(|source| Failure::file("SIGTERM", source))?;
    let mut follower = Follower::new(arguments)?;
    if !diagnostics::hang_up_is_ignored() {
        let hang_up = signal(SignalKind::hangup()).map_err(|source| Failure::file("SIGHUP", source))?;
        follower.hang_up = Some(hang_up);
    }
    tokio::select! {
        outcome = follower.follow_for_ever(connection, output) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminated.recv() => Ok(()),
    }
}

/// Where we are and what is still owed.
struct Follower {
    cursor: Cursor,
    from_now: bool,
    once: bool,
    quiet: bool,
    lists: Option<Lists>,
    hook: Option<String>,
    /// Issuers whose lists must be fetched, with the last event that they must show.
    stale: BTreeMap<String, Option<wire::RevocationEvent>>,
    /// Whether lists changed that the hook was not told of.
    hook_owed: bool,
    /// Attempts in a row that brought nothing.
    lost: u32,
    /// The lists that have ended and were complained about.
    ended: BTreeSet<String>,
    /// SIGHUP: look at all lists now. `None` where nobody may send it, as under `nohup`.
    hang_up: Option<Signal>,
}

impl Follower {
    fn new(arguments: WatchArguments) -> Result<Self, Failure> {
        let lists =
            arguments.write_crl.map(|directory| Lists::new(directory, &arguments.issuers)).transpose()?;
        Ok(Self {
            cursor: Cursor::open(arguments.cursor_file)?,
            from_now: arguments.from_now,
            once: arguments.once,
            quiet: arguments.quiet,
            lists,
            hook: arguments.hook,
            stale: BTreeMap::new(),
            hook_owed: false,
            lost: 0,
            ended: BTreeSet::new(),
            hang_up: None,
        })
    }

    async fn follow_for_ever(&mut self, connection: &Connection, output: &mut Output) -> Result<(), Failure> {
        loop {
            let failure = match self.follow(connection, output).await {
                Ok(()) => return Ok(()),
                Err(failure) if self.once || !failure.may_pass() => return Err(failure),
                Err(failure) => failure,
            };
            self.warn_of_ended_lists(output);
            let pause = self.pause();
            let pause = Duration::from_millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
            output.note(&format!("{failure}\ntrying again in {}", humantime::format_duration(pause)));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = hung_up(&mut self.hang_up) => output.note("SIGHUP: trying again now"),
            }
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Follows one connection to its end; `Ok` only when it was to end.
    async fn follow(&mut self, connection: &Connection, output: &mut Output) -> Result<(), Failure> {
        let mut client = client(connection).await?;
        let request = wire::WatchRevocationsRequest {
            cursor: self.cursor.now().to_owned(),
            from_now: self.from_now && self.cursor.now().is_empty(),
        };
        let mut stream = client.watch_revocations(request).await?.into_inner();
        self.all_lists_are_stale();
        let began = Instant::now();
        let mut behind_since = began;
        let mut caught_up = false;
        loop {
            let again = self.look_again_at();
            let heard = tokio::select! {
                heard = timeout_at(again, stream.message()) => heard.map(Some),
                () = hung_up(&mut self.hang_up) => Ok(None),
            };
            match heard {
                Ok(None) => {
                    output.note("SIGHUP: looking at all lists now");
                    self.all_lists_are_stale();
                }
                Ok(Some(message)) => {
                    let message = message?.ok_or_else(|| Failure::unreachable("the CA ended the feed"))?;
                    self.lost = 0;
                    caught_up = self.take(message, output).await?;
                }
                Err(_) => self.all_lists_are_stale(),
            }
            if caught_up || behind_since.elapsed() >= SETTLED_EVERY {
                self.settle(&mut client, output).await?;
                behind_since = Instant::now();
                if caught_up && self.once && !self.owes() {
                    return Ok(());
                }
                if self.once && began.elapsed() >= ONCE_WITHIN {
                    return Err(Failure::unreachable(
                        "the lists of the CA do not show the last revocations yet",
                    )
                    .next("run it again; `touchmark doctor` says whether the CA publishes"));
                }
            }
        }
    }

    /// Prints events and remembers what they ask for; whether these were the last that there were.
    async fn take(
        &mut self,
        message: wire::WatchRevocationsResponse,
        output: &mut Output,
    ) -> Result<bool, Failure> {
        let mut lines = Vec::new();
        for event in message.events {
            if !self.quiet {
                lines.push(output.text_of(&EventView::from(&event), EventView::in_words)?);
            }
            if self.lists.as_ref().is_some_and(|lists| lists.has(&event.issuer)) {
                self.stale.insert(event.issuer.clone(), Some(event));
            }
        }
        if !lines.is_empty() {
            // The cursor would stand for events that nobody has read.
            output.lines_to_a_reader(lines.join("\n")).await?;
        }
        self.cursor.advance(message.cursor);
        Ok(message.caught_up)
    }

    /// Brings lists up to date, tells the hook, and only then lets the cursor file stand for it.
    async fn settle(
        &mut self,
        client: &mut RevocationServiceClient<Channel>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        if let Some(lists) = &mut self.lists {
            let mut changed = !lists.bundle_file().exists();
            for (issuer, event) in std::mem::take(&mut self.stale) {
                match lists.refresh(&issuer, event.as_ref(), client).await {
                    Ok(Some(new)) => changed |= new,
                    Ok(None) => {
                        output.note(&format!("the CRL of {issuer} does not show the last revocation yet"));
                        self.stale.insert(issuer, event);
                    }
                    Err(failure) => {
                        self.stale.insert(issuer, event);
                        return Err(failure);
                    }
                }
            }
            if changed {
                lists.bundle()?;
                output.note(&format!("CRLs in {} are new", lists.directory().display()));
                self.hook_owed = self.hook.is_some();
            }
        }
        if let (true, Some(command)) = (self.hook_owed, &self.hook) {
            match hook::run(command).await {
                Ok(said) => {
                    self.hook_owed = false;
                    if !said.is_empty() {
                        output.note(&format!("the hook said: {said}"));
                    }
                }
                Err(why) if self.once => {
                    return Err(Failure::local(format!("the hook: {why}"))
                        .next("the lists are new; the next run tells the hook again"));
                }
                Err(why) => output.note(&format!(
                    "warning: the hook: {why}; it is tried again in {} s, and the cursor stays",
                    OWED_AGAIN.as_secs()
                )),
            }
        }
        self.warn_of_ended_lists(output);
        if self.owes() { Ok(()) } else { self.cursor.keep() }
    }

    fn owes(&self) -> bool {
        self.hook_owed || !self.stale.is_empty()
    }

    fn all_lists_are_stale(&mut self) {
        for issuer in self.lists.iter().flat_map(Lists::issuers) {
            self.stale.entry(issuer.clone()).or_default();
        }
    }

    /// A reader of files refuses everybody when a list has ended: say it once.
    fn warn_of_ended_lists(&mut self, output: &mut Output) {
        let Some(lists) = &self.lists else { return };
        let now: BTreeSet<String> = lists.ended(SystemClock.now()).into_iter().map(str::to_owned).collect();
        for issuer in now.difference(&self.ended) {
            output.note(&format!(
                "warning: the CRL of {issuer} has expired, and a broker that reads it may refuse everybody; {}",
                if issuer == "root" {
                    "renew it: touchmark-ca root-crl --config F"
                } else {
                    "see why the CA publishes none: `touchmark doctor`"
                }
            ));
        }
        self.ended = now;
    }

    fn look_again_at(&self) -> Instant {
        let pause = match &self.lists {
            _ if self.owes() => OWED_AGAIN,
            Some(lists) => lists.look_again_in(SystemClock.now()),
            None => NOTHING_FOR,
        };
        Instant::now() + pause
    }

    /// Longer with each attempt that brought nothing, and never the same for all watchers of a CA that comes back.
    fn pause(&self) -> Duration {
        let most = PAUSE_FIRST.saturating_mul(1 << self.lost.min(5)).min(PAUSE_MAX);
        most.mul_f64(rand::make_rng::<rand::rngs::StdRng>().random_range(0.5..1.0))
    }
}

/// Returns at the next SIGHUP.
async fn hung_up(hang_up: &mut Option<Signal>) {
    match hang_up {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// While it catches up with a long past, lists are written this often.
const SETTLED_EVERY: Duration = Duration::from_secs(5);

/// What could not be finished is tried again after this.
const OWED_AGAIN: Duration = Duration::from_secs(5);

/// How long `--once` waits for lists that show what the feed told: a CA that publishes takes a second.
const ONCE_WITHIN: Duration = Duration::from_secs(60);

/// Without lists there is nothing to look at between events; keep-alives find a dead connection.
const NOTHING_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A CA that restarts is back in some seconds.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Longer would keep a revocation from a broker for longer than anybody expects.
const PAUSE_MAX: Duration = Duration::from_secs(30);
