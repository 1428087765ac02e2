//! The log of a program: what is written, and in which form.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber, warn};
use tracing_log::NormalizeEvent;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::{Limit, Lines};

/// What a program logs.
#[derive(Debug, Clone, Copy)]
pub struct Logging {
    /// The environment variable that may say what is written: `info`, `ca=debug`, ….
    pub variable: &'static str,
    /// What is written where the variable says nothing else.
    pub level: LevelFilter,
    /// In which form.
    pub format: Format,
    /// The crates that are ours. What libraries log is limited: a stranger can make them.
    pub ours: &'static [&'static str],
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Time, level, module, text, fields.
    Text,
    /// Level, text, fields: for a program that a person sits before.
    Short,
    /// One JSON object a line.
    Json,
}

/// Begins to log, through `lines`. A second call changes nothing.
pub fn start_logging(logging: Logging, lines: impl for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static) {
    let (filter, mistakes) = filter(logging);
    // With its own word about a failed write the library would panic where standard error is gone.
    let builder = fmt().with_env_filter(filter).with_writer(lines).log_internal_errors(false);
    let libraries = Libraries { ours: logging.ours };
    let ansi = stderr().is_terminal();
    let started = match logging.format {
        Format::Text => builder.with_ansi(ansi).finish().with(libraries).try_init(),
        Format::Short => {
            builder.with_ansi(ansi).with_target(false).without_time().finish().with(libraries).try_init()
        }
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .finish()
            .with(libraries)
            .try_init(),
    };
    // Somebody logs already, as tests do.
    if started.is_ok() {
        for mistake in mistakes {
            warn!("{} has a mistake, which is passed over: {mistake}", logging.variable);
        }
    }
}

/// What the variable says, and its mistakes.
fn filter(logging: Logging) -> (EnvFilter, Vec<String>) {
    let mut filter = EnvFilter::default().add_directive(logging.level.into());
    let mut mistakes = Vec::new();
    let said = std::env::var(logging.variable).unwrap_or_default();
    for part in said.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.parse::<Directive>() {
            Ok(directive) => filter = filter.add_directive(directive),
            Err(_) => mistakes.push(part.to_owned()),
        }
    }
    (filter, mistakes)
}

/// Lets the lines of libraries through up to a limit: TLS says something of each handshake that a stranger breaks off.
struct Libraries {
    ours: &'static [&'static str],
}

impl<S: Subscriber> Layer<S> for Libraries {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let normalized = event.normalized_metadata();
        let target =
            normalized.as_ref().map_or_else(|| event.metadata().target(), |metadata| metadata.target());
        let from = target.split("::").next().unwrap_or_default();
        self.ours.contains(&from) || from == env!("CARGO_PKG_NAME") || OF_LIBRARIES.admits()
    }
}

static OF_LIBRARIES: Limit = Limit::new("libraries logged");

/// So that callers need not name the type of the default.
impl Logging {
    /// Begins to log to standard error.
    pub fn to_stderr(self) {
        start_logging(self, Lines::clone(crate::stderr()));
    }
}
