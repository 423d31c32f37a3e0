//! Large transactions: what they wrote goes to staged files long before they commit.
//!
//! A transaction whose writes have grown large writes them, sorted, to a file of its own, which joins the tree's files at once,
//! seen by nobody else; the rows then leave the memtable. The file keeps their locks: whoever wants to write such a row finds
//! there that another transaction is about to. The commit is one log record that names the files; with it all their versions
//! count, by one store to the transaction's status. A rollback takes the files away. So neither memory nor the log grows with a
//! transaction, and no row is written to the log that goes to a file anyway.
//!
//! A row goes to a staged file only when nothing older of it in memory is missing in the files: otherwise the older version
//! would later come to lie in a newer file. Where there is such a row, the memtable is flushed first.

use std::sync::Arc;

use super::slots::TxnState;
use super::work::Work;
use crate::engine::Shared;
use crate::error::Result;
use crate::key::{Key, TreeId};
use crate::memtable::{Cell, Change, Version};
use crate::sst::{Codec, SstWriter, Staged, Table, write_user_key};

/// Rows looked at under one acquisition of a tree's latch.
const LATCH_ROWS: usize = 256;

/// What a transaction writes at most before its first staged file.
const STAGE_BYTES_FIRST: usize = 4 << 20;

/// Whether a transaction with this much work should stage it: a sixty-fourth of the memory for rows at first, more as its files
/// become many, so that they stay few; anything worthwhile where memory is short.
pub(crate) fn is_due(shared: &Shared, work: &Work) -> bool {
    let bytes = work.memory_bytes();
    let memtable = usize::try_from(shared.options.memtable_bytes).unwrap_or(usize::MAX);
    // Short deletions of long rows keep these in memory.
    if bytes < shared.options.stage_bytes_min && work.kept_bytes < memtable / 16 {
        return false;
    }
    let first = file_bytes_min(shared);
    let due = first.max((first * work.staged.len() / 4).min(memtable / 8));
    bytes >= due || shared.trees.memory_bytes() > shared.options.memtable_bytes / 4 * 3
}

/// What a transaction's first staged file should have at least: fewer rows are better off in memory.
pub(crate) fn file_bytes_min(shared: &Shared) -> usize {
    let least = shared.options.stage_bytes_min;
    let memtable = usize::try_from(shared.options.memtable_bytes).unwrap_or(usize::MAX);
    (memtable / 64).clamp(least, least.max(STAGE_BYTES_FIRST))
}

/// What a row has to be staged.
enum Stageable {
    /// So many pending versions.
    Versions(usize),
    /// Nothing: it is locked at most.
    Nothing,
    /// An older version of it is in no file yet.
    NotYet,
}

/// Moves the transaction's pending versions from memory to a file.
///
/// # Errors
/// As writing a file; then everything is where it was.
pub(crate) fn stage(shared: &Arc<Shared>, state: &Arc<TxnState>, work: &mut Work) -> Result<()> {
    let Some(slot) = state.slot() else { return Ok(()) };
    let mut keys = std::mem::take(&mut work.touched);
    keys.sort_unstable();
    keys.dedup();
    // Savepoints knew the rows by their order.
    work.stagings += 1;
    let outcome = move_to_file(shared, state, slot, &keys, work);
    if let Ok(Some(moved)) = &outcome {
        let mut moved = moved.iter();
        keys.retain(|_| moved.next() != Some(&true));
    }
    work.touched = keys;
    outcome.map(|_| ())
}

/// Answers which rows have moved; `None` where nothing could.
fn move_to_file(
    shared: &Arc<Shared>,
    state: &Arc<TxnState>,
    slot: u32,
    keys: &[(TreeId, Key)],
    work: &mut Work,
) -> Result<Option<Vec<bool>>> {
    let mut file = write_file(shared, state, slot, keys, work)?;
    if matches!(file, File::NotYet) {
        shared.flush_memtable()?;
        file = write_file(shared, state, slot, keys, work)?;
    }
    let File::Written(rows, table) = file else { return Ok(None) };
    shared.files.stage(Arc::clone(&table));
    work.staged.push(table);
    leave(shared, keys, &rows);
    work.kept_bytes = 0;
    work.redo.staged();
    Ok(Some(rows))
}

/// What became of a file.
enum File {
    /// For each key, whether its row is in it.
    Written(Vec<bool>, Arc<Table>),
    /// A row cannot be staged yet.
    NotYet,
    /// No row has anything for a file.
    Nothing,
}

/// Writes a file with the rows.
fn write_file(
    shared: &Arc<Shared>,
    state: &Arc<TxnState>,
    slot: u32,
    keys: &[(TreeId, Key)],
    work: &Work,
) -> Result<File> {
    let mut writer = shared.files.create(Codec::Lz4)?;
    writer.keep_blocks(Some(&shared.files.cache));
    let number = writer.number();
    let file = write(shared, slot, keys, &mut writer).and_then(|written| {
        let Some(written) = written else { return Ok(File::NotYet) };
        let meta = writer.finish()?;
        if meta.entries == 0 {
            return Ok(File::Nothing);
        }
        let staged = Staged { state: Arc::clone(state), discards: Arc::clone(&work.discards) };
        Ok(File::Written(written, shared.files.open(meta, Some(staged))?))
    });
    if !matches!(file, Ok(File::Written(..))) {
        shared.files.discard(&[number]);
    }
    file
}

/// Answers for each key whether its row went to the file; `None` where an older version of a row is in no file yet.
fn write(
    shared: &Shared,
    slot: u32,
    keys: &[(TreeId, Key)],
    writer: &mut SstWriter,
) -> Result<Option<Vec<bool>>> {
    let flushed = shared.files.flushed();
    let mut written = vec![false; keys.len()];
    let (mut user, mut found, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    for (from, group) in groups(keys) {
        let Some((id, tree)) = group.first().and_then(|(id, _)| Some((*id, shared.trees.get(*id)?))) else {
            continue;
        };
        found.clear();
        versions.clear();
        tree.rows.read().get_all(group, &mut |index, row| {
            found.push((index, of(&row.head, slot, flushed, &mut versions)));
        });
        let mut rest = versions.as_slice();
        for (index, stageable) in &found {
            let count = match stageable {
                Stageable::Versions(count) => *count,
                Stageable::Nothing => continue,
                Stageable::NotYet => return Ok(None),
            };
            let (Some((_, key)), Some((own, after))) = (group.get(*index), rest.split_at_checked(count))
            else {
                continue;
            };
            rest = after;
            write_user_key(id, key, &mut user);
            for (command, cell) in own {
                let value = if let Cell::Live(value) = cell { Some(&**value) } else { None };
                writer.add(&user, *command, value)?;
            }
            if let Some(row) = written.get_mut(from + index) {
                *row = true;
            }
        }
    }
    Ok(Some(written))
}

/// Appends its pending versions to `versions`, newest first.
fn of(head: &Version, slot: u32, flushed: u64, versions: &mut Vec<(u64, Cell)>) -> Stageable {
    let begun = versions.len();
    // Of the lowest versions, where they are locks, the last: it stays when what is above is rolled back to a savepoint.
    let mut lock = None;
    let mut base = Cell::Tombstone;
    for version in head.iter() {
        if version.stamp.owner() == Some(slot) {
            match &version.cell {
                Cell::Lock => lock = Some(version.stamp.command()),
                cell => {
                    lock = None;
                    versions.push((version.stamp.command(), cell.clone()));
                }
            }
        } else if version.stamp.timestamp().is_none_or(|timestamp| timestamp > flushed) {
            return if versions.len() == begun { Stageable::Nothing } else { Stageable::NotYet };
        } else {
            base = version.cell.clone();
            break;
        }
    }
    if versions.len() == begun {
        return Stageable::Nothing;
    }
    // A file knows no locks: it is written as an update that changes nothing, for which its value is needed.
    if lock.is_some() && matches!(base, Cell::InFiles) {
        return Stageable::NotYet;
    }
    versions.extend(lock.map(|command| (command, base)));
    Stageable::Versions(versions.len() - begun)
}

/// The keys in parts of one tree each, with the index of their first.
fn groups(keys: &[(TreeId, Key)]) -> impl Iterator<Item = (usize, &[(TreeId, Key)])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = keys.get(from..)?;
        let (id, _) = rest.first()?;
        let same = rest.iter().take(LATCH_ROWS).take_while(|(tree, _)| tree == id).count();
        let group = (from, rest.get(..same)?);
        from += same;
        Some(group)
    })
}

/// Takes the rows that were written from memory.
fn leave(shared: &Shared, keys: &[(TreeId, Key)], written: &[bool]) {
    for (from, group) in groups(keys) {
        let Some(tree) = group.first().and_then(|(id, _)| shared.trees.get(*id)) else { continue };
        let gone = group.iter().zip(written.iter().skip(from)).filter(|(_, written)| **written);
        let gone: Vec<&Key> = gone.map(|((_, key), _)| key).collect();
        let mut change = Change::default();
        let mut rows = tree.rows.write();
        tree.leaves_memory();
        rows.remove_all(&gone, &mut |row| change.row(row, -1));
        drop(rows);
        shared.trees.account(&tree, &change);
    }
}
