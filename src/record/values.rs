//! The values of one record.

/// The values of one record, in order. Made once and filled again for each record: its memory is
/// that of the largest one.
#[derive(Debug, Default, Clone)]
pub struct Values {
    bytes: Vec<u8>,
    places: Vec<Place>,
    /// Where the value under way begins in `bytes`.
    start: usize,
}

/// Where a value is.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

impl Place {
    /// That of a NULL: no value ends before it begins.
    const NULL: Self = Self { start: 1, end: 0 };
}

impl Values {
    /// Forgets the values, and what is under way.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
        self.start = 0;
    }

    /// Adds bytes to the value under way, which [`end`](Self::end) ends.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the value under way; it is empty where nothing was appended.
    pub fn end(&mut self) {
        let (start, end) = (self.start, self.bytes.len());
        self.places.push(Place { start, end });
        self.start = end;
    }

    /// Adds a value. What is under way becomes the beginning of it.
    pub fn push(&mut self, value: &[u8]) {
        self.append(value);
        self.end();
    }

    /// Adds a NULL. What is under way is forgotten.
    pub fn push_null(&mut self) {
        self.bytes.truncate(self.start);
        self.places.push(Place::NULL);
    }

    /// How many values there are, NULLs among them.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none, not even a NULL.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The value at `index`, 0 for the first: `None` where there is none, `Some(None)` for NULL.
    pub fn get(&self, index: usize) -> Option<Option<&[u8]>> {
        self.places.get(index).map(|place| self.value(*place))
    }

    /// All values in order, `None` for NULL.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        self.places.iter().map(|place| self.value(*place))
    }

    fn value(&self, place: Place) -> Option<&[u8]> {
        (place.start <= place.end).then(|| &self.bytes[place.start..place.end])
    }

    /// The bytes of the value under way are to be added at its end.
    pub(super) fn under_way(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The value under way, as far as it is there.
    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Takes a whole record, of which [`pick`](Self::pick) makes values.
    pub(super) fn fill(&mut self, record: &[u8]) {
        self.clear();
        self.append(record);
        self.start = record.len();
    }

    /// Adds the value that stands from `start` to before `end` in the record that was filled in.
    pub(super) fn pick(&mut self, start: usize, end: usize) {
        self.places.push(Place { start, end });
    }

    /// Adds a NULL without touching the record that was filled in.
    pub(super) fn pick_null(&mut self) {
        self.places.push(Place::NULL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_nulls_and_empty_texts_are_kept_apart() {
        let mut values = Values::default();
        for _ in 0..2 {
            values.clear();
            assert!(values.is_empty());
            values.push(b"a");
            values.append(b"b");
            values.append(b"c");
            values.end();
            values.push(b"");
            values.append(b"lost");
            values.push_null();
            values.end();
            let all: Vec<_> = values.iter().collect();
            let expected: [Option<&[u8]>; 5] =
                [Some(b"a"), Some(b"bc"), Some(b""), None, Some(b"")];
            assert_eq!(all, expected);
            assert_eq!(values.len(), 5);
            assert_eq!(values.get(1), Some(Some(&b"bc"[..])));
            assert_eq!(values.get(3), Some(None));
            assert_eq!(values.get(5), None);
        }
    }

    #[test]
    fn a_record_that_is_filled_in_may_be_followed_by_others() {
        let mut values = Values::default();
        values.push(b"old");
        values.fill(b"a,b");
        values.pick(0, 1);
        values.pick_null();
        values.push(b"c");
        values.append(b"lost");
        values.push_null();
        values.pick(2, 3);
        let all: Vec<_> = values.iter().collect();
        let expected: [Option<&[u8]>; 5] = [Some(b"a"), None, Some(b"c"), None, Some(b"b")];
        assert_eq!(all, expected);
    }
}
