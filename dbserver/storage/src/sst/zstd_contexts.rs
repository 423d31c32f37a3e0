//! zstd with its working memory kept: making it anew takes half as long as a block (`ZSTD_createCCtx` and `ZSTD_createDCtx`, some hundred
//! KiB that the kernel has to clear).

use std::io;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};

/// Kept of each kind: as many as threads are likely to be at it at the same time.
const KEPT_MAX: usize = 4;

static COMPRESSORS: Kept<Compressor<'static>> = Kept::new();
static DECOMPRESSORS: Kept<Decompressor<'static>> = Kept::new();

/// Contexts that nobody is using. A lock of the standard library's, as a static has to have: no thread waits for another here while it
/// works, so that interleavings need not be tried.
struct Kept<T>(Mutex<Vec<T>>);

impl<T> Kept<T> {
    const fn new() -> Kept<T> {
        Kept(Mutex::new(Vec::new()))
    }

    fn with<R>(
        &self,
        make: impl FnOnce() -> io::Result<T>,
        work: impl FnOnce(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut context = kept.map_or_else(make, Ok)?;
        // One that failed is made anew.
        let done = work(&mut context)?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < KEPT_MAX {
            all.push(context);
        }
        Ok(done)
    }
}

pub(super) fn compress(raw: &[u8]) -> io::Result<Vec<u8>> {
    let make = || Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL);
    COMPRESSORS.with(make, |compressor| compressor.compress(raw))
}

/// Takes memory for so many bytes at once.
pub(super) fn decompress(body: &[u8], raw_length: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSORS.with(Decompressor::new, |decompressor| decompressor.decompress(body, raw_length))
}
