//! Long lists, a page at a time.

use std::future::Future;

use proto::v1::PageRequest;

use crate::arguments::PageArguments;
use crate::failure::Failure;
use crate::output::Output;

/// Asks for page after page until `limit` rows are there or the list ends.
///
/// # Errors
/// As the CA answers.
pub(crate) async fn collect<T, F>(
    page: PageArguments,
    mut ask: impl FnMut(PageRequest) -> F,
) -> Result<Listed<T>, Failure>
where
    F: Future<Output = Result<(Vec<T>, String), tonic::Status>>,
{
    let limit = if page.limit == 0 { usize::MAX } else { page.limit };
    let mut rows: Vec<T> = Vec::new();
    let mut cursor = String::new();
    loop {
        let missing = limit - rows.len();
        let size = u32::try_from(missing.min(PAGE_ROWS_MAX)).unwrap_or(1);
        let (mut some, next) = ask(PageRequest { size, cursor: cursor.clone() }).await?;
        some.truncate(missing);
        rows.append(&mut some);
        if next.is_empty() {
            return Ok(Listed { rows, more: false });
        }
        if rows.len() >= limit {
            return Ok(Listed { rows, more: true });
        }
        // A CA that gives the same place again would be asked for ever.
        if next == cursor {
            return Err(Failure::local("the CA gave the same page twice").next("list again"));
        }
        cursor = next;
    }
}

/// Rows of a list.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    /// As many as were wanted.
    rows: Vec<T>,
    /// Whether the list goes on.
    more: bool,
}

impl<T> Listed<T> {
    /// The rows; tells the person when there are more.
    pub(crate) fn say_more(self, output: &mut Output) -> Vec<T> {
        if self.more {
            let count = self.rows.len();
            output.note(&format!("the first {count}; there are more: --limit N, or --limit 0 for all"));
        }
        self.rows
    }

    /// The rows.
    pub(crate) fn rows(self) -> Vec<T> {
        self.rows
    }
}

/// What the wire allows a page (`PageRequest.size`).
const PAGE_ROWS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    async fn list(limit: usize, length: usize) -> (Vec<usize>, usize) {
        let mut asked = 0;
        let rows = collect(PageArguments { limit }, |page| {
            asked += 1;
            let from: usize = page.cursor.parse().unwrap_or(0);
            let to = (from + usize::try_from(page.size).unwrap()).min(length);
            let next = if to < length { to.to_string() } else { String::new() };
            async move { Ok(((from..to).collect(), next)) }
        })
        .await
        .unwrap();
        (rows.rows(), asked)
    }

    #[tokio::test]
    async fn all_pages_are_asked_for_until_the_list_ends() {
        assert_eq!(list(0, 2_500).await, ((0..2_500).collect(), 3));
    }

    #[tokio::test]
    async fn no_more_rows_are_asked_for_than_wanted() {
        assert_eq!(list(1_200, 2_500).await, ((0..1_200).collect(), 2));
        assert_eq!(list(10, 5).await, ((0..5).collect(), 1));
    }
}
