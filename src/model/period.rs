//! Periods as people write them.
