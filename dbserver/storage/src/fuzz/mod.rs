//! Every decoder of what lies on disk, given bytes that nobody wrote: a seeded loop changes valid inputs and those of the corpus.
//! A decoder may refuse them, with a place in the file; it may not panic, nor take memory far beyond what it was given.
//!
//! `corpus.txt` has a line for each input worth keeping: the decoder's name and the bytes in hexadecimal.

mod mutate;

use std::path::Path;

use mutate::{corpus, mutate};
use rand::prelude::*;

use crate::error::{Error, Result};
use crate::key::TreeId;
use crate::manifest::Manifest;
use crate::sst::block::{self, Block, BlockBuilder, Codec};
use crate::sst::{FileMeta, Footer, Guide, SstWriter};
use crate::wal::{Commit, Redo, decode_header, ops};

/// Changed inputs for each decoder.
const ROUNDS: usize = 4_000;
/// What a checked decoder may make of its input: all of a block's keys in full, and some.
const MEMORY_MAX: usize = 1 << 20;

fn path() -> &'static Path {
    Path::new("fuzzed")
}

fn placed<T>(result: Result<T>) {
    if let Err(error) = result {
        assert!(matches!(error, Error::Corruption { .. } | Error::UnknownFormat { .. }), "{error}");
    }
}

fn decode_commit(bytes: &[u8]) {
    if let Some((commit, writes)) = Commit::decode(bytes) {
        assert!(commit.drops.len() + commit.staged.len() <= bytes.len());
        let written = ops(writes).flatten().filter_map(|op| op.write);
        let bytes: usize = written.map(|row| row.key.len() + row.value.map_or(0, <[u8]>::len)).sum();
        assert!(bytes <= writes.len());
    }
}

fn decode_segment_header(bytes: &[u8]) {
    placed(decode_header(path(), bytes));
}

fn decode_manifest(bytes: &[u8]) {
    placed(Manifest::decode(path(), bytes));
}

fn decode_footer(bytes: &[u8]) {
    placed(Footer::decode(path(), 1 << 20, bytes));
}

fn decode_block(bytes: &[u8]) {
    let opened = block::open(path(), 0, bytes);
    if let Ok(raw) = &opened
        && let Ok(block) = Block::decode(path(), 0, raw)
    {
        assert!(block.memory_bytes() <= MEMORY_MAX + 16 * raw.len());
        for index in 0..block.len() {
            assert!(block.place(index).is_some() && block.value(index).is_some());
        }
    }
    placed(opened);
}

/// The uncompressed bytes of a block, where no checksum stands before them.
fn decode_entries(bytes: &[u8]) {
    placed(Block::decode(path(), 0, bytes));
}

fn decode_guide(bytes: &[u8]) {
    let filter = stored(&crate::sst::build_filter(&[1, 2, 3]), Codec::None);
    let guide = Guide::decode(path(), (24, bytes), (99, &filter), 3);
    if let Ok(guide) = &guide {
        for block in 0..guide.blocks() {
            assert!(guide.last_place(block).is_some());
            let _ = guide.extent(block);
        }
    }
    placed(guide);
    placed(Guide::decode(path(), (24, &stored(&entries(), Codec::None)), (99, bytes), 60));
}

fn stored(raw: &[u8], codec: Codec) -> Vec<u8> {
    let mut out = Vec::new();
    block::store(raw, codec, &mut out);
    out
}

/// Uncompressed entries.
fn entries() -> Vec<u8> {
    let mut builder = BlockBuilder::default();
    for i in 0..60u32 {
        builder.add(
            format!("row{:03}{}", i, "x".repeat(i as usize)).as_bytes(),
            (i % 5 > 0).then_some(&[7; 12]),
        );
    }
    let mut out = Vec::new();
    builder.finish(Codec::None, &mut out);
    out.split_off(block::BLOCK_HEADER)
}

fn file() -> FileMeta {
    FileMeta {
        number: 3,
        min: b"a".to_vec(),
        max: vec![7; 200],
        discards: vec![(1, 2)],
        ..FileMeta::default()
    }
}

fn commit() -> Vec<u8> {
    let mut bytes = Vec::new();
    let drops = vec![TreeId(4), TreeId(5)];
    Commit { timestamp: 1, txn: 2, drops, staged: vec![file(), file()] }.encode(&mut bytes);
    let mut redo = Redo::default();
    redo.put(TreeId(1), b"key", &[1; 200], true);
    redo.delete(TreeId(2), b"key");
    bytes.extend(redo.bytes);
    bytes
}

fn footer() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.sst");
    let mut writer = SstWriter::create(&crate::io::RealIo, &path, 1, Codec::Lz4).unwrap();
    writer.add(b"12345678key", 1, Some(b"value")).unwrap();
    writer.finish().unwrap();
    let bytes = std::fs::read(path).unwrap();
    bytes[bytes.len() - 80..].to_vec()
}

fn manifest() -> Vec<u8> {
    let live = vec![(TreeId(1), 5), (TreeId(2), -1)];
    let files = vec![(0, file()), (1, file())];
    Manifest { live, files, dropped: vec![TreeId(9)], segment_size: 4096, ..Manifest::default() }.encode()
}

/// Makes the checksum right again, so that what lies behind it is reached.
type Seal = fn(&mut [u8]);

/// A decoder: its name in the corpus, what it does, valid inputs, their checksum.
type Decoder = (&'static str, fn(&[u8]), Vec<Vec<u8>>, Seal);

fn seal(bytes: &mut [u8], at: usize, from: usize, to: usize) {
    if let Some(crc) = bytes.get(from..to).map(crc32c::crc32c)
        && let Some(place) = bytes.get_mut(at..at + 4)
    {
        place.copy_from_slice(&crc.to_le_bytes());
    }
}

fn seal_block(bytes: &mut [u8]) {
    let length = bytes.len();
    seal(bytes, 0, 4, length);
}

fn seal_manifest(bytes: &mut [u8]) {
    let length = bytes.len();
    seal(bytes, 12, 16, length);
}

fn seal_footer(bytes: &mut [u8]) {
    seal(bytes, 68, 0, 68);
}

#[test]
fn no_input_makes_a_decoder_panic_or_take_memory_at_will() {
    let lz4 = stored(&entries(), Codec::Lz4);
    let zstd = stored(&entries(), Codec::Zstd);
    let decoders: [Decoder; 7] = [
        ("commit", decode_commit, vec![commit()], |_| {}),
        ("segment", decode_segment_header, vec![vec![0; 64]], |_| {}),
        ("manifest", decode_manifest, vec![manifest()], seal_manifest),
        ("footer", decode_footer, vec![footer()], seal_footer),
        ("block", decode_block, vec![lz4.clone(), zstd, stored(&entries(), Codec::None)], seal_block),
        ("entries", decode_entries, vec![entries()], |_| {}),
        ("guide", decode_guide, vec![lz4, stored(&entries(), Codec::None)], seal_block),
    ];
    for (name, decode, mut inputs, seal) in decoders {
        inputs.extend(corpus(include_str!("corpus.txt"), name));
        inputs.iter().for_each(|input| decode(input));
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..ROUNDS {
            let mut bytes = inputs.choose(&mut rng).unwrap().clone();
            mutate(&mut rng, &mut bytes, &inputs);
            if rng.random_bool(0.8) {
                seal(&mut bytes);
            }
            decode(&bytes);
        }
    }
}

/// A small block that claims to be a gigabyte is refused by what it holds, not believed.
#[test]
fn a_length_is_not_believed_before_the_bytes_are_there() {
    for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
        let mut bytes = stored(&entries(), codec);
        bytes[8..12].copy_from_slice(&(1u32 << 30).to_le_bytes());
        seal_block(&mut bytes);
        let error = block::open(path(), 512, &bytes).unwrap_err();
        assert!(matches!(error, Error::Corruption { offset: 512, .. }), "{error}");
    }
    // Ten thousand entries of three bytes that each repeat a key of 64 KiB.
    let mut raw = vec![0, 0x80, 0x80, 4, 0];
    raw.extend([b'k'; 65_536]);
    (0..10_000).for_each(|_| raw.extend([0x80, 0x80, 4, 0, 0]));
    assert!(Block::decode(path(), 0, &raw).is_err());
}
