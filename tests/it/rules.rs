//! The rule language and the configuration.
