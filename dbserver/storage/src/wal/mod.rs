//! The write-ahead log: redo only, one stream of records for all trees.
//!
//! ```text
//! commit --> [ filling buffer ] --swap--> [ flushing buffer ] --write, sync--> segments
//!              ^ next commits               one flusher           then: visible_ts, tickets
//! ```
//!
//! The log is one endless sequence of bytes; a position in it (LSN) never changes its meaning. Segment files of one size
//! hold it piece by piece; they are written with zeros and synced before they are used, so that a commit never has to
//! allocate: "no space left" is found out before a transaction is promised anything. Segments before the last checkpoint
//! are used again.
//!
//! One batch is written and synced at a time. Each record carries the position where its batch begins, so a reader knows
//! that everything before that was durable when the record was written: damage before it is corruption, damage after it
//! the torn tail of a batch that nobody was told about.

mod reader;
mod record;
mod redo;
mod segment;
mod writer;

pub(crate) use reader::{Reader, Record};
pub(crate) use record::Kind;
pub(crate) use redo::{Commit, Redo, RedoMark, RowWrite, ops, put_varint, take_u32, take_u64, take_varint};
pub(crate) use segment::{MAGIC, SEGMENT_HEADER, SegmentSize, Segments, decode_header};
pub(crate) use writer::{Log, LogStart, Until};
