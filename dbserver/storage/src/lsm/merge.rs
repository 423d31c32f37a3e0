//! Many files as one sequence of keys, in either direction.

use std::sync::Arc;

use super::range_tombstones::{Purpose, RangeTombstones, Ranges};
use super::set::{FileSet, FileView};
use crate::error::Result;
use crate::key::{Direction, RowBuffer, TreeId};
use crate::sst::{Cursor, FileMeta, Place, Table};

/// A range of user keys, and which way to go over it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// The first key; where the flag says so it is not part of it.
    pub lower: (Vec<u8>, bool),
    /// The last key; where the flag says so it is not part of it.
    pub upper: (Vec<u8>, bool),
    pub direction: Direction,
}

/// Takes a version: the source's number (newest first), its file, the version's number, its value.
pub(crate) type EachVersion<'a> = dyn FnMut(usize, &Table, u64, Option<&[u8]>) + 'a;

/// One or more files that do not overlap, in the order of the merge.
struct Source {
    /// Still to come; the last one is next.
    tables: Vec<Arc<Table>>,
    cursor: Option<Cursor>,
    /// What it passes by.
    ranges: Ranges,
}

/// See the module.
pub(crate) struct Merge {
    /// Newest first.
    sources: Vec<Source>,
    /// Those that have a key in the span, by number: the one whose key is next is the last, of equal keys the newest source's.
    /// Mostly one source leads for many keys in a row, which then costs one comparison each.
    order: Vec<usize>,
    span: Span,
    pass: bool,
    /// The key it is at.
    key: Vec<u8>,
    /// The value that the view saw of it.
    value: Vec<u8>,
    /// Where another source's next key is, while one goes ahead.
    bound: Vec<u8>,
}

impl Span {
    fn contains(&self, user: &[u8]) -> bool {
        let (lower, above) = &self.lower;
        let (upper, below) = &self.upper;
        let after = if *above { user > lower.as_slice() } else { user >= lower.as_slice() };
        after && if *below { user < upper.as_slice() } else { user <= upper.as_slice() }
    }

    /// For a key that is not before the span's start: whether it is not behind its end.
    fn reaches(&self, user: &[u8]) -> bool {
        let ((lower, above), (upper, below)) = (&self.lower, &self.upper);
        match (self.direction, user.cmp(if self.direction == Direction::Forward { upper } else { lower })) {
            (Direction::Forward, order) => order.is_lt() || (order.is_eq() && !below),
            (Direction::Backward, order) => order.is_gt() || (order.is_eq() && !above),
        }
    }

    fn start(&self) -> Place<'_> {
        match (self.direction, &self.lower, &self.upper) {
            (Direction::Forward, (key, false), _) | (Direction::Backward, _, (key, true)) => {
                Place::before(key)
            }
            (Direction::Forward, (key, true), _) | (Direction::Backward, _, (key, false)) => {
                Place::after(key)
            }
        }
    }
}

impl Source {
    /// The key it is at. A file is not opened before its first key is due.
    fn peek(&self, direction: Direction) -> Option<&[u8]> {
        next_key(self.cursor.as_ref(), &self.tables, direction)
    }

    fn open(&mut self, start: Option<Place<'_>>, direction: Direction, pass: bool) -> Result<()> {
        while let Some(table) = self.tables.pop() {
            let mut cursor = Cursor::new(&table, pass)?;
            let whole = match direction {
                Direction::Forward => Place::before(&[]),
                Direction::Backward => Place::after(&table.meta.max),
            };
            go(&mut cursor, start.unwrap_or(whole), direction)?;
            if cursor.entry().is_some() {
                self.cursor = Some(cursor);
                return Ok(());
            }
        }
        self.cursor = None;
        Ok(())
    }

    /// Leaves ranges that it passes by.
    fn pass_by(&mut self, span: &Span, pass: bool) -> Result<()> {
        let direction = span.direction;
        let forward = direction == Direction::Forward;
        while !self.ranges.is_empty() {
            let Some(user) = next_key(self.cursor.as_ref(), &self.tables, direction) else { break };
            let Some(range) = self.ranges.around(user, direction) else { break };
            let FileMeta { min, max, .. } = &range.meta;
            let is_rest = if forward { *max >= span.upper.0 } else { *min <= span.lower.0 };
            if is_rest {
                // What comes after it is not asked for.
                self.cursor = None;
                self.tables.clear();
                break;
            }
            let beyond = if forward { Place::after(max) } else { Place::before(min) };
            let ends_in = |meta: &FileMeta| if forward { meta.max <= *max } else { meta.min >= *min };
            if self.cursor.as_ref().is_some_and(|cursor| ends_in(&cursor.table().meta)) {
                self.cursor = None;
            }
            let cursor = match &mut self.cursor {
                Some(cursor) => cursor,
                none => {
                    while self.tables.pop_if(|table| ends_in(&table.meta)).is_some() {}
                    let begins_in =
                        |meta: &FileMeta| if forward { meta.min <= *max } else { meta.max >= *min };
                    let Some(table) = self.tables.pop_if(|table| begins_in(&table.meta)) else { continue };
                    none.insert(Cursor::new(&table, pass)?)
                }
            };
            go(cursor, beyond, direction)?;
            if cursor.entry().is_none() {
                self.cursor = None;
            }
        }
        Ok(())
    }

    fn advance(&mut self, direction: Direction) -> Result<()> {
        let Some(cursor) = &mut self.cursor else { return Ok(()) };
        match direction {
            Direction::Forward => cursor.next()?,
            Direction::Backward => cursor.prev()?,
        }
        if cursor.entry().is_none() {
            self.cursor = None;
        }
        Ok(())
    }
}

/// To the first entry behind the place, in the direction.
fn go(cursor: &mut Cursor, place: Place<'_>, direction: Direction) -> Result<()> {
    match direction {
        Direction::Forward => cursor.seek(place),
        Direction::Backward => cursor.seek_before(place),
    }
}

fn next_key<'a>(
    cursor: Option<&'a Cursor>,
    tables: &'a [Arc<Table>],
    direction: Direction,
) -> Option<&'a [u8]> {
    match (cursor, tables.last()) {
        (Some(cursor), _) => cursor.entry().map(|(user, ..)| user),
        (None, Some(table)) => Some(match direction {
            Direction::Forward => &table.meta.min,
            Direction::Backward => &table.meta.max,
        }),
        (None, None) => None,
    }
}

/// The key in its tree.
fn key_of(user: &[u8]) -> &[u8] {
    user.get(size_of::<TreeId>()..).unwrap_or_default()
}

impl Merge {
    /// Over all files of a set that have keys in the span, for this view.
    pub fn new(set: &FileSet, span: Span, view: &FileView<'_>) -> Result<Merge> {
        let sources = set.runs().iter().chain(&set.levels).map(|tables| {
            let from = tables.partition_point(|table| table.meta.max < span.lower.0);
            let to = tables.partition_point(|table| table.meta.min <= span.upper.0);
            tables.get(from..to).unwrap_or_default().to_vec()
        });
        let sources: Vec<_> = sources.collect();
        let is_seen = |table: &Table| view.rank(table, table.meta.newest).is_some();
        let tombstones = RangeTombstones::of(&sources, Purpose::Reading, is_seen);
        Merge::of(sources, span, false, &tombstones)
    }

    /// Over these files: each vector in the order of its keys, the vectors newest first.
    pub(super) fn of(
        sources: Vec<Vec<Arc<Table>>>,
        span: Span,
        pass: bool,
        tombstones: &RangeTombstones,
    ) -> Result<Merge> {
        let mut merge = Merge {
            sources: Vec::new(),
            order: Vec::new(),
            span,
            pass,
            key: Vec::new(),
            value: Vec::new(),
            bound: Vec::new(),
        };
        let start = merge.span.start();
        for (number, mut tables) in sources.into_iter().enumerate() {
            if tables.is_empty() {
                continue;
            }
            if merge.span.direction == Direction::Forward {
                tables.reverse();
            }
            let ranges = tombstones.ranges(number, merge.span.direction);
            let mut source = Source { tables, cursor: None, ranges };
            // A file that lies wholly in the span waits until its first key is due.
            let inside = source.peek(merge.span.direction).is_some_and(|user| merge.span.contains(user));
            if !inside {
                source.open(Some(start), merge.span.direction, pass)?;
            }
            merge.sources.push(source);
        }
        for rank in 0..merge.sources.len() {
            merge.queue(rank)?;
        }
        Ok(merge)
    }

    fn peek_of(&self, rank: usize) -> Option<&[u8]> {
        self.sources.get(rank)?.peek(self.span.direction)
    }

    /// Puts a source where its key belongs; nowhere if it has none in the span any more.
    fn queue(&mut self, rank: usize) -> Result<()> {
        if let Some(source) = self.sources.get_mut(rank) {
            source.pass_by(&self.span, self.pass)?;
        }
        let Some(user) = self.peek_of(rank).filter(|user| self.span.reaches(user)) else { return Ok(()) };
        let first = |other: &usize| {
            let order = user.cmp(self.peek_of(*other).unwrap_or_default());
            let order = if self.span.direction == Direction::Forward { order } else { order.reverse() };
            order.then(rank.cmp(other)).is_lt()
        };
        let at = self.order.iter().rposition(first).map_or(0, |at| at + 1);
        self.order.insert(at, rank);
        Ok(())
    }

    /// The key of the next group, without going there.
    pub fn peek(&self) -> Option<&[u8]> {
        self.peek_of(*self.order.last()?)
    }

    /// Goes over all versions of the next key.
    /// In a source the versions come newest first, or oldest first where the direction is backward. False at the end.
    pub fn group(&mut self, each: &mut EachVersion<'_>) -> Result<bool> {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        let Some(next) = self.peek() else { return Ok(false) };
        key.extend_from_slice(next);
        let direction = self.span.direction;
        while let Some(&rank) = self.order.last()
            && let Some(source) = self.sources.get_mut(rank)
            && source.peek(direction) == Some(key.as_slice())
        {
            self.order.pop();
            if source.cursor.is_none() {
                source.open(None, direction, self.pass)?;
            }
            while let Some(cursor) = &source.cursor
                && let Some((user, number, value)) = cursor.entry()
                && user == key.as_slice()
            {
                each(rank, cursor.table(), number, value);
                source.advance(direction)?;
            }
            self.queue(rank)?;
        }
        self.key = key;
        Ok(true)
    }

    /// Appends the rows that the view sees of the next keys, forward, as long as one source alone has them: until `ends` answers true for
    /// a key (in its tree), given how many came before. Answers how many keys it went over; none where the next one is in several
    /// sources, or `ends` does not want it. All versions of a key that a source has are in one file.
    pub fn rows_of_one(
        &mut self,
        view: &FileView<'_>,
        ends: impl Fn(&[u8], usize, &RowBuffer) -> bool,
        out: &mut RowBuffer,
    ) -> Result<usize> {
        let mut bound = std::mem::take(&mut self.bound);
        let mut leading = self.order.iter().rev().map(|rank| self.peek_of(*rank).unwrap_or_default());
        let (user, next) = (leading.next(), leading.next());
        // No file is opened before a key of it is due.
        let is_due = user.is_some_and(|user| next != Some(user) && !ends(key_of(user), 0, out));
        let is_alone = next.is_none();
        bound.clear();
        bound.extend_from_slice(next.unwrap_or_default());
        if !is_due {
            self.bound = bound;
            return Ok(0);
        }
        let Some(rank) = self.order.pop() else { return Ok(0) };
        let Some(source) = self.sources.get_mut(rank) else { return Ok(0) };
        if source.cursor.is_none() {
            source.open(None, self.span.direction, self.pass)?;
        }
        let (mut keys, mut seen) = (0, false);
        while let Some(cursor) = &source.cursor
            && let Some((user, number, value)) = cursor.entry()
        {
            let key = key_of(user);
            if keys == 0 || user != self.key {
                let others = !is_alone && user >= bound.as_slice();
                let mut passed_by = || source.ranges.around(user, Direction::Forward).is_some();
                if others || !self.span.reaches(user) || ends(key, keys, out) || passed_by() {
                    break;
                }
                self.key.clear();
                self.key.extend_from_slice(user);
                keys += 1;
                seen = false;
            }
            // Versions come newest first.
            if !seen && view.rank(cursor.table(), number).is_some() {
                seen = true;
                if let Some(value) = value {
                    out.push(key, value);
                }
            }
            source.advance(Direction::Forward)?;
        }
        self.bound = bound;
        self.queue(rank)?;
        Ok(keys)
    }

    /// The key that [`Merge::group`], [`Merge::next`] or [`Merge::rows_of_one`] went over last.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The value that [`Merge::next`] saw.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Goes over the next key: whether the view sees a row of it. `None` at the end.
    pub fn next(&mut self, view: &FileView<'_>) -> Result<Option<bool>> {
        let mut value = std::mem::take(&mut self.value);
        // Timestamp, source and number of the best version so far, and whether it is a row.
        let mut best: Option<(u64, usize, u64, bool)> = None;
        let more = self.group(&mut |rank, table, number, bytes| {
            let Some(timestamp) = view.rank(table, number) else { return };
            let better = best.is_none_or(|(seen, source, earlier, _)| {
                timestamp > seen || (timestamp == seen && source == rank && number > earlier)
            });
            if better {
                best = Some((timestamp, rank, number, bytes.is_some()));
                value.clear();
                value.extend_from_slice(bytes.unwrap_or_default());
            }
        })?;
        self.value = value;
        if !more {
            return Ok(None);
        }
        Ok(Some(best.is_some_and(|(.., live)| live)))
    }
}
