//! Civil days in a time zone.
