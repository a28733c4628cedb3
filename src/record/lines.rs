//! Counts the records of a block 64 bytes at a time, where nothing in it needs a closer look.
//!
//! Which bytes of a word are quotes, line ends or backslashes is one bit each. The bits between
//! quotes are the prefix sums, modulo 2, of the quotes' bits: a line end there is data. What depends
//! on more than that (an end-of-data marker, an escape of its own, a backslash before a line end)
//! makes the count give up, and the splitter goes over the block byte by byte.

use wide::u8x16;

/// Bytes in a word.
pub(super) const WORD: usize = 64;

/// What is in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count {
    /// Records that end in it.
    pub(super) records: usize,
    /// Offset just behind the last of them; 0 where none ends.
    pub(super) last: usize,
    /// Line ends that are data of records that end in it.
    pub(super) inner: usize,
    /// Line ends that are data of the record still open at its end.
    pub(super) open: usize,
    /// It ends inside quotes.
    pub(super) in_quote: bool,
}

/// How csv is counted.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact about the data, independent of the others"
)]
pub(super) struct Csv {
    pub(super) newline: u8,
    pub(super) quote: u8,
    /// Quotes do nothing but open and close, and every line end between them is a `newline`.
    pub(super) simple_quotes: bool,
    /// A record that begins with a backslash may be an end-of-data marker.
    pub(super) markers: bool,
    /// The block begins inside quotes.
    pub(super) in_quote: bool,
    /// The block begins inside a record.
    pub(super) open: bool,
}

/// Counts a block of csv; `None` where it needs a closer look.
pub(super) fn csv(block: &[u8], rules: Csv) -> Option<Count> {
    let [newline, quote, backslash] = [rules.newline, rules.quote, b'\\'].map(u8x16::splat);
    let mut count = Count::default();
    let mut carried = if rules.in_quote { u64::MAX } else { 0 };
    let mut starts_here = u64::from(!rules.open);
    if rules.in_quote && !rules.simple_quotes {
        return None;
    }
    for (base, word) in words(block) {
        let quotes = mask(&word, quote);
        if quotes != 0 && !rules.simple_quotes {
            return None;
        }
        let inside = prefix_xor(quotes) ^ carried;
        // All ones where the word's last byte is inside.
        carried = 0_u64.wrapping_sub(inside >> 63);
        let line_ends = mask(&word, newline);
        let ends = line_ends & !inside;
        let starts = (ends << 1) | starts_here;
        starts_here = ends >> 63;
        if rules.markers && mask(&word, backslash) & starts != 0 {
            return None;
        }
        count.add(base, ends, line_ends & inside);
    }
    count.in_quote = carried != 0;
    Some(count)
}

/// Counts a block of text that begins behind no backslash; `None` where it needs a closer look.
pub(super) fn text(block: &[u8], newline: u8) -> Option<Count> {
    if block.last() == Some(&b'\\') {
        return None;
    }
    let [newline, backslash, dot] = [newline, b'\\', b'.'].map(u8x16::splat);
    let mut count = Count::default();
    let mut escaped_here = 0;
    for (base, word) in words(block) {
        let backslashes = mask(&word, backslash);
        let escaped = (backslashes << 1) | escaped_here;
        escaped_here = backslashes >> 63;
        let ends = mask(&word, newline);
        // `\.` may be a marker; a line end behind a backslash may be data.
        if escaped != 0 && escaped & (ends | mask(&word, dot)) != 0 {
            return None;
        }
        count.add(base, ends, 0);
    }
    Some(count)
}

impl Count {
    /// Adds a word at offset `base`: the bits of line ends that end records, and of those that are
    /// data.
    fn add(&mut self, base: usize, ends: u64, inner: u64) {
        let after_last = if ends == 0 {
            u64::MAX
        } else {
            let last = ends.ilog2();
            self.records += ends.count_ones() as usize;
            self.last = base + last as usize + 1;
            self.inner += self.open;
            self.open = 0;
            // Two shifts: a shift by 64 is none.
            (u64::MAX << last) << 1
        };
        if inner != 0 {
            self.inner += (inner & !after_last).count_ones() as usize;
            self.open += (inner & after_last).count_ones() as usize;
        }
    }
}

pub(super) type Word = [u8x16; 4];

/// The words of `block` with their offsets; the last one filled up with zeros.
pub(super) fn words(block: &[u8]) -> impl Iterator<Item = (usize, Word)> {
    let whole = block.chunks_exact(WORD);
    let rest = whole.remainder();
    let tail = (!rest.is_empty()).then(|| {
        let mut padded = [0; WORD];
        padded[..rest.len()].copy_from_slice(rest);
        (block.len() - rest.len(), load(&padded))
    });
    whole
        .enumerate()
        .map(|(index, chunk)| (index * WORD, load(chunk)))
        .chain(tail)
}

/// `chunk` is as long as a word.
fn load(chunk: &[u8]) -> Word {
    let mut word = [u8x16::splat(0); 4];
    for (part, bytes) in word.iter_mut().zip(chunk.chunks_exact(16)) {
        let bytes: [u8; 16] = bytes.try_into().unwrap_or_default();
        *part = u8x16::new(bytes);
    }
    word
}

/// A bit for each byte that is `needle`, the first byte lowest.
#[expect(
    clippy::cast_sign_loss,
    reason = "the 16 bits of a mask, never negative"
)]
pub(super) fn mask(word: &Word, needle: u8x16) -> u64 {
    let bits = |part: usize| u64::from(word[part].cmp_eq(needle).move_mask() as u32) << (16 * part);
    bits(0) | bits(1) | bits(2) | bits(3)
}

/// Each bit becomes the sum, modulo 2, of itself and those below.
pub(super) fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Csv = Csv {
        newline: b'\n',
        quote: b'"',
        simple_quotes: true,
        markers: true,
        in_quote: false,
        open: false,
    };

    fn slowly(block: &[u8], mut in_quote: bool) -> Count {
        let mut count = Count::default();
        for (at, byte) in block.iter().enumerate() {
            match byte {
                b'"' => in_quote = !in_quote,
                b'\n' if in_quote => count.open += 1,
                b'\n' => {
                    count.records += 1;
                    count.last = at + 1;
                    count.inner += std::mem::take(&mut count.open);
                }
                _ => {}
            }
        }
        count.in_quote = in_quote;
        count
    }

    proptest! {
        #[test]
        fn words_count_what_bytes_count(
            block in proptest::collection::vec(prop_oneof![8 => Just(b'a'), 1 => Just(b'"'), 1 => Just(b'\n')], 0..300),
            in_quote in any::<bool>(),
        ) {
            let rules = Csv { in_quote, open: in_quote, ..RULES };
            prop_assert_eq!(csv(&block, rules), Some(slowly(&block, in_quote)));
        }
    }

    #[test]
    fn what_may_be_a_marker_is_left_to_a_closer_look() {
        let long = "x".repeat(62);
        for (input, open, counted) in [
            ("a\n\\.\n".to_owned(), false, false),
            ("\\.\n".to_owned(), false, false),
            ("\\.\n".to_owned(), true, true),
            ("a\\.\n".to_owned(), false, true),
            (format!("{long}a\n\\.\n"), false, false),
            ("\"\n\\.\n\"".to_owned(), false, true),
        ] {
            let rules = Csv { open, ..RULES };
            assert_eq!(csv(input.as_bytes(), rules).is_some(), counted, "{input:?}");
        }
        for (input, counted) in [
            ("a\t\\N\n".to_owned(), true),
            ("a\\\n".to_owned(), false),
            ("\\.\n".to_owned(), false),
            ("a.\\\\b\n".to_owned(), true),
            (format!("{long}a\\\nx"), false),
            ("a\\".to_owned(), false),
        ] {
            assert_eq!(
                text(input.as_bytes(), b'\n').is_some(),
                counted,
                "{input:?}"
            );
        }
    }
}
