//! Long lists, a page at a time.

use std::future::Future;

use proto::v1::PageRequest;

use crate::arguments::PageArguments;
use crate::failure::Failure;
use crate::output::Output;

/// Asks for page after page until `limit` rows are there or the list ends; says so when there is more.
///
/// # Errors
/// As the CA answers.
pub(crate) async fn collect<T, F>(
    page: PageArguments,
    output: &mut Output,
    mut ask: impl FnMut(PageRequest) -> F,
) -> Result<Vec<T>, Failure>
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
            return Ok(rows);
        }
        if rows.len() >= limit {
            output.note(&format!("the first {limit}; there are more: --limit N, or --limit 0 for all"));
            return Ok(rows);
        }
        // A CA that gives the same place again would be asked for ever.
        if next == cursor {
            return Err(Failure::local("the CA gave the same page twice").next("list again"));
        }
        cursor = next;
    }
}

/// What the wire allows a page (`PageRequest.size`).
const PAGE_ROWS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        Output::new(Box::new(std::io::sink()), Box::new(std::io::sink()), false, false)
    }

    async fn list(limit: usize, length: usize) -> (Vec<usize>, usize) {
        let mut asked = 0;
        let rows = collect(PageArguments { limit }, &mut output(), |page| {
            asked += 1;
            let from: usize = page.cursor.parse().unwrap_or(0);
            let to = (from + usize::try_from(page.size).unwrap()).min(length);
            let next = if to < length { to.to_string() } else { String::new() };
            async move { Ok(((from..to).collect(), next)) }
        })
        .await
        .unwrap();
        (rows, asked)
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
