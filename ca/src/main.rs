//! `touchmark-ca`: reads the command line and the settings, runs the library, says how it ended.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its caller")]

use std::error::Error;
use std::io::{Write, stdout};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use ca::arguments::{
    Arguments, Command, ConfigArguments, ConfirmTimeArguments, CredentialArguments, InitArguments,
    RootCrlArguments, ServeArguments,
};
use ca::clock::CheckedClock;
use ca::config::Settings;
use ca::exit::{Failure, Status};
use ca::init::{
    Elsewhere, abandoned, accept_restored_store, confirm_time, credential, export_root_list,
    import_root_list, init, renew_root_list, utc,
};
use ca::serve::{Addresses, serve};
use ca::{embedded, telemetry};
use clap::{CommandFactory, Parser};
use identity::{Clock, SystemClock};
use mimalloc::MiMalloc;
use tokio::runtime::{Builder, Runtime};

/// Calls are answered from many small pieces of memory; this one hands them out with half the work (ADR 0027).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match runtime() {
        Ok(runtime) => runtime.block_on(run_command(arguments)),
        Err(error) => {
            eprintln!("touchmark-ca: cannot start: {error}");
            Status::Failed.into()
        }
    }
}

/// Threads for the cores that we may use. On a single core more than one thread only hands work to itself.
fn runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder = if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}

async fn run_command(arguments: Arguments) -> ExitCode {
    let done = match arguments.command {
        Command::Init(arguments) => make(arguments).await,
        Command::Serve(arguments) => run(arguments).await,
        Command::Credential(arguments) => make_credential(arguments).await,
        Command::RootCrl(arguments) => sign_root_list(arguments).await,
        Command::AcceptRestoredStore(arguments) => accept_restored(arguments).await,
        Command::ConfirmTime(arguments) => confirm(arguments).await,
        Command::CheckConfig(arguments) => check(arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "touchmark-ca", &mut stdout());
            Ok(())
        }
    };
    let Err(failure) = done else { return Status::Done.into() };
    eprintln!("touchmark-ca: {failure}");
    let mut cause = failure.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    failure.status().into()
}

async fn make(arguments: InitArguments) -> Result<(), Failure> {
    let json = arguments.json;
    let plan = arguments.plan();
    for left in abandoned(&plan.dir) {
        eprintln!(
            "touchmark-ca: {} is left of an init that was killed; nobody uses it, remove it",
            left.display()
        );
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let made = init(plan, Arc::clone(&clock), async |dir| embedded::create(dir, clock).await).await?;
    let text = if json { serde_json::to_string(&made).map_err(Failure::Output)? + "\n" } else { made.text() };
    print(&text)
}

async fn make_credential(arguments: CredentialArguments) -> Result<(), Failure> {
    let settings = Settings::read(&arguments.config, std::env::vars())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let open = async |settings: &_| embedded::open(settings, Arc::clone(&clock)).await;
    credential(&settings, arguments.holder(), &arguments.out, Arc::clone(&clock), open).await?;
    print(&format!("Made {}; key.pem in it is a secret\n", arguments.out.display()))
}

async fn sign_root_list(arguments: RootCrlArguments) -> Result<(), Failure> {
    let settings = Settings::read(&arguments.config, std::env::vars())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let open = async |settings: &_| embedded::open(settings, Arc::clone(&clock)).await;
    if let Some(export) = &arguments.export {
        export_root_list(&settings, clock.as_ref(), open, export).await?;
        return print(&how_to_sign(&arguments, export));
    }
    let (path, until) = match (&arguments.import, &arguments.signature) {
        (Some(list), Some(signature)) => import_root_list(&settings, Elsewhere { list, signature })?,
        _ => renew_root_list(&settings, clock.as_ref(), open).await?,
    };
    let days = until.duration_since(clock.now()).unwrap_or_default().as_secs() / (24 * 60 * 60);
    print(&format!("Made {}; the next one is due in {days} days\n", path.display()))
}

/// What is typed where the root's key is, and then here.
fn how_to_sign(arguments: &RootCrlArguments, list: &Path) -> String {
    let (config, list) = (arguments.config.display(), list.display());
    format!(
        "Made {list}; where the root's key is, sign it:\n  openssl dgst -sha256 -sign root.key.pem -out {list}.sig {list}\n\
         Then here:\n  touchmark-ca root-crl --config {config} --import {list} --signature {list}.sig\n"
    )
}

async fn accept_restored(arguments: ConfigArguments) -> Result<(), Failure> {
    let settings = Settings::read(&arguments.config, std::env::vars())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let open = async |settings: &_| embedded::open(settings, Arc::clone(&clock)).await;
    let epoch = accept_restored_store(&settings, clock.as_ref(), open).await?;
    print(&format!(
        "The ledger is accepted as it is; revocation lists have numbers of epoch {epoch} from now on.\n\
         What was revoked since the backup is not revoked in this ledger: revoke it again.\n"
    ))
}

async fn confirm(arguments: ConfirmTimeArguments) -> Result<(), Failure> {
    let settings = Settings::read(&arguments.config, std::env::vars())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let open = async |settings: &_| embedded::open(settings, Arc::clone(&clock)).await;
    let ConfirmTimeArguments { time, remark, .. } = arguments;
    let confirmed = confirm_time(&settings, clock.as_ref(), open, time, remark).await?;
    print(&format!(
        "The time is {}, as ledger entry {} says from now on; the entry before it says {}.\n\
         Start the CA. touchmark doctor names the certificates that were recorded while the clock was ahead.\n",
        utc(confirmed.time),
        confirmed.entry,
        utc(confirmed.before)
    ))
}

async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    let settings = Settings::read(&arguments.config, std::env::vars())?;
    telemetry::log_to_stderr(arguments.log_format.unwrap_or(settings.log_format)).ok();
    let clock = Arc::new(CheckedClock::new(Arc::new(SystemClock), settings.clock));
    let open = async |settings: &_| embedded::open(settings, Arc::<CheckedClock>::clone(&clock)).await;
    let ready = |Addresses { grpc, http, public }| {
        // Whoever waits for this line may be gone; serving goes on.
        let text =
            format!("{{\"ready\":true,\"grpc\":\"{grpc}\",\"http\":\"{http}\",\"public\":\"{public}\"}}\n");
        print(&text).ok();
    };
    Ok(serve(settings, Arc::clone(&clock), open, ready).await?)
}

fn check(arguments: ConfigArguments) -> Result<(), Failure> {
    Settings::read(&arguments.config, std::env::vars())?;
    print(&format!("{} has no mistakes\n", arguments.config.display()))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Print)
}
