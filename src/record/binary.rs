//! Finds where the records of binary COPY data end, and whether the data is whole.
//!
//! The layout is that of the PostgreSQL manual, `COPY`, "Binary Format": a signature of 11 bytes, a
//! flags word, a header extension behind its length; then each record as a field count and fields
//! behind their lengths, -1 for NULL; then a field count of -1, the trailer. A server takes data
//! that ends without the trailer, between two records, for complete.

use super::splitter::Ends;

/// Signature, flags and the length of the header extension.
const HEAD: usize = 11 + 4 + 4;
/// The flag of records that begin with an OID, which PostgreSQL 11 and its relatives may write.
const WITH_OIDS: u32 = 1 << 16;

/// A file without records: what an empty input is to a server that wants binary data.
pub const EMPTY: &[u8] = b"PGCOPY\n\xFF\r\n\0\0\0\0\0\0\0\0\0\xFF\xFF";

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Head,
    FieldCount,
    FieldLength,
    /// The trailer has passed.
    Over,
    /// No binary data: the server says so.
    Unknown,
}

/// Walks over binary data in blocks of any size. Holds no field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuples {
    next: Next,
    /// The first bytes of a number, or of the head, whose rest is in the next block.
    part: Vec<u8>,
    /// Bytes of a field or of the header extension still to be passed over.
    skip: usize,
    /// Fields of the record under way.
    fields: usize,
    oids: bool,
}

impl Tuples {
    /// At the start of a file.
    pub(super) fn new() -> Self {
        Self {
            next: Next::Head,
            part: Vec::new(),
            skip: 0,
            fields: 0,
            oids: false,
        }
    }

    /// Whether the data may end here: behind the trailer, or where only the server can tell.
    pub fn whole(&self) -> bool {
        matches!(self.next, Next::Over | Next::Unknown)
    }

    /// Whether the data ends between two records, or in the field count of one: a server takes that
    /// for the end.
    pub fn seems_whole(&self) -> bool {
        self.next == Next::FieldCount && self.skip == 0
    }

    /// Takes the next `block`; appends the ends of records to `found`.
    pub fn push(&mut self, block: &[u8], found: &mut Ends) {
        let mut rest = block;
        loop {
            let passed = self.skip.min(rest.len());
            rest = &rest[passed..];
            self.skip -= passed;
            if self.skip > 0 {
                return;
            }
            if self.next == Next::FieldLength && self.fields == 0 {
                self.next = Next::FieldCount;
                // A block is far shorter than 4 GiB.
                found
                    .ends
                    .push(u32::try_from(block.len() - rest.len()).unwrap_or(u32::MAX));
            }
            let wanted = match self.next {
                Next::Head => HEAD,
                Next::FieldCount => 2,
                Next::FieldLength => 4,
                Next::Over | Next::Unknown => return,
            };
            let taken = (wanted - self.part.len()).min(rest.len());
            self.part.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            if self.part.len() < wanted {
                return;
            }
            self.understand();
            self.part.clear();
        }
    }

    /// Acts on the number, or the head, that `part` holds.
    fn understand(&mut self) {
        match (self.next, self.part.as_slice()) {
            (Next::Head, [signature @ .., f0, f1, f2, f3, l0, l1, l2, l3])
                if signature == &EMPTY[..11] =>
            {
                self.oids = u32::from_be_bytes([*f0, *f1, *f2, *f3]) & WITH_OIDS != 0;
                self.next = Next::FieldCount;
                self.pass_over(i32::from_be_bytes([*l0, *l1, *l2, *l3]));
            }
            (Next::FieldCount, &[high, low]) => match i16::from_be_bytes([high, low]) {
                -1 => self.next = Next::Over,
                count => match usize::try_from(count) {
                    Ok(count) => {
                        self.fields = count + usize::from(self.oids);
                        self.next = Next::FieldLength;
                    }
                    Err(_) => self.next = Next::Unknown,
                },
            },
            (Next::FieldLength, &[a, b, c, d]) => {
                self.fields -= 1;
                match i32::from_be_bytes([a, b, c, d]) {
                    -1 => {}
                    length => self.pass_over(length),
                }
            }
            _ => self.next = Next::Unknown,
        }
    }

    fn pass_over(&mut self, length: i32) {
        match usize::try_from(length) {
            Ok(length) => self.skip = length,
            Err(_) => self.next = Next::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three records: (1, NULL), (empty), and no field at all.
    fn sample() -> Vec<u8> {
        let mut data = EMPTY[..HEAD].to_vec();
        data[18] = 2;
        data.extend_from_slice(b"xx");
        data.extend_from_slice(b"\0\x02\0\0\0\x01\x31\xFF\xFF\xFF\xFF");
        data.extend_from_slice(b"\0\x01\0\0\0\0");
        data.extend_from_slice(b"\0\0");
        data.extend_from_slice(b"\xFF\xFF");
        data
    }

    fn ends(data: &[u8], block: usize) -> (Vec<usize>, bool) {
        let (mut tuples, mut ends) = (Tuples::new(), Vec::new());
        for (number, part) in data.chunks(block).enumerate() {
            let mut found = Ends::default();
            tuples.push(part, &mut found);
            ends.extend(found.ends.iter().map(|&end| number * block + end as usize));
        }
        (ends, tuples.whole())
    }

    #[test]
    fn records_and_the_trailer_are_found_whatever_the_blocks() {
        for block in 1..45 {
            assert_eq!(ends(&sample(), block), (vec![32, 38, 40], true), "{block}");
        }
    }

    #[test]
    fn data_without_its_trailer_is_not_whole_even_where_it_ends_like_one() {
        let data = sample();
        // Behind record 1, whose last field is NULL: the bytes of a length of -1.
        assert!(data[..32].ends_with(b"\xFF\xFF"));
        for cut in 0..data.len() {
            assert!(!ends(&data[..cut], 7).1, "{cut}");
        }
    }

    #[test]
    fn data_that_is_cut_between_records_seems_whole_to_a_server() {
        let data = sample();
        let seems_whole = |cut: usize| {
            let mut tuples = Tuples::new();
            tuples.push(&data[..cut], &mut Ends::default());
            tuples.seems_whole()
        };
        let cuts: Vec<usize> = (0..data.len()).filter(|cut| seems_whole(*cut)).collect();
        assert_eq!(cuts, [21, 22, 32, 33, 38, 39, 40, 41]);
    }

    #[test]
    fn what_is_no_binary_data_is_left_to_the_server() {
        for data in [&b"id,name\n1,a\n2,b\n3,c\n"[..], &[EMPTY, b"x"].concat()] {
            assert_eq!(ends(data, 8), (vec![], true));
        }
        let mut odd = sample();
        // A length that no field has.
        odd[23] = 0xF0;
        assert!(ends(&odd, 8).1);
    }
}
