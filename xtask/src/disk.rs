//! How long one synced 4 KiB write takes here: the floor under the latency of an acknowledged publish.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use forebay_conformance::clock::Stopwatch;

/// What one write holds.
const BLOCK_BYTES: usize = 4096;
/// How large the file is that the writes go round in.
const FILE_BLOCKS: usize = 1024;
/// More writes than this would only wear the disk.
const WRITES_MAX: usize = 1_000_000;

#[derive(Args)]
pub(crate) struct Options {
    /// The folder to measure; a file is made in it and removed again.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// How many writes.
    #[arg(long, default_value_t = 2000)]
    writes: usize,
}

/// Measures and prints the quantiles.
pub(crate) fn run(options: &Options) -> Result<()> {
    if !(1..=WRITES_MAX).contains(&options.writes) {
        bail!("--writes must be between 1 and {WRITES_MAX}");
    }
    let path = options.folder.join(".forebay-disk-probe");
    let result = measure(&path, options.writes);
    let _ = std::fs::remove_file(&path);
    let mut times = result?;
    times.sort_unstable();
    let quantile = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{} synced writes of 4 KiB (O_DIRECT|O_DSYNC) in {}", times.len(), options.folder.display());
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        println!("  {name} {:>9.1?}", quantile(share));
    }
    println!(
        "one publisher that waits for each ack gets at most {:.0} acks a second",
        1.0 / quantile(0.5).as_secs_f64()
    );
    Ok(())
}

fn measure(path: &PathBuf, writes: usize) -> Result<Vec<Duration>> {
    let file = open(path)?;
    let buffer = vec![0x5a; 2 * BLOCK_BYTES];
    // O_DIRECT wants memory that is aligned to the block.
    let start = buffer.as_ptr().align_offset(BLOCK_BYTES);
    let block = buffer.get(start..start + BLOCK_BYTES).context("no aligned block")?;
    for index in 0..FILE_BLOCKS {
        file.write_all_at(block, (index * BLOCK_BYTES) as u64)?;
    }
    let mut times = Vec::with_capacity(writes);
    for index in 0..writes {
        let watch = Stopwatch::start();
        file.write_all_at(block, (index % FILE_BLOCKS * BLOCK_BYTES) as u64)?;
        times.push(watch.elapsed());
    }
    Ok(times)
}

fn open(path: &PathBuf) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC);
    options.open(path).with_context(|| format!("{}: this file system takes no direct writes", path.display()))
}
