//! The variables `TOUCHMARK_CA_…`, which override the file.

use super::Mistake;
use super::document::{Config, LogFormat};

pub(super) fn apply(
    config: &mut Config,
    environment: impl IntoIterator<Item = (String, String)>,
    mistakes: &mut Vec<Mistake>,
) {
    for (variable, value) in environment {
        let Some(name) = variable.strip_prefix(VARIABLE_PREFIX) else { continue };
        let mut mistake = |what: &str| {
            mistakes.push(Mistake { place: variable.clone(), what: what.to_owned() });
        };
        match name {
            "CONFIG" => {}
            "ORGANIZATION" => config.organization = Some(value),
            "LISTEN" => config.listen = Some(value),
            "METRICS_LISTEN" => config.metrics_listen = Some(value),
            "HTTP_LISTEN" => config.http_listen = Some(value),
            "PUBLIC_URL" => config.public_url = Some(value),
            "ENROLLMENT_URL" => config.enrollment_url = Some(value),
            "LOG_FORMAT" => match value.as_str() {
                "text" => config.log_format = Some(LogFormat::Text),
                "json" => config.log_format = Some(LogFormat::Json),
                _ => mistake("write text or json"),
            },
            "BLOCKED_KEYS_FILE" => config.blocked_keys_file = Some(value.into()),
            "STORE_DIR" => config.store.dir = Some(value.into()),
            "ISSUERS_DIR" => config.issuers.dir = Some(value.into()),
            "PASSPHRASE_FILE" => config.issuers.passphrase_file = Some(value.into()),
            "SERVER_CREDENTIALS" => config.server.credentials = Some(value.into()),
            _ => mistake("there is no such variable; touchmark-ca serve --help lists them"),
        }
    }
}

const VARIABLE_PREFIX: &str = "TOUCHMARK_CA_";
