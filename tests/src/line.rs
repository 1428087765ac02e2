//! Requests birth certificates, one by one or on a stream, and distinguishes the results.

use std::collections::HashMap;

use prost::bytes::Bytes;
use proto::v1::issue_birth_certificates_response::Outcome;
use proto::v1::{IssueBirthCertificateRequest, IssuedCertificate};
use tokio_stream::StreamExt;
use tonic::Status;

use crate::{Caller, Refused, refused};

/// The result of one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Issued(IssuedCertificate),
    Refused(Refused),
    /// The connection ended first; whether there is a certificate is unknown.
    Lost,
}

impl Answer {
    /// The certificate; otherwise the test fails.
    pub fn issued(self) -> IssuedCertificate {
        match self {
            Self::Issued(certificate) => certificate,
            other => panic!("this must be issued: {other:?}"),
        }
    }

    /// The stable reason of the refusal; otherwise the test fails.
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused(refused) => &refused.reason,
            other => panic!("this must be refused: {other:?}"),
        }
    }

    pub fn is_issued(&self) -> bool {
        matches!(self, Self::Issued(_))
    }

    fn of_status(status: &Status) -> Self {
        let refused = refused(status);
        if refused.reason.is_empty() { Self::Lost } else { Self::Refused(refused) }
    }
}

/// One request in one call.
pub async fn ask(station: &Caller, request: IssueBirthCertificateRequest) -> Answer {
    match station.provisioning().issue_birth_certificate(request).await {
        Ok(response) => {
            Answer::Issued(response.into_inner().certificate.expect("the answer has a certificate"))
        }
        Err(status) => Answer::of_status(&status),
    }
}

/// All requests on one stream. Returns the answers by request id; missing ones are [`Answer::Lost`].
pub async fn ask_on_stream(
    station: &Caller,
    requests: Vec<IssueBirthCertificateRequest>,
) -> HashMap<Bytes, Answer> {
    let mut answers: HashMap<_, _> =
        requests.iter().map(|request| (request.request_id.clone(), Answer::Lost)).collect();
    let opened = station.provisioning().issue_birth_certificates(tokio_stream::iter(requests)).await;
    let mut stream = match opened {
        Ok(response) => response.into_inner(),
        Err(status) => {
            let answer = Answer::of_status(&status);
            answers.values_mut().for_each(|slot| *slot = answer.clone());
            return answers;
        }
    };
    while let Some(response) = stream.next().await {
        let response = match response {
            Ok(response) => response,
            Err(status) => {
                let unanswered = answers.values_mut().filter(|answer| **answer == Answer::Lost);
                unanswered.for_each(|slot| *slot = Answer::of_status(&status));
                return answers;
            }
        };
        let answer = match response.outcome.expect("an answer has an outcome") {
            Outcome::Certificate(certificate) => Answer::Issued(certificate),
            Outcome::Refusal(refusal) => Answer::Refused(Refused {
                code: tonic::Code::from(refusal.code),
                reason: refusal.reason,
                message: refusal.message,
                retry: refusal.retry_after_ms > 0,
            }),
        };
        let slot = answers.get_mut(&response.request_id).expect("an answer is to a request of ours");
        *slot = answer;
    }
    answers
}
