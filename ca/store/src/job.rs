//! Mass revocation: a selection, revoked in chunks that each are one entry. A job that was interrupted
//! between two chunks continues with the next one.

use identity::SerialNumber;
use ledger::{Action, CertificateStatus, Command, JobFacts, JobId, REVOKE_MAX};

use super::{Result, SelectionPage, Store};

/// Revokes what is left of a job and finishes it; `None`: there is no such job. Any number of callers may do
/// so at a time, and again after a crash: what is revoked already is left out.
///
/// It looks again until nothing is left: a device that renewed while it was at work does not get away.
/// Devices that were born since do not belong to it.
///
/// # Errors
/// The store's. The job goes on when it is carried out again.
pub async fn carry_out(
    store: &dyn Store,
    job: JobId,
    mut progress: impl FnMut(&JobFacts) + Send,
) -> Result<Option<JobFacts>> {
    let Some(mut facts) = store.job(job).await? else { return Ok(None) };
    let mut found = true;
    while found && facts.goes_on() {
        found = false;
        let mut page = store.select(&facts.terms.selection, 0, REVOKE_MAX).await?;
        loop {
            let chunk = due(&page, &facts);
            found |= !chunk.is_empty();
            // The next page is read while this one becomes durable.
            let (read, written) = tokio::join!(read(store, &facts, page.next), revoke(store, &facts, &chunk));
            written?;
            if let Some(now) = store.job(job).await? {
                facts = now;
            }
            progress(&facts);
            match read? {
                Some(next) => page = next,
                None => break,
            }
        }
    }
    if facts.goes_on() {
        commit(store, &facts, Action::FinishRevocation(job)).await?;
    }
    store.job(job).await
}

/// Those of the page that the job still has to revoke.
fn due(page: &SelectionPage, facts: &JobFacts) -> Vec<SerialNumber> {
    let due = page.certificates.iter().filter(|one| one.status != CertificateStatus::Revoked);
    due.filter(|one| one.since <= facts.begun).map(|one| one.serial_number).collect()
}

async fn read(store: &dyn Store, facts: &JobFacts, from: Option<u64>) -> Result<Option<SelectionPage>> {
    match from {
        Some(from) => store.select(&facts.terms.selection, from, REVOKE_MAX).await.map(Some),
        None => Ok(None),
    }
}

async fn revoke(store: &dyn Store, facts: &JobFacts, due: &[SerialNumber]) -> Result<()> {
    for chunk in due.chunks(REVOKE_MAX) {
        let (reason, invalidity_date, job) =
            (facts.terms.reason, facts.terms.invalidity_date, Some(facts.id));
        let action = Action::Revoke { certificates: chunk.to_vec(), reason, invalidity_date, job };
        commit(store, facts, action).await?;
    }
    Ok(())
}

/// In the name of who began the job. A refusal means that somebody else carried it out meanwhile.
async fn commit(store: &dyn Store, facts: &JobFacts, action: Action) -> Result<()> {
    let principal = facts.begun_by.clone();
    let command = Command {
        principal,
        credential: None,
        request: None,
        content: [0; 32],
        remark: String::new(),
        action,
    };
    store.commit(vec![command]).await.map(drop)
}
