//! The conformance suite: what the store must do over every log. A new log gains one line at the end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a failed assumption is a failed test"
)]

#[path = "store/cases.rs"]
mod cases;

use std::sync::Arc;

use cases::Bench;
use store::{CHECKPOINT_ENTRIES_DEFAULT, FaultyLog, LogSettings, LogStore, MemoryLog, StoreSettings};
use tempfile::TempDir;

async fn memory() -> Bench {
    Bench::in_memory(5)
}

async fn faultless() -> Bench {
    Bench::over(Arc::new(FaultyLog::new(Arc::new(MemoryLog::default()))), 1)
}

async fn files(preallocate: bool) -> Bench {
    let clock = cases::clock();
    let directory = TempDir::new().unwrap();
    let log = LogSettings::Files { segment_bytes: 64 * 1024, preallocate, archive_dir: None };
    // One of the two writes its index to disk all the time.
    let checkpoint_entries = if preallocate { 3 } else { CHECKPOINT_ENTRIES_DEFAULT };
    let settings =
        StoreSettings { log, checkpoint_entries, ..StoreSettings::new(directory.path().to_owned()) };
    let store = LogStore::create(&settings, clock.clone()).unwrap();
    Bench::new(Arc::new(store), clock, Some(directory))
}

macro_rules! conformance {
    ($($sentence:ident),* $(,)?) => {
        mod over_a_log_in_memory {
            $(#[tokio::test(flavor = "multi_thread")] async fn $sentence() { crate::cases::$sentence(crate::memory().await).await })*
        }
        mod over_a_faultless_faulty_log {
            $(#[tokio::test(flavor = "multi_thread")] async fn $sentence() { crate::cases::$sentence(crate::faultless().await).await })*
        }
        mod over_growing_files {
            $(#[tokio::test(flavor = "multi_thread")] async fn $sentence() { crate::cases::$sentence(crate::files(false).await).await })*
        }
        mod over_preallocated_files {
            $(#[tokio::test(flavor = "multi_thread")] async fn $sentence() { crate::cases::$sentence(crate::files(true).await).await })*
        }
    };
}

conformance!(
    entries_are_numbered_without_gaps_in_the_order_of_the_commands,
    later_commands_see_the_effect_of_earlier_ones_in_the_same_call,
    the_same_request_gets_the_same_entry_for_ever,
    a_request_id_with_other_content_is_refused,
    racing_callers_never_exceed_a_work_order,
    racing_callers_with_one_key_get_one_certificate,
    what_is_foreseen_is_what_is_committed,
    a_certificate_is_read_back_with_its_status,
    a_scrapped_unit_is_revoked_and_never_returns,
    a_unit_that_left_the_factory_is_not_scrapped,
    an_enrolment_is_confirmed_and_the_others_are_revoked,
    a_revoked_principal_is_revoked_at_once,
    a_new_question_is_not_answered_with_an_expired_certificate,
    a_caller_that_was_revoked_is_decided_nothing_for,
    listings_show_what_was_committed_before,
    certificates_that_expire_are_listed_soonest_first,
    unaccounted_units_are_listed,
    pages_follow_each_other_without_gaps,
    products_are_listed_with_their_last_pause,
    serials_that_begin_with_one_another_are_listed_in_order,
    a_closed_store_refuses,
    a_renewed_certificate_is_superseded_once_its_child_is_used,
    a_profile_says_what_becomes_of_the_parent,
    cloned_flash_is_found_out_and_held,
    a_birth_certificate_that_enrols_again_is_an_alarm,
    duplicates_are_recorded_once,
    a_hold_is_undone_and_nothing_else_is,
    a_retired_device_never_returns,
    a_board_is_replaced_once_and_only_when_allowed,
    a_revoked_birth_is_not_brought_back_by_its_station,
    a_revoked_device_is_revoked_wherever_states_are_shown,
    a_rotation_means_what_was_there_when_it_was_asked,
    devices_that_are_silent_are_listed,
    certificates_are_revoked_once,
    changes_come_in_order_and_none_is_lost_or_doubled,
    a_crl_names_what_is_revoked_or_held_and_nothing_else,
    what_expired_leaves_the_crl,
    a_selection_is_what_its_survey_says,
    a_job_revokes_its_selection_and_what_grew_meanwhile,
    the_rows_are_those_of_a_model,
);
