//! Long lists: each page is printed before the next is asked for, so that memory holds one page.

use proto::v1::PageRequest;
use serde::Serialize;
use tonic::Status;

use crate::arguments::PageArguments;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Column;

/// Prints page after page until `limit` rows are printed or the list ends, then says how to go on. `ask`
/// returns the rows of a page and the cursor of the next one.
pub(crate) async fn print<T: Into<V>, V: Serialize>(
    columns: &[Column<V>],
    page: &PageArguments,
    output: &mut Output,
    ask: impl AsyncFnMut(PageRequest) -> Result<(Vec<T>, String), Status>,
) -> Result<(), Failure> {
    print_some(columns, page, output, ask, |row| Some(row.into()), async || Ok(())).await
}

/// As [`print()`], with the rows that `view` keeps. If there are none, `exists` may make it an error.
pub(crate) async fn print_some<T, V: Serialize>(
    columns: &[Column<V>],
    page: &PageArguments,
    output: &mut Output,
    mut ask: impl AsyncFnMut(PageRequest) -> Result<(Vec<T>, String), Status>,
    view: impl Fn(T) -> Option<V>,
    exists: impl AsyncFnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let limit = if page.limit == 0 { usize::MAX } else { page.limit };
    let mut printed = 0;
    let mut cursor = page.cursor.clone();
    loop {
        let (rows, next) = ask(request(limit - printed, &cursor)).await?;
        let rows: Vec<V> = rows.into_iter().filter_map(&view).take(limit - printed).collect();
        printed += rows.len();
        if !rows.is_empty() {
            output.rows(&rows, columns, page.wide)?;
        }
        if next.is_empty() {
            if printed == 0 {
                exists().await?;
                output.none();
            }
            output.say_if_cut();
            return Ok(());
        }
        if printed >= limit {
            output.say_if_cut();
            output.more(printed, &next);
            return Ok(());
        }
        cursor = further(next, &cursor)?;
    }
}

/// All rows at once, for lists that are known to be short.
pub(crate) async fn all<T>(
    mut ask: impl AsyncFnMut(PageRequest) -> Result<(Vec<T>, String), Status>,
) -> Result<Vec<T>, Failure> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let (mut some, next) = ask(request(PAGE_ROWS_MAX, &cursor)).await?;
        rows.append(&mut some);
        if next.is_empty() {
            return Ok(rows);
        }
        cursor = further(next, &cursor)?;
    }
}

/// The request for the first row alone, to learn whether there is one.
pub(crate) fn one_row() -> Option<PageRequest> {
    Some(request(1, ""))
}

fn request(rows: usize, cursor: &str) -> PageRequest {
    PageRequest { size: u32::try_from(rows.min(PAGE_ROWS_MAX)).unwrap_or(1), cursor: cursor.to_owned() }
}

/// The next cursor. A CA that returns the same cursor again would be asked for ever.
fn further(next: String, before: &str) -> Result<String, Failure> {
    if next == before {
        return Err(Failure::local("the CA gave the same page twice").next("list again"));
    }
    Ok(next)
}

/// The most rows of a page: `PageRequest.size` in the proto.
const PAGE_ROWS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::table::always;

    /// A list of the numbers below `length`, three a page at the most; the cursor is the next number.
    async fn page(length: u64, request: PageRequest) -> Result<(Vec<u64>, String), Status> {
        let from = request.cursor.parse().unwrap_or(0);
        let until = length.min(from + u64::from(request.size.min(3)));
        let next = if until == length { String::new() } else { until.to_string() };
        Ok(((from..until).collect(), next))
    }

    async fn printed(length: u64, limit: usize, cursor: &str, keep: fn(u64) -> bool) -> (String, String) {
        let (data, notes) = (Shared::default(), Shared::default());
        let mut output = Output::new(Box::new(data.clone()), Box::new(notes.clone()), true, None);
        let columns = [always("N", |number: &u64| number.to_string())];
        let arguments = PageArguments { limit, cursor: cursor.to_owned(), wide: false };
        let view = move |number| keep(number).then_some(number);
        let ask = async |request| page(length, request).await;
        print_some(&columns, &arguments, &mut output, ask, view, async || Ok(())).await.unwrap();
        (data.text(), notes.text())
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_list_goes_on_where_the_one_before_ended_without_a_gap_or_a_double() {
        let (first, note) = printed(7, 4, "", |_| true).await;
        assert_eq!(first, "0\n1\n2\n3\n");
        assert_eq!(note, "{\"next_cursor\":\"4\"}\n");
        let (rest, note) = printed(7, 0, "4", |_| true).await;
        assert_eq!((rest.as_str(), note.as_str()), ("4\n5\n6\n", ""));
    }

    #[tokio::test]
    async fn rows_that_are_left_out_do_not_count_against_the_limit() {
        let (even, note) = printed(20, 5, "", |number| number % 2 == 0).await;
        assert_eq!(even, "0\n2\n4\n6\n8\n");
        assert_eq!(note, "{\"next_cursor\":\"9\"}\n");
    }

    #[tokio::test]
    async fn a_cursor_that_comes_twice_ends_the_list() {
        let again = async |_: PageRequest| Ok((vec![1_u64], "x".to_owned()));
        assert!(all(again).await.is_err());
    }
}
