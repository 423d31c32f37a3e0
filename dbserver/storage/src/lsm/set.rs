//! A set of files, and looking a key up in it.

use std::sync::{Arc, OnceLock};

use crate::error::Result;
use crate::key::{TreeId, Value};
use crate::memtable::Cell;
use crate::mvcc::TxnState;
use crate::sst::{Entry, Table};

/// See [`super`]. Immutable once it is in force.
#[derive(Default)]
pub(crate) struct FileSet {
    /// Newest first; they may overlap.
    pub l0: Vec<Arc<Table>>,
    /// L1 and so on; in each the files are ordered by key and do not overlap.
    pub levels: Vec<Vec<Arc<Table>>>,
    /// See [`FileSet::runs`].
    runs: OnceLock<Vec<Vec<Arc<Table>>>>,
}

/// To be changed: what was derived from the lists is derived anew.
impl Clone for FileSet {
    fn clone(&self) -> FileSet {
        FileSet { l0: self.l0.clone(), levels: self.levels.clone(), runs: OnceLock::new() }
    }
}

/// What decides which version is seen.
#[derive(Clone, Copy)]
pub(crate) struct FileView<'a> {
    /// Commits up to this one are seen.
    pub timestamp: u64,
    /// The transaction whose own statements before this one are seen as well.
    pub own: Option<(&'a Arc<TxnState>, u64)>,
}

/// The newest version of a row in the files, for a writer.
pub(crate) enum Newest {
    /// There is none.
    None,
    /// It was committed at the timestamp.
    Committed(u64, Cell),
    /// The writer's own statement wrote it.
    Own(u64, Cell),
    /// Another transaction is about to write it: it has the row's lock.
    Foreign(Arc<TxnState>),
}

impl FileView<'_> {
    /// The rank of a version among those seen of its key, where it is seen.
    pub fn rank(&self, table: &Table, number: u64) -> Option<u64> {
        match table.entry(number) {
            Entry::Committed(timestamp) => Some(timestamp).filter(|timestamp| *timestamp <= self.timestamp),
            Entry::Pending(state, statement) => {
                let (own, before) = self.own?;
                (Arc::ptr_eq(own, state) && statement < before).then_some(u64::MAX)
            }
            Entry::Void => None,
        }
    }

    /// The inverted timestamp from which on a file's versions of a key can be seen.
    fn from(&self, table: &Table) -> u64 {
        if table.staged.is_some() { 0 } else { !self.timestamp }
    }
}

impl FileSet {
    /// Every file with its level, newest first.
    pub fn all(&self) -> impl Iterator<Item = (u8, &Arc<Table>)> {
        let l0 = self.l0.iter().map(|table| (0, table));
        let levels = self
            .levels
            .iter()
            .zip(1..)
            .flat_map(|(tables, level)| tables.iter().map(move |table| (level, table)));
        l0.chain(levels)
    }

    /// Adds a file at the end of a level: of L0 the oldest, of the others where its keys belong.
    pub fn add(&mut self, level: u8, table: Arc<Table>) {
        let Some(index) = usize::from(level).checked_sub(1) else {
            self.l0.push(table);
            return;
        };
        if self.levels.len() <= index {
            self.levels.resize_with(index + 1, Vec::new);
        }
        if let Some(tables) = self.levels.get_mut(index) {
            let at = tables.partition_point(|other| other.meta.min < table.meta.min);
            tables.insert(at, table);
        }
    }

    /// Takes files away.
    pub fn remove(&mut self, gone: &[Arc<Table>]) {
        let keep = |table: &Arc<Table>| !gone.iter().any(|other| Arc::ptr_eq(table, other));
        self.l0.retain(keep);
        for tables in &mut self.levels {
            tables.retain(keep);
        }
    }

    /// L0 in as few parts as its order allows, newest first; the files of one do not overlap and are ordered by key. A large
    /// transaction's rows mostly come in the order of their keys, so that its files, a thousand maybe, are looked up as one level.
    /// Not to be called before the set is complete.
    pub fn runs(&self) -> &[Vec<Arc<Table>>] {
        self.runs.get_or_init(|| {
            let mut runs: Vec<Vec<Arc<Table>>> = Vec::new();
            for table in &self.l0 {
                let run = runs.last_mut().and_then(|run| {
                    let at = run.partition_point(|other| other.meta.max < table.meta.min);
                    let is_free = run.get(at).is_none_or(|next| table.meta.max < next.meta.min);
                    is_free.then_some((run, at))
                });
                match run {
                    Some((run, at)) => run.insert(at, Arc::clone(table)),
                    None => runs.push(vec![Arc::clone(table)]),
                }
            }
            runs
        })
    }

    /// The files that may hold the key, newest first.
    fn candidates<'a>(&'a self, user: &'a [u8]) -> impl Iterator<Item = &'a Table> {
        self.runs().iter().chain(&self.levels).filter_map(move |tables| {
            let at = tables.partition_point(|table| *table.meta.max < *user);
            tables.get(at).filter(|table| *table.meta.min <= *user).map(|table| &**table)
        })
    }

    /// The value that the view sees, and the rank of its version. `None` where that needs the disk, which may not be read.
    pub fn get(
        &self,
        user: &[u8],
        hash: u64,
        view: &FileView<'_>,
        may_read: bool,
    ) -> Result<Option<(Option<Value>, u64)>> {
        for table in self.candidates(user) {
            let mut found = None;
            let looked = table.versions(user, hash, view.from(table), may_read, &mut |number, value| {
                found = view.rank(table, number).map(|rank| (value.map(Value::new), rank));
                found.is_none()
            })?;
            if found.is_some() || !looked {
                return Ok(found);
            }
        }
        Ok(Some((None, 0)))
    }

    /// The newest version, whoever may see it, of the files with something newer than `after`.
    pub fn newest(&self, user: &[u8], hash: u64, own: &Arc<TxnState>, after: u64) -> Result<Newest> {
        for table in self.candidates(user).filter(|table| table.has_news(after)) {
            let mut found = Newest::None;
            table.versions(user, hash, 0, true, &mut |number, value| {
                let cell = || value.map_or(Cell::Tombstone, |value| Cell::Live(Value::new(value)));
                found = match table.entry(number) {
                    Entry::Committed(timestamp) => Newest::Committed(timestamp, cell()),
                    Entry::Pending(state, statement) if Arc::ptr_eq(state, own) => {
                        Newest::Own(statement, cell())
                    }
                    Entry::Pending(state, _) => Newest::Foreign(Arc::clone(state)),
                    Entry::Void => return true,
                };
                false
            })?;
            if !matches!(found, Newest::None) {
                return Ok(found);
            }
        }
        Ok(Newest::None)
    }

    /// Whether no file with a key between these, both included, has something newer than the timestamp.
    /// `but`: those that are not asked.
    pub fn nothing_after(
        &self,
        first: &[u8],
        last: &[u8],
        timestamp: u64,
        but: &dyn Fn(&Table) -> bool,
    ) -> bool {
        self.runs().iter().chain(&self.levels).all(|tables| {
            let from = tables.partition_point(|table| *table.meta.max < *first);
            let mut overlapping = tables.iter().skip(from).take_while(|table| *table.meta.min <= *last);
            overlapping.all(|table| !table.has_news(timestamp) || but(table))
        })
    }

    /// Bytes of a level.
    pub fn level_bytes(&self, level: u8) -> u64 {
        self.all().filter(|(of, _)| *of == level).map(|(_, table)| table.meta.bytes).sum()
    }

    /// Bytes of the files that hold nothing but this tree.
    pub fn tree_bytes(&self, tree: TreeId) -> u64 {
        let own = self.all().filter(|(_, table)| table.meta.only_tree() == Some(tree));
        own.map(|(_, table)| table.meta.bytes).sum()
    }

    /// Files of a level.
    pub fn level_files(&self, level: u8) -> u64 {
        self.all().filter(|(of, _)| *of == level).count() as u64
    }
}
