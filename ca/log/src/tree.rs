//! The Merkle tree over the entries of a log, as RFC 9162 (§2.1) has it: a leaf is the encoded entry, as it
//! is stored. Only the frontier is kept: what later hashes need.

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256 hash of the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf: "MTH({d\[0\]}) = HASH(0x00 || d\[0\])" --
/// <https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1>
pub fn leaf(entry: &[u8]) -> Hash {
    hash(&[&[0x00], entry])
}

/// The hash over two subtrees: "HASH(0x01 || MTH(D\[0:k\]) || MTH(D\[k:n\]))" --
/// <https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1>
fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[0x01], left, right])
}

/// The right edge of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the perfect subtrees that the tree consists of, one for each 1 in the binary digits of
    /// its size, the largest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// A frontier that was written down; `None`: no tree of this size has so many peaks.
    pub fn of(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Adds a leaf, by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let (mut hash, mut digits) = (leaf, self.size);
        while digits & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node(&left, &hash);
            digits >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, the largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The root of the tree. Of an empty one: "MTH({}) = HASH()".
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let last = peaks.next().copied();
        last.map_or_else(|| hash(&[]), |last| peaks.fold(last, |right, left| node(left, &right)))
    }
}

fn hash(parts: &[&[u8]]) -> Hash {
    let digest = match parts {
        [one] => digest(&SHA256, one),
        parts => {
            let mut context = Context::new(&SHA256);
            parts.iter().for_each(|part| context.update(part));
            context.finish()
        }
    };
    digest.as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9162 §2.1.1, word for word.
    fn defined(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => hash(&[]),
            [one] => leaf(one),
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node(&defined(&leaves[..k]), &defined(&leaves[k..]))
            }
        }
    }

    fn frontier(leaves: &[Vec<u8>]) -> Frontier {
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|entry| frontier.push(leaf(entry)));
        frontier
    }

    /// The eight leaves of the tests of certificate-transparency, and the roots of the trees over the first
    /// one, two, and so on.
    #[test]
    fn roots_are_those_that_other_implementations_have() {
        let leaves = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Frontier::default();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex::encode(tree.root()), empty);
        for (entry, root) in leaves.into_iter().zip(roots) {
            tree.push(leaf(&hex::decode(entry).unwrap()));
            assert_eq!(hex::encode(tree.root()), root);
        }
    }

    proptest! {
        #[test]
        fn the_frontiers_root_is_the_one_that_is_defined(
            leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..70),
        ) {
            let tree = frontier(&leaves);
            prop_assert_eq!(tree.root(), defined(&leaves));
            prop_assert_eq!(Frontier::of(tree.size(), tree.peaks().to_vec()), Some(tree));
        }
    }

    #[test]
    fn a_frontier_with_peaks_of_another_size_is_refused() {
        assert_eq!(Frontier::of(5, vec![[0; 32]; 3]), None);
        assert_eq!(Frontier::of(4, Vec::new()), None);
    }
}
