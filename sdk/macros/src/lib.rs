//! The attributes of `forebay-sdk`.
//!
//! # What
//! `#[filter]`, `#[transform]`, `#[init]`: each leaves its function as it is, and adds what the server needs to find and
//! call it: a line in the custom section `forebay.plugin` and an export (`docs/plugins/abi.md`).
//!
//! # Boundary
//! Tokens in, tokens out. Everything that runs is in `forebay_sdk::abi`.
//!
//! # Invariants
//! - What an attribute refuses, it refuses with a text that says what is allowed.
//! - On targets other than wasm32 nothing but a type check is added.
//!
//! # Not here (and where instead)
//! What functions may return: traits of `forebay-sdk`, so that the compiler checks it.

mod argument;
mod expand;

use proc_macro::TokenStream;

/// A function that says which messages a consumer gets.
///
/// It takes any of `&str` (the subject; named `reply`, the reply subject), `&Headers`, `&[u8]` (the payload), `Json<T>`
/// (the payload as JSON) and `&Message` (all of it); the server copies only what it takes. It returns `bool`, `Verdict`,
/// or a `Result` of either; an error leaves the message to the operator's policy.
#[proc_macro_attribute]
pub fn filter(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::filter(attribute.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// A function that changes, drops or rejects messages as they are published.
///
/// It takes what a `#[filter]` takes, and returns `Action`, `String` (the new subject), `Option<String>`, or a `Result`
/// of one of them; an error rejects the message.
#[proc_macro_attribute]
pub fn transform(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::transform(attribute.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// A function that gets the plugin's config once, before any message. It takes one value that serde can read, and
/// returns nothing or a `Result`; an error refuses the config, and what ran before runs on.
#[proc_macro_attribute]
pub fn init(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::init(attribute.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Not built yet.
#[proc_macro_attribute]
pub fn authenticate(_: TokenStream, item: TokenStream) -> TokenStream {
    expand::not_built("authenticate", item.into()).into()
}

/// Not built yet.
#[proc_macro_attribute]
pub fn authorize(_: TokenStream, item: TokenStream) -> TokenStream {
    expand::not_built("authorize", item.into()).into()
}
