//! Why a type does not take a value: the error of the deserializers of both formats.

use super::error::{Broken, clipped, own_name, without_values};
use serde::de::{Error, Expected, Unexpected};
use std::fmt;

/// A sentence that never repeats the peer's value. One word in size, since it travels beside every
/// value that is read.
#[derive(Debug)]
pub(super) struct Refused(Box<Sentence>);

#[derive(Debug)]
struct Sentence(String);

impl Refused {
    #[cold]
    pub(super) fn new(rule: impl Into<String>) -> Self {
        Self(Box::new(Sentence(rule.into())))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.0)
    }
}

impl std::error::Error for Refused {}

impl From<Broken> for Refused {
    #[cold]
    fn from(broken: Broken) -> Self {
        Self::new(broken.rule)
    }
}

// What was found instead is the peer's, and is left out everywhere.
impl Error for Refused {
    #[cold]
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(without_values(&text))
    }

    #[cold]
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        instead("invalid type", expected)
    }

    #[cold]
    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        instead("invalid value", expected)
    }

    #[cold]
    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        instead("invalid length", expected)
    }

    #[cold]
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::new("unknown variant")
    }

    #[cold]
    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::new("unknown field")
    }

    #[cold]
    fn missing_field(name: &'static str) -> Self {
        Self::new(format!("missing field {}", own_name(&format!("`{name}`"))))
    }

    #[cold]
    fn duplicate_field(name: &'static str) -> Self {
        Self::new(format!("duplicate field {}", own_name(&format!("`{name}`"))))
    }
}

fn instead(what: &str, expected: &dyn Expected) -> Refused {
    Refused::new(format!("{what}, expected {}", clipped(&expected.to_string())))
}
