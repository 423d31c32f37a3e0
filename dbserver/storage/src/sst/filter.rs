//! A Bloom filter in blocks of one cache line (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters", 2007):
//! whether a file may hold a key costs one memory access, and is wrong about once in a hundred times.

use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a block.
const LINE: usize = 64;
/// Bits for each key.
const BITS_PER_KEY: usize = 10;
/// Bits set by a key.
const PROBES: u32 = 6;

/// The hash of a user key: the same in every version of the format.
pub(crate) fn hash(user: &[u8]) -> u64 {
    xxh3_64(user)
}

/// A filter over these hashes.
pub(crate) fn build(hashes: &[u64]) -> Vec<u8> {
    let lines = (hashes.len() * BITS_PER_KEY).div_ceil(LINE * 8).max(1);
    let mut bytes = vec![0; lines * LINE];
    for hash in hashes {
        let start = line(*hash, lines) * LINE;
        let Some(line) = bytes.get_mut(start..start + LINE) else { continue };
        for (byte, bit) in probes(*hash) {
            if let Some(byte) = line.get_mut(byte) {
                *byte |= bit;
            }
        }
    }
    bytes
}

/// Whether the key may be there; false is certain.
pub(crate) fn may_contain(bytes: &[u8], hash: u64) -> bool {
    let start = line(hash, bytes.len() / LINE) * LINE;
    let Some(line) = bytes.get(start..start + LINE) else { return true };
    probes(hash).all(|(byte, bit)| line.get(byte).is_none_or(|byte| byte & bit != 0))
}

/// The high half of the hash picks the line.
fn line(hash: u64, lines: usize) -> usize {
    ((u128::from(hash) * lines as u128) >> 64) as usize
}

/// The low bits pick the bits: nine for each probe.
fn probes(hash: u64) -> impl Iterator<Item = (usize, u8)> {
    let mut bits = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..PROBES).map(move |_| {
        let bit = (bits >> 55) as usize;
        bits <<= 9;
        (bit / 8, 1 << (bit % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_and_few_others() {
        let hashes: Vec<u64> = (0..20_000u64).map(|i| hash(&i.to_be_bytes())).collect();
        let filter = build(&hashes);
        assert!(hashes.iter().all(|hash| may_contain(&filter, *hash)));
        let wrong = (20_000..120_000u64).filter(|i| may_contain(&filter, hash(&i.to_be_bytes()))).count();
        assert!(wrong < 2_500, "{wrong} of 100,000");
        assert!(!may_contain(&build(&[]), hash(b"x")));
    }
}
