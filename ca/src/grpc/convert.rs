//! Messages become checked values or are refused by field; records become messages. One file a noun.

mod alarm;
mod certificate;
mod closing_report;
mod condition;
mod crl;
mod device;
mod feed;
mod principal;
mod product;
mod reservation;
mod revocation;
mod time;
mod units;
mod work_order;

use authority::Refused;
use identity::{RequestId, is_unseen};
use proto::v1;
use store::Cursor;

pub(super) use alarm::{alarm, alarm_kind};
pub(super) use certificate::{
    birth_request, certificate_selection, chain, family, issued, serial_bytes, serial_number, trust_bundle,
};
pub(super) use closing_report::{closing_begin, closing_piece};
pub(super) use condition::{condition, renewal_window, trouble};
pub(super) use crl::{crl_id, crl_piece};
pub(super) use device::{device, device_filter, device_id, device_message, silent_since};
pub(super) use feed::{feed_cursor, feed_page};
pub(super) use principal::{credential_request, principal, principal_name, revocation_reason, role};
pub(super) use product::{product, product_name};
pub(super) use reservation::{
    device_serials, reservation, reservation_filter, reservation_id, reservation_request, reserved, returned,
    withdrawn,
};
pub(super) use revocation::{
    progress, revocation_request, rotation_request, selection, serial_numbers, state, survey,
};
pub(super) use time::timestamp;
pub(super) use units::{device_serial, unit_report, units, units_asked};
pub(super) use work_order::{counts, manifest_part, work_order, work_order_id, work_order_terms};

pub(super) fn request_id(bytes: &[u8]) -> Result<RequestId, Refused> {
    RequestId::try_from(bytes).map_err(|error| bad("request_id", error))
}

/// Text for people, without control characters and other invisible ones: it can be shown and logged as it is.
pub(super) fn remark(field: &'static str, text: &str) -> Result<String, Refused> {
    words(field, text, REMARK_CHARACTERS_MAX)
}

/// As [`remark`], of at most so many characters.
pub(super) fn words(field: &'static str, text: &str, characters_max: usize) -> Result<String, Refused> {
    if text.chars().count() > characters_max {
        return Err(bad(field, format_args!("has at most {characters_max} characters")));
    }
    if text.chars().any(is_unseen) {
        return Err(bad(field, "has no control characters and no invisible ones"));
    }
    Ok(text.to_owned())
}

/// As [`remark`], and not empty.
pub(super) fn said_remark(field: &'static str, text: &str) -> Result<String, Refused> {
    match text.trim().is_empty() {
        true => Err(bad(field, "is empty: say what was found and done")),
        false => remark(field, text),
    }
}

/// The part of a listing: where it starts, and how many rows.
pub(super) fn page(page: Option<v1::PageRequest>) -> Result<(Option<Cursor>, usize), Refused> {
    let page = page.unwrap_or_default();
    let rows = match page.size {
        0 => PAGE_ROWS_DEFAULT,
        size => usize::try_from(size).ok().filter(|rows| *rows <= PAGE_ROWS_MAX).ok_or_else(|| {
            bad("page.size", format_args!("is 1 to {PAGE_ROWS_MAX}, or 0 for {PAGE_ROWS_DEFAULT}"))
        })?,
    };
    let cursor = if page.cursor.is_empty() { None } else { Some(page.cursor.parse()?) };
    Ok((cursor, rows))
}

pub(super) fn next_cursor(next: Option<&Cursor>) -> String {
    next.map(ToString::to_string).unwrap_or_default()
}

fn bad(field: &'static str, what: impl ToString) -> Refused {
    Refused::Request { field, what: what.to_string() }
}

/// The longest text for people: a sentence or two.
const REMARK_CHARACTERS_MAX: usize = 256;

const PAGE_ROWS_DEFAULT: usize = 100;

/// The most rows of a page: with certificates 1.5 MB, less than the 4 MiB that clients accept.
const PAGE_ROWS_MAX: usize = 1_000;
