//! The condition of the CA, and when certificates are renewed.

use std::time::SystemTime;

use authority::{Condition, RECORDED_AHEAD_MAX, RenewalReason, RenewalWindow};
use bytes::Bytes;
use proto::v1;

use super::certificate::certificate;
use super::time::{duration, timestamp};

pub(in crate::grpc) fn condition(condition: &Condition) -> v1::GetConditionResponse {
    let ends = condition
        .ends
        .iter()
        .map(|end| v1::CertificateEnd { name: end.name.clone(), not_after: Some(timestamp(end.not_after)) });
    let ahead = condition.recorded_ahead.iter().take(RECORDED_AHEAD_MAX);
    let without_der = |record| v1::CertificateSummary { certificate: Bytes::new(), ..certificate(record) };
    v1::GetConditionResponse {
        time: Some(timestamp(condition.time)),
        clock_doubt: condition.doubt.map(|doubt| doubt.to_string()).unwrap_or_default(),
        ends: ends.collect(),
        recorded_ahead: ahead.map(without_der).collect(),
        more_recorded_ahead: condition.recorded_ahead.len() > RECORDED_AHEAD_MAX,
        troubles: Vec::new(),
    }
}

pub(in crate::grpc) fn trouble(trouble: crate::grpc::Trouble) -> v1::Trouble {
    v1::Trouble {
        what: trouble.what.to_owned(),
        urgent: trouble.urgent,
        finding: trouble.finding,
        next: trouble.next.to_owned(),
    }
}

pub(in crate::grpc) fn renewal_window(time: RenewalWindow, now: SystemTime) -> v1::GetRenewalInfoResponse {
    let reason = match time.reason {
        RenewalReason::Scheduled => "scheduled",
        RenewalReason::RotationRequested => "rotation requested",
        RenewalReason::Superseded => "superseded",
        RenewalReason::NotYetValid => "not yet valid",
        RenewalReason::IssuerEnds => "issuer ends",
    };
    v1::GetRenewalInfoResponse {
        window_start: Some(timestamp(time.start)),
        window_end: Some(timestamp(time.end)),
        reason: reason.to_owned(),
        retry_after: Some(duration(time.retry_after)),
        explanation: time.explanation,
        server_time: Some(timestamp(now)),
    }
}
