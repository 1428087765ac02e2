//! CRLs.

use authority::Refused;
use bytes::Bytes;
use identity::IssuerName;
use proto::v1;
use publication::{Crl, CrlId};

use super::bad;

pub(in crate::grpc) fn crl_id(message: &v1::GetCrlRequest) -> Result<CrlId, Refused> {
    let issuer = message.issuer.parse::<IssuerName>().ok();
    let issuer = issuer
        .ok_or_else(|| bad("issuer", format_args!("is factory, operational, infrastructure or root")))?;
    Ok(CrlId { issuer, shard: message.shard })
}

/// A piece of a CRL; the first one says what the CRL is.
pub(in crate::grpc) fn crl_piece(crl: &Crl, chunk: Bytes, first: bool) -> v1::GetCrlResponse {
    if !first {
        return v1::GetCrlResponse { chunk, ..v1::GetCrlResponse::default() };
    }
    let (epoch, counter) = crl.meta.number.parts();
    let number = u128::from(epoch) << 64 | u128::from(counter);
    let number: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
    v1::GetCrlResponse {
        chunk,
        number: number.into(),
        this_update: Some(crl.meta.this_update.into()),
        next_update: Some(crl.meta.next_update.into()),
        length: crl.length(),
    }
}
