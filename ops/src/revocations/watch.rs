//! `touchmark revocations watch` follows the feed and keeps CRL files fresh.
//!
//! Each event is printed, shown by the CRLs and reported to the hook before the cursor file is advanced. So
//! the next start repeats at most what was not finished, and misses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dial::FullJitter;
use identity::{Clock, SystemClock};
use proto::v1 as wire;
use proto::v1::revocation_service_client::RevocationServiceClient;
use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout_at};
use tonic::transport::Channel;

use super::crl_directory::CrlDirectory;
use super::cursor::Cursor;
use super::event::EventView;
use crate::Context;
use crate::arguments::WatchArguments;
use crate::failure::Failure;
use crate::output::Output;

/// Follows the feed until it is stopped or, with `--once`, until it is caught up. Reconnects for ever.
pub(super) async fn watch(arguments: WatchArguments, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut terminated =
        signal(SignalKind::terminate()).map_err(|source| Failure::file("SIGTERM", source))?;
    let mut watcher = Watcher::new(arguments)?;
    if !diagnostics::hang_up_is_ignored() {
        let hang_up = signal(SignalKind::hangup()).map_err(|source| Failure::file("SIGHUP", source))?;
        watcher.hang_up = Some(hang_up);
    }
    tokio::select! {
        outcome = watcher.watch_forever(context) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminated.recv() => Ok(()),
    }
}

/// The position in the feed, and the work that is not finished.
struct Watcher {
    cursor: Cursor,
    from_now: bool,
    once: bool,
    quiet: bool,
    crls: Option<CrlDirectory>,
    hook: Option<String>,
    /// Issuers whose CRLs must be fetched, with the last event that they must show.
    stale: BTreeMap<String, Option<wire::RevocationEvent>>,
    /// Whether CRLs changed without the hook having run.
    hook_pending: bool,
    pauses: FullJitter,
    /// Issuers whose CRLs have expired, as last reported.
    expired: BTreeSet<String>,
    /// SIGHUP checks all CRLs now. `None` if it is ignored, as under `nohup`.
    hang_up: Option<Signal>,
}

impl Watcher {
    fn new(arguments: WatchArguments) -> Result<Self, Failure> {
        let crls = arguments
            .write_crl
            .map(|directory| CrlDirectory::new(directory, &arguments.issuers))
            .transpose()?;
        Ok(Self {
            cursor: Cursor::open(arguments.cursor_file)?,
            from_now: arguments.from_now,
            once: arguments.once,
            quiet: arguments.quiet,
            crls,
            hook: arguments.hook,
            stale: BTreeMap::new(),
            hook_pending: false,
            pauses: pauses(),
            expired: BTreeSet::new(),
            hang_up: None,
        })
    }

    async fn watch_forever(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        loop {
            let failure = match self.follow(context).await {
                Ok(()) => return Ok(()),
                Err(failure) if self.once || !failure.may_pass() => return Err(failure),
                Err(failure) => failure,
            };
            self.warn_of_expired_crls(context.output);
            let pause = self.pauses.next().unwrap_or(PAUSE_MAX);
            let pause = Duration::from_millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
            context.output.note(&format!("{failure}\ntrying again in {}", humantime::format_duration(pause)));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = hung_up(&mut self.hang_up) => context.output.note("SIGHUP: trying again now"),
            }
        }
    }

    /// Follows one connection. Returns `Ok` only with `--once`.
    async fn follow(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        let mut client = context.connection.revocations().await?;
        let request = wire::WatchRevocationsRequest {
            cursor: self.cursor.now.clone(),
            from_now: self.from_now && self.cursor.now.is_empty(),
        };
        let mut stream = client.watch_revocations(request).await?.into_inner();
        self.mark_all_stale();
        let began = Instant::now();
        let mut behind_since = began;
        let mut caught_up = false;
        loop {
            let again = self.next_check();
            let heard = tokio::select! {
                heard = timeout_at(again, stream.message()) => heard.map(Some),
                () = hung_up(&mut self.hang_up) => Ok(None),
            };
            match heard {
                Ok(None) => {
                    context.output.note("SIGHUP: looking at all lists now");
                    self.mark_all_stale();
                }
                Ok(Some(message)) => {
                    let message = message?.ok_or_else(|| Failure::unreachable("the CA ended the feed"))?;
                    self.pauses = pauses();
                    caught_up = self.take(message, context.output).await?;
                }
                Err(_) => self.mark_all_stale(),
            }
            if caught_up || behind_since.elapsed() >= WRITE_EVERY {
                self.update_outputs(&mut client, context.output).await?;
                behind_since = Instant::now();
                if caught_up && self.once && !self.is_pending() {
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

    /// Prints the events of a message and marks their CRLs stale. Returns whether the feed is caught up.
    async fn take(
        &mut self,
        message: wire::WatchRevocationsResponse,
        output: &mut Output,
    ) -> Result<bool, Failure> {
        let mut lines = Vec::new();
        for event in message.events {
            if !self.quiet {
                lines.push(output.text_of(&EventView::from(&event), EventView::to_text)?);
            }
            if self.crls.as_ref().is_some_and(|crls| crls.written.contains_key(&event.issuer)) {
                self.stale.insert(event.issuer.clone(), Some(event));
            }
        }
        if !lines.is_empty() {
            // Printed before the cursor advances.
            output.lines_to_a_reader(lines.join("\n")).await?;
        }
        self.cursor.now = message.cursor;
        Ok(message.caught_up)
    }

    /// Updates the CRLs, runs the hook, and then writes the cursor file.
    async fn update_outputs(
        &mut self,
        client: &mut RevocationServiceClient<Channel>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        if let Some(crls) = &mut self.crls {
            let mut changed = !crls.bundle_file().exists();
            for (issuer, event) in std::mem::take(&mut self.stale) {
                match crls.refresh(&issuer, event.as_ref(), client).await {
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
                crls.write_bundle()?;
                output.note(&format!("CRLs in {} are new", crls.directory.display()));
                self.hook_pending = self.hook.is_some();
            }
        }
        if let (true, Some(command)) = (self.hook_pending, &self.hook) {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(command);
            match hooks::run(shell, HOOK_WITHIN).await {
                Ok(said) => {
                    self.hook_pending = false;
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
                    RETRY_AFTER.as_secs()
                )),
            }
        }
        self.warn_of_expired_crls(output);
        if self.is_pending() { Ok(()) } else { self.cursor.keep() }
    }

    fn is_pending(&self) -> bool {
        self.hook_pending || !self.stale.is_empty()
    }

    fn mark_all_stale(&mut self) {
        for issuer in self.crls.iter().flat_map(|crls| crls.written.keys()) {
            self.stale.entry(issuer.clone()).or_default();
        }
    }

    /// Reports each CRL that has expired once: a reader of the files refuses everybody then.
    fn warn_of_expired_crls(&mut self, output: &mut Output) {
        let Some(crls) = &self.crls else { return };
        let now: BTreeSet<String> = crls.expired(SystemClock.now()).into_iter().map(str::to_owned).collect();
        for issuer in now.difference(&self.expired) {
            output.note(&format!(
                "warning: the CRL of {issuer} has expired, and a broker that reads it may refuse everybody; {}",
                if issuer == "root" {
                    "renew it: touchmark-ca root-crl --config F"
                } else {
                    "see why the CA publishes none: `touchmark doctor`"
                }
            ));
        }
        self.expired = now;
    }

    fn next_check(&self) -> Instant {
        let pause = match &self.crls {
            _ if self.is_pending() => RETRY_AFTER,
            Some(crls) => crls.next_check_in(SystemClock.now()),
            None => CHECK_EVERY_WITHOUT_CRLS,
        };
        Instant::now() + pause
    }
}

fn pauses() -> FullJitter {
    FullJitter::new(rand::make_rng(), PAUSE_FIRST_MAX, PAUSE_MAX)
}

/// Returns at the next SIGHUP.
async fn hung_up(hang_up: &mut Option<Signal>) {
    match hang_up {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// How often CRLs are written while it catches up.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// A hook that hangs must not hold up the CRLs.
const HOOK_WITHIN: Duration = Duration::from_secs(60);

const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long `--once` waits for CRLs that show the last events. A CA that publishes takes a second.
const ONCE_WITHIN: Duration = Duration::from_secs(60);

/// Without CRLs nothing is checked between events; keep-alives find a dead connection.
const CHECK_EVERY_WITHOUT_CRLS: Duration = Duration::from_secs(24 * 60 * 60);

/// Bound of the first pause: a CA that restarts is back in some seconds.
const PAUSE_FIRST_MAX: Duration = Duration::from_secs(2);

/// A longer pause would delay revocations at a broker.
const PAUSE_MAX: Duration = Duration::from_secs(30);
