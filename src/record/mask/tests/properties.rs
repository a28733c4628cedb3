use jiff::civil::date;
use proptest::prelude::*;

use super::super::parts::Field;
use super::super::read::{MONTHS, WEEKDAYS};
use super::*;

/// What is true of a moment: its date, its clock, and its offset in minutes.
#[derive(Debug, Clone, Copy)]
struct Sample {
    moment: DateTime,
    offset: i16,
}

fn samples() -> impl Strategy<Value = Sample> {
    let day = date(1, 1, 1);
    (
        0..3_652_059_i32,
        0..86_400_i64,
        0..1_000_000_000_i64,
        -959..960_i16,
    )
        .prop_map(move |(days, seconds, nanoseconds, offset)| {
            let day = day.checked_add(jiff::Span::new().days(days)).unwrap();
            let clock = jiff::Span::new().seconds(seconds).nanoseconds(nanoseconds);
            let moment = day.at(0, 0, 0, 0).checked_add(clock).unwrap();
            Sample { moment, offset }
        })
}

impl Sample {
    /// Itself, without what `mask` leaves out.
    fn cut(mut self, mask: &[Part]) -> Self {
        let fields = || {
            mask.iter().filter_map(|part| match part {
                Part::Field { field, .. } => Some(*field),
                Part::Literal(_) => None,
            })
        };
        let has = |field: Field| fields().any(|other| other == field);
        let mut with = self.moment.with();
        let mut places = 0;
        for field in fields() {
            match field {
                Field::ShortYear(pivot) => {
                    let first = i16::try_from(pivot).unwrap() + 1900;
                    let year = first + self.moment.year().rem_euclid(100);
                    with = with.year(year).day(self.moment.day().min(28));
                }
                Field::Decimals(most) => places = most,
                _ => {}
            }
        }
        let place = 10_i32.pow(9 - u32::try_from(places).unwrap());
        with = with.subsec_nanosecond(self.moment.subsec_nanosecond() / place * place);
        if !has(Field::Second) {
            with = with.second(0);
        }
        if !has(Field::OffsetMinute) {
            self.offset -= self.offset % 60;
        }
        self.moment = with.build().unwrap();
        self
    }

    fn written(&self, mask: &[Part], cases: bool) -> String {
        let mut text = String::new();
        for part in mask {
            let field = match part {
                Part::Literal(literal) => {
                    text.push_str(literal);
                    continue;
                }
                Part::Field { field, .. } => *field,
            };
            let moment = self.moment;
            let name = |name: &str, short: bool| {
                let name = if short { &name[..3] } else { name };
                if cases {
                    name.to_uppercase()
                } else {
                    name.to_lowercase()
                }
            };
            let hour = moment.hour();
            text.push_str(&match field {
                Field::Year => format!("{:04}", moment.year()),
                Field::ShortYear(_) => format!("{:02}", moment.year() % 100),
                Field::Month => format!("{:02}", moment.month()),
                Field::MonthName { short } => {
                    name(MONTHS[usize::try_from(moment.month()).unwrap() - 1], short)
                }
                Field::Day => format!("{:02}", moment.day()),
                Field::DayOfYear => format!("{:03}", moment.day_of_year()),
                Field::WeekdayName { short } => {
                    let index = moment.weekday().to_monday_zero_offset();
                    name(WEEKDAYS[usize::try_from(index).unwrap()], short)
                }
                Field::Hour => format!("{hour:02}"),
                Field::HalfHour => format!("{:02}", (hour + 11) % 12 + 1),
                Field::Meridian { dots } => {
                    let word = if hour < 12 {
                        ["AM", "A.M."]
                    } else {
                        ["PM", "P.M."]
                    };
                    word[usize::from(dots)].to_owned()
                }
                Field::Minute => format!("{:02}", moment.minute()),
                Field::Second => format!("{:02}", moment.second()),
                Field::Decimals(most) => {
                    format!("{:09}", moment.subsec_nanosecond())[..most].to_owned()
                }
                Field::OffsetHour => {
                    let sign = if self.offset < 0 { '-' } else { '+' };
                    format!("{sign}{:02}", self.offset.abs() / 60)
                }
                Field::OffsetMinute => format!("{:02}", self.offset.abs() % 60),
                Field::Offset => unreachable!("not in these masks"),
            });
        }
        text
    }

    fn iso(&self, time: bool, offset: bool) -> String {
        let mut text = format!("{}", self.moment.date());
        if time {
            text.push_str(&format!(" {}", self.moment.time()));
        }
        if offset {
            let sign = if self.offset < 0 { '-' } else { '+' };
            let (hours, minutes) = (self.offset.abs() / 60, self.offset.abs() % 60);
            text.push_str(&format!(" {sign}{hours:02}:{minutes:02}"));
        }
        text
    }
}

const MASKS: &[(&str, bool, bool)] = &[
    ("DD.MM.YYYY", false, false),
    ("YYYYMMDD", false, false),
    ("MM/DD/YY", false, false),
    ("DD-MON-RR", false, false),
    ("DAY, DD MONTH YYYY", false, false),
    ("YYYY.DDD DY", false, false),
    ("YYYYMMDDHH24MISSUS", true, false),
    ("DD/MM/YYYY HH24:MI", true, false),
    ("YYYY-MM-DD\"T\"HH24:MI:SS.FF3", true, false),
    ("YYYY年MM月DD日 HH12:MI:SS.FF A.M.", true, false),
    ("MON DD, YYYY HH:MI:SSPM", true, false),
    ("YYYY-MM-DD HH24:MI:SS.MS TZH:TZM", true, true),
    ("YYYYMMDDHH24MISSTZHTZM", true, true),
    ("TZH YYYY-MM-DD HH24:MI:SS.FF1", true, true),
];

proptest! {
    #[test]
    fn what_a_mask_writes_it_reads(sample in samples(), cases in any::<bool>()) {
        for (mask, time, offset) in MASKS {
            let parts = parts::parse(mask).unwrap();
            let sample = sample.cut(&parts);
            let value = sample.written(&parts, cases);
            prop_assert_eq!(rewritten(mask, &value), Ok(sample.iso(*time, *offset)), "{} {}", mask, value);
        }
    }

    #[test]
    fn what_strftime_writes_is_read(sample in samples()) {
        let Sample { moment, offset } = sample;
        let seconds = i32::from(offset) * 60;
        let zone = jiff::tz::TimeZone::fixed(Offset::from_seconds(seconds).unwrap());
        for (mask, time, has_offset) in [
            ("%Y-%m-%dT%H:%M:%S.%f%z", true, true),
            ("%F %T.%f %:z", true, true),
            ("%a, %d %b %Y %I:%M:%S.%f %p", true, false),
            ("%A %B %d %Y", false, false),
            ("%Y%j", false, false),
            ("%Y%m%d%H%M%S%t%f", true, false),
        ] {
            let Ok(zoned) = moment.to_zoned(zone.clone()) else {
                // Too near to the end of time.
                continue;
            };
            let value = jiff::fmt::strtime::format(mask, &zoned).unwrap();
            let expected = sample.iso(time, has_offset);
            prop_assert_eq!(rewritten(mask, &value), Ok(expected), "{} {}", mask, value);
        }
    }

    #[test]
    fn what_is_counted_is_the_moment(sample in samples()) {
        let timestamp = Offset::UTC.to_timestamp(sample.moment).unwrap();
        let expected = format!("{} +00:00", sample.iso(true, false));
        let nanoseconds = timestamp.as_nanosecond();
        let sign = if nanoseconds < 0 { "-" } else { "" };
        let count = nanoseconds.unsigned_abs();
        for (mask, unit) in [("epoch", 1_000_000_000_u128), ("epoch_ms", 1_000_000)] {
            let width = unit.ilog10() as usize;
            let value = format!("{sign}{}.{:0width$}", count / unit, count % unit);
            prop_assert_eq!(rewritten(mask, &value), Ok(expected.clone()), "{} {}", mask, value);
        }
    }

    #[test]
    fn no_mask_and_no_value_panics(
        mask in "(YYYY|YY|MM|DD|DDD|MON|HH24|HH|AM|FF|TZH|%[a-zA-Z]|[-./ \"\\\\\u{e9}]){0,8}",
        value in "([0-9]{1,4}|[-+./: ]|Jan|AM|\u{e9}){0,12}",
        bytes in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        if let Ok(mask) = Mask::parse(&mask) {
            for value in [value.as_bytes(), &bytes] {
                let mut out = Vec::new();
                let rewritten = mask.rewrite(value, &mut out);
                prop_assert_eq!(rewritten.is_err(), out.is_empty());
            }
        }
    }
}
