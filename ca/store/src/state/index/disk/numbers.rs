//! Numbers in as few bytes as they need.

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
pub(super) fn put(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Reads what [`put`] wrote; `None`: it is cut off.
pub(super) fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (byte, following) = rest.split_first()?;
        *rest = following;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Small numbers of either sign become small ones.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Records of `N` fields, the first `RAW` of them as they are, the others by what they differ from those of
/// the record before.
pub(in crate::state::index) fn pack<const N: usize, const RAW: usize>(
    records: impl Iterator<Item = [u32; N]>,
    to: &mut Vec<u8>,
) {
    let mut last = [0; N];
    for record in records {
        for (place, (field, before)) in record.iter().zip(last).enumerate() {
            match place < RAW {
                true => to.extend_from_slice(&field.to_le_bytes()),
                false => put(zigzag(i64::from(*field) - i64::from(before)), to),
            }
        }
        last = record;
    }
}

/// Reads what [`pack`] wrote; an item is `None` where it is cut off, and nothing follows that.
pub(in crate::state::index) fn unpack<const N: usize, const RAW: usize>(
    mut bytes: &[u8],
) -> impl Iterator<Item = Option<[u32; N]>> {
    let mut last = [0; N];
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let mut record = || -> Option<[u32; N]> {
            for (place, field) in last.iter_mut().enumerate() {
                *field = if place < RAW {
                    let (raw, rest) = bytes.split_first_chunk::<4>()?;
                    bytes = rest;
                    u32::from_le_bytes(*raw)
                } else {
                    let difference = unzigzag(take(&mut bytes)?);
                    u32::try_from(i64::from(*field).checked_add(difference)?).ok()?
                };
            }
            Some(last)
        };
        let record = record();
        if record.is_none() {
            bytes = &[];
        }
        Some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put(number, &mut bytes);
            assert_eq!(take(&mut bytes.as_slice()), Some(number));
        }
        for number in [0, 1, -1, 4_000_000_000, -4_000_000_000, i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(number)), number);
        }
    }

    #[test]
    fn packed_records_are_read_back_and_a_cut_is_noticed() {
        let records = [[7, 1, u32::MAX], [u32::MAX, 0, 0], [0, u32::MAX, 5]];
        let mut bytes = Vec::new();
        pack::<3, 1>(records.into_iter(), &mut bytes);
        assert!(unpack::<3, 1>(&bytes).eq(records.map(Some)));
        let cut: Vec<_> = unpack::<3, 1>(&bytes[..bytes.len() - 1]).collect();
        assert_eq!(cut, [Some(records[0]), Some(records[1]), None]);
    }
}
