//! A machine made of memory: a disk that forgets what was not synced, a clock that only counts.
//!
//! Each file has a `live` image, what the process reads, and a `durable` one, what a power cut is sure to leave. In
//! between lie the sectors written since the last sync: after a power cut each of them, by the seed's choice, is there,
//! is not, or is torn in the middle. The same for a file's length, and for the names in a directory, of whose changes
//! since the last sync a prefix survives.

#![allow(dead_code, reason = "not every test uses all of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails says so by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use plimsoll_storage::io::{File, Io, OpenMode};
use rand::prelude::*;

const SECTOR: usize = 512;

/// What may go wrong from here on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// After this many operations the power is cut: every operation fails.
    pub power_cut_after: Option<u64>,
    /// After this many syncs one fails.
    pub sync_fails_after: Option<u64>,
    /// After this many reads one fails.
    pub read_fails_after: Option<u64>,
    /// Bytes that all files may take.
    pub capacity: Option<u64>,
}

#[derive(Clone)]
pub struct SimIo(Arc<Mutex<Machine>>);

struct Machine {
    rng: StdRng,
    inodes: HashMap<u64, Inode>,
    next_inode: u64,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// Changes of names since the last sync of their directory.
    changes: BTreeMap<PathBuf, Vec<Change>>,
    faults: Faults,
    /// Whether the power is off.
    off: bool,
    ticks: u64,
    start: Instant,
    locked: bool,
}

#[derive(Clone)]
enum Change {
    Set(PathBuf, u64),
    Remove(PathBuf),
}

#[derive(Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

struct SimFile {
    machine: Arc<Mutex<Machine>>,
    inode: u64,
}

impl SimIo {
    pub fn new(seed: u64) -> SimIo {
        SimIo(Arc::new(Mutex::new(Machine {
            rng: StdRng::seed_from_u64(seed),
            inodes: HashMap::new(),
            next_inode: 1,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: BTreeMap::new(),
            faults: Faults::default(),
            off: false,
            ticks: 0,
            start: Instant::now(),
            locked: false,
        })))
    }

    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// Whether the power has been cut.
    pub fn is_off(&self) -> bool {
        self.0.lock().off
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// The process is gone, the machine is not: everything written stays, synced or not.
    pub fn kill(&self) {
        let mut machine = self.0.lock();
        machine.locked = false;
        machine.faults = Faults::default();
        assert!(!machine.off);
    }

    /// The power is cut, and comes back.
    pub fn power_cut(&self) {
        let mut machine = self.0.lock();
        let machine = &mut *machine;
        let rng = &mut machine.rng;
        // Each crash has its own temper, so that the extremes occur as well: all is lost, all is there.
        let survives = *[0.0, 0.1, 0.5, 0.9, 1.0].choose(rng).unwrap();
        let mut inodes: Vec<_> = machine.inodes.iter_mut().collect();
        inodes.sort_by_key(|(number, _)| **number);
        for (_, inode) in inodes {
            let mut after = inode.durable.clone();
            if inode.live.len() != after.len() && rng.random_bool(survives) {
                after.resize(inode.live.len(), 0);
            }
            for sector in std::mem::take(&mut inode.dirty) {
                let start = sector * SECTOR;
                let end = (start + SECTOR).min(inode.live.len()).min(after.len());
                if start >= end || !rng.random_bool(survives) {
                    continue;
                }
                let end = if rng.random_bool(0.05) { rng.random_range(start..end) } else { end };
                after[start..end].copy_from_slice(&inode.live[start..end]);
            }
            inode.live = after.clone();
            inode.durable = after;
        }
        for (_, changes) in std::mem::take(&mut machine.changes) {
            let kept = if rng.random_bool(survives) { rng.random_range(0..=changes.len()) } else { 0 };
            for change in changes.into_iter().take(kept) {
                change.apply(&mut machine.durable_names);
            }
        }
        machine.names = machine.durable_names.clone();
        machine.off = false;
        machine.locked = false;
        machine.faults = Faults::default();
    }
}

impl Change {
    fn apply(self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Change::Set(path, inode) => names.insert(path, inode),
            Change::Remove(path) => names.remove(&path),
        };
    }
}

impl Machine {
    /// Every operation goes through here.
    fn step(&mut self) -> Result<()> {
        self.ticks += 1;
        if self.off {
            return Err(Error::other("no power"));
        }
        if let Some(left) = &mut self.faults.power_cut_after {
            if *left == 0 {
                self.off = true;
                return Err(Error::other("power cut"));
            }
            *left -= 1;
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        let inodes: BTreeSet<_> = self.names.values().collect();
        inodes.iter().map(|inode| self.inodes[inode].live.len() as u64).sum()
    }

    fn change(&mut self, change: Change) {
        let dir = match &change {
            Change::Set(path, _) | Change::Remove(path) => path.parent().unwrap().to_path_buf(),
        };
        change.clone().apply(&mut self.names);
        self.changes.entry(dir).or_default().push(change);
    }
}

impl Io for SimIo {
    fn create_dir_all(&self, _dir: &Path) -> Result<()> {
        self.0.lock().step()
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let mut machine = self.0.lock();
        machine.step()?;
        let inside = machine.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>> {
        let mut machine = self.0.lock();
        machine.step()?;
        let inode = match (machine.names.get(path).copied(), mode) {
            (Some(inode), OpenMode::Read | OpenMode::Existing) => inode,
            (None, OpenMode::Read | OpenMode::Existing) => return Err(ErrorKind::NotFound.into()),
            (Some(inode), OpenMode::Create) => {
                let file = machine.inodes.get_mut(&inode).unwrap();
                file.live.clear();
                file.dirty.clear();
                inode
            }
            (None, OpenMode::Create) => {
                let inode = machine.next_inode;
                machine.next_inode += 1;
                machine.inodes.insert(inode, Inode::default());
                machine.change(Change::Set(path.to_path_buf(), inode));
                inode
            }
        };
        Ok(Arc::new(SimFile { machine: Arc::clone(&self.0), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut machine = self.0.lock();
        machine.step()?;
        let inode = *machine.names.get(from).ok_or(ErrorKind::NotFound)?;
        // One change of the journal: both or neither.
        machine.change(Change::Set(to.to_path_buf(), inode));
        machine.names.remove(from);
        let dir = from.parent().unwrap().to_path_buf();
        machine.changes.entry(dir).or_default().push(Change::Remove(from.to_path_buf()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut machine = self.0.lock();
        machine.step()?;
        machine.names.get(path).ok_or(ErrorKind::NotFound)?;
        machine.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut machine = self.0.lock();
        machine.step()?;
        for change in machine.changes.remove(dir).unwrap_or_default() {
            change.apply(&mut machine.durable_names);
        }
        Ok(())
    }

    fn lock_dir(&self, _dir: &Path) -> Result<Option<Box<dyn Send + Sync>>> {
        let mut machine = self.0.lock();
        machine.step()?;
        if std::mem::replace(&mut machine.locked, true) {
            return Ok(None);
        }
        struct Unlock(Arc<Mutex<Machine>>);
        impl Drop for Unlock {
            fn drop(&mut self) {
                self.0.lock().locked = false;
            }
        }
        Ok(Some(Box::new(Unlock(Arc::clone(&self.0)))))
    }

    fn wall_clock_us(&self) -> u64 {
        self.0.lock().ticks
    }

    fn now(&self) -> Instant {
        let machine = self.0.lock();
        machine.start + Duration::from_micros(machine.ticks)
    }

    fn random(&self) -> u64 {
        self.0.lock().rng.random()
    }

    fn sleep(&self, duration: Duration) {
        self.0.lock().ticks += duration.as_micros() as u64;
    }

    fn park(&self, at_most: Option<Duration>) {
        // Only tests with threads of their own come here; the deterministic ones never wait.
        std::thread::park_timeout(at_most.unwrap_or(Duration::from_secs(1)));
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut machine = self.machine.lock();
        machine.step()?;
        if let Some(left) = &mut machine.faults.read_fails_after {
            if *left == 0 {
                machine.faults.read_fails_after = None;
                return Err(Error::other("read failed"));
            }
            *left -= 1;
        }
        let live = &machine.inodes[&self.inode].live;
        let offset = offset as usize;
        let bytes = live.get(offset..offset + buffer.len()).ok_or(ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut machine = self.machine.lock();
        // The cut may come in the middle of a write: the first part of it has happened.
        let cut = machine.step().err();
        let mut bytes = bytes;
        if cut.is_some() && !bytes.is_empty() {
            let part = machine.rng.random_range(0..bytes.len());
            bytes = &bytes[..part];
        }
        let offset = offset as usize;
        let end = offset + bytes.len();
        let grows = end.saturating_sub(machine.inodes[&self.inode].live.len()) as u64;
        if grows > 0 && machine.faults.capacity.is_some_and(|capacity| machine.used() + grows > capacity) {
            return Err(ErrorKind::StorageFull.into());
        }
        let file = machine.inodes.get_mut(&self.inode).unwrap();
        if file.live.len() < end {
            file.live.resize(end, 0);
        }
        file.live[offset..end].copy_from_slice(bytes);
        if !bytes.is_empty() {
            file.dirty.extend(offset / SECTOR..=(end - 1) / SECTOR);
        }
        cut.map_or(Ok(()), Err)
    }

    fn sync(&self) -> Result<()> {
        let mut machine = self.machine.lock();
        machine.step()?;
        if let Some(left) = &mut machine.faults.sync_fails_after {
            if *left == 0 {
                machine.faults.sync_fails_after = None;
                return Err(Error::other("sync failed"));
            }
            *left -= 1;
        }
        let file = machine.inodes.get_mut(&self.inode).unwrap();
        let length = file.live.len();
        file.durable.resize(length, 0);
        for sector in std::mem::take(&mut file.dirty) {
            let start = (sector * SECTOR).min(length);
            let end = (start + SECTOR).min(length);
            file.durable[start..end].copy_from_slice(&file.live[start..end]);
        }
        Ok(())
    }

    fn len(&self) -> Result<u64> {
        let mut machine = self.machine.lock();
        machine.step()?;
        Ok(machine.inodes[&self.inode].live.len() as u64)
    }
}
