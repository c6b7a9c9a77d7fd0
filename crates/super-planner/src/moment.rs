//! Points in a history, as people write them: the number of an entry of the log, or a time.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use state_store::task::Moment;
use state_store::{Seq, Timestamp};

/// Returns the point that the text names: a number, a time with its zone, or a time of this machine's zone.
pub fn parse(text: &str) -> Result<Moment, String> {
    if let Ok(seq) = text.parse() {
        return Ok(Moment::At(Seq::new(seq)));
    }
    let here = |time: DateTime| time.to_zoned(TimeZone::system()).map(|zoned| zoned.timestamp());
    let time = text.parse::<jiff::Timestamp>().or_else(|_| text.parse::<DateTime>().and_then(here));
    let time = time.map_err(|_| {
        "neither the number of an entry nor a time such as 2026-11-21T14:03:07+01:00".to_owned()
    })?;
    let millis = u64::try_from(time.as_millisecond()).map_err(|_| "a time before 1970".to_owned())?;
    Ok(Moment::Time(Timestamp::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_name_points() {
        assert_eq!(parse("0").unwrap(), Moment::At(Seq::START));
        assert_eq!(parse("12").unwrap(), Moment::At(Seq::new(12)));
        let time = Moment::Time(Timestamp::from_millis(1_001_000));
        assert_eq!(parse("1970-01-01T00:16:41Z").unwrap(), time);
        assert_eq!(parse("1970-01-01T01:16:41+01:00").unwrap(), time);
        assert!(matches!(parse("2026-11-21T14:03:07").unwrap(), Moment::Time(_)));
        assert!(matches!(parse("2026-11-21").unwrap(), Moment::Time(_)));
        for text in ["", "-1", "yesterday", "1969-12-31T00:00:00Z", "12a"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
