//! Moments as people read them: in the time zone of this machine.

use state_store::Timestamp;

/// Returns date and time to the second, with the zone, such as `2026-11-21 14:03:07 CET`.
pub(crate) fn local_time(at: Timestamp) -> String {
    let moment = i64::try_from(at.as_millis()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let moment = moment.unwrap_or(jiff::Timestamp::MAX);
    moment.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}
