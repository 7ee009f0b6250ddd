//! A payload as JSON.

use serde::Deserialize;

/// An argument that takes the payload as JSON: `order: Json<Order>`. A payload that is not what `T` wants is not judged:
/// the operator's policy decides about it (`on_error`). `T` may borrow from the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<'a, T: Deserialize<'a>> Json<T> {
    /// Reads a payload.
    pub fn read(payload: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(payload)
            .map(Json)
            .map_err(|error| format!("the payload is not the JSON expected: {error}"))
    }
}
