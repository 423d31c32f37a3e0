//! A machine made of memory: a disk that forgets what was not synced, a clock that only counts.
//!
//! Each file has a `live` image, what the process reads, and a `durable` one, what a power cut is sure to leave. In
//! between lie the sectors written since the last sync: after a power cut each of them, by the seed's choice, is there,
//! is not, or is torn in the middle. The same for a file's length, and for the names in a directory, of whose changes
//! since the last sync a prefix survives; what is in a directory goes with the directory's own name.
//!
//! A sync that fails is one that Linux forgets about: what it should have made durable is read as before while the machine runs,
//! a later sync has nothing to do for it, and a power cut finds the old bytes.
//!
//! Every operation goes into a trace, so that two runs of one seed can be told to be the same.

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// After this many operations every operation fails: the process is as good as dead, and what follows is
    /// [`SimIo::power_cut`] or [`SimIo::kill`].
    pub power_cut_after: Option<u64>,
    /// After this many syncs one fails.
    pub sync_fails_after: Option<u64>,
    /// After this many reads one fails.
    pub read_fails_after: Option<u64>,
    /// Bytes that all files may take.
    pub capacity: Option<u64>,
}

/// One process's door to the machine.
#[derive(Clone)]
pub struct SimIo {
    machine: Arc<Mutex<Machine>>,
    /// The process; none for who outlives all of them.
    process: Option<u64>,
}

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
    /// The process that runs; earlier ones reach nothing any more.
    process: u64,
    /// Checksum of all operations.
    trace: u32,
}

/// In place of the inode of a directory.
const DIRECTORY: u64 = 0;

#[derive(Clone)]
enum Change {
    Set(PathBuf, u64),
    Remove(PathBuf),
    /// From, to, and what has the name. One change of the journal: both or neither.
    Rename(PathBuf, PathBuf, u64),
}

#[derive(Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

struct SimFile {
    machine: Arc<Mutex<Machine>>,
    process: Option<u64>,
    inode: u64,
}

impl SimIo {
    pub fn new(seed: u64) -> SimIo {
        let machine = Arc::new(Mutex::new(Machine {
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
            process: 1,
            trace: 0,
        }));
        SimIo { machine, process: None }
    }

    /// For the process that begins now: its operations fail once it was killed or the power was cut.
    pub fn process(&self) -> SimIo {
        let process = Some(self.machine.lock().process);
        SimIo { machine: Arc::clone(&self.machine), process }
    }

    /// What was done so far, in one number.
    pub fn trace(&self) -> u32 {
        self.machine.lock().trace
    }

    pub fn set_faults(&self, faults: Faults) {
        self.machine.lock().faults = faults;
    }

    /// What has not gone wrong yet.
    pub fn faults(&self) -> Faults {
        self.machine.lock().faults
    }

    /// Whether the power has been cut.
    pub fn is_off(&self) -> bool {
        self.machine.lock().off
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.machine.lock().used()
    }

    /// The process is gone, the machine is not: everything written stays, synced or not.
    pub fn kill(&self) {
        self.machine.lock().next_process();
    }

    /// The power is cut, and comes back.
    pub fn power_cut(&self) {
        let mut machine = self.machine.lock();
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
        // What is in a directory whose name is lost is lost.
        let mut names = BTreeMap::new();
        for (path, inode) in std::mem::take(&mut machine.durable_names) {
            // Parents come before what is in them.
            if path.parent().is_some_and(|parent| is_root(parent) || names.contains_key(parent)) {
                names.insert(path, inode);
            }
        }
        machine.names = names.clone();
        machine.durable_names = names;
        machine.next_process();
    }
}

fn is_root(path: &Path) -> bool {
    path.parent().is_none()
}

impl Change {
    fn apply(self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Change::Set(path, inode) => names.insert(path, inode),
            Change::Remove(path) => names.remove(&path),
            Change::Rename(from, to, inode) => {
                names.remove(&from);
                names.insert(to, inode)
            }
        };
    }
}

impl Machine {
    /// The process has ended, the next one begins.
    fn next_process(&mut self) {
        self.off = false;
        self.locked = false;
        self.faults = Faults::default();
        self.process += 1;
    }

    /// Every operation goes through here; what it is goes into the trace.
    fn step(&mut self, process: Option<u64>, what: &str, on: &[u8], bytes: &[u8]) -> Result<()> {
        if process.is_some_and(|process| process != self.process) {
            return Err(Error::other("no process"));
        }
        for part in [what.as_bytes(), on, bytes] {
            self.trace = crc32c::crc32c_append(self.trace, part);
        }
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
        let inodes: BTreeSet<_> = self.names.values().filter(|inode| **inode != DIRECTORY).collect();
        inodes.iter().map(|inode| self.inodes[inode].live.len() as u64).sum()
    }

    fn change(&mut self, change: Change) {
        let dir = match &change {
            Change::Set(path, _) | Change::Remove(path) | Change::Rename(_, path, _) => {
                path.parent().unwrap().to_path_buf()
            }
        };
        change.clone().apply(&mut self.names);
        self.changes.entry(dir).or_default().push(change);
    }
}

impl Io for SimIo {
    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        let mut machine = self.machine.lock();
        machine.step(self.process, "mkdir", path_bytes(dir), &[])?;
        let mut missing: Vec<_> = dir.ancestors().filter(|dir| !is_root(dir)).collect();
        missing.reverse();
        for dir in missing {
            if !machine.names.contains_key(dir) {
                machine.change(Change::Set(dir.to_path_buf(), DIRECTORY));
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let mut machine = self.machine.lock();
        machine.step(self.process, "list", path_bytes(dir), &[])?;
        let inside = machine.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn File>> {
        let mut machine = self.machine.lock();
        machine.step(self.process, "open", path_bytes(path), &[])?;
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
                let directory = path.parent().unwrap();
                if !is_root(directory) && !machine.names.contains_key(directory) {
                    return Err(ErrorKind::NotFound.into());
                }
                let inode = machine.next_inode;
                machine.next_inode += 1;
                machine.inodes.insert(inode, Inode::default());
                machine.change(Change::Set(path.to_path_buf(), inode));
                inode
            }
        };
        Ok(Arc::new(SimFile { machine: Arc::clone(&self.machine), process: self.process, inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut machine = self.machine.lock();
        machine.step(self.process, "rename", &[path_bytes(from), path_bytes(to)].concat(), &[])?;
        let inode = *machine.names.get(from).ok_or(ErrorKind::NotFound)?;
        assert_eq!(from.parent(), to.parent(), "nothing is renamed to another directory");
        machine.change(Change::Rename(from.to_path_buf(), to.to_path_buf(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut machine = self.machine.lock();
        machine.step(self.process, "remove", path_bytes(path), &[])?;
        machine.names.get(path).ok_or(ErrorKind::NotFound)?;
        machine.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut machine = self.machine.lock();
        machine.step(self.process, "sync_dir", path_bytes(dir), &[])?;
        for change in machine.changes.remove(dir).unwrap_or_default() {
            change.apply(&mut machine.durable_names);
        }
        Ok(())
    }

    fn lock_dir(&self, _dir: &Path) -> Result<Option<Box<dyn Send + Sync>>> {
        let mut machine = self.machine.lock();
        machine.step(self.process, "lock", &[], &[])?;
        if std::mem::replace(&mut machine.locked, true) {
            return Ok(None);
        }
        struct Unlock(Arc<Mutex<Machine>>, u64);
        impl Drop for Unlock {
            fn drop(&mut self) {
                let mut machine = self.0.lock();
                // The lock may be the next process's by now.
                if machine.process == self.1 {
                    machine.locked = false;
                }
            }
        }
        Ok(Some(Box::new(Unlock(Arc::clone(&self.machine), machine.process))))
    }

    fn wall_clock_us(&self) -> u64 {
        self.machine.lock().ticks
    }

    fn now(&self) -> Instant {
        let machine = self.machine.lock();
        machine.start + Duration::from_micros(machine.ticks)
    }

    fn random(&self) -> u64 {
        self.machine.lock().rng.random()
    }

    fn sleep(&self, duration: Duration) {
        self.machine.lock().ticks += duration.as_micros() as u64;
    }

    fn park(&self, at_most: Option<Duration>) {
        // Only tests with threads of their own come here; the deterministic ones never wait.
        std::thread::park_timeout(at_most.unwrap_or(Duration::from_secs(1)));
    }
}

fn path_bytes(path: &Path) -> &[u8] {
    path.to_str().unwrap().as_bytes()
}

impl SimFile {
    fn step(&self, machine: &mut Machine, what: &str, at: u64, bytes: &[u8]) -> Result<()> {
        let place = [self.inode.to_le_bytes(), at.to_le_bytes()];
        machine.step(self.process, what, place.as_flattened(), bytes)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut machine = self.machine.lock();
        self.step(&mut machine, "read", offset, &[])?;
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
        let running = !machine.off;
        let cut = self.step(&mut machine, "write", offset, bytes).err();
        let mut bytes = bytes;
        match cut {
            Some(_) if running && machine.off && !bytes.is_empty() => {
                let part = machine.rng.random_range(0..bytes.len());
                bytes = &bytes[..part];
            }
            Some(error) => return Err(error),
            None => {}
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
        self.step(&mut machine, "sync", 0, &[])?;
        if let Some(left) = &mut machine.faults.sync_fails_after {
            if *left == 0 {
                machine.faults.sync_fails_after = None;
                machine.inodes.get_mut(&self.inode).unwrap().dirty.clear();
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
        self.step(&mut machine, "len", 0, &[])?;
        Ok(machine.inodes[&self.inode].live.len() as u64)
    }
}
