//! Examines a station: its credential, the CA, the clocks, the journal and its disk, the reservations and
//! each slot's link. Changes nothing, tells units nothing, and every check has a limit.

mod authority;
mod credential;
mod disk;
mod journal;
mod links;
mod reservations;

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use cli::Finding;
use humantime::format_duration;
use identity::{Clock, Product};
use proto::v1::GetWorkOrderResponse;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::ca::Ca;
use crate::config::Settings;
use crate::link::LinkSpec;
use journal::Found;

/// What the command line adds to the configuration.
pub(crate) struct Wanted {
    pub(crate) work_order: Option<String>,
    pub(crate) link: Option<LinkSpec>,
    pub(crate) slots: Option<usize>,
}

/// Examines everything; `tell` gets the findings of each part as soon as they are there.
pub(crate) async fn examine<E>(
    settings: &Settings,
    ca: &Ca,
    clock: &dyn Clock,
    wanted: &Wanted,
    mut tell: impl FnMut(Vec<Finding>) -> Result<(), E>,
) -> Result<(), E> {
    tell(vec![credential::examine(&settings.credentials, clock.now())])?;
    let directory = settings.journal.current().to_owned();
    let place = directory.clone();
    tell(blocking(DISK, move || disk::examine(&place)).await.unwrap_or_else(|late| vec![late]))?;
    let found = match blocking(JOURNAL, move || Found::read(&directory)).await {
        Ok(found) => found,
        Err(late) => {
            tell(vec![late])?;
            Found::default()
        }
    };
    tell(found.findings())?;

    let work_order = wanted.work_order.as_deref().or_else(|| found.last_order());
    tell(reservations::in_hand(found.held(work_order), clock.now()).into_iter().collect())?;
    let asked = bounded(CA, CA_LIMIT, authority::examine(settings, ca, clock, work_order)).await;
    let (findings, order) = asked.unwrap_or_else(|late| (vec![late], None));
    tell(findings)?;
    if let Some(answer) = &order {
        let compared = bounded(JOURNAL, CA_LIMIT, found.compare(ca, work_order)).await;
        tell(compared.unwrap_or_else(|late| vec![late]))?;
        let reserved = bounded(RESERVATION, CA_LIMIT, reservations::examine(ca, answer)).await;
        tell(reserved.unwrap_or_else(|late| vec![late]))?;
    }
    let product = order.as_ref().and_then(product_of);
    links::examine(settings, &found, wanted, product.as_ref(), tell).await
}

fn product_of(answer: &GetWorkOrderResponse) -> Option<Product> {
    answer.work_order.as_ref()?.product.parse().ok()
}

/// Ends a check that hangs; the finding says so.
async fn bounded<T>(
    subject: impl Into<Cow<'static, str>>,
    limit: Duration,
    check: impl Future<Output = T>,
) -> Result<T, Finding> {
    timeout(limit, check).await.map_err(|_| {
        let says = format!("this check did not end within {}", format_duration(limit));
        Finding::bad(subject, says, HANGS)
    })
}

/// A check that blocks its thread, for example on a disk that does not answer.
async fn blocking<T: Send + 'static>(
    subject: &'static str,
    check: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Finding> {
    let checked = bounded(subject, DISK_LIMIT, spawn_blocking(check)).await?;
    checked.map_err(|error| Finding::bad(subject, format!("this check broke: {error}"), "report it"))
}

const CA: &str = "CA";
const CLOCK: &str = "clock";
const CREDENTIAL: &str = "credential";
const DISK: &str = "disk";
const JOURNAL: &str = "journal";
const LINK: &str = "link";
const ORDER: &str = "work order";
const RESERVATION: &str = "reservation";

const HANGS: &str =
    "what it waits for does not answer: a disk, a name server, a port of an adapter; look at that first";

/// A disk that needs longer for some syncs of a few bytes stops a line.
const DISK_LIMIT: Duration = Duration::from_secs(15);

/// For several calls, of which the first may wait for the connection.
const CA_LIMIT: Duration = Duration::from_secs(30);
