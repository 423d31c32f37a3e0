//! A short name for a content: FNV-1a, 64 bits. It need not resist an attacker, only tell two contents apart, and stay
//! the same for ever: a new value would make every object look changed after an upgrade of the operator.

/// Sixteen hexadecimal digits.
pub fn short_hash(text: &str) -> String {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = text.bytes().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn published_vectors() {
        // From the test vectors of the hash's authors.
        assert_eq!(super::short_hash(""), "cbf29ce484222325");
        assert_eq!(super::short_hash("foobar"), "85944171f73967e8");
    }
}
