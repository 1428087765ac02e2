//! `touchmark-ca`: reads the command line and the settings, runs the library, says how it ended.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ca::archive;
use ca::arguments::{
    ArchiveCommand, Arguments, Command, ConfigArguments, ConfirmTimeArguments, CreateArguments,
    CredentialArguments, DocumentSignerArguments, InitArguments, LedgerCommand, ListArguments, PROGRAM,
    PublicKeyArguments, RestoredArguments, RootCrlArguments, ServeArguments, VerifyArchivesArguments,
    VerifyArguments, WaitArguments,
};
use ca::clock::CheckedClock;
use ca::config::{ConfigError, Settings};
use ca::exit::Failure;
use ca::init::{
    Elsewhere, abandoned, accept_restored_store, confirm_time, credential, export_document_signer,
    export_root_crl, import_document_signer, import_root_crl, init, lacks_something, make_document_signer,
    renew_root_crl, utc,
};
use ca::ledger::{public_key_of, verify_with_progress};
use ca::serve::{Addresses, serve};
use ca::telemetry;
use ca::wait::wait;
use cli::{Complaint, Status, ask, completion_script};
use diagnostics::tell;
use identity::{Clock, SystemClock};
use mimalloc::MiMalloc;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// Calls need many small pieces of memory, which it hands out with half the work (ADR 0027).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let ending = diagnostics::begin(PROGRAM);
    let arguments: Arguments = match cli::parse(PROGRAM) {
        Ok(arguments) => arguments,
        Err(ended) => return ended.tell(),
    };
    let json = arguments.command.json();
    ending.after(|| match runtime() {
        Ok(runtime) => {
            let status = runtime.block_on(run_command(arguments));
            // A thread that waits for a hanging disk must not keep the process alive.
            runtime.shutdown_timeout(SHUTDOWN_MAX);
            status
        }
        Err(error) => Complaint::of(PROGRAM, Status::Failed, &error).tell(json),
    })
}

/// A thread for each core; on a single core, the current thread only.
fn runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder = if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}

async fn run_command(arguments: Arguments) -> ExitCode {
    // SIGHUP must not end a command that waits or writes.
    let _hang_up = signal(SignalKind::hangup());
    let json = arguments.command.json();
    let done = match arguments.command {
        Command::Init(arguments) => make(arguments).await,
        Command::Serve(arguments) => run(arguments).await,
        Command::Credential(arguments) => make_credential(arguments).await,
        Command::RootCrl(arguments) => sign_root_crl(arguments).await,
        Command::DocumentSigner(arguments) => certify_document_signer(arguments).await,
        Command::AcceptRestoredStore(arguments) => accept_restored(arguments).await,
        Command::ConfirmTime(arguments) => confirm(arguments).await,
        Command::Archive(command) => archives(command).await,
        Command::Ledger(LedgerCommand::Verify(arguments)) => prove(arguments).await,
        Command::Ledger(LedgerCommand::PublicKey(arguments)) => print_public_key(&arguments),
        Command::CheckConfig(arguments) => check(arguments).await,
        Command::Wait(arguments) => wait_until_ready(arguments).await,
        Command::Completions { shell } => print(&completion_script::<Arguments>(PROGRAM, shell)),
    };
    match done {
        Ok(()) => Status::Done.into(),
        Err(failure) => failure.complaint().tell(json),
    }
}

async fn make(arguments: InitArguments) -> Result<(), Failure> {
    let InitArguments { plan, json } = arguments;
    for left in abandoned(&plan.dir) {
        tell(&format!(
            "touchmark-ca: {} is left of an init that was killed; nobody uses it, remove it",
            left.display()
        ));
    }
    let made = init(plan, Arc::new(SystemClock)).await?;
    let text = if json { serde_json::to_string(&made).map_err(Failure::Output)? + "\n" } else { made.text() };
    print(&text)
}

async fn make_credential(arguments: CredentialArguments) -> Result<(), Failure> {
    let settings = trusted(&arguments.config, Settings::read_beside_the_server)?;
    credential(&settings, arguments.holder(), &arguments.out, Arc::new(SystemClock)).await?;
    let out = arguments.out.display();
    told(
        arguments.json,
        &json!({ "credential": arguments.out }),
        &format!("Made {out}; key.pem in it is a secret\n"),
    )
}

async fn sign_root_crl(arguments: RootCrlArguments) -> Result<(), Failure> {
    let settings = trusted(&arguments.config, Settings::read_beside_the_server)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if let Some(export) = &arguments.export {
        export_root_crl(&settings, clock, export).await?;
        let text = how_to_sign("root-crl", &arguments.config, export);
        return told(arguments.json, &json!({ "to_be_signed": export }), &text);
    }
    let (path, until) = match (&arguments.import, &arguments.signature) {
        (Some(exported), Some(signature)) => {
            import_root_crl(&settings, Elsewhere { exported, signature }).await?
        }
        _ => renew_root_crl(&settings, Arc::clone(&clock)).await?,
    };
    let days = until.duration_since(clock.now()).unwrap_or_default().as_secs() / (24 * 60 * 60);
    let text = format!("Made {}; the next one is due in {days} days\n", path.display());
    told(arguments.json, &json!({ "crl": path, "days": days }), &text)
}

async fn certify_document_signer(arguments: DocumentSignerArguments) -> Result<(), Failure> {
    let settings = trusted(&arguments.config, Settings::read_beside_the_server)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if let Some(export) = &arguments.export {
        export_document_signer(&settings, clock, export).await?;
        let text = how_to_sign("document-signer", &arguments.config, export);
        return told(arguments.json, &json!({ "to_be_signed": export }), &text);
    }
    let made = match (&arguments.import, &arguments.signature) {
        (Some(exported), Some(signature)) => {
            import_document_signer(&settings, clock, Elsewhere { exported, signature }).await?
        }
        _ => make_document_signer(&settings, clock).await?,
    };
    let (path, until) = (made.path.display(), utc(made.not_after));
    let text = format!("Made {path}, good until {until}; the CA signs with it from its next start\n");
    told(arguments.json, &json!({ "certificate": made.path, "not_after": until }), &text)
}

/// The commands to type where the root's key is, and then here.
fn how_to_sign(command: &str, config: &Path, exported: &Path) -> String {
    let (config, file) = (config.display(), exported.display());
    format!(
        "Made {file}; where the root's key is, sign it:\n  openssl dgst -sha256 -sign root.key.pem -out {file}.sig {file}\n\
         Then here:\n  touchmark-ca {command} --config {config} --import {file} --signature {file}.sig\n"
    )
}

async fn accept_restored(arguments: RestoredArguments) -> Result<(), Failure> {
    let settings = trusted(&arguments.config, Settings::read_beside_the_server)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if !lacks_something(&settings, Arc::clone(&clock)).await? {
        return told(arguments.json, &json!({ "epoch": null }), NOTHING_TO_ACCEPT);
    }
    if !arguments.yes {
        let organization = &settings.organization;
        let question = format!(
            "What was issued or revoked after the backup is missing in this ledger, for ever.\n\
             Type {organization} to go on with it all the same: "
        );
        if ask(&question).as_ref() != Some(organization) {
            return Err(Failure::NotConfirmed);
        }
    }
    let epoch = accept_restored_store(&settings, clock).await?;
    let text = format!(
        "The ledger is accepted as it is; CRLs have numbers of epoch {epoch} from now on.\n\
         What was revoked since the backup is not revoked in this ledger: revoke it again.\n"
    );
    told(arguments.json, &json!({ "epoch": epoch.to_string() }), &text)
}

async fn archives(command: ArchiveCommand) -> Result<(), Failure> {
    let blocking = move || match command {
        ArchiveCommand::Create(arguments) => create_archives(&arguments),
        ArchiveCommand::List(arguments) => list_archives(&arguments),
        ArchiveCommand::Verify(arguments) => verify_archives(&arguments),
    };
    tokio::task::spawn_blocking(blocking).await.map_err(|panic| Failure::Print(panic.into()))?
}

fn create_archives(arguments: &CreateArguments) -> Result<(), Failure> {
    let settings = trusted(&arguments.config, Settings::read_beside_the_server)?;
    let (mut moved, mut bytes, mut segment_bytes) = (0, 0, 0);
    let left = archive::create(&settings.store, arguments, SystemClock.now(), |record| {
        moved += 1;
        bytes += record.bytes;
        segment_bytes += record.segment_bytes;
        let text = format!("{}\n", archive::line(record));
        told(arguments.json, &archive::object(record), &text).map_err(|_| archive::ArchiveError::Told)
    })?;
    if arguments.json {
        return Ok(());
    }
    print(&match moved {
        0 => format!("Nothing to move: {left} complete ledger files stay as they are\n"),
        _ => format!(
            "Moved {moved} ledger files, {segment_bytes} bytes, as {bytes} bytes; {left} stay as they are\n"
        ),
    })
}

fn list_archives(arguments: &ListArguments) -> Result<(), Failure> {
    let (directory, store) = archive::place(arguments.of(), store_settings)?;
    let manifest = archive::list(directory, store.as_ref())?;
    if manifest.archives().is_empty() && !arguments.json {
        return print("There are no archives\n");
    }
    let lines = manifest.archives().iter().map(|record| match arguments.json {
        true => format!("{}\n", archive::object(record)),
        false => format!("{}\n", archive::line(record)),
    });
    print(&lines.collect::<String>())
}

fn verify_archives(arguments: &VerifyArchivesArguments) -> Result<(), Failure> {
    let (directory, store) = archive::place(arguments.of(), store_settings)?;
    let directories = match (directory, &store) {
        (Some(directory), _) => vec![directory.to_owned()],
        (None, Some(store)) => archive::directories_of(store)?,
        (None, None) => Vec::new(),
    };
    let verified = archive::verify_all(&directories, arguments.json)?;
    let faults: Vec<_> = verified.faults.iter().map(|fault| fault.error.to_string()).collect();
    let answer = json!({
        "archives": verified.archives,
        "entries": verified.entries,
        "bytes": verified.bytes,
        "ledger_bytes": verified.segment_bytes,
        "root": verified.root.map(|root| STANDARD.encode(root)),
        "faults": faults,
    });
    let mut text: String = faults.iter().map(|fault| format!("{fault}\n")).collect();
    text += &format!(
        "{} archives with {} entries are what their manifest says: {} bytes of the ledger in {} bytes\n",
        verified.archives, verified.entries, verified.segment_bytes, verified.bytes
    );
    if let Some(root) = verified.root {
        text += &format!("The root of the tree over them is {}\n", STANDARD.encode(root));
    }
    told(arguments.json, &answer, &text)?;
    match faults.len() {
        0 => Ok(()),
        faults => Err(archive::ArchiveError::Faults { faults }.into()),
    }
}

fn store_settings(config: &Path) -> Result<store::StoreSettings, Failure> {
    Ok(trusted(config, Settings::read_beside_the_server)?.store)
}

async fn wait_until_ready(arguments: WaitArguments) -> Result<(), Failure> {
    let settings = Settings::read(&arguments.config, std::env::vars())?;
    wait(&settings, arguments.timeout, arguments.pid).await?;
    let (grpc, http) = (settings.listen, settings.metrics_listen);
    told(arguments.json, &json!({ "ready": true, "grpc": grpc, "http": http }), &format!("ready on {grpc}\n"))
}

async fn confirm(arguments: ConfirmTimeArguments) -> Result<(), Failure> {
    let settings = trusted(&arguments.config, Settings::read_beside_the_server)?;
    let ConfirmTimeArguments { time, remark, json, .. } = arguments;
    let confirmed = confirm_time(&settings, Arc::new(SystemClock), time, remark).await?;
    let (entry, time, before) = (confirmed.entry, utc(confirmed.time), utc(confirmed.before));
    let text = format!(
        "The time is {time}, as ledger entry {entry} says from now on; the entry before it says {before}.\n\
         Start the CA. touchmark doctor names the certificates that were recorded while the clock was ahead.\n"
    );
    told(json, &json!({ "entry": entry.to_string(), "time": time, "before": before }), &text)
}

async fn prove(arguments: VerifyArguments) -> Result<(), Failure> {
    let (dir, configured) = match (&arguments.dir, &arguments.config) {
        (Some(dir), _) => (dir.clone(), None),
        (None, Some(config)) => {
            let store = store_settings(config)?;
            (store.ledger(), store.archive_dir().map(Path::to_owned))
        }
        (None, None) => (PathBuf::from("."), None),
    };
    let archives = arguments.archive_dir.or(configured);
    let outside = arguments.checkpoint.zip(arguments.public_key);
    let proof = verify_with_progress(dir, archives, outside, arguments.json).await?;
    told(arguments.json, &proof.json(), &proof.text())
}

fn print_public_key(arguments: &PublicKeyArguments) -> Result<(), Failure> {
    let key = public_key_of(&trusted(&arguments.config, Settings::read_beside_the_server)?)?;
    let text = if arguments.pem { key.pem() } else { format!("{key}\n") };
    told(arguments.json, &json!({ "public_key": key.to_string(), "pem": key.pem() }), &text)
}

async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    let settings = trusted(&arguments.config, Settings::read)?;
    telemetry::log_to_stderr(arguments.log_format.unwrap_or(settings.log_format));
    let clock = Arc::new(CheckedClock::new(Arc::new(SystemClock), settings.clock));
    let ready = |Addresses { grpc, http, public }| {
        // If nothing reads this line, serving goes on.
        let text =
            format!("{{\"ready\":true,\"grpc\":\"{grpc}\",\"http\":\"{http}\",\"public\":\"{public}\"}}\n");
        diagnostics::results().put(text.as_bytes());
    };
    Ok(serve(settings, clock, ready).await?)
}

async fn check(arguments: ConfigArguments) -> Result<(), Failure> {
    let settings = Settings::read(&arguments.config, std::env::vars());
    if let (true, Err(ConfigError::Mistakes { mistakes, .. })) = (arguments.json, &settings) {
        let mistakes = mistakes.iter().map(|mistake| json!({ "place": mistake.place, "what": mistake.what }));
        let mistakes: Vec<_> = mistakes.collect();
        print(&format!("{}\n", json!({ "config": arguments.config, "mistakes": mistakes })))?;
    }
    let settings = settings?;
    settings.refuse_exposed(&arguments.config)?;
    ca::serve::check(&settings, Arc::new(SystemClock)).await.map_err(Failure::Check)?;
    let mut text = format!("{} has no mistakes\n", arguments.config.display());
    settings.warnings.iter().for_each(|warning| text += &format!("warning: {warning}\n"));
    let answer = json!({ "config": arguments.config, "mistakes": [], "warnings": settings.warnings });
    told(arguments.json, &answer, &text)
}

/// Reads settings, and checks that no other user can change what they name.
fn trusted(
    config: &Path,
    read: impl FnOnce(&Path, std::env::Vars) -> Result<Settings, ConfigError>,
) -> Result<Settings, Failure> {
    let settings = read(config, std::env::vars())?;
    settings.refuse_exposed(config)?;
    Ok(settings)
}

fn told(json: bool, object: &Value, text: &str) -> Result<(), Failure> {
    if json { print(&format!("{object}\n")) } else { print(text) }
}

fn print(text: &str) -> Result<(), Failure> {
    diagnostics::print(text).map_err(Failure::Print)
}

const NOTHING_TO_ACCEPT: &str = "\
Nothing to accept: the ledger has everything that this CA has published. Nothing was changed.
If crl-epoch was restored with it, the CA cannot know what was published since: move crl-epoch away and repeat the command.
";

/// How long threads may take to end after the work is done.
const SHUTDOWN_MAX: std::time::Duration = std::time::Duration::from_secs(5);
