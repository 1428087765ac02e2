//! The closing report: fetched from the CA, checked piece by piece, and written into a directory that appears
//! when it is complete.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256, digest};
use proto::v1::get_closing_report_response::Piece;
use proto::v1::{self as wire, ClosingReportForm};
use serde::Serialize;

use super::verification;
use crate::failure::Failure;
use crate::output::Output;
use crate::{Context as Command, files, timestamp};

/// A report that was written.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    pub(super) work_order: String,
    pub(super) directory: PathBuf,
    pub(super) files: Vec<&'static str>,
    /// SHA-256 of the signer's certificate, hexadecimal.
    pub(super) signer_sha256: String,
    pub(super) signed_at: Option<String>,
    /// The commands that verify it.
    pub(super) verify: Vec<String>,
}

/// Refuses a directory that cannot be made, before anything is asked of the CA.
pub(super) fn check_free(directory: &Path) -> Result<(), Failure> {
    match directory.symlink_metadata() {
        Ok(_) => Err(Failure::usage(format!("{} exists; nothing is overwritten", directory.display()))
            .next("name another directory for the report: --report DIR")),
        Err(_) => Ok(()),
    }
}

/// Writes the closing report of a closed order into `directory`, which must not exist.
pub(super) async fn write(id: &str, directory: &Path, context: &mut Command<'_>) -> Result<Written, Failure> {
    check_free(directory)?;
    let request = wire::GetClosingReportRequest { id: id.to_owned() };
    let mut stream = context.connection.work_orders().await?.get_closing_report(request).await?.into_inner();
    let mut report = Incoming::begin(directory)?;
    while let Some(message) = stream.message().await? {
        match message.piece {
            Some(Piece::Begin(begin)) => report.begun = Some(begin),
            Some(Piece::Chunk(chunk)) => report.chunk(chunk.form(), &chunk.bytes)?,
            Some(Piece::Complete(complete)) => report.complete(complete.form(), &complete)?,
            // A piece of a newer CA.
            None => {}
        }
    }
    report.finish(directory, context.connection.directory()?)
}

/// A report that is being fetched, beside its place; removed unless it is finished.
struct Incoming {
    unfinished: PathBuf,
    forms: Vec<Form>,
    begun: Option<wire::ClosingReportBegin>,
    finished: bool,
}

struct Form {
    form: ClosingReportForm,
    name: &'static str,
    file: BufWriter<File>,
    hash: Context,
    length: u64,
    complete: bool,
}

impl Incoming {
    fn begin(directory: &Path) -> Result<Self, Failure> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let unfinished =
            ::files::parent(directory).join(format!(".{name}.unfinished-{}", std::process::id()));
        files::make_directory(&unfinished)?;
        let mut incoming = Self { unfinished, forms: Vec::new(), begun: None, finished: false };
        for (form, name) in FILES {
            let path = incoming.unfinished.join(name);
            let file = File::create_new(&path).map_err(|source| Failure::file(&path, source))?;
            let (file, hash) = (BufWriter::new(file), Context::new(&SHA256));
            incoming.forms.push(Form { form, name, file, hash, length: 0, complete: false });
        }
        Ok(incoming)
    }

    fn form(&mut self, form: ClosingReportForm) -> Result<&mut Form, Failure> {
        let known = self.forms.iter_mut().find(|known| known.form == form);
        known.ok_or_else(|| {
            Failure::local("the CA sent a form of the report that this program does not know")
                .next("use the programs of one version")
        })
    }

    fn chunk(&mut self, form: ClosingReportForm, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.unfinished.clone();
        let form = self.form(form)?;
        form.hash.update(bytes);
        form.length += bytes.len() as u64;
        form.file.write_all(bytes).map_err(|source| Failure::file(path.join(form.name), source))
    }

    fn complete(
        &mut self,
        form: ClosingReportForm,
        complete: &wire::ClosingReportComplete,
    ) -> Result<(), Failure> {
        let directory = self.unfinished.clone();
        let form = self.form(form)?;
        let path = directory.join(form.name);
        let hash = std::mem::replace(&mut form.hash, Context::new(&SHA256)).finish();
        if form.length != complete.length || hash.as_ref() != &*complete.sha256 {
            return Err(Failure::local(format!("{} arrived damaged", form.name)).next("repeat the command"));
        }
        let synced = form.file.flush().and_then(|()| form.file.get_ref().sync_all());
        synced.map_err(|source| Failure::file(&path, source))?;
        if !complete.signature.is_empty() {
            let signature = directory.join(format!("{}.p7s", form.name));
            files::write(&signature, &complete.signature, false)?;
        }
        form.complete = true;
        Ok(())
    }

    /// Everything is there: it appears under its name.
    fn finish(mut self, directory: &Path, credentials: &Path) -> Result<Written, Failure> {
        let incomplete = || {
            Failure::unreachable("the CA ended the report before it was complete").next("repeat the command")
        };
        let begin = self.begun.take().filter(|_| self.forms.iter().all(|form| form.complete));
        let begin = begin.ok_or_else(incomplete)?;
        let signer = files::pem([begin.signer.as_ref()]);
        files::write(&self.unfinished.join(SIGNER_FILE), signer.as_bytes(), false)?;
        let signed_at = timestamp::system(begin.signed_at.as_ref()).ok_or_else(incomplete)?;
        let root = credentials.join(client::TRUST_FILE);
        let verify = verification::commands(&FILES.map(|(_, name)| name), signed_at, &root);
        let signer_sha256 = hex::encode(digest(&SHA256, &begin.signer));
        let told = verification::text(&FILES.map(|(_, name)| name), signed_at, &signer_sha256);
        files::write(&self.unfinished.join(VERIFY_FILE), told.as_bytes(), false)?;
        let cannot = |source| Failure::file(directory, source);
        ::files::sync_directory(&self.unfinished).map_err(cannot)?;
        fs::rename(&self.unfinished, directory).map_err(cannot)?;
        self.finished = true;
        ::files::sync_directory(::files::parent(directory)).map_err(cannot)?;
        Ok(Written {
            work_order: begin.work_order.unwrap_or_default().id,
            directory: directory.to_owned(),
            files: FILES.iter().map(|(_, name)| *name).collect(),
            signer_sha256,
            signed_at: timestamp::text(begin.signed_at.as_ref()),
            verify,
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.finished {
            fs::remove_dir_all(&self.unfinished).ok();
        }
    }
}

impl Written {
    pub(super) fn to_text(&self) -> String {
        format!(
            "Report in {}: print report.html; the others are for programs.\nTo verify it, in that directory:",
            self.directory.display(),
        )
    }

    /// Behind the text, each on one line whatever the terminal is: they are pasted.
    pub(super) fn print_commands(&self, output: &mut Output) -> Result<(), Failure> {
        if output.is_json() {
            return Ok(());
        }
        self.verify.iter().try_for_each(|command| output.line(command))
    }
}

const FILES: [(ClosingReportForm, &str); 5] = [
    (ClosingReportForm::Json, JSON_FILE),
    (ClosingReportForm::Csv, "units.csv"),
    (ClosingReportForm::Page, "report.html"),
    (ClosingReportForm::AwsRegistration, "aws-registration.ndjson"),
    (ClosingReportForm::Manifest, verification::MANIFEST_FILE),
];

pub(super) const JSON_FILE: &str = "report.json";

/// The certificate whose key signed.
const SIGNER_FILE: &str = "signer.pem";

/// How to verify the report, for whoever gets it.
const VERIFY_FILE: &str = "VERIFY.txt";

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(bytes: &[u8], length: u64) -> wire::ClosingReportComplete {
        let sha256 = digest(&SHA256, bytes).as_ref().to_vec().into();
        wire::ClosingReportComplete { length, sha256, signature: vec![1].into(), ..Default::default() }
    }

    fn begun() -> Option<wire::ClosingReportBegin> {
        let signed_at = Some(prost_types::Timestamp { seconds: 1_795_852_800, nanos: 0 });
        Some(wire::ClosingReportBegin { signed_at, signer: vec![1].into(), work_order: None })
    }

    #[test]
    fn a_report_appears_when_all_of_it_is_there_and_nothing_is_left_of_another() {
        let place = tempfile::tempdir().unwrap();
        let (whole, cut) = (place.path().join("whole"), place.path().join("cut"));
        for (directory, forms) in [(&whole, 5), (&cut, 4)] {
            let mut incoming = Incoming::begin(directory).unwrap();
            incoming.begun = begun();
            for (form, _) in FILES.into_iter().take(forms) {
                incoming.chunk(form, b"one ").unwrap();
                incoming.chunk(form, b"two").unwrap();
                incoming.complete(form, &complete(b"one two", 7)).unwrap();
                assert!(!directory.exists());
            }
            assert_eq!(incoming.finish(directory, place.path()).is_ok(), forms == 5);
        }
        assert_eq!(fs::read(whole.join("units.csv")).unwrap(), b"one two");
        assert!(whole.join("units.csv.p7s").exists() && whole.join(VERIFY_FILE).exists());
        let left: Vec<_> =
            fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["whole"]);
        assert!(check_free(&whole).is_err() && check_free(&cut).is_ok());
    }

    #[test]
    fn a_form_that_arrives_damaged_or_short_or_is_unknown_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let mut incoming = Incoming::begin(&place.path().join("report")).unwrap();
        incoming.chunk(ClosingReportForm::Csv, b"one two").unwrap();
        assert!(incoming.complete(ClosingReportForm::Csv, &complete(b"one too", 7)).is_err());
        incoming.chunk(ClosingReportForm::Json, b"one two").unwrap();
        assert!(incoming.complete(ClosingReportForm::Json, &complete(b"one two", 8)).is_err());
        assert!(incoming.chunk(ClosingReportForm::Unspecified, b"x").is_err());
    }
}
