//! `labels.csv`: a line for each label, for programs that print labels.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Label, LabelError};

/// The file, locked and open for appending. Each line that was added is durable.
#[derive(Debug)]
pub(super) struct Sheet {
    path: PathBuf,
    file: File,
    /// The codes that it has.
    codes: BTreeSet<String>,
}

impl Sheet {
    /// Opens the file, and makes it if it is missing. Cuts a torn last line, which was not acknowledged.
    pub(super) fn open(path: &Path) -> Result<Self, LabelError> {
        let io = |source| LabelError::Io { path: path.to_owned(), source };
        let not_labels = |what| LabelError::NotLabels { path: path.to_owned(), what };
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LabelError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let (mut codes, mut whole) = (BTreeSet::new(), 0);
        let mut reader = BufReader::new(&file);
        for number in 0_u64.. {
            let mut line = Vec::new();
            let length = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(io)?;
            match line.strip_suffix(b"\n") {
                _ if length == 0 => break,
                Some(line) if number == 0 && line != HEADER.as_bytes() => {
                    return Err(not_labels("its first line is another one"));
                }
                Some(_) if number == 0 => {}
                Some(line) => {
                    codes.extend(code(line));
                }
                None if line.len() as u64 == LINE_BYTES_MAX => return Err(not_labels("a line has no end")),
                // Torn by a power cut; also a header.
                None if number > 0 || HEADER.as_bytes().starts_with(&line) => break,
                None => return Err(not_labels("its first line is another one")),
            }
            whole += length as u64;
        }
        file.set_len(whole).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        if whole == 0 {
            file.write_all(format!("{HEADER}\n").as_bytes()).map_err(io)?;
        }
        file.sync_all().map_err(io)?;
        Ok(Self { path: path.to_owned(), file, codes })
    }

    /// Whether a label with this code is in the file.
    pub(super) fn has(&self, code: &str) -> bool {
        self.codes.contains(code)
    }

    /// Adds a line. After an error the file may end with a part of it, which the next line removes.
    pub(super) fn add(&mut self, label: &Label, code: &str, svg: &str, png: &str) -> Result<(), LabelError> {
        let io = |path: &Path, source| LabelError::Io { path: path.to_owned(), source };
        let (certificate, key) = (label.certificate.to_string(), label.key.to_string());
        let (product, serial) = (label.device.product.as_str(), label.device.serial.as_str());
        let mut writer = csv::Writer::from_writer(Vec::new());
        let line = writer
            .write_record([serial, product, &certificate, &key, code, svg, png])
            .map_err(std::io::Error::other)
            .and_then(|()| writer.into_inner().map_err(|error| std::io::Error::other(error.to_string())))
            .map_err(|source| io(&self.path, source))?;
        let start = self.file.stream_position().map_err(|source| io(&self.path, source))?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.file.set_len(start).ok();
            self.file.seek(SeekFrom::Start(start)).ok();
            return Err(io(&self.path, source));
        }
        self.codes.insert(code.to_owned());
        Ok(())
    }
}

/// The code in a line; `None` if the line was changed by others.
fn code(line: &[u8]) -> Option<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let record = reader.records().next()?.ok()?;
    record.get(CODE_COLUMN).map(str::to_owned)
}

const HEADER: &str = "serial,product,certificate_serial,key_fingerprint,code,svg,png";
const CODE_COLUMN: usize = 4;

/// The longest line: a label has some hundred bytes.
const LINE_BYTES_MAX: u64 = 4_096;
