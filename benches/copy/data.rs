//! The files that are loaded: TPC-H's lineitem as csv, made once and kept under target/bench.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write, copy};
use std::path::{Path, PathBuf};

use tpchgen::csv::LineItemCsv;
use tpchgen::generators::LineItemGenerator;

use crate::Result;

/// A file of csv without a header.
pub(crate) struct Data {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// lineitem at this scale.
pub(crate) fn lineitem(scale: f64) -> Result<Data> {
    made_once(&format!("lineitem-{scale}.csv"), |out| {
        write(out, scale, u64::MAX)
    })
}

/// The first records of lineitem, about this many bytes of them.
pub(crate) fn lineitem_of(bytes: u64) -> Result<Data> {
    // Scale 10 is 7.6 GB, more than is ever asked for.
    made_once(&format!("lineitem-{}mb.csv", bytes / 1_000_000), |out| {
        write(out, 10.0, bytes)
    })
}

/// The same file with a letter where the first record has its number.
pub(crate) fn first_record_broken(data: &Data) -> Result<Data> {
    let name = data.path.file_name().unwrap_or_default().to_string_lossy();
    made_once(&format!("broken-{name}"), |out| {
        let mut input = BufReader::new(File::open(&data.path)?);
        let mut record = Vec::new();
        input.read_until(b'\n', &mut record)?;
        out.write_all(b"x")?;
        out.write_all(&record)?;
        copy(&mut input, out)?;
        Ok(())
    })
}

fn write(out: &mut impl Write, scale: f64, bytes: u64) -> Result<()> {
    let mut left = bytes;
    for item in LineItemGenerator::new(scale, 1, 1).iter() {
        let record = format!("{}\n", LineItemCsv::new(item));
        out.write_all(record.as_bytes())?;
        left = left.saturating_sub(record.len() as u64);
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// A file of target/bench, written now if it is not there yet.
fn made_once(name: &str, make: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<Data> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    let path = folder.join(name);
    if !path.exists() {
        fs::create_dir_all(&folder)?;
        let part = folder.join(format!("{name}.part"));
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&part)?);
        make(&mut out)?;
        out.into_inner()?.sync_all()?;
        fs::rename(part, &path)?;
    }
    // Read once, so that the first client does not pay for the disk.
    let bytes = copy(&mut File::open(&path)?, &mut std::io::sink())?;
    Ok(Data { path, bytes })
}
