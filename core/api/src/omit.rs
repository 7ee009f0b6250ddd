//! The questions behind Go's `omitempty`, for serde's `skip_serializing_if`.
#![allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]

/// True for the boolean that Go leaves out.
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// True for the number that Go leaves out.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
