//! The log of a program: which lines are written, and in which form.

use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber, warn};
use tracing_log::NormalizeEvent;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::{Limit, Lines};

/// How a program logs.
#[derive(Debug, Clone, Copy)]
pub struct Logging {
    /// The environment variable with the filter: `info`, `ca=debug`, ….
    pub variable: &'static str,
    /// The filter when the variable is not set.
    pub level: LevelFilter,
    /// The form of the lines.
    pub format: Format,
    /// Our own crates. Lines of libraries are limited, because strangers can cause them.
    pub ours: &'static [&'static str],
}

impl Logging {
    /// Starts logging to standard error.
    pub fn to_stderr(self) {
        start_logging(self, Lines::clone(crate::stderr()));
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Time, level, module, text, fields.
    Text,
    /// Level, text, fields: for a program that a person watches.
    Short,
    /// One JSON object a line.
    Json,
}

/// Starts logging through `lines`. A second call has no effect.
pub fn start_logging(logging: Logging, lines: impl for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static) {
    let (filter, mistakes) = filter(logging);
    // The library reports a failed write itself, and would panic without standard error.
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
    // A subscriber is set already, as in tests.
    if started.is_ok() {
        for mistake in mistakes {
            warn!("{} has a mistake, which is passed over: {mistake}", logging.variable);
        }
    }
}

/// Parses the variable; returns its mistakes.
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

/// Limits the lines of libraries: TLS logs each handshake that a stranger breaks off.
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
