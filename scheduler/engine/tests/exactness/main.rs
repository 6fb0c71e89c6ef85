//! The engine against the reference, placement by placement.
//!
//! [`reference`] is a scheduler that looks at every host every time; [`pair`] drives it and the engine side by side
//! and compares every answer; [`scenario`] is a sequence of steps as plain data, made by [`generate`] from a seed;
//! [`property`] runs many of them and reduces one that fails to its smallest form; [`story`] holds examples to read.
//!
//! `PROPTEST_CASES` sets how many random cells are tried (see [`property`]); a failure prints the seed, and
//! `MERIDIAN_SEED` runs that one alone.

mod generate;
mod pair;
mod property;
mod reference;
mod scenario;
mod story;
