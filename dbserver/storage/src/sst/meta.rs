//! What the manifest and the log say of a sorted file.

use super::tree_of;
use crate::key::TreeId;
use crate::wal::{put_varint, take_u64, take_varint};

/// A sorted file that counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FileMeta {
    pub number: u64,
    pub bytes: u64,
    /// Versions in it.
    pub entries: u64,
    /// Of them deletions.
    pub tombstones: u64,
    /// The newest timestamp in it (a staged file: the newest statement).
    pub newest: u64,
    /// The first user key.
    pub min: Vec<u8>,
    /// The last user key.
    pub max: Vec<u8>,
    /// A staged file: when its transaction committed.
    pub committed: Option<u64>,
    /// A staged file: statements that were rolled back to a savepoint, first and last.
    pub discards: Vec<(u64, u64)>,
}

impl FileMeta {
    pub fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.number, self.bytes, self.entries, self.tombstones, self.newest] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.committed.unwrap_or(0).to_le_bytes());
        put_varint(out, self.discards.len() as u64);
        for (from, to) in &self.discards {
            out.extend_from_slice(&from.to_le_bytes());
            out.extend_from_slice(&to.to_le_bytes());
        }
        for key in [&self.min, &self.max] {
            put_varint(out, key.len() as u64);
            out.extend_from_slice(key);
        }
    }

    pub fn decode(bytes: &mut &[u8]) -> Option<FileMeta> {
        let mut meta = FileMeta {
            number: take_u64(bytes)?,
            bytes: take_u64(bytes)?,
            entries: take_u64(bytes)?,
            tombstones: take_u64(bytes)?,
            newest: take_u64(bytes)?,
            committed: Some(take_u64(bytes)?).filter(|timestamp| *timestamp > 0),
            ..FileMeta::default()
        };
        for _ in 0..take_varint(bytes)? {
            meta.discards.push((take_u64(bytes)?, take_u64(bytes)?));
        }
        for key in [&mut meta.min, &mut meta.max] {
            let length = usize::try_from(take_varint(bytes)?).ok()?;
            let (taken, rest) = bytes.split_at_checked(length)?;
            *key = taken.to_vec();
            *bytes = rest;
        }
        Some(meta)
    }

    /// Whether it may hold rows of the tree.
    pub fn has_tree(&self, tree: TreeId) -> bool {
        tree_of(&self.min) <= tree && tree <= tree_of(&self.max)
    }

    /// The tree that all its rows are of, where there is one.
    pub fn only_tree(&self) -> Option<TreeId> {
        Some(tree_of(&self.min)).filter(|tree| *tree == tree_of(&self.max))
    }

    /// Whether any key may be in both.
    pub fn overlaps(&self, other: &FileMeta) -> bool {
        self.min <= other.max && other.min <= self.max
    }

    /// Whether the key lies between the first and the last one.
    pub fn spans(&self, user: &[u8]) -> bool {
        *self.min <= *user && *user <= *self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back() {
        let meta = FileMeta {
            number: 1,
            bytes: 2,
            entries: 3,
            tombstones: 4,
            newest: 5,
            min: b"a".to_vec(),
            max: vec![7; 300],
            committed: Some(6),
            discards: vec![(1, 2), (4, 4)],
        };
        let mut bytes = Vec::new();
        meta.encode(&mut bytes);
        assert_eq!(FileMeta::decode(&mut &bytes[..]), Some(meta));
        for cut in 0..bytes.len() {
            assert_eq!(FileMeta::decode(&mut &bytes[..cut]), None);
        }
    }
}
