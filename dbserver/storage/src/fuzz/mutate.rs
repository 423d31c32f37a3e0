//! Changed inputs for decoders; shared, as a source file, by the crates that have some.

use rand::prelude::*;

/// One to three changes: a bit, a cut, a piece of another input, a number at its edge.
pub(crate) fn mutate(rng: &mut StdRng, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..rng.random_range(1..=3) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes.truncate(at),
            2 => {
                let other = others.choose(rng).unwrap();
                let from = rng.random_range(0..=other.len());
                let to = rng.random_range(from..=other.len().min(from + 64).max(from));
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            3 => {
                let edges =
                    [0u64, 1, 0x7f, 0x80, 0xffff, 1 << 20, 0x7fff_ffff, 0x8000_0000, u64::MAX / 2, u64::MAX];
                let edge = edges.choose(rng).unwrap().to_le_bytes();
                let width = *[1, 2, 4, 8].choose(rng).unwrap();
                bytes.iter_mut().skip(at).zip(&edge[..width]).for_each(|(to, from)| *to = *from);
            }
            // The longest varint.
            _ => drop(bytes.splice(at..at, [0xff; 9].into_iter().chain([1]))),
        }
    }
}

/// The inputs of a corpus for one decoder: a line each, the decoder's name and the bytes in hexadecimal.
pub(crate) fn corpus(text: &str, name: &str) -> Vec<Vec<u8>> {
    let byte = |hex: &[u8]| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(of, _)| *of == name).map(|(_, hex)| hex.as_bytes().chunks(2).map(byte).collect()).collect()
}
