//! Who wrote a version, in eight bytes: the timestamp of its commit, or the place of the transaction that is about to.

/// A committed timestamp, or (top bit set) 23 bits of slot and 40 bits of command of a pending writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(pub u64);

const PENDING: u64 = 1 << 63;
const COMMAND_BITS: u32 = 40;
const COMMAND_MASK: u64 = (1 << COMMAND_BITS) - 1;

/// Transactions that may be writing at one time.
pub(crate) const SLOTS_MAX: u32 = 1 << 23;

impl Stamp {
    /// Committed at the timestamp.
    pub fn committed(timestamp: u64) -> Stamp {
        Stamp(timestamp & !PENDING)
    }

    /// Written by a command of the transaction in the slot.
    pub fn pending(slot: u32, command: u64) -> Stamp {
        Stamp(PENDING | u64::from(slot % SLOTS_MAX) << COMMAND_BITS | command.min(COMMAND_MASK))
    }

    /// The commit's timestamp; `None` where pending.
    pub fn timestamp(self) -> Option<u64> {
        (self.0 & PENDING == 0).then_some(self.0)
    }

    /// The pending writer's slot.
    pub fn owner(self) -> Option<u32> {
        // The shift leaves 23 bits.
        (self.0 & PENDING != 0).then_some(((self.0 & !PENDING) >> COMMAND_BITS) as u32)
    }

    /// The pending writer's command.
    pub fn command(self) -> u64 {
        self.0 & COMMAND_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_tells_timestamps_from_writers() {
        let committed = Stamp::committed(77);
        assert_eq!((committed.timestamp(), committed.owner()), (Some(77), None));
        let pending = Stamp::pending(SLOTS_MAX - 1, 5);
        assert_eq!((pending.timestamp(), pending.owner(), pending.command()), (None, Some(SLOTS_MAX - 1), 5));
    }
}
