//! The error of an API answer or a PubAck, with one constructor for each row of the table `errors.toml`.

mod generated;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::omit::is_zero;

/// An error as JetStream's clients see it (nats-server `ApiError`).
///
/// Built by the constructors that the table gives, such as [`ApiError::stream_not_found`]; the numbers and texts are
/// compatibility data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{description} ({err_code})")]
pub struct ApiError {
    /// An HTTP-like status.
    pub code: u16,
    /// The number of the error.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub err_code: u16,
    /// What happened.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub description: Cow<'static, str>,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRow {
    /// The number of the error.
    pub err_code: u16,
    /// The HTTP-like status.
    pub code: u16,
    /// The constructor's name.
    pub name: &'static str,
    /// The text, with placeholders in braces.
    pub text: &'static str,
}

impl ApiError {
    /// True if both are the same row of the table, whatever was filled in.
    #[must_use]
    pub fn is_same_kind(&self, other: &Self) -> bool {
        self.err_code == other.err_code
    }
}

/// Makes the constructors and [`ErrorRow`]s from the generated rows.
macro_rules! error_rows {
    ($($(#[$doc:meta])* $err_code:literal $code:literal $name:ident($($argument:ident),*) $text:literal;)*) => {
        /// Every row of the table, by rising number.
        pub const ERRORS: &[super::ErrorRow] = &[
            $(super::ErrorRow { err_code: $err_code, code: $code, name: stringify!($name), text: $text },)*
        ];

        impl super::ApiError {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name($($argument: impl std::fmt::Display),*) -> Self {
                    super::describe!($err_code $code $text $($argument)*)
                }
            )*
        }
    };
}

/// A fixed text is borrowed, one with placeholders is made.
macro_rules! describe {
    ($err_code:literal $code:literal $text:literal) => {
        Self { code: $code, err_code: $err_code, description: std::borrow::Cow::Borrowed($text) }
    };
    ($err_code:literal $code:literal $text:literal $($argument:ident)+) => {
        Self { code: $code, err_code: $err_code, description: std::borrow::Cow::Owned(format!($text)) }
    };
}

use {describe, error_rows};

pub use generated::ERRORS;

#[cfg(test)]
#[path = "../codegen/errors.rs"]
mod codegen;

#[cfg(test)]
mod tests;
