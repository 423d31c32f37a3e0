//! What a transaction's commit record carries: its writes, one after the other.
//!
//! Writes:
//! ```text
//! 1  tree (u64 big-endian)                       the writes after it are in this tree
//! 2  key length (varint), key, value length (varint), value      put of a row that existed
//! 3  key length (varint), key                                    delete of a row that existed
//! 4  key length (varint), key, value length (varint), value      put of a row that did not
//! 5  rows (i64)                                  rows that the tree has more by the commit, in one that has staged files
//! ```
//! A commit's payload: timestamp (u64), transaction (u64), dropped trees (varint count, u64 each), staged files (varint count, as
//! in the manifest), writes. What is in staged files is not among the writes.

use crate::key::TreeId;
use crate::sst::FileMeta;

const TREE: u8 = 1;
const PUT: u8 = 2;
const DELETE: u8 = 3;
const INSERT: u8 = 4;
const ROWS: u8 = 5;

/// Writes not yet logged.
#[derive(Default)]
pub(crate) struct Redo {
    pub bytes: Vec<u8>,
    tree: Option<TreeId>,
    /// How many times the writes went to a staged file.
    staged: u64,
}

/// A point to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RedoMark {
    bytes: usize,
    staged: u64,
}

impl Redo {
    /// A row is written; `new`: it did not exist.
    pub fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8], new: bool) {
        self.switch(tree);
        self.bytes.push(if new { INSERT } else { PUT });
        put_bytes(&mut self.bytes, key);
        put_bytes(&mut self.bytes, value);
    }

    pub fn delete(&mut self, tree: TreeId, key: &[u8]) {
        self.switch(tree);
        self.bytes.push(DELETE);
        put_bytes(&mut self.bytes, key);
    }

    /// The tree has so many rows more when the transaction has committed, which has staged files.
    pub fn rows(&mut self, tree: TreeId, rows: i64) {
        self.switch(tree);
        self.bytes.push(ROWS);
        self.bytes.extend_from_slice(&rows.to_le_bytes());
    }

    fn switch(&mut self, tree: TreeId) {
        if self.tree != Some(tree) {
            self.tree = Some(tree);
            self.bytes.push(TREE);
            self.bytes.extend_from_slice(&tree.0.to_be_bytes());
        }
    }

    /// Whether there is anything to log.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What was gathered is in a staged file.
    pub fn staged(&mut self) {
        self.bytes.clear();
        self.tree = None;
        self.staged += 1;
    }

    pub fn mark(&self) -> RedoMark {
        RedoMark { bytes: self.bytes.len(), staged: self.staged }
    }

    /// Forgets the writes since the mark. All that is here came after it where some were staged since.
    pub fn rollback_to(&mut self, mark: RedoMark) {
        self.bytes.truncate(if mark.staged == self.staged { mark.bytes } else { 0 });
        self.tree = None;
    }
}

/// The fields of a commit record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Commit {
    pub timestamp: u64,
    pub txn: u64,
    pub drops: Vec<TreeId>,
    pub staged: Vec<FileMeta>,
}

impl Commit {
    pub fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.timestamp, self.txn] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        put_varint(out, self.drops.len() as u64);
        for tree in &self.drops {
            out.extend_from_slice(&tree.0.to_le_bytes());
        }
        put_varint(out, self.staged.len() as u64);
        for file in &self.staged {
            file.encode(out);
        }
    }

    /// Upper bound of the encoded length.
    pub fn encoded_max(&self) -> usize {
        let files = self.staged.iter();
        let files: usize =
            files.map(|file| 90 + file.discards.len() * 16 + file.min.len() + file.max.len()).sum();
        16 + 20 + 8 * self.drops.len() + files
    }

    /// The fields, and the writes after them.
    pub fn decode(mut bytes: &[u8]) -> Option<(Commit, &[u8])> {
        let timestamp = take_u64(&mut bytes)?;
        let txn = take_u64(&mut bytes)?;
        let mut drops = Vec::new();
        for _ in 0..take_varint(&mut bytes)? {
            drops.push(TreeId(take_u64(&mut bytes)?));
        }
        let mut staged = Vec::new();
        for _ in 0..take_varint(&mut bytes)? {
            staged.push(FileMeta::decode(&mut bytes)?);
        }
        Some((Commit { timestamp, txn, drops, staged }, bytes))
    }
}

/// One write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op<'a> {
    pub tree: TreeId,
    /// Rows that the tree has more.
    pub rows: i64,
    /// What is written; in a commit with staged files there may be nothing: then the rows are all that it has more.
    pub write: Option<RowWrite<'a>>,
}

/// What is written to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowWrite<'a> {
    pub key: &'a [u8],
    /// `None`: it is deleted.
    pub value: Option<&'a [u8]>,
}

/// The writes in order; an item is `None` where the bytes make no sense, and the last then.
pub(crate) fn ops(mut bytes: &[u8]) -> impl Iterator<Item = Option<Op<'_>>> {
    let mut tree = None;
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let op = next_op(&mut bytes, &mut tree);
        if op.is_none() {
            bytes = &[];
        }
        Some(op)
    })
}

fn next_op<'a>(bytes: &mut &'a [u8], tree: &mut Option<TreeId>) -> Option<Op<'a>> {
    loop {
        let (tag, rest) = bytes.split_first()?;
        *bytes = rest;
        match *tag {
            TREE => {
                let (number, rest) = bytes.split_first_chunk::<8>()?;
                *tree = Some(TreeId(u64::from_be_bytes(*number)));
                *bytes = rest;
            }
            PUT | INSERT => {
                let key = take_bytes(bytes)?;
                let value = take_bytes(bytes)?;
                let write = Some(RowWrite { key, value: Some(value) });
                return Some(Op { tree: (*tree)?, rows: i64::from(*tag == INSERT), write });
            }
            DELETE => {
                let write = Some(RowWrite { key: take_bytes(bytes)?, value: None });
                return Some(Op { tree: (*tree)?, rows: -1, write });
            }
            ROWS => {
                let rows = take_u64(bytes)?.cast_signed();
                return Some(Op { tree: (*tree)?, rows, write: None });
            }
            _ => return None,
        }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

pub(crate) fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*number))
}

pub(crate) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_read_back_in_order() {
        let mut redo = Redo::default();
        redo.put(TreeId(7), b"a", b"1", true);
        redo.put(TreeId(7), &[b'k'; 300], &[b'v'; 70_000], false);
        redo.delete(TreeId(8), b"");
        redo.rows(TreeId(9), -5);
        let read: Vec<_> = ops(&redo.bytes).collect();
        assert_eq!(read.len(), 4);
        let write = |key, value| Some(RowWrite { key, value });
        assert_eq!(read[0], Some(Op { tree: TreeId(7), rows: 1, write: write(b"a", Some(b"1")) }));
        assert_eq!(read[1].unwrap().write.unwrap().value.unwrap().len(), 70_000);
        assert_eq!(read[2], Some(Op { tree: TreeId(8), rows: -1, write: write(b"", None) }));
        assert_eq!(read[3], Some(Op { tree: TreeId(9), rows: -5, write: None }));
        for cut in 1..20 {
            assert!(ops(&redo.bytes[..cut]).count() <= 2, "a cut is noticed, not a panic");
        }
    }

    #[test]
    fn rolling_back_forgets_what_came_after() {
        let mut redo = Redo::default();
        redo.put(TreeId(1), b"a", b"", true);
        let mark = redo.mark();
        redo.put(TreeId(1), b"b", b"", true);
        redo.rollback_to(mark);
        assert_eq!(ops(&redo.bytes).count(), 1);
        redo.staged();
        redo.put(TreeId(1), b"d", b"", true);
        redo.rollback_to(mark);
        assert!(redo.is_empty());
    }

    #[test]
    fn a_commit_reads_back() {
        let file = FileMeta { number: 3, min: b"a".to_vec(), max: b"b".to_vec(), ..FileMeta::default() };
        let commit = Commit { timestamp: 5, txn: 6, drops: vec![TreeId(8), TreeId(9)], staged: vec![file] };
        let mut bytes = Vec::new();
        commit.encode(&mut bytes);
        assert!(bytes.len() <= commit.encoded_max());
        bytes.extend_from_slice(b"rest");
        assert_eq!(Commit::decode(&bytes), Some((commit, &b"rest"[..])));
        assert_eq!(Commit::decode(&bytes[..30]), None);
    }
}
