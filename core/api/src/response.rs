//! The envelope of every API answer, and what is shared by paged ones.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// An API answer: its type, perhaps an error, then the body's fields.
///
/// An answer that fails has the default body: nats-server's non-optional fields are there with zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Response<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ApiError>,
    #[serde(flatten)]
    body: T,
}

impl<T: Serialize + Default> Response<T> {
    /// The answer to a request that worked. `kind` is the whole type name, such as [`crate::routes::Route::kind`].
    #[must_use]
    pub fn ok(kind: &'static str, body: T) -> Self {
        Self { kind, error: None, body }
    }

    /// The answer to a request that failed.
    #[must_use]
    pub fn failed(kind: &'static str, error: ApiError) -> Self {
        Self { kind, error: Some(error), body: T::default() }
    }

    /// Either of them.
    #[must_use]
    pub fn from_result(kind: &'static str, result: Result<T, ApiError>) -> Self {
        match result {
            Ok(body) => Self::ok(kind, body),
            Err(error) => Self::failed(kind, error),
        }
    }

    /// The JSON, as nats-server writes it.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        crate::json::to_vec(self)
    }
}

/// Where a page begins, and how long it may be (nats-server `ApiPaged`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paged {
    /// Entries on all pages.
    pub total: u64,
    /// The index of this page's first entry.
    pub offset: u64,
    /// Most entries of a page.
    pub limit: u64,
}

impl Paged {
    /// The page that a request for `offset` gets, and the range of entries on it. An offset beyond the end gives an
    /// empty page at the end; a negative one gives the first page.
    #[must_use]
    pub fn new(total: usize, offset: i64, limit: usize) -> (Self, std::ops::Range<usize>) {
        let start = usize::try_from(offset.max(0)).unwrap_or(usize::MAX).min(total);
        let end = start.saturating_add(limit).min(total);
        (Self { total: total as u64, offset: start as u64, limit: limit as u64 }, start..end)
    }
}

/// An answer that says no more than that it worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Success {
    /// True unless there is an error.
    #[serde(skip_serializing_if = "crate::omit::is_false")]
    pub success: bool,
}

impl Success {
    /// It worked.
    pub const DONE: Self = Self { success: true };
}

/// An answer with nothing but its type and its error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_answer_keeps_the_fields_that_go_always_writes() {
        let answer = Response::<Paged>::failed("t", ApiError::stream_not_found());
        let text = String::from_utf8(answer.to_json()).unwrap();
        let error = r#"{"code":404,"err_code":10059,"description":"stream not found"}"#;
        assert_eq!(text, format!(r#"{{"type":"t","error":{error},"total":0,"offset":0,"limit":0}}"#));
    }

    #[test]
    fn a_page_never_leaves_the_list() {
        assert_eq!(Paged::new(10, 3, 4).1, 3..7);
        assert_eq!(Paged::new(10, 9, 4).1, 9..10);
        assert_eq!(Paged::new(10, 99, 4), (Paged { total: 10, offset: 10, limit: 4 }, 10..10));
        assert_eq!(Paged::new(10, -5, 4).1, 0..4);
        assert_eq!(Paged::new(10, i64::MAX, usize::MAX).1, 10..10);
    }
}
