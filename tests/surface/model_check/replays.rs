//! Sequences that once failed.
