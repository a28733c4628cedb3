//! Integers, decimals and floating point numbers.

use super::{Fault, Verdict, trimmed};

/// Digits, points and exponents beyond this many bytes are left to the server.
const MOST_DIGITS: usize = 1000;

/// An integer type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Integer {
    name: &'static str,
    min: i128,
    max: i128,
    /// So many digits always fit.
    plain: usize,
}

impl Integer {
    /// `int2`.
    pub(super) const SMALL: Self = Self {
        name: "smallint",
        min: i16::MIN as i128,
        max: i16::MAX as i128,
        plain: 4,
    };
    /// `int4`.
    pub(super) const NORMAL: Self = Self {
        name: "integer",
        min: i32::MIN as i128,
        max: i32::MAX as i128,
        plain: 9,
    };
    /// `int8`.
    pub(super) const BIG: Self = Self {
        name: "bigint",
        min: i64::MIN as i128,
        max: i64::MAX as i128,
        plain: 18,
    };

    #[inline]
    pub(super) fn is_plain(&self, value: &[u8]) -> bool {
        let digits = value.strip_prefix(b"-").unwrap_or(value);
        !digits.is_empty() && digits.len() <= self.plain && all_digits(digits)
    }

    pub(super) fn judge(&self, value: &[u8]) -> Verdict {
        let (negative, unsigned) = without_sign(trimmed(value));
        if is_modern(unsigned) {
            return Verdict::Unsure;
        }
        let (digits, rest) = digits(unsigned);
        let magnitude = magnitude(digits);
        let number = if negative { -magnitude } else { magnitude };
        let fits = !digits.is_empty() && self.min <= number && number <= self.max;
        if rest.is_empty() && fits {
            Verdict::Fine
        } else if digits.is_empty() || fits {
            Verdict::Bad(Fault::syntax("22P02", self.name, value))
        } else if !rest.is_empty() || negative && digits.starts_with(b"9223372036854775808") {
            // Versions differ in which of two faults they find first; and the smallest bigint with
            // more digits behind it was no number at all to PostgreSQL 10.
            Verdict::Unsure
        } else {
            let (text, name) = (String::from_utf8_lossy(value), self.name);
            let reason = format!("value \"{text}\" is out of range for type {name}");
            Verdict::Bad(Fault::new("22003", reason))
        }
    }
}

/// The number that the digits say, or one that no type holds.
fn magnitude(digits: &[u8]) -> i128 {
    digits.iter().fold(0, |number: i128, digit| {
        let more = number
            .saturating_mul(10)
            .saturating_add(i128::from(digit - b'0'));
        more.min(i128::MAX / 2)
    })
}

/// `oid`, which takes much: only plain digits are known.
pub(super) fn oid(value: &[u8]) -> Verdict {
    let fits = !value.is_empty() && all_digits(value) && magnitude(value) <= i128::from(u32::MAX);
    if fits { Verdict::Fine } else { Verdict::Unsure }
}

/// What a `numeric(p,s)` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    precision: usize,
    scale: usize,
}

impl Limits {
    /// Of a type modifier. `None` for a scale below 0 or above the precision, which came with
    /// PostgreSQL 15 and which others write otherwise.
    pub(super) fn of_modifier(modifier: i32) -> Option<Self> {
        let modifier = u32::try_from(modifier.checked_sub(4)?).ok()?;
        let precision = usize::try_from(modifier >> 16).ok()?;
        let scale = usize::try_from(modifier & 0xffff).ok()?;
        (scale <= precision).then_some(Self { precision, scale })
    }

    /// The digits before the point.
    fn whole(&self) -> usize {
        self.precision - self.scale
    }
}

/// Whether it is digits, perhaps a point and more digits, and fits, rounded or not.
#[inline]
pub(super) fn is_plain(limits: Option<&Limits>, value: &[u8]) -> bool {
    let unsigned = value.strip_prefix(b"-").unwrap_or(value);
    let whole = unsigned.iter().take_while(|byte| byte.is_ascii_digit());
    let whole = whole.count();
    let fraction = match &unsigned[whole..] {
        [] => 0,
        [b'.', fraction @ ..] if all_digits(fraction) => fraction.len(),
        _ => return false,
    };
    whole > 0
        && unsigned.len() <= MOST_DIGITS
        && limits.is_none_or(|limits| {
            // Rounding adds one digit at most.
            whole < limits.whole() || whole == limits.whole() && fraction <= limits.scale
        })
}

/// The same for floating point types: so few digits stay within their powers of ten, wherever the
/// point is.
#[inline]
pub(super) fn is_plain_float(value: &[u8]) -> bool {
    value.len() <= 36 && is_plain(None, value)
}

/// `numeric`.
pub(super) fn numeric(limits: Option<&Limits>, value: &[u8]) -> Verdict {
    let text = trimmed(value);
    if text.eq_ignore_ascii_case(b"nan") {
        return Verdict::Fine;
    }
    let (_, unsigned) = without_sign(text);
    if is_word(unsigned) || is_modern(unsigned) || unsigned.len() > MOST_DIGITS {
        return Verdict::Unsure;
    }
    let Some(number) = Decimal::read(unsigned) else {
        return Verdict::Bad(Fault::syntax("22P02", "numeric", value));
    };
    // Beyond 1000, versions have different faults.
    let Some(exponent @ -999..=999) = number.exponent else {
        return Verdict::Unsure;
    };
    if !number.rest.is_empty() {
        return Verdict::Bad(Fault::syntax("22P02", "numeric", value));
    }
    match limits {
        Some(limits) if number.exceeds(exponent, limits) => {
            Verdict::Bad(Fault::new("22003", "numeric field overflow"))
        }
        _ => Verdict::Fine,
    }
}

/// A floating point type. The exponents are of the power of ten that a number is just below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Float {
    name: &'static str,
    /// From here on, and above the next, every number is normal.
    least: i64,
    most: i64,
    /// Up to here every number is 0 to the type, and from the next on too large.
    nothing: i64,
    too_much: i64,
}

impl Float {
    /// `float4`.
    pub(super) const REAL: Self = Self {
        name: "real",
        least: -36,
        most: 38,
        nothing: -46,
        too_much: 40,
    };
    /// `float8`.
    pub(super) const DOUBLE: Self = Self {
        name: "double precision",
        least: -306,
        most: 308,
        nothing: -325,
        too_much: 310,
    };

    pub(super) fn judge(&self, value: &[u8]) -> Verdict {
        let text = trimmed(value);
        let (_, unsigned) = without_sign(text);
        let words: [&[u8]; 3] = [b"nan", b"infinity", b"-infinity"];
        if words.iter().any(|word| text.eq_ignore_ascii_case(word)) {
            return Verdict::Fine;
        }
        if is_word(unsigned) || has_base(unsigned) || unsigned.len() > MOST_DIGITS {
            return Verdict::Unsure;
        }
        let Some(number) = Decimal::read(unsigned) else {
            return Verdict::Bad(Fault::syntax("22P02", self.name, value));
        };
        // To old C libraries of Windows, `d` begins an exponent, too.
        let (Some(exponent), None | Some(b'\0'..=b'C' | b'E'..=b'c' | b'e'..)) =
            (number.exponent, number.rest.first())
        else {
            return Verdict::Unsure;
        };
        let size = number.size(exponent);
        let fits = size.is_none_or(|size| self.least <= size && size <= self.most);
        if fits && number.rest.is_empty() {
            return Verdict::Fine;
        }
        if fits {
            return Verdict::Bad(Fault::syntax("22P02", self.name, value));
        }
        let beyond = size.is_some_and(|size| size <= self.nothing || size >= self.too_much);
        // What is told of blanks around it differs from type to type and version to version.
        if !beyond || !number.rest.is_empty() || text.len() != value.len() {
            return Verdict::Unsure;
        }
        let (text, name) = (String::from_utf8_lossy(text), self.name);
        let reason = format!("\"{text}\" is out of range for type {name}");
        Verdict::Bad(Fault::new("22003", reason))
    }
}

/// A number as it is written, without its sign.
struct Decimal<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    /// `None` where an `e` has no whole number behind it.
    exponent: Option<i64>,
    rest: &'a [u8],
}

impl<'a> Decimal<'a> {
    /// `None` where there is no digit at the start.
    fn read(text: &'a [u8]) -> Option<Self> {
        let (whole, rest) = digits(text);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => digits(rest),
            _ => (&[][..], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (exponent, rest) = match rest {
            [b'e' | b'E', rest @ ..] => exponent(rest),
            _ => (Some(0), rest),
        };
        Some(Self {
            whole,
            fraction,
            exponent,
            rest,
        })
    }

    /// The digits from the first that is not 0.
    fn significant(&self) -> impl Iterator<Item = u8> {
        let digits = self.whole.iter().chain(self.fraction).copied();
        digits.skip_while(|digit| *digit == b'0')
    }

    /// The power of ten that it is just below: 3 for 123. `None` for 0.
    fn size(&self, exponent: i64) -> Option<i64> {
        let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let significant = self.significant().count();
        let fraction = length(self.fraction.len());
        (significant > 0).then(|| length(significant) - fraction + exponent)
    }

    /// Whether it has too many digits before the point when it is rounded to the scale.
    fn exceeds(&self, exponent: i64, limits: &Limits) -> bool {
        let Some(size) = self.size(exponent) else {
            return false;
        };
        let whole = i64::try_from(limits.whole()).unwrap_or(i64::MAX);
        if size != whole {
            return size > whole;
        }
        // It has the most digits it may have: 9.99 becomes 10.0.
        let mut digits = self.significant();
        let nines = digits.by_ref().take(limits.precision);
        let mut count = 0;
        let all_nines = nines.inspect(|_| count += 1).all(|digit| digit == b'9');
        all_nines && count == limits.precision && digits.next().is_some_and(|digit| digit >= b'5')
    }
}

/// What is behind an `e`.
fn exponent(text: &[u8]) -> (Option<i64>, &[u8]) {
    let (negative, unsigned) = without_sign(text);
    let (digits, rest) = digits(unsigned);
    if digits.is_empty() {
        return (None, text);
    }
    let size = i64::try_from(magnitude(digits).min(1_000_000)).ok();
    let exponent = size.map(|size| if negative { -size } else { size });
    (exponent, rest)
}

fn all_digits(text: &[u8]) -> bool {
    text.iter()
        .fold(true, |all, byte| all & byte.is_ascii_digit())
}

/// The digits at the start, and what follows them.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// Whether it is negative, and the rest.
fn without_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Whether it may be a number of PostgreSQL 16, and none before: `0x1F`, `1_000`.
fn is_modern(unsigned: &[u8]) -> bool {
    has_base(unsigned) || unsigned.contains(&b'_')
}

/// Whether it begins as a number of another base.
fn has_base(unsigned: &[u8]) -> bool {
    matches!(
        unsigned,
        [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]
    )
}

/// Whether it begins as one of the words that some versions or systems take for a number.
fn is_word(unsigned: &[u8]) -> bool {
    let start = unsigned.get(..3).unwrap_or_default();
    start.eq_ignore_ascii_case(b"nan") || start.eq_ignore_ascii_case(b"inf")
}
