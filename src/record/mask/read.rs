//! Reads a value by the parts of a mask.

use std::io::Write as _;

use jiff::civil::{Date, DateTime, Weekday};

use super::parts::{Field, Part};

/// The names of the months.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The names of the days of the week, from Monday.
pub(super) const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// To how many characters `to_char` fills up a name.
const NAME: usize = 9;

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong<'m> {
    /// This part of the mask is not there, at this byte.
    Field(&'m str, usize),
    /// Nor this text.
    Text(&'m str, usize),
    /// It goes on here.
    TooLong(usize),
    /// It is not a number of seconds.
    Number,
    /// The name of the day of the week is that of another.
    Weekday,
    /// There is no such moment.
    Range,
}

/// A moment, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    date: Option<Date>,
    /// Hour, minute and second.
    time: Option<[u32; 3]>,
    nanoseconds: u32,
    offset: Option<Offset>,
}

/// Hours and minutes from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offset {
    west: bool,
    hours: u32,
    minutes: u32,
}

impl Found {
    /// A moment in UTC.
    pub(super) fn in_utc(moment: DateTime) -> Result<Self, Wrong<'static>> {
        let clock = [moment.hour(), moment.minute(), moment.second()];
        Ok(Self {
            date: Some(common_era(moment.date())?),
            time: Some(clock.map(|part| u32::from(part.unsigned_abs()))),
            nanoseconds: moment.subsec_nanosecond().unsigned_abs(),
            offset: Some(Offset {
                west: false,
                hours: 0,
                minutes: 0,
            }),
        })
    }

    /// Appends it in ISO form.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self {
            date,
            time,
            nanoseconds,
            offset,
        } = self;
        // Nothing that is written to memory fails.
        if let Some(date) = date {
            let (year, month, day) = (date.year(), date.month(), date.day());
            let _ = write!(out, "{year:04}-{month:02}-{day:02}");
            if time.is_some() {
                out.push(b' ');
            }
        }
        if let Some([hour, minute, second]) = time {
            let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
        }
        if *nanoseconds > 0 {
            let _ = write!(out, ".{nanoseconds:09}");
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
        if let Some(offset) = offset {
            let Offset { hours, minutes, .. } = offset;
            let sign = if offset.west { '-' } else { '+' };
            let _ = write!(out, " {sign}{hours:02}:{minutes:02}");
        }
    }
}

/// `date`, unless ISO cannot tell its year without further signs.
fn common_era(date: Date) -> Result<Date, Wrong<'static>> {
    if date.year() > 0 {
        Ok(date)
    } else {
        Err(Wrong::Range)
    }
}

/// Reads `value` by the parts of a mask.
pub(super) fn read<'m>(parts: &'m [Part], value: &[u8]) -> Result<Found, Wrong<'m>> {
    let mut reader = Reader {
        value,
        at: 0,
        blanks: 0,
    };
    let mut fields = Fields::default();
    for (index, part) in parts.iter().enumerate() {
        reader.blanks = parts.get(index + 1).map_or(0, Part::blanks);
        match part {
            Part::Literal(text) => {
                if !reader.take(text.as_bytes()) {
                    return Err(Wrong::Text(text, reader.at));
                }
            }
            Part::Field { field, name, whole } => {
                let at = reader.at;
                let read = fields.read(*field, *whole, &mut reader);
                read.ok_or(Wrong::Field(name, at))?;
            }
        }
    }
    if reader.at < value.len() {
        return Err(Wrong::TooLong(reader.at));
    }
    fields.put_together()
}

/// The parts of a moment, as they stand in a value.
#[derive(Debug, Default)]
struct Fields {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    /// 0 is Monday.
    weekday: Option<usize>,
    hour: Option<u32>,
    half_hour: Option<u32>,
    afternoon: bool,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    offset: Option<Offset>,
}

impl Fields {
    /// Reads one of them; `None` where something else stands there.
    fn read(&mut self, field: Field, whole: bool, reader: &mut Reader<'_>) -> Option<()> {
        match field {
            Field::Year => self.year = Some(reader.number(4, true)?),
            Field::ShortYear(pivot) => {
                let year = reader.number(2, true)?;
                let century = if year < u32::from(pivot) { 2000 } else { 1900 };
                self.year = Some(century + year);
            }
            Field::Month => self.month = Some(reader.number(2, whole)?),
            Field::MonthName { short } => {
                let index = reader.name(&MONTHS, short)?;
                self.month = u32::try_from(index + 1).ok();
            }
            Field::Day => self.day = Some(reader.number(2, whole)?),
            Field::DayOfYear => self.day_of_year = Some(reader.number(3, whole)?),
            Field::WeekdayName { short } => self.weekday = Some(reader.name(&WEEKDAYS, short)?),
            Field::Hour => self.hour = Some(reader.number(2, whole)?),
            Field::HalfHour => self.half_hour = Some(reader.number(2, whole)?),
            Field::Meridian { dots } => {
                let words = if dots { ["A.M.", "P.M."] } else { ["AM", "PM"] };
                self.afternoon = reader.word(&words)? == 1;
            }
            Field::Minute => self.minute = reader.number(2, whole)?,
            Field::Second => self.second = reader.number(2, whole)?,
            Field::Decimals(most) => self.nanoseconds = reader.decimals(most, whole)?,
            Field::OffsetHour => {
                self.offset = Some(Offset {
                    west: reader.is_west()?,
                    hours: reader.number(2, whole)?,
                    minutes: self.offset.map_or(0, |offset| offset.minutes),
                });
            }
            Field::OffsetMinute => {
                let minutes = reader.number(2, whole)?;
                let offset = self.offset.get_or_insert(Offset {
                    west: false,
                    hours: 0,
                    minutes,
                });
                offset.minutes = minutes;
            }
            Field::Offset => self.offset = Some(reader.offset()?),
        }
        Some(())
    }

    /// The moment that they are.
    fn put_together(&self) -> Result<Found, Wrong<'static>> {
        let date = self.date()?;
        if let (Some(weekday), Some(date)) = (self.weekday, date) {
            let days = date.weekday().since(Weekday::Monday).unsigned_abs();
            if weekday != usize::from(days) {
                return Err(Wrong::Weekday);
            }
        }
        let offset_fits = |offset: Offset| offset.hours < 16 && offset.minutes < 60;
        if !self.offset.is_none_or(offset_fits) {
            return Err(Wrong::Range);
        }
        Ok(Found {
            date,
            time: self.time()?,
            nanoseconds: self.nanoseconds,
            offset: self.offset,
        })
    }

    fn date(&self) -> Result<Option<Date>, Wrong<'static>> {
        let Some(year) = self.year else {
            return Ok(None);
        };
        let year = i16::try_from(year).map_err(|_| Wrong::Range)?;
        let part = |part: Option<u32>| i8::try_from(part.unwrap_or(1));
        let (Ok(month), Ok(day)) = (part(self.month), part(self.day)) else {
            return Err(Wrong::Range);
        };
        let mut date = Date::new(year, month, day).map_err(|_| Wrong::Range)?;
        if let Some(day) = self.day_of_year {
            let day = i16::try_from(day).map_err(|_| Wrong::Range)?;
            let built = date.with().day_of_year(day).build();
            date = built.map_err(|_| Wrong::Range)?;
        }
        common_era(date).map(Some)
    }

    fn time(&self) -> Result<Option<[u32; 3]>, Wrong<'static>> {
        let hour = match (self.hour, self.half_hour) {
            (Some(hour), _) => hour,
            (None, Some(hour @ 1..=12)) => hour % 12 + if self.afternoon { 12 } else { 0 },
            (None, Some(_)) => return Err(Wrong::Range),
            (None, None) => return Ok(None),
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return Err(Wrong::Range);
        }
        Ok(Some([hour, self.minute, self.second]))
    }
}

/// A value, and how far it has been read.
struct Reader<'a> {
    value: &'a [u8],
    at: usize,
    /// How many blanks follow the part that is read, by the mask.
    blanks: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &[u8] {
        &self.value[self.at..]
    }

    /// Whether the value goes on like this; it is passed then.
    fn take(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// A number of up to `most` digits, or of exactly as many, and how many they are.
    fn digits(&mut self, most: usize, whole: bool) -> Option<(u32, usize)> {
        let rest = self.rest().iter().take(most);
        let digits = rest.map_while(|byte| char::from(*byte).to_digit(10));
        let length = digits.clone().count();
        let enough = if whole { length == most } else { length > 0 };
        let number = digits.fold(0, |number, digit| number * 10 + digit);
        self.at += length;
        enough.then_some((number, length))
    }

    fn number(&mut self, most: usize, whole: bool) -> Option<u32> {
        self.digits(most, whole).map(|(number, _)| number)
    }

    /// Decimals of a second, as nanoseconds.
    fn decimals(&mut self, most: usize, whole: bool) -> Option<u32> {
        let (number, length) = self.digits(most, whole)?;
        let missing = u32::try_from(9_usize.checked_sub(length)?).ok()?;
        Some(number * 10_u32.pow(missing))
    }

    /// Which of `words` stands there, in upper or lower case.
    fn word(&mut self, words: &[&str]) -> Option<usize> {
        let rest = self.rest();
        let index = words.iter().position(|word| {
            let begins = rest.get(..word.len());
            begins.is_some_and(|begins| begins.eq_ignore_ascii_case(word.as_bytes()))
        })?;
        self.at += words[index].len();
        Some(index)
    }

    /// Which of `names` stands there; a whole one may be filled up with blanks.
    fn name<const N: usize>(&mut self, names: &[&str; N], short: bool) -> Option<usize> {
        if short {
            return self.word(&names.map(|name| &name[..3]));
        }
        let index = self.word(names)?;
        let filling = NAME.saturating_sub(names[index].len());
        let blanks = self.rest().iter().take_while(|byte| **byte == b' ');
        if blanks.count() >= filling + self.blanks {
            self.at += filling;
        }
        Some(index)
    }

    /// The sign of an offset.
    fn is_west(&mut self) -> Option<bool> {
        Some(self.word(&["+", "-"])? == 1)
    }

    /// `+0800`, `+08:00`, `+08` or `Z`.
    fn offset(&mut self) -> Option<Offset> {
        if self.take(b"Z") {
            return Some(Offset {
                west: false,
                hours: 0,
                minutes: 0,
            });
        }
        let west = self.is_west()?;
        let hours = self.number(2, true)?;
        let more = self.take(b":") || self.rest().first().is_some_and(u8::is_ascii_digit);
        let minutes = if more { self.number(2, true)? } else { 0 };
        Some(Offset {
            west,
            hours,
            minutes,
        })
    }
}
