//! Work orders.

use std::collections::BTreeSet;
use std::time::SystemTime;

use authority::Refused;
use identity::{DeviceIdError, DeviceSerial, PrincipalName, ProfileName, SerialPattern};
use ledger::{
    Conflict, MANIFEST_PART_SERIALS_MAX, MANIFEST_SERIALS_MAX, ManifestOutline, STATIONS_MAX, SerialList,
    SerialPart, Serials, TermsRefusal, WorkOrderCounts, WorkOrderFacts, WorkOrderId, WorkOrderState,
    WorkOrderTerms,
};
use proto::v1;

use super::bad;
use super::principal::principal_name;
use super::time::{time, timestamp};

pub(in crate::grpc) fn work_order_id(field: &'static str, text: &str) -> Result<WorkOrderId, Refused> {
    text.parse().map_err(|error| bad(field, error))
}

pub(in crate::grpc) fn work_order_terms(
    message: v1::CreateWorkOrderRequest,
) -> Result<WorkOrderTerms, Refused> {
    let serials =
        match message.serials.ok_or_else(|| bad("serials", "are missing: a pattern or a manifest"))? {
            v1::create_work_order_request::Serials::Pattern(text) => {
                Serials::Pattern(text.parse::<SerialPattern>().map_err(|error| bad("pattern", error))?)
            }
            v1::create_work_order_request::Serials::Manifest(manifest) => {
                Serials::Manifest(serial_manifest(&manifest.serials)?)
            }
            v1::create_work_order_request::Serials::Outline(outline) => {
                Serials::Manifest(SerialList::announced(manifest_outline(&outline)?))
            }
        };
    let profile = match message.profile.as_str() {
        "" => ProfileName::Idevid,
        text => text.parse().map_err(|error| bad("profile", error))?,
    };
    Ok(WorkOrderTerms {
        product: message.product.parse().map_err(|error| bad("product", error))?,
        quantity: message.quantity,
        profile,
        serials,
        stations: stations(&message.stations)?,
        opens_at: message.opens_at.map(|at| time("opens_at", at)).transpose()?,
        closes_at: message.closes_at.map(|at| time("closes_at", at)).transpose()?,
    })
}

fn serial_manifest(serials: &[String]) -> Result<SerialList, Refused> {
    if serials.len() as u64 > MANIFEST_SERIALS_MAX {
        return Err(Conflict::from(TermsRefusal::ManifestTooLong).into());
    }
    let mut manifest = BTreeSet::new();
    for text in serials {
        let serial: DeviceSerial = text.parse().map_err(|error| bad("manifest", error))?;
        if !manifest.insert(serial) {
            return Err(bad("manifest", format_args!("lists {text} twice")));
        }
    }
    Ok(manifest.into_iter().collect())
}

fn manifest_outline(outline: &v1::ManifestOutline) -> Result<ManifestOutline, Refused> {
    let sha256 = (&*outline.sha256).try_into().map_err(|_| bad("outline.sha256", "has 32 bytes"))?;
    match outline.length {
        0 => Err(bad("outline.length", "is at least 1")),
        len => Ok(ManifestOutline { len, sha256 }),
    }
}

/// Sorted serial numbers, each once.
pub(in crate::grpc) fn manifest_part(serials: &[String]) -> Result<SerialPart, Refused> {
    if !(1..=MANIFEST_PART_SERIALS_MAX).contains(&serials.len()) {
        let what = format_args!("has 1 to {MANIFEST_PART_SERIALS_MAX} serial numbers");
        return Err(bad("serials", what));
    }
    let parsed = serials.iter().map(|serial| serial.parse());
    let parsed: Vec<DeviceSerial> =
        parsed.collect::<Result<_, _>>().map_err(|error: DeviceIdError| bad("serials", error))?;
    SerialPart::of_rising(&parsed).ok_or_else(|| bad("serials", "is not sorted, or has one twice"))
}

fn stations(names: &[String]) -> Result<Vec<PrincipalName>, Refused> {
    if names.len() > STATIONS_MAX {
        return Err(Conflict::from(TermsRefusal::TooManyStations).into());
    }
    let mut stations = Vec::with_capacity(names.len());
    for name in names {
        let station = principal_name("stations", name)?;
        if stations.contains(&station) {
            return Err(bad("stations", format_args!("names {name} twice")));
        }
        stations.push(station);
    }
    Ok(stations)
}

/// `paused_since`: since when its product is paused.
pub(in crate::grpc) fn work_order(order: &WorkOrderFacts, paused_since: Option<SystemTime>) -> v1::WorkOrder {
    let terms = &order.terms;
    let state = match order.state {
        WorkOrderState::Open => v1::WorkOrderState::Open,
        WorkOrderState::Paused => v1::WorkOrderState::Paused,
        WorkOrderState::Closed => v1::WorkOrderState::Closed,
        WorkOrderState::Incomplete => v1::WorkOrderState::Incomplete,
    };
    v1::WorkOrder {
        id: order.id.to_string(),
        product: terms.product.to_string(),
        quantity: terms.quantity,
        profile: terms.profile.to_string(),
        serials: Some(match &terms.serials {
            Serials::Pattern(pattern) => v1::work_order::Serials::Pattern(pattern.to_string()),
            Serials::Manifest(serials) => v1::work_order::Serials::ManifestLength(serials.len_whole()),
        }),
        stations: terms.stations.iter().map(ToString::to_string).collect(),
        opens_at: terms.opens_at.map(timestamp),
        closes_at: terms.closes_at.map(timestamp),
        state: state.into(),
        counts: Some(counts(order.counts)),
        created_at: Some(timestamp(order.created_at)),
        manifest_recorded: match &terms.serials {
            Serials::Pattern(_) => 0,
            Serials::Manifest(serials) => serials.len(),
        },
        created_by: order.created_by.as_ref().map(ToString::to_string).unwrap_or_default(),
        product_paused_at: paused_since.map(timestamp),
    }
}

pub(in crate::grpc) fn counts(counts: WorkOrderCounts) -> v1::WorkOrderCounts {
    let WorkOrderCounts {
        issued,
        confirmed,
        scrapped,
        reworked,
        reserved,
        withdrawn,
        given_up,
        refused_after_deferral,
    } = counts;
    v1::WorkOrderCounts {
        issued,
        confirmed,
        scrapped,
        reworked,
        reserved,
        withdrawn,
        given_up,
        refused_after_deferral,
    }
}
