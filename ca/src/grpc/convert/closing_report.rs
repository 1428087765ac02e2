//! The closing report.

use authority::{ClosingDocuments, ClosingPiece};
use bytes::Bytes;
use closing::Form;
use proto::v1;
use proto::v1::get_closing_report_response::Piece;

use super::time::timestamp;
use super::work_order::work_order;

pub(in crate::grpc) fn closing_begin(documents: &ClosingDocuments) -> v1::GetClosingReportResponse {
    let begin = v1::ClosingReportBegin {
        work_order: Some(work_order(documents.order(), None)),
        signer: Bytes::copy_from_slice(documents.signer()),
        signed_at: Some(timestamp(documents.signed_at())),
    };
    v1::GetClosingReportResponse { piece: Some(Piece::Begin(begin)) }
}

pub(in crate::grpc) fn closing_piece(piece: ClosingPiece) -> v1::GetClosingReportResponse {
    let piece = match piece {
        ClosingPiece::Bytes { form: which, bytes } => {
            Piece::Chunk(v1::ClosingReportChunk { form: form(which).into(), bytes })
        }
        ClosingPiece::Complete { form: which, length, digest, signature } => {
            Piece::Complete(v1::ClosingReportComplete {
                form: form(which).into(),
                length,
                sha256: Bytes::copy_from_slice(&digest),
                signature,
            })
        }
    };
    v1::GetClosingReportResponse { piece: Some(piece) }
}

fn form(form: Form) -> v1::ClosingReportForm {
    match form {
        Form::Json => v1::ClosingReportForm::Json,
        Form::Csv => v1::ClosingReportForm::Csv,
        Form::Page => v1::ClosingReportForm::Page,
        Form::Registration => v1::ClosingReportForm::AwsRegistration,
        Form::Manifest => v1::ClosingReportForm::Manifest,
    }
}
