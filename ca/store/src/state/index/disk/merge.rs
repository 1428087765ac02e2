//! Merging of sorted lists, and which files are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Result;

/// A sorted list.
pub(super) type Sorted<'a, T> = Box<dyn Iterator<Item = Result<T>> + 'a>;

/// What sorted lists have, sorted. Nothing follows an error.
pub(super) fn merged<'a, T: Ord + 'a>(mut lists: Vec<Sorted<'a, T>>) -> impl Iterator<Item = Result<T>> + 'a {
    let mut heads = BinaryHeap::new();
    let mut failed = None;
    for (place, list) in lists.iter_mut().enumerate() {
        match list.next().transpose() {
            Ok(head) => heads.extend(head.map(|head| Reverse((head, place)))),
            Err(error) => failed = Some(error),
        }
    }
    std::iter::from_fn(move || {
        if let Some(error) = failed.take() {
            heads.clear();
            return Some(Err(error));
        }
        let Reverse((head, place)) = heads.pop()?;
        match lists.get_mut(place).and_then(Iterator::next).transpose() {
            Ok(next) => heads.extend(next.map(|next| Reverse((next, place)))),
            Err(error) => failed = Some(error),
        }
        Some(Ok(head))
    })
}

/// How many of the files, of which the oldest come first, stay as they are when so many new records are
/// written; the others are merged with those: the newest files that are not larger than what comes to them.
/// There are then about as many files as the records double. With it, how many records the new file has.
pub(super) fn kept(
    files: impl DoubleEndedIterator<Item = u64> + ExactSizeIterator,
    new: u64,
) -> (usize, u64) {
    let (mut kept, mut records) = (files.len(), new);
    for file in files.rev() {
        if file > records || records + file > FILE_RECORDS_MAX {
            break;
        }
        records += file;
        kept -= 1;
    }
    (kept, records)
}

/// A file has at most 4 GiB.
const FILE_RECORDS_MAX: u64 = 400_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreError;

    #[test]
    fn the_newest_files_are_merged_that_are_not_larger_than_what_comes_to_them() {
        assert_eq!(kept([].into_iter(), 7), (0, 7));
        assert_eq!(kept([100, 30, 7].into_iter(), 7), (2, 14));
        assert_eq!(kept([100, 14, 7].into_iter(), 7), (1, 28));
        assert_eq!(kept([28, 14, 7].into_iter(), 7), (0, 56));
        assert_eq!(kept([300_000_000].into_iter(), 300_000_000), (1, 300_000_000));
    }

    #[test]
    fn lists_are_merged_in_order_and_nothing_follows_an_error() {
        let list = |numbers: &'static [u32]| Box::new(numbers.iter().copied().map(Ok)) as Sorted<'_, u32>;
        let all: Vec<_> =
            merged(vec![list(&[1, 4]), list(&[]), list(&[2, 4, 9])]).map(Result::unwrap).collect();
        assert_eq!(all, [1, 2, 4, 4, 9]);
        let failing = [Ok(3), Err(StoreError::Busy), Ok(5)].into_iter();
        let mut merged = merged(vec![list(&[1, 9]), Box::new(failing)]);
        assert!(merged.next().is_some_and(|one| one.is_ok_and(|one| one == 1)));
        assert!(merged.next().is_some_and(|one| one.is_ok_and(|one| one == 3)));
        assert!(merged.next().is_some_and(|one| one.is_err()));
        assert!(merged.next().is_none());
    }
}
