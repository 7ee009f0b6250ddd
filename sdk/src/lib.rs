//! What a plugin is written with: a function and an attribute.
//!
//! ```
//! use forebay_sdk::{Json, filter};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     amount: f64,
//! }
//!
//! /// Which messages a consumer gets.
//! #[filter]
//! fn big(subject: &str, order: Json<Order>) -> bool {
//!     subject.starts_with("orders.") && order.0.amount >= 100.0
//! }
//! ```
//!
//! # What
//! The attributes [`filter`], [`transform`] and [`init`], and what such functions take and give: [`Message`],
//! [`Headers`], [`Json`], [`Action`], [`Verdict`]. The function's signature is the contract: the server copies only
//! those parts of a message into the plugin that the function takes.
//!
//! # Boundary
//! Guest code only: on `wasm32-unknown-unknown` this crate is the glue of `forebay/1` (`docs/plugins/abi.md`). On any
//! other target the functions are plain functions, and `cargo test` tests them without a server.
//!
//! # Invariants
//! - `unsafe` lives in [`abi`] and in what the attributes generate, nowhere else.
//! - No allocation for a message that the function does not allocate for.
//!
//! # Not here (and where instead)
//! Limits, policies, reloads (`forebay-plugin-host`). Authentication plugins (`#[authenticate]`, `#[authorize]`) are not
//! built yet; the attributes say so when used.

pub mod abi;
mod action;
mod count;
mod headers;
mod init;
mod json;
pub mod log;
mod message;
mod verdict;

pub use action::{Action, Emit, HeaderEdit, IntoAction};
pub use count::count;
pub use forebay_sdk_macros::{authenticate, authorize, filter, init, transform};
pub use headers::Headers;
pub use init::IntoInit;
pub use json::Json;
pub use message::Message;
pub use verdict::{IntoVerdict, Verdict};
