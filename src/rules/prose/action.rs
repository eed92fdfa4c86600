//! What is done with a record, in words.

use super::line::Line;
use crate::model::level::Level;
use crate::model::strategy::Strategy;

/// What a column's value becomes, as what is said of the column.
pub fn strategy(strategy: &Strategy) -> Line {
    match strategy {
        Strategy::Random => Line::words("replaced by random text"),
        Strategy::Keyed => {
            Line::words("replaced by a pseudonym, the same for the same value while its key exists")
        }
        Strategy::Null => Line::words("emptied"),
        Strategy::Fixed(text) => Line::words("replaced by ").called(text).and(" for everybody"),
        Strategy::TruncateIp => Line::words("cut to the network of the address (/24 or /48)"),
        Strategy::TruncateDate => Line::words("cut to the month"),
    }
}

/// What the engine is asked for afterwards; none: nothing.
pub fn then(level: Level) -> Option<Line> {
    match level {
        Level::Logical => None,
        Level::Vacuumed => Some(Line::words("then the engine removes what versions it keeps (vacuumed)")),
        Level::Rewritten => Some(Line::words("then what held them is written anew without them (rewritten)")),
    }
}
